package main

import (
	"bytes"
	"io"

	"github.com/ktstr/ktstr/internal/text"
)

// printable is text.Printable.
func printable(s string) string { return text.Printable(s) }

// escaping is a writer of JSON that escapes it with text.EscapeJSON. Pieces must not end within a
// character.
type escaping struct{ w io.Writer }

func (e escaping) Write(p []byte) (int, error) {
	if _, err := e.w.Write(text.EscapeJSON(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// writeJSON prints a JSON document and the newline behind it.
func (a *app) writeJSON(document []byte) error {
	_, err := a.stdout.Write(append(text.EscapeJSON(bytes.TrimSpace(document)), '\n'))
	return err
}

// line is text.Line.
func line(s string) string { return text.Line(s) }

// count is text.Count.
func count(n int, noun string) string { return text.Count(n, noun) }
