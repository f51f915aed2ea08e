// Package testkit holds fixtures for the tests of the plugin host and of the
// packages above it.
package testkit

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/ktstr/ktstr/internal/linux"
	"github.com/ktstr/ktstr/internal/testenv"
)

// DescribeLine is a line of shell that answers `describe` as the plugin
// "script" of version 1.0.
const DescribeLine = `[ "$1" = describe ] && { echo '{"name": "script", "version": "1.0"}'; exit; }` + "\n"

// Script writes an executable with that text and returns its path.
func Script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ktstr-plugin-script")
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// Executable returns the path of a link to the test program, or to a build of it without
// the race detector. Its name is ktstr-plugin-NAME.
func Executable(t *testing.T, name string) string {
	t.Helper()
	self, err := testenv.Program()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ktstr-plugin-"+name)
	if err := os.Link(self, path); err != nil {
		data, err := os.ReadFile(self)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// Run runs the tests of a package and returns the exit status. It fails if a
// child process or a socket directory of this process is left at the end.
func Run(m *testing.M) int {
	// It is built now, because a test may change the environment that go build needs.
	if _, err := testenv.Program(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	status := m.Run()
	left, err := leftovers()
	if err != nil {
		left = append(left, err.Error())
	}
	for _, name := range left {
		fmt.Fprintln(os.Stderr, "the tests left behind:", name)
	}
	return status | min(len(left), 1)
}

// leftovers lists the children of this process and its socket directories.
func leftovers() ([]string, error) {
	self := os.Getpid()
	children, err := linux.Children(self)
	if err != nil {
		return nil, err
	}
	var left []string
	for _, pid := range children {
		left = append(left, fmt.Sprintf("process %d (%s)", pid, linux.Name(pid)))
	}
	dirs, err := filepath.Glob(filepath.Join("/tmp", fmt.Sprintf("ktstr-%d-*", self)))
	return append(left, dirs...), err
}

// Running lists the processes whose command line contains text.
func Running(t *testing.T, text string) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, f := range files {
		if line, err := os.ReadFile(f); err == nil && bytes.Contains(line, []byte(text)) {
			found = append(found, f)
		}
	}
	return found
}
