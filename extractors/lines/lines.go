// Package lines is the extractor for benchmarks that print numbers on lines of text. A
// Table of patterns describes the lines. Payload files, the flags --match and
// --match-re, table plugins and sdk.Lines all use it.
package lines

import (
	"errors"
	"fmt"

	"github.com/ktstr/ktstr"
)

// Name is the name of the extractor whose table comes from a payload or from flags.
const Name = "lines"

// ErrNoTable is the error of the extractor lines if it has no patterns.
var ErrNoTable = errors.New("the extractor lines has no patterns: want --match PATTERN, or the key lines in a payload file")

// Extractor returns the extractor "lines" without a table. It describes itself, and its
// Extract returns ErrNoTable. Table.Compile makes one that can extract.
func Extractor() ktstr.Extractor {
	return ktstr.Parser{
		Description: ktstr.Description{Name: Name, Summary: "Numbers on lines of text, by patterns such as those of --match.", Version: "1"},
		Parse:       func(ktstr.Output) (ktstr.Extraction, error) { return ktstr.Extraction{}, ErrNoTable },
	}
}

// Table describes the output of one tool. The zero value finds nothing.
type Table struct {
	// Signature matches a line that the tool always prints. A text without such a
	// line is not of this format. Then only Notes with the code ktstr.ToolFailed are
	// read, because a failed tool may print no report. Empty: any text may be of this
	// format.
	Signature Pattern

	Lines []Line // the numbers
	Notes []Note // messages, such as errors of the tool

	// Units maps printed units to meant ones. For example, {"MB": "MiB"} is for a tool
	// that prints MB and means 2^20 bytes. It does not apply to fixed units.
	Units map[string]string
}

// Pattern is a pattern for one line without its line end. The zero value is no
// pattern. Colours are not part of the text. If carriage returns overwrote a line, its
// last text counts, as on a terminal.
type Pattern struct {
	Text   string
	Regexp bool // Text is a regular expression of package regexp, else it is in the match language (docs/measure-anything.md)
}

// Match returns the pattern of the match language, such as "Throughput: {throughput} {unit}".
func Match(text string) Pattern { return Pattern{Text: text} }

// Regexp returns the pattern of a regular expression.
func Regexp(text string) Pattern { return Pattern{Text: text, Regexp: true} }

// Line is one kind of line that carries numbers. Several may match the same line. If a
// metric occurs again, the last one counts, and a diagnostic says so.
type Line struct {
	// Pattern is in the match language and names its numbers, or it is a regular
	// expression with a group named value around the number. In a regular expression
	// without a group value, each other named group but unit and name is a number with
	// the name of the group, and the group min_unit is the unit of the number min.
	Pattern Pattern

	// Name is the metric's name, and Unit its unit as the tool prints it. Both are for
	// regular expressions. In them, {group} is replaced by the text of that named
	// group of Pattern, or else of Section. {group:lower} is the text in lower case. In
	// Name, dots, white space and control characters of that text become "_". For
	// example "latency.p{p}" becomes "latency.p99_9". In Name, * is the name of the
	// group: "latency.*" names the groups min and max latency.min and latency.max.
	// Empty: the text of the groups named name and unit, if there are any.
	Name string
	Unit string

	Polarity ktstr.Polarity
	Headline bool // among the few numbers to show first

	// Required is set if every report has the line. A diagnostic reports that it is
	// missing. A headline without When is always required.
	Required bool

	// When matches another line of the same report. If the text has a line that matches
	// When, the line is required. If When has the words or groups of the name, each
	// metric that they name is required. For example, "run of {*}" requires the metric
	// a.bw of the name "*.bw" after "run of a".
	When Pattern

	// Section matches the heading below which this line stands, up to the next heading
	// that any Line names. The words {*} of a heading come before those of the line in
	// a name with *. Empty: the line may stand anywhere.
	Section Pattern

	// Top is set if the line stands above all headings that any Line names. For example,
	// dbench prints a table of the run, then tables of the same form for each client.
	Top bool

	// ZeroIsNone is set if the tool prints 0 for a value that it did not measure.
	ZeroIsNone bool
}

// Note is a line that becomes a diagnostic, such as an error message.
type Note struct {
	Pattern Pattern // the message is the group named message of a regular expression, else the whole line

	// Code of the diagnostic. ktstr.ToolFailed makes the whole extraction an error.
	// ktstr.NoMetrics leaves out all numbers: a line such as "0 requests in 1.00s" says
	// that nothing was measured.
	Code ktstr.Code
}

// An Error is a mistake in a Table.
type Error struct {
	Field   string // such as "lines[0].section"
	Problem string // what is wrong, and what is wanted
}

func (e *Error) Error() string { return e.Field + ": " + e.Problem }

// Compile makes the extractor that d describes. It adds the hints of the lines before
// those of d. Every error is an *Error.
func (t Table) Compile(d ktstr.Description) (ktstr.Parser, error) {
	r, err := t.reader()
	if err != nil {
		return ktstr.Parser{}, err
	}
	d.Hints = append(r.hints(), d.Hints...)
	return ktstr.Parser{Description: d, Parse: r.parse}, nil
}

// Unmatched returns the patterns of lines, and those of notes, that match nothing in the
// texts.
func (t Table) Unmatched(texts [][]byte) (unread, unseen []string, err error) {
	r, err := t.reader()
	if err != nil {
		return nil, nil, err
	}
	read, seen := make([]bool, len(r.lines)), make([]bool, len(r.patterns))
	for _, text := range texts {
		f := r.read(ktstr.Output{Data: text})
		for i := range read {
			read[i] = read[i] || f.read[i]
		}
		for i := range seen {
			seen[i] = seen[i] || f.seen[i]
		}
	}
	for i, l := range r.lines {
		if !read[i] {
			unread = append(unread, fmt.Sprintf("%s (%s)", l.Pattern.Text, l.name.pattern()))
		}
	}
	for _, n := range r.notes {
		if !seen[n.pattern] {
			unseen = append(unseen, r.patterns[n.pattern].Text)
		}
	}
	return unread, unseen, nil
}
