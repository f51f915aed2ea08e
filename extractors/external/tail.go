package external

import (
	"bytes"
	"strings"
	"sync"
)

const (
	tailHead  = 4 << 10  // kept of a plugin's first words: a Go crash says first what it was
	tailBytes = 16 << 10 // kept of its last words
	tailLines = 12       // shown in an error
)

// tail keeps the first and the last of what a plugin says. It is safe for
// several goroutines.
type tail struct {
	mu   sync.Mutex
	head []byte
	last []byte
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

// lines returns what is worth showing: from the first line of the last crash
// on, else the end.
func (t *tail) lines() []string {
	t.mu.Lock()
	text := append(bytes.Clone(t.head), t.last...)
	t.mu.Unlock()
	var all []string
	crash := -1
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(printable(line))
		if line == "" {
			continue
		}
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") {
			crash = len(all)
		}
		if len(line) > 400 {
			line = strings.ToValidUTF8(line[:400], "") + "…"
		}
		all = append(all, line)
	}
	if crash >= 0 {
		return all[crash:min(crash+tailLines, len(all))]
	}
	return all[max(0, len(all)-tailLines):]
}
