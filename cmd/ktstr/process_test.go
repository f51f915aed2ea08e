package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// limit is the deadline of a command that a test runs. It is generous because it is for failing tests only, and because the
// machine may be busy.
const limit = 2 * time.Minute

// newCommand returns ktstr with these arguments, to be run in a process of its own. It is killed after limit, and Wait does
// not wait for a descendant that keeps stdout or stderr open.
func newCommand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, "/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), asCommand+"=1")
	cmd.WaitDelay = time.Second
	return cmd
}

// namedPipe is a named pipe through which a process of a test says how far it is. A read ends with an error after limit,
// also if no process opens the pipe.
type namedPipe struct {
	path  string
	read  *bufio.Reader
	write *os.File // keeps the pipe from ending before the first process has opened it
}

func newNamedPipe(t *testing.T) namedPipe {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	read, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { read.Close() })
	if err := read.SetReadDeadline(time.Now().Add(limit)); err != nil {
		t.Fatal(err)
	}
	write, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { write.Close() })
	return namedPipe{path, bufio.NewReader(read), write}
}

// line waits for a line.
func (p namedPipe) line(t *testing.T) string {
	t.Helper()
	text, err := p.read.ReadString('\n')
	if err != nil {
		t.Fatalf("%s: %v after %q: want a line", p.path, err, text)
	}
	return strings.TrimSuffix(text, "\n")
}

// rest waits until no process holds the pipe open for writing.
func (p namedPipe) rest(t *testing.T) {
	t.Helper()
	p.write.Close()
	if _, err := io.ReadAll(p.read); err != nil {
		t.Errorf("%s: %v: want its end, because all processes that wrote to it are gone", p.path, err)
	}
}

// started runs ktstr with a shell script as its payload, and returns when the script has written a line to $READY.
func started(t *testing.T, script string, args ...string) (cmd *exec.Cmd, ready namedPipe, stdout, stderr *bytes.Buffer) {
	t.Helper()
	dir := t.TempDir()
	ready = newNamedPipe(t)
	bench := filepath.Join(dir, "bench")
	if err := os.WriteFile(bench, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	stdout, stderr = new(bytes.Buffer), new(bytes.Buffer)
	cmd = newCommand(t, append([]string{"run", bench, "--out", filepath.Join(dir, "runs"), "-o", "json"}, args...)...)
	cmd.Env = append(cmd.Env, "READY="+ready.path)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready.line(t)
	return cmd, ready, stdout, stderr
}
