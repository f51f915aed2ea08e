// Package report is the kit of the stock parsers that read lines: the lines of a
// capture, and the metrics and diagnostics that a parser finds in them.
package report

import (
	"bytes"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/text"
)

// Report collects what a parser finds in one capture. New makes one.
type Report struct {
	ktstr.Extraction

	// Ours is set if a line is of the tool's format. Without it End reports
	// ktstr.NotMyFormat and drops the metrics.
	Ours bool

	tool  string
	out   ktstr.Output
	index map[string]int // of the metrics by name
	times map[string]int // how often a name occurred, if more than once
}

// New returns the empty report of a tool on a capture.
func New(tool string, out ktstr.Output) *Report {
	return &Report{tool: tool, out: out, index: map[string]int{}, times: map[string]int{}}
}

// Lines returns the number of each line, from 1, and its text without the line end. If
// carriage returns overwrote the text, the last one counts, as on a terminal. A last
// line without a line end is left out, with a diagnostic, if the capture was cut or the
// tool was killed.
func (r *Report) Lines() iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		data := r.out.Data
		for number := 1; len(data) > 0; number++ {
			line, rest, ended := bytes.Cut(data, []byte{'\n'})
			if !ended && !r.whole(number) {
				return
			}
			line = bytes.TrimRight(line, "\r")
			if at := bytes.LastIndexByte(line, '\r'); at >= 0 {
				line = line[at+1:]
			}
			if !yield(number, line) {
				return
			}
			data = rest
		}
	}
}

// whole reports whether a last line without a line end is read.
func (r *Report) whole(number int) bool {
	switch exit := r.out.ExitCode; {
	case r.out.Truncated:
		return false // End says so
	case exit != nil && *exit < 0:
		r.Note(ktstr.Truncated, number, "the last line has no end and may be cut: left out")
		return false
	case exit == nil:
		r.Note(ktstr.Truncated, number, "the last line has no end: a number in it may be cut")
	}
	return true
}

// Add adds a metric. If its name occurs again, the last one counts, and End says so.
func (r *Report) Add(name string, value float64, unit string, polarity ktstr.Polarity, line int) {
	name, unit = strings.ToValidUTF8(name, "\uFFFD"), strings.ToValidUTF8(unit, "\uFFFD")
	m := ktstr.Metric{Name: name, Value: value, Unit: unit, Polarity: polarity, Line: line}
	if at, again := r.index[name]; again {
		r.Metrics[at] = m
		r.times[name] = max(r.times[name], 1) + 1
		return
	}
	r.index[name] = len(r.Metrics)
	if len(r.Metrics) == cap(r.Metrics) {
		r.Metrics = slices.Grow(r.Metrics, len(r.Metrics)+1) // append grows by a quarter and copies often
	}
	r.Metrics = append(r.Metrics, m)
}

// AddText adds a metric whose number is a text of the capture. It reports text that is
// not a finite decimal number, and returns false.
func (r *Report) AddText(name string, number []byte, unit string, polarity ktstr.Polarity, line int) bool {
	value, ok := text.ParseDecimal(number)
	if ok {
		r.Add(name, value, unit, polarity, line)
		return true
	}
	switch strings.ToLower(strings.TrimLeft(string(number), "+-")) {
	case "nan", "inf":
		r.Note(ktstr.NotFinite, line, "%s is %s: left out", name, number)
	default:
		r.Note(ktstr.Malformed, line, "%s is %q: want a decimal number", name, text.Shorten(string(number), 40))
	}
	return false
}

// Has reports whether there is a metric of that name.
func (r *Report) Has(name string) bool {
	_, ok := r.index[name]
	return ok
}

// Want reports a headline that is not there.
func (r *Report) Want(name, expected string) {
	if !r.Has(name) {
		r.Note(ktstr.MissingHeadline, 0, "%s is missing: want %s", name, expected)
	}
}

// Note adds a diagnostic, but no more than a hundred. line is 0 if it is not about one
// line.
func (r *Report) Note(code ktstr.Code, line int, format string, args ...any) {
	const most = 100
	message := fmt.Sprintf(format, args...)
	switch n := len(r.Diagnostics); {
	case n > most:
		return
	case n == most:
		code, message = ktstr.TooMany, "more lines like these are not reported"
	}
	message = text.Shorten(strings.TrimSpace(message), 500)
	r.Diagnostics = append(r.Diagnostics, ktstr.Diagnostic{Code: code, Message: message, Line: line})
}

// Drop removes all metrics: the report is not a measurement.
func (r *Report) Drop() {
	r.Metrics = nil
	clear(r.index)
	clear(r.times)
}

// Failed reports whether the tool said that its run failed.
func (r *Report) Failed() bool {
	return slices.ContainsFunc(r.Diagnostics, func(d ktstr.Diagnostic) bool { return d.Code == ktstr.ToolFailed })
}

// End returns what was found. format names what every report has, such as "a line that
// begins with T:", for the diagnostic of a text that is not of the tool.
func (r *Report) End(format string) (ktstr.Extraction, error) {
	switch {
	case len(bytes.TrimSpace(r.out.Data)) == 0:
		r.Note(ktstr.NoMetrics, 0, "the text is empty")
	case !r.Ours:
		said := r.Diagnostics
		r.Extraction = ktstr.Extraction{}
		for _, d := range said {
			if d.Code == ktstr.ToolFailed {
				r.Diagnostics = append(r.Diagnostics, d)
			}
		}
		if len(r.Diagnostics) == 0 {
			r.Note(ktstr.NotMyFormat, 0, "no line is of the format of %s: want %s", r.tool, format)
		}
	case len(r.Metrics) == 0:
		if !r.Failed() {
			r.Note(ktstr.NoMetrics, 0, "the report of %s has no measurement", r.tool)
		}
	}
	if r.out.Truncated {
		r.Note(ktstr.Truncated, 0, "the capture stops before the end of the output of %s", r.tool)
	}
	for _, m := range r.Metrics {
		if n := r.times[m.Name]; n > 1 {
			r.Note(ktstr.Duplicate, m.Line, "%s occurs %d times: the last one counts", m.Name, n)
		}
	}
	return r.Extraction, nil
}
