package lines

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/text"
)

// found collects the metrics and diagnostics of one text.
type found struct {
	*reader
	ktstr.Extraction
	out      ktstr.Output
	matchers []*matcher      // by pattern, made when needed
	byName   map[string]int  // index of the metric
	times    map[string]int  // how often the name occurred, if more than once
	seen     []bool          // by pattern: some line matched
	read     []bool          // by line: a number was there, also one that was left out
	named    map[string]bool // the names of all numbers, also of those that were left out
	expected []string        // names that lines like those of When require, each once
	required map[string]int  // by expected name: index of the line

	section int      // the pattern of the last heading, -1: none
	heading []string // texts of its groups

	hit     []bool  // by pattern: one of its literals is in the current line
	matches [][]int // by pattern: spans in the current line, nil: no match
}

func (r *reader) parse(out ktstr.Output) (ktstr.Extraction, error) {
	if len(bytes.TrimSpace(out.Data)) == 0 {
		var f found
		f.note(ktstr.NoMetrics, "the text is empty", 0)
		return f.Extraction, nil
	}
	if bytes.IndexByte(out.Data, '\x1b') >= 0 {
		out.Data = text.WithoutColour(out.Data)
	}
	f := r.read(out)
	f.finish()
	return f.Extraction, nil
}

// read reads the lines of a text that may match.
func (r *reader) read(out ktstr.Output) *found {
	f := &found{
		reader:   r,
		out:      out,
		matchers: make([]*matcher, len(r.patterns)),
		byName:   map[string]int{},
		times:    map[string]int{},
		seen:     make([]bool, len(r.patterns)),
		read:     make([]bool, len(r.lines)),
		named:    map[string]bool{},
		required: map[string]int{},
		section:  -1,
		hit:      make([]bool, len(r.patterns)),
		matches:  make([][]int, len(r.patterns)),
	}
	data := out.Data
	number, counted := 1, 0 // the line at the offset counted
	for start := 0; start < len(data); {
		if !f.eager() {
			next := r.filter.next(data, start)
			if next < 0 {
				break
			}
			start += bytes.LastIndexByte(data[start:next], '\n') + 1
		}
		line, after, ended := bytes.Cut(data[start:], []byte{'\n'})
		number += bytes.Count(data[counted:start], []byte{'\n'})
		counted = start
		line = bytes.TrimRight(line, "\r")
		line = line[bytes.LastIndexByte(line, '\r')+1:]
		if f.match(line) {
			f.readLine(line, number, ended)
		}
		start = len(data) - len(after)
	}
	return f
}

// eager reports whether each line must be tried, because a pattern has no literals.
func (f *found) eager() bool {
	for _, i := range f.filter.without {
		if p := &f.patterns[i]; (!p.once || !f.seen[i]) && f.isBelow(p) {
			return true
		}
	}
	return false
}

// isBelow reports whether a pattern is read below the current heading.
func (f *found) isBelow(p *pattern) bool {
	return len(p.below) == 0 || slices.Contains(p.below, f.section)
}

// mayBeHeading reports whether a heading is among the patterns to try. A line can be a
// heading and stand below itself.
func (f *found) mayBeHeading() bool {
	for _, i := range f.order {
		if !f.patterns[i].heading {
			return false
		}
		if f.hit[i] || shortest(f.patterns[i].literals) < 3 {
			return true
		}
	}
	return false
}

// match matches the patterns with a line, and reports whether one does.
func (f *found) match(line []byte) (any bool) {
	tried := f.filter.mark(line, f.hit)
	for _, i := range f.filter.without {
		p := &f.patterns[i]
		if p.once && f.seen[i] || p.first != nil && (len(line) == 0 || !p.first[line[0]]) || !f.isBelow(p) && !f.mayBeHeading() {
			continue
		}
		f.hit[i], tried = true, true
	}
	if !tried {
		return false
	}
	defer clear(f.hit)
	for _, i := range f.order { // headings first
		f.matches[i] = nil
		p := &f.patterns[i]
		if !f.hit[i] || p.once && f.seen[i] || !f.isBelow(p) {
			continue
		}
		if p.re != nil {
			f.matches[i] = p.re.FindSubmatchIndex(line)
		} else {
			if f.matchers[i] == nil {
				f.matchers[i] = newMatcher(p.program)
			}
			f.matches[i] = f.matchers[i].find(line)
		}
		if m := f.matches[i]; m != nil {
			f.seen[i], any = true, true
			if p.heading {
				f.section, f.heading = i, f.heading[:0]
				for g := 0; g+1 < len(m); g += 2 {
					word := ""
					if m[g] >= 0 {
						word = strings.ToValidUTF8(string(line[m[g]:m[g+1]]), string(utf8.RuneError))
					}
					f.heading = append(f.heading, word)
				}
			}
		}
	}
	return any
}

func (f *found) readLine(line []byte, number int, ended bool) {
	for _, n := range f.notes {
		m := f.matches[n.pattern]
		if m == nil {
			continue
		}
		text := line
		if n.message >= 0 && m[2*n.message] >= 0 {
			text = line[m[2*n.message]:m[2*n.message+1]]
		}
		f.note(n.code, string(text), number)
	}
	for i := range f.lines {
		l := &f.lines[i]
		if len(l.expected.literals) > 0 && f.matches[l.when] != nil {
			f.require(i, l.expected.expand(line, f.matches[l.when], nil, true))
		}
		m := f.matches[l.pattern]
		if m == nil || l.section >= 0 && l.section != f.section || l.Top && f.section >= 0 {
			continue
		}
		f.read[i] = true
		if m[2*l.value] >= 0 { // else the line says that it has no number
			f.metric(l, line, m, number, ended)
		}
	}
}

// require notes that a line of When names a metric of line i.
func (f *found) require(i int, name string) {
	const most = 1000 // of one text: a table means a few
	if _, known := f.required[name]; !known && len(f.expected) < most {
		f.required[name] = i
		f.expected = append(f.expected, name)
	}
}

// metric adds the number of a matching line.
func (f *found) metric(l *compiledLine, line []byte, m []int, number int, ended bool) {
	name := l.name.expand(line, m, f.heading, true)
	f.named[name] = true
	text := string(line[m[2*l.value]:m[2*l.value+1]])
	if !ended && f.cut(l, line, m) {
		// Nothing tells whether more was to follow.
		if f.out.Truncated || f.out.ExitCode != nil && *f.out.ExitCode < 0 {
			f.note(ktstr.Truncated, fmt.Sprintf("%s: the text ends in the middle of the line, the number %q may be cut: left out", name, text), number)
			return
		}
		if f.out.ExitCode == nil {
			f.note(ktstr.Truncated, fmt.Sprintf("%s: the text ends without a line end, the number %q may be cut", name, text), number)
		}
	}
	unit := l.unit.expand(line, m, f.heading, false)
	prefix := ""
	if l.prefix >= 0 && m[2*l.prefix] >= 0 {
		prefix = string(line[m[2*l.prefix]:m[2*l.prefix+1]])
	}
	if !l.unit.fixed() {
		if len(unit) == 1 && isPrefix(unit[0]) && prefix == "" && l.prefix >= 0 { // 24.46k and nothing else
			prefix, unit = unit, ""
		}
		if meant, ok := f.units[prefix+unit]; ok {
			prefix, unit = "", meant
		}
	}
	factor := byte(0)
	if prefix != "" && unit == "" {
		factor = prefix[0]
	} else {
		unit = prefix + unit
	}
	v, ok := f.number(name, text, factor, number)
	if !ok {
		return
	}
	if v == 0 && l.ZeroIsNone {
		f.note(ktstr.NotMeasured, name+" is 0: it was not measured", number)
		return
	}
	metric := ktstr.Metric{Name: name, Value: v, Unit: unit, Polarity: l.Polarity, Line: number}
	if l.Polarity == ktstr.SetUnknown {
		metric.Polarity = ktstr.Unknown
	}
	if at, again := f.byName[name]; again {
		f.Metrics[at] = metric
		f.times[name] = max(f.times[name], 1) + 1
		return
	}
	f.byName[name] = len(f.Metrics)
	f.Metrics = append(f.Metrics, metric)
}

// cut reports whether the number, its prefix or its unit may go on after the end of the
// line.
func (f *found) cut(l *compiledLine, line []byte, m []int) bool {
	endsBefore := func(group int, more string) bool {
		end := m[2*group+1]
		return end >= 0 && len(bytes.TrimLeft(line[end:], more)) == 0
	}
	if l.prefix < 0 {
		return endsBefore(l.value, "")
	}
	return endsBefore(l.value, " \t.,eE+-") || endsBefore(l.prefix, "") || !l.unit.fixed() && endsBefore(l.unit.parts[0].group, "/")
}

// number reads a decimal number. For other text it adds a diagnostic.
func (f *found) number(name, text string, prefix byte, line int) (float64, bool) {
	switch strings.ToLower(strings.TrimLeft(text, "+-")) {
	case "nan", "inf", "infinity":
		f.note(ktstr.NotFinite, fmt.Sprintf("%s is %s: left out", name, text), line)
		return 0, false
	}
	v, ok := parseNumber(text, prefix)
	if !ok {
		f.note(ktstr.Malformed, fmt.Sprintf("%s is %q: want a decimal number", name, text), line)
		return 0, false
	}
	if digits := strings.TrimLeft(text, "+-0"); prefix == 0 && len(digits) > 15 && strings.Trim(digits, "0123456789") == "" &&
		strconv.FormatFloat(max(v, -v), 'f', 0, 64) != digits {
		f.note(ktstr.Inexact, fmt.Sprintf("%s is %s, which has no exact float64: the nearest is given", name, text), line)
	}
	return v, true
}

// finish adds the diagnostics that need the whole text, such as a missing headline.
func (f *found) finish() {
	if f.signature >= 0 && !f.seen[f.signature] {
		// A tool's own complaint is often all that it prints, or goes to stderr, where
		// no report is.
		said := f.Diagnostics
		f.Extraction = ktstr.Extraction{}
		for _, d := range said {
			if d.Code == ktstr.ToolFailed {
				f.Diagnostics = append(f.Diagnostics, d)
			}
		}
		if len(f.Diagnostics) == 0 {
			f.note(ktstr.NotMyFormat, fmt.Sprintf("no line matches `%s`, which every report has", f.patterns[f.signature].Text), 0)
		}
		return
	}
	if slices.ContainsFunc(f.Diagnostics, func(d ktstr.Diagnostic) bool { return d.Code == ktstr.NoMetrics }) {
		f.Metrics = nil // a note says that the numbers of this report are no measurement
		return
	}
	if len(f.Metrics) == 0 {
		message := "no line carries a number that is read here"
		if f.signature < 0 && !slices.Contains(f.read, true) {
			message = "no line matches " + f.describe()
		}
		f.note(ktstr.NoMetrics, message, 0)
	} else {
		for i, l := range f.lines {
			expected := l.Headline || l.Required
			if l.when >= 0 {
				expected = l.Required || f.seen[l.when]
			}
			if expected && !f.read[i] {
				f.note(ktstr.MissingHeadline, fmt.Sprintf("%s is missing: no line matches `%s`", l.name.pattern(), l.Pattern.Text), 0)
			}
		}
	}
	for _, name := range f.expected {
		if l := &f.lines[f.required[name]]; !f.named[name] && f.read[f.required[name]] {
			f.note(ktstr.MissingHeadline, fmt.Sprintf("%s is missing: no line of it matches `%s`", name, l.Pattern.Text), 0)
		}
	}
	for _, m := range f.Metrics {
		if n := f.times[m.Name]; n > 1 {
			f.note(ktstr.Duplicate, fmt.Sprintf("%s occurs %d times: the last one counts", m.Name, n), m.Line)
		}
	}
}

func (f *found) note(code ktstr.Code, message string, line int) {
	const (
		most     = 500 // bytes of a message
		mostOf   = 100 // diagnostics of one text: the rest tells nothing new
		overflow = "more lines like these are not reported"
	)
	switch n := len(f.Diagnostics); {
	case n > mostOf:
		return
	case n == mostOf:
		code, message = ktstr.TooMany, overflow
	}
	message = text.Shorten(strings.TrimSpace(message), most)
	f.Diagnostics = append(f.Diagnostics, ktstr.Diagnostic{Code: code, Message: message, Line: line})
}
