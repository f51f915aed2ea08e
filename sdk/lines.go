package sdk

import (
	"bytes"
	"cmp"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/text"
)

// Lines describes benchmark output that has one number on a line, after a label,
// for example "latency: 3.5 ms". Lines.Parser makes the extractor.
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
	// of that named group of Pattern. In Name, dots, white space and control
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

const valueGroup = "value"

// Parser makes the extractor. It panics if a pattern does not compile, or a
// name uses a group that its pattern does not have: the first test shows such
// a mistake of the program.
func (f Lines) Parser() ktstr.Parser {
	c := compiler{byText: map[string]int{}}
	r := reader{signature: c.add("signature", f.Signature)}
	hints := make([]ktstr.Hint, 0, len(f.Lines)+len(f.Description.Hints))
	for i, l := range f.Lines {
		what := fmt.Sprintf("line %d (%s)", i+1, l.Name)
		cl := compiledLine{Line: l, pattern: c.add(what, l.Pattern), when: c.add(what, l.When), section: c.add(what, l.Section)}
		if cl.pattern < 0 {
			panic(fmt.Sprintf("sdk.Lines: %s: no pattern: want a regular expression with a group named value", what))
		}
		re := c.patterns[cl.pattern].re
		if cl.value = re.SubexpIndex(valueGroup); cl.value < 0 {
			panic(fmt.Sprintf("sdk.Lines: %s: pattern %q: want a group named value, (?P<value>…)", what, l.Pattern))
		}
		cl.name = parseTemplate(what, l.Name, re)
		cl.unit = parseTemplate(what, l.Unit, re)
		r.lines = append(r.lines, cl)
		if cl.section >= 0 {
			c.patterns[cl.section].heading = true
		}
		h := ktstr.Hint{Name: cl.name.pattern(), Polarity: l.Polarity, Headline: l.Headline}
		if cl.unit.fixed() {
			h.Unit = l.Unit
		}
		hints = append(hints, h)
	}
	for i, n := range f.Notes {
		what := fmt.Sprintf("note %d (%s)", i+1, n.Code)
		cn := compiledNote{code: n.Code, pattern: c.add(what, n.Pattern)}
		if cn.pattern < 0 || n.Code == "" {
			panic(fmt.Sprintf("sdk.Lines: %s: want a pattern and a code", what))
		}
		cn.message = c.patterns[cn.pattern].re.SubexpIndex("message")
		r.notes = append(r.notes, cn)
	}
	r.patterns = c.patterns
	d := f.Description
	d.Hints = append(hints, d.Hints...)
	return ktstr.Parser{Description: d, Parse: r.parse}
}

// pattern is one regular expression of a format, however often it is used.
type pattern struct {
	re      *regexp.Regexp
	literal []byte // stands in every match: a cheap test before the match
	heading bool   // starts a section
}

// compiler compiles each distinct pattern once.
type compiler struct {
	patterns []pattern
	byText   map[string]int
}

// add returns the index of the pattern, -1 for the empty one.
func (c *compiler) add(what, text string) int {
	if text == "" {
		return -1
	}
	if i, ok := c.byText[text]; ok {
		return i
	}
	re, err := regexp.Compile(text)
	if err != nil {
		panic(fmt.Sprintf("sdk.Lines: %s: pattern %q: %v", what, text, err))
	}
	p := pattern{re: re}
	if tree, err := syntax.Parse(text, syntax.Perl); err == nil {
		p.literal = []byte(requiredLiteral(tree.Simplify()))
	}
	c.patterns = append(c.patterns, p)
	c.byText[text] = len(c.patterns) - 1
	return c.byText[text]
}

// requiredLiteral returns a text that is in every match of re, the longest that
// it finds. It is empty if it finds none.
func requiredLiteral(re *syntax.Regexp) string {
	switch re.Op {
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase == 0 {
			return string(re.Rune)
		}
	case syntax.OpCapture, syntax.OpPlus:
		return requiredLiteral(re.Sub[0])
	case syntax.OpConcat:
		longest := ""
		for _, sub := range re.Sub {
			if l := requiredLiteral(sub); len(l) > len(longest) {
				longest = l
			}
		}
		return longest
	}
	return ""
}

// template is a text with groups of a pattern in it: literals[0], group 0,
// literals[1], group 1, …
type template struct {
	literals []string
	groups   []int
}

func parseTemplate(what, text string, re *regexp.Regexp) template {
	var t template
	for {
		before, rest, found := strings.Cut(text, "{")
		if !found {
			t.literals = append(t.literals, text)
			return t
		}
		group, after, closed := strings.Cut(rest, "}")
		index := -1
		if closed {
			index = re.SubexpIndex(group)
		}
		if index < 0 {
			panic(fmt.Sprintf("sdk.Lines: %s: {%s: want the name of a group of the pattern, and }", what, group))
		}
		t.literals = append(t.literals, before)
		t.groups = append(t.groups, index)
		text = after
	}
}

func (t template) fixed() bool { return len(t.groups) == 0 }

// pattern is the template as the name of a hint.
func (t template) pattern() string { return strings.Join(t.literals, "*") }

// expand replaces the groups by their text. For a name each text becomes a part
// of one segment.
func (t template) expand(line []byte, match []int, segment bool) string {
	if t.fixed() {
		return t.literals[0]
	}
	var b strings.Builder
	for i, g := range t.groups {
		b.WriteString(t.literals[i])
		var part string
		if match[2*g] >= 0 {
			part = strings.ToValidUTF8(string(line[match[2*g]:match[2*g+1]]), string(utf8.RuneError))
		}
		if segment {
			part = cmp.Or(text.Segment(part), "_")
		}
		b.WriteString(part)
	}
	b.WriteString(t.literals[len(t.literals)-1])
	return b.String()
}

type compiledLine struct {
	Line
	pattern, when, section int // of reader.patterns, -1 for none
	value                  int // group
	name, unit             template
}

type compiledNote struct {
	pattern int
	code    ktstr.Code
	message int // group, -1 for the whole line
}

// reader is a compiled format. It is never changed after it was made.
type reader struct {
	patterns  []pattern
	signature int
	lines     []compiledLine
	notes     []compiledNote
}

// found collects the metrics and diagnostics of one text.
type found struct {
	ktstr.Extraction
	byName map[string]int // index of the metric
	times  map[string]int // how often the name occurred, if more than once
	seen   []bool         // by pattern: some line matched
	read   []bool         // by line: a number was there, also one that was left out
}

func (r reader) parse(out ktstr.Output) (ktstr.Extraction, error) {
	f := found{
		byName: map[string]int{},
		times:  map[string]int{},
		seen:   make([]bool, len(r.patterns)),
		read:   make([]bool, len(r.lines)),
	}
	if len(bytes.TrimSpace(out.Data)) == 0 {
		f.note(ktstr.NoMetrics, "the text is empty", 0)
		return f.Extraction, nil
	}
	// A pattern whose literal is nowhere in the text needs no looking at.
	possible := make([]bool, len(r.patterns))
	for i, p := range r.patterns {
		possible[i] = bytes.Contains(out.Data, p.literal)
	}
	matches := make([][]int, len(r.patterns))
	section := -1
	rest, number := out.Data, 0
	for len(rest) > 0 {
		number++
		line, after, ended := bytes.Cut(rest, []byte{'\n'})
		rest = after
		line = bytes.TrimSuffix(line, []byte{'\r'})
		line = line[bytes.LastIndexByte(line, '\r')+1:]
		interesting := false
		for i, p := range r.patterns {
			matches[i] = nil
			if possible[i] && bytes.Contains(line, p.literal) {
				if matches[i] = p.re.FindSubmatchIndex(line); matches[i] != nil {
					f.seen[i], interesting = true, true
					if p.heading {
						section = i
					}
				}
			}
		}
		if interesting {
			r.readLine(&f, out, line, number, ended, matches, section)
		}
	}
	r.finish(&f, out)
	return f.Extraction, nil
}

func (r reader) readLine(f *found, out ktstr.Output, line []byte, number int, ended bool, matches [][]int, section int) {
	for _, n := range r.notes {
		m := matches[n.pattern]
		if m == nil {
			continue
		}
		text := line
		if n.message >= 0 && m[2*n.message] >= 0 {
			text = line[m[2*n.message]:m[2*n.message+1]]
		}
		f.note(n.code, string(text), number)
	}
	for i, l := range r.lines {
		m := matches[l.pattern]
		if m == nil || l.section >= 0 && l.section != section || m[2*l.value] < 0 {
			continue
		}
		f.read[i] = true
		name := l.name.expand(line, m, true)
		text := line[m[2*l.value]:m[2*l.value+1]]
		if !ended && m[2*l.value+1] == len(line) {
			// Nothing tells whether more digits were to follow.
			if out.Truncated || out.ExitCode != nil && *out.ExitCode < 0 {
				f.note(ktstr.Truncated, fmt.Sprintf("%s: the text ends in the middle of the line, the number %q may be cut: left out", name, text), number)
				continue
			}
			if out.ExitCode == nil {
				f.note(ktstr.Truncated, fmt.Sprintf("%s: the text ends without a line end, the number %q may be cut", name, text), number)
			}
		}
		v, ok := f.number(name, string(text), number)
		if !ok {
			continue
		}
		if v == 0 && l.ZeroIsNone {
			f.note(ktstr.NotMeasured, name+" is 0: it was not measured", number)
			continue
		}
		metric := ktstr.Metric{Name: name, Value: v, Unit: l.unit.expand(line, m, false), Polarity: l.Polarity, Line: number}
		if at, again := f.byName[name]; again {
			f.Metrics[at] = metric
			f.times[name] = max(f.times[name], 1) + 1
			continue
		}
		f.byName[name] = len(f.Metrics)
		f.Metrics = append(f.Metrics, metric)
	}
}

// number reads a decimal number. For other text it adds a diagnostic.
func (f *found) number(name, text string, line int) (float64, bool) {
	switch strings.ToLower(strings.TrimLeft(text, "+-")) {
	case "nan", "inf", "infinity":
		f.note(ktstr.NotFinite, fmt.Sprintf("%s is %s: left out", name, text), line)
		return 0, false
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || strings.ContainsAny(text, "xX_") {
		f.note(ktstr.Malformed, fmt.Sprintf("%s is %q: want a decimal number", name, text), line)
		return 0, false
	}
	if digits := strings.TrimLeft(text, "+-0"); len(digits) > 15 && strings.Trim(digits, "0123456789") == "" &&
		strconv.FormatFloat(max(v, -v), 'f', 0, 64) != digits {
		f.note(ktstr.Inexact, fmt.Sprintf("%s is %s, which has no exact float64: the nearest is given", name, text), line)
	}
	return v, true
}

// finish adds the diagnostics that need the whole text, such as a missing headline.
func (r reader) finish(f *found, out ktstr.Output) {
	if r.signature >= 0 && !f.seen[r.signature] {
		// A tool's own complaint is often all that it prints, or goes to stderr, where
		// no report is.
		said := f.Diagnostics
		*f = found{}
		for _, d := range said {
			if d.Code == ktstr.ToolFailed {
				f.Diagnostics = append(f.Diagnostics, d)
			}
		}
		if len(f.Diagnostics) == 0 {
			f.note(ktstr.NotMyFormat, fmt.Sprintf("no line matches `%s`, which every report has", r.patterns[r.signature].re), 0)
		}
		return
	}
	if len(f.Metrics) == 0 {
		f.note(ktstr.NoMetrics, "no line carries a number that is read here", 0)
	} else {
		for i, l := range r.lines {
			expected := l.Headline
			if l.when >= 0 {
				expected = f.seen[l.when]
			}
			if expected && !f.read[i] {
				f.note(ktstr.MissingHeadline, fmt.Sprintf("%s is missing: no line matches `%s`", l.name.pattern(), l.Pattern), 0)
			}
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
