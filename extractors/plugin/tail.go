package plugin

import (
	"bytes"
	"errors"
	"math"
	"os"
	"strings"
	"sync"

	"github.com/ktstr/ktstr/internal/text"
	"golang.org/x/sys/unix"
)

const (
	tailHead  = 4 << 10  // kept of the beginning, because a Go crash begins with its reason
	tailBytes = 16 << 10 // kept of the end
	tailLines = 12       // shown in an error
)

// tail keeps the beginning and the end of a plugin's output. It is safe for
// several goroutines.
type tail struct {
	taking sync.Mutex // held from a read of a pipe to the write of these bytes
	mu     sync.Mutex
	head   []byte
	last   []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(p)
	if room := tailHead - len(t.head); room > 0 {
		k := min(room, len(p))
		t.head = append(t.head, p[:k]...)
		p = p[k:]
	}
	t.last = append(t.last, p...)
	if extra := len(t.last) - tailBytes; extra > tailBytes {
		t.last = append(t.last[:0], t.last[extra:]...)
	}
	return n, nil
}

// take moves the bytes that are in the pipe now into the tail, at most that
// many, and does not wait for more. It reports whether the pipe has ended.
func (t *tail) take(pipe, most int) (ended bool) {
	b := make([]byte, 16<<10)
	for most > 0 {
		t.taking.Lock()
		n, err := unix.Read(pipe, b)
		if n > 0 {
			t.Write(b[:n])
			most -= n
		}
		t.taking.Unlock()
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			return false
		case err != nil || n <= 0:
			return true
		}
	}
	return false
}

// pipeful is more than a pipe holds. It bounds the read from a process that
// never stops writing.
const pipeful = 1 << 20

// follow takes from the pipe until its end, or its deadline.
func (t *tail) follow(pipe *os.File) {
	raw, err := pipe.SyscallConn()
	if err != nil {
		return
	}
	if raw.Read(func(fd uintptr) bool { return t.take(int(fd), math.MaxInt) }) != nil {
		raw.Control(func(fd uintptr) { t.take(int(fd), pipeful) })
	}
}

// catchUp takes the bytes that are in the pipe now. An error may arrive over the
// socket before the text that the plugin wrote to standard error earlier.
func (t *tail) catchUp(pipe *os.File) {
	if raw, err := pipe.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { t.take(int(fd), pipeful) })
	}
}

// lines returns the lines to show in an error: those from the first line of the
// last crash on, else the last lines.
func (t *tail) lines() []string {
	t.mu.Lock()
	kept := append(bytes.Clone(t.head), t.last...)
	t.mu.Unlock()
	var all []string
	crash := -1
	for line := range strings.Lines(string(kept)) {
		// Indentation is part of a traceback.
		line = text.Line(strings.ReplaceAll(strings.TrimRight(line, " \t\r\n"), "\t", "    "))
		if line == "" {
			continue
		}
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") {
			crash = len(all)
		}
		all = append(all, text.Shorten(line, 400))
	}
	if crash >= 0 {
		return all[crash:min(crash+tailLines, len(all))]
	}
	return all[max(0, len(all)-tailLines):]
}
