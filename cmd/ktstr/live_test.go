package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The progress line names the limit, so that a reader takes neither time for the remaining time.
func TestElapsedText(t *testing.T) {
	for _, c := range []struct {
		elapsed, timeout time.Duration
		want             string
	}{
		{1200 * time.Millisecond, 90 * time.Second, "1s  (limit 1m30s)"},
		{61 * time.Second, 0, "1m1s"},
		{time.Hour, 90 * time.Second, "1h0m0s  (limit 1m30s)"},
	} {
		if got := elapsedText(c.elapsed, c.timeout); got != c.want {
			t.Errorf("%v of %v: got %q, want %q", c.elapsed, c.timeout, got, c.want)
		}
	}
}

// A terminal with TERM=dumb gets no control sequences, because it would print them.
func TestDumbTerminalGetsNoControlSequences(t *testing.T) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("this system has no pseudo-terminals")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	t.Setenv("NO_COLOR", "")
	for term, want := range map[string]bool{"xterm": true, "dumb": false} {
		t.Setenv("TERM", term)
		if terminal(tty) == 0 || steerable(tty) != want || bool(styleOf(tty)) != want {
			t.Errorf("TERM=%s: %d columns, steerable %v, colour %v", term, terminal(tty), steerable(tty), styleOf(tty))
		}
	}
	if steerable(io.Discard) {
		t.Error("a writer that is no terminal is steerable")
	}
}
