package main

import (
	"bytes"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"golang.org/x/term"

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

// output remembers the first error of its writer: text that did not arrive must
// not end in a success, whoever printed it.
type output struct {
	io.Writer
	err error
}

func (o *output) Write(b []byte) (int, error) {
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.Writer.Write(b)
	o.err = err
	return n, err
}

// terminal returns the width of w where it is a terminal, else 0.
func terminal(w io.Writer) (columns int) {
	if o, ok := w.(*output); ok {
		w = o.Writer
	}
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	columns, _, err := term.GetSize(int(f.Fd()))
	if err != nil || columns <= 0 {
		return 80
	}
	return columns
}

// steerable reports whether w is a terminal that understands control sequences.
func steerable(w io.Writer) bool { return terminal(w) > 0 && os.Getenv("TERM") != "dumb" }

// style colours text on a terminal, unless NO_COLOR is set (no-color.org).
type style bool

func styleOf(w io.Writer) style { return style(steerable(w) && os.Getenv("NO_COLOR") == "") }

func (s style) paint(code, text string) string {
	if !s {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s style) good(text string) string { return s.paint("32", text) }
func (s style) bad(text string) string  { return s.paint("31", text) }
func (s style) dim(text string) string  { return s.paint("2", text) }

// tableTo returns a writer of aligned columns for w. On a terminal a last
// column that is too wide goes on below itself. Flush prints.
func tableTo(w io.Writer) *tabwriter.Writer {
	if columns := terminal(w); columns > 0 {
		w = &wrapper{w: w, columns: columns}
	}
	return tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
}

// wrapper breaks the lines of a table, which tabwriter writes in pieces.
type wrapper struct {
	w       io.Writer
	columns int
	line    []byte // without its end yet
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

// wrap breaks a line at blanks so that it fits into so many columns; what goes
// on stands below the beginning of the line's last column.
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
