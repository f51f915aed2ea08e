package main

import (
	"bytes"
	"io"
	"strings"
	"text/tabwriter"
	"unicode/utf8"
)

// tableTo returns a writer of aligned columns, which tabs separate. On a terminal it
// breaks a last column that is too wide. Flush prints the table.
func tableTo(w io.Writer) *tabwriter.Writer {
	if columns := terminal(w); columns > 0 {
		w = &wrapper{w: w, columns: columns}
	}
	return tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
}

// wrapper breaks long lines. It collects a line first, because tabwriter writes lines in
// pieces.
type wrapper struct {
	w       io.Writer
	columns int
	line    []byte // the pieces of an incomplete line
}

func (t *wrapper) Write(b []byte) (int, error) {
	for piece := range bytes.Lines(b) {
		t.line = append(t.line, piece...)
		if !bytes.HasSuffix(piece, []byte("\n")) {
			continue
		}
		if _, err := io.WriteString(t.w, wrap(string(t.line), t.columns)); err != nil {
			return 0, err
		}
		t.line = t.line[:0]
	}
	return len(b), nil
}

// wrap breaks a line at blanks so that no part is wider than columns. It indents the
// continuation to the start of the line's last column. A line is not broken if its last
// column starts in the right half, or within a word.
func wrap(line string, columns int) string {
	rest := []rune(strings.TrimRight(line, "\n"))
	indent := 0
	if at := strings.LastIndex(string(rest), "  "); at >= 0 {
		indent = utf8.RuneCountInString(string(rest)[:at]) + 2
	}
	if indent > columns/2 {
		return line
	}
	var broken strings.Builder
	for len(rest) > columns {
		at := columns
		for at > indent && rest[at] != ' ' {
			at--
		}
		if at <= indent {
			break // a word that is too long
		}
		broken.WriteString(string(rest[:at]) + "\n")
		rest = append([]rune(strings.Repeat(" ", indent)), rest[at+1:]...)
	}
	broken.WriteString(string(rest))
	return broken.String() + line[len(strings.TrimRight(line, "\n")):]
}
