package stressng

import (
	"strings"

	"github.com/ktstr/ktstr/internal/huge"
)

// names keeps the names of metrics, many in one piece of memory.
type names struct{ piece strings.Builder }

// keep returns text as a string.
func (n *names) keep(text []byte) string {
	const smallest, largest = 1 << 10, 1 << 20
	if full := n.piece.Cap(); full-n.piece.Len() < len(text) {
		n.piece.Reset() // the names in it keep it
		n.piece.Grow(max(len(text), min(max(2*full, smallest), largest)))
	}
	start := n.piece.Len()
	n.piece.Write(text)
	return n.piece.String()[start:]
}

// room returns a list with room for more: for as many as the text will give if
// it goes on as it did, of which read of all bytes were read.
func room[T any](list []T, read, all int) []T {
	have := len(list)
	want := int(float64(have) / float64(read) * float64(all) * 1.02)
	more := huge.Pages(make([]T, have, max(16, 2*have, min(16*have, want))))
	copy(more, list)
	return more
}
