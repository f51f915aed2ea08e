package tally

import "strings"

// Names keeps names, many in one piece of memory. The zero value is ready.
type Names struct{ piece strings.Builder }

// Keep returns text as a string.
func (n *Names) Keep(text []byte) string {
	const smallest, largest = 1 << 10, 1 << 20
	if full := n.piece.Cap(); full-n.piece.Len() < len(text) {
		n.piece.Reset() // the names in it keep it
		n.piece.Grow(max(len(text), min(max(2*full, smallest), largest)))
	}
	start := n.piece.Len()
	n.piece.Write(text)
	return n.piece.String()[start:]
}
