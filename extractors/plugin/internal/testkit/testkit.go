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

// Executable returns the path of a link to the test binary whose name is
// ktstr-plugin-NAME.
func Executable(t *testing.T, name string) string {
	t.Helper()
	self, err := os.Executable()
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

// LeavesNothing fails the test if, at its end, a child process, or a socket
// directory of this process is left.
func LeavesNothing(t *testing.T) {
	t.Helper()
	before := leftovers(t)
	t.Cleanup(func() {
		for what := range leftovers(t) {
			if !before[what] {
				t.Errorf("left behind: %s", what)
			}
		}
	})
}

func leftovers(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	self := os.Getpid()
	children, err := linux.Children(self)
	if err != nil {
		t.Fatal(err)
	}
	for _, pid := range children {
		found[fmt.Sprintf("process %d (%s)", pid, linux.Name(pid))] = true
	}
	dirs, err := filepath.Glob(filepath.Join("/tmp", fmt.Sprintf("ktstr-%d-*", self)))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dirs {
		found[d] = true
	}
	return found
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
