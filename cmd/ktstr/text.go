package main

import (
	"bytes"
	"io"

	"github.com/ktstr/ktstr/internal/text"
)

// printable replaces control characters, see text.Printable.
func printable(s string) string { return text.Printable(s) }

// escaping escapes control characters in the JSON that is written to it. A character must
// not be split between two writes.
type escaping struct{ w io.Writer }

func (e escaping) Write(p []byte) (int, error) {
	if _, err := e.w.Write(text.EscapeJSON(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// writeJSON prints a JSON document and a newline.
func (a *app) writeJSON(document []byte) error {
	_, err := a.stdout.Write(append(text.EscapeJSON(bytes.TrimSpace(document)), '\n'))
	return err
}

// line makes s safe for one line of output, see text.Line.
func line(s string) string { return text.Line(s) }

// count returns "1 run" or "3 runs", see text.Count.
func count(n int, noun string) string { return text.Count(n, noun) }
