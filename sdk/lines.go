package sdk

import (
	"errors"
	"fmt"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/extractors/lines"
)

// Lines describes benchmark output that has one number on a line, after a label,
// for example "latency: 3.5 ms". Lines.Parser makes the extractor. The same engine
// reads the tables of payload files and of table plugins, see package
// extractors/lines.
//
// Patterns are regular expressions (package regexp). They are matched against one
// line without its line end. If carriage returns overwrote a line, its last text
// counts, as on a terminal.
type Lines struct {
	// Description describes the extractor. Hints for all Lines are added before
	// its own hints.
	Description ktstr.Description

	// Signature is the pattern of a line that the tool always prints, for example
	// `^demo \d`. A text without such a line is not of this format. Then only Notes
	// with the code ktstr.ToolFailed are read, because a failed tool may print no
	// report. Empty: any text may be of this format.
	Signature string

	Lines []Line // the numbers
	Notes []Note // messages, such as errors of the tool
}

// Line is one kind of line that carries a number. Several may match the same
// line. If a metric occurs again, the last one counts, and a diagnostic says
// so.
type Line struct {
	// Pattern has a group named value around the number:
	// `latency: +(?P<value>[0-9.]+) ms`.
	Pattern string

	// Name is the metric's name. In Name and Unit, {group} is replaced by the text
	// of that named group of Pattern, or else of Section, and {group:lower} by the
	// text in lower case. In Name, dots, white space and control
	// characters of that text become "_". For example "latency.p{p}" becomes
	// "latency.p99_9".
	Name string
	Unit string // as the tool prints it

	Polarity ktstr.Polarity
	Headline bool // among the few numbers to show first

	// When is the pattern of another line of the same report. If the text has a line
	// that matches When, but none that matches Pattern, a diagnostic says so. Empty:
	// a headline must always be there, other lines need not.
	When string

	// Section is the pattern of the heading below which this line stands, up to
	// the next heading that any Line names. Empty: the line may stand anywhere.
	Section string

	// ZeroIsNone is set if the tool prints 0 for a value that it did not measure.
	ZeroIsNone bool
}

// Note is a line that becomes a diagnostic, such as an error message.
type Note struct {
	Pattern string     // the message is the group named message, else the whole line
	Code    ktstr.Code // ktstr.ToolFailed makes the whole extraction an error
}

// Parser makes the extractor. It panics if a pattern does not compile, or a
// name uses a group that its pattern does not have: the first test shows such
// a mistake of the program.
func (f Lines) Parser() ktstr.Parser {
	t := lines.Table{Signature: regexpOf(f.Signature)}
	for i, l := range f.Lines {
		if l.Pattern == "" {
			panic(fmt.Sprintf("sdk.Lines: line %d (%s): no pattern: want a regular expression with a group named value", i+1, l.Name))
		}
		t.Lines = append(t.Lines, lines.Line{
			Pattern: regexpOf(l.Pattern), Name: l.Name, Unit: l.Unit, Polarity: l.Polarity, Headline: l.Headline,
			When: regexpOf(l.When), Section: regexpOf(l.Section), ZeroIsNone: l.ZeroIsNone,
		})
	}
	for _, n := range f.Notes {
		t.Notes = append(t.Notes, lines.Note{Pattern: regexpOf(n.Pattern), Code: n.Code})
	}
	parser, err := t.Compile(f.Description)
	var wrong *lines.Error
	if errors.As(err, &wrong) {
		i := 0
		switch {
		case scanned(wrong.Field, "lines[%d]", &i):
			panic(fmt.Sprintf("sdk.Lines: line %d (%s): %s", i+1, f.Lines[i].Name, wrong.Problem))
		case scanned(wrong.Field, "notes[%d]", &i):
			panic(fmt.Sprintf("sdk.Lines: note %d (%s): %s", i+1, f.Notes[i].Code, wrong.Problem))
		}
		panic("sdk.Lines: " + err.Error())
	}
	return parser
}

func regexpOf(text string) lines.Pattern {
	if text == "" {
		return lines.Pattern{}
	}
	return lines.Regexp(text)
}

func scanned(field, format string, i *int) bool {
	n, _ := fmt.Sscanf(field, format, i)
	return n == 1
}
