// Package lines is the extractor for benchmarks that print numbers on lines of text. A
// Table of patterns describes the lines. Payload files, the flags --match and
// --match-re, table plugins and sdk.Lines all use it.
package lines

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode/utf8"

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
		Description: ktstr.Description{Name: Name, Version: "1"},
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

// reader is a compiled Table. It is never changed after it was made.
type reader struct {
	patterns  []pattern
	signature int
	lines     []compiledLine
	notes     []compiledNote
	units     map[string]string
	filter    *filter
	order     []int // the patterns, those of headings first
}

// pattern is one pattern of a table, however often it is used.
type pattern struct {
	Pattern
	re      *regexp.Regexp // nil: program
	program *program
	// Cheap tests before the match: one of the literals stands in every match, which
	// begins a line with one of the bytes of first (nil: anywhere, with any byte).
	literals []string
	first    *[256]bool
	heading  bool  // starts a section
	below    []int // the headings below which it is read; empty: anywhere
	once     bool  // only the first match counts
}

// compiledLine is one number of a Line.
type compiledLine struct {
	Line
	pattern, when, section int // of reader.patterns, -1 for none
	value                  int // group
	prefix                 int // group of the prefix, -1: none is read
	name, unit             template
	expected               template // the name by the words or groups of when; no literals: it has none
}

type compiledNote struct {
	pattern int
	code    ktstr.Code
	message int // group, -1 for the whole line
}

// compiler compiles each distinct pattern once.
type compiler struct {
	patterns []pattern
	index    map[Pattern]int
}

func (t Table) reader() (*reader, error) {
	c := compiler{index: map[Pattern]int{}}
	r := &reader{signature: -1, units: t.Units}
	var err error
	if r.signature, err = c.add("signature", t.Signature, false); err != nil {
		return nil, err
	}
	for i, l := range t.Lines {
		found, err := c.line(fmt.Sprintf("lines[%d]", i), l)
		if err != nil {
			return nil, err
		}
		r.lines = append(r.lines, found...)
	}
	for i, n := range t.Notes {
		field := fmt.Sprintf("notes[%d]", i)
		p, err := c.add(field, n.Pattern, false)
		if err != nil {
			return nil, err
		}
		if p < 0 || n.Code == "" {
			return nil, &Error{field, "want a pattern and a code"}
		}
		cn := compiledNote{code: n.Code, pattern: p, message: -1}
		if re := c.patterns[p].re; re != nil {
			cn.message = re.SubexpIndex("message")
		}
		r.notes = append(r.notes, cn)
	}
	r.patterns = c.patterns
	r.markOnce()
	r.filter = newFilter(r.patterns)
	for _, headings := range []bool{true, false} {
		for i, p := range r.patterns {
			if p.heading == headings {
				r.order = append(r.order, i)
			}
		}
	}
	return r, nil
}

// line compiles a Line to one compiledLine for each number.
func (c *compiler) line(field string, l Line) (lines []compiledLine, err error) {
	if l.Pattern.Text == "" {
		return nil, &Error{field, "no pattern: want a pattern with a {NAME}, or a regular expression with a group named value"}
	}
	base := compiledLine{Line: l, prefix: -1}
	if base.pattern, err = c.add(field, l.Pattern, true); err != nil {
		return nil, err
	}
	if base.when, err = c.add(field+".when", l.When, false); err != nil {
		return nil, err
	}
	if base.section, err = c.add(field+".section", l.Section, false); err != nil {
		return nil, err
	}
	if l.Top && base.section >= 0 {
		return nil, &Error{field + ".top", "top and section: a line cannot stand above all headings and below one: want one of them"}
	}
	heading := &pattern{}
	if base.section >= 0 {
		heading = &c.patterns[base.section]
		heading.heading = true
	}
	p := &c.patterns[base.pattern]
	if p.re != nil {
		var when *regexp.Regexp
		if base.when >= 0 {
			when = c.patterns[base.when].re
		}
		return base.ofRegexp(field, p.re, heading.re, when)
	}
	if l.Name != "" || l.Unit != "" {
		return nil, &Error{field, fmt.Sprintf("pattern %q: it names its numbers and their units itself, as {NAME:UNIT}: want no name and no unit next to it", l.Pattern.Text)}
	}
	words := append(heading.words(), p.program.words...)
	var when *program
	if base.when >= 0 {
		when = c.patterns[base.when].program
	}
	for _, n := range p.program.numbers {
		cl := base
		cl.value, cl.prefix = n.group, n.group+1
		if cl.name, err = starTemplate(n.name, words); err != nil {
			return nil, &Error{field, err.Error()}
		}
		if when != nil && !cl.name.fixed() {
			cl.expected, _ = starTemplate(n.name, when.words)
		}
		cl.unit = template{literals: []string{n.unit}}
		if n.unitG >= 0 {
			cl.unit = template{literals: []string{"", ""}, parts: []part{{group: n.unitG}}}
		}
		lines = append(lines, cl)
	}
	return lines, nil
}

// words returns the {*} of a heading.
func (p *pattern) words() (words []part) {
	if p.program != nil {
		for _, w := range p.program.words {
			w.heading = true
			words = append(words, w)
		}
	}
	return words
}

// The groups of a regular expression that have a meaning.
const (
	valueGroup = "value"
	unitGroup  = "unit"
	nameGroup  = "name"
)

// ofRegexp returns a line for each number of a regular expression.
func (l compiledLine) ofRegexp(field string, re, heading, when *regexp.Regexp) (lines []compiledLine, err error) {
	numbers := map[string]int{}
	order := []string{}
	if i := re.SubexpIndex(valueGroup); i >= 0 {
		name := l.Name
		if name == "" && re.SubexpIndex(nameGroup) >= 0 {
			name = "{" + nameGroup + "}"
		} else if name == "" {
			name = valueGroup
		}
		numbers[name], order = i, []string{name}
	} else if l.Name == "" || strings.Contains(l.Name, "*") {
		for i, group := range re.SubexpNames() {
			of, isUnit := strings.CutSuffix(group, "_"+unitGroup)
			if group == "" || group == unitGroup || group == nameGroup || isUnit && re.SubexpIndex(of) >= 0 ||
				strings.Contains(l.Name, "{"+group+"}") || strings.Contains(l.Name, "{"+group+":") {
				continue
			}
			name := strings.Replace(cmp.Or(l.Name, "*"), "*", group, 1)
			numbers[name], order = i, append(order, name)
		}
	}
	if len(order) == 0 {
		return nil, &Error{field, fmt.Sprintf("pattern %q: want a group named value, (?P<value>…)", re)}
	}
	unit := l.Unit
	if unit == "" && re.SubexpIndex(unitGroup) >= 0 && l.Line.Name == "" {
		unit = "{" + unitGroup + "}"
	}
	for _, name := range order {
		cl := l
		cl.value = numbers[name]
		own := unit
		if group := re.SubexpNames()[cl.value] + "_" + unitGroup; re.SubexpIndex(group) >= 0 {
			own = "{" + group + "}"
		}
		if cl.name, err = groupTemplate(name, re, heading); err == nil {
			cl.unit, err = groupTemplate(own, re, heading)
		}
		if when != nil && !cl.name.fixed() {
			cl.expected, _ = groupTemplate(name, when, nil)
		}
		if err != nil {
			return nil, &Error{field, err.Error()}
		}
		lines = append(lines, cl)
	}
	return lines, nil
}

// add returns the index of the pattern, -1 for the empty one.
func (c *compiler) add(field string, text Pattern, numbers bool) (int, error) {
	if text == (Pattern{}) {
		return -1, nil
	}
	if i, ok := c.index[text]; ok {
		if p := c.patterns[i].program; p != nil && (len(p.numbers) > 0) != numbers {
			return 0, wrongNumbers(field, text, numbers)
		}
		return i, nil
	}
	p := pattern{Pattern: text}
	var err error
	if !utf8.ValidString(text.Text) {
		err = errors.New("it is not UTF-8")
	} else if text.Regexp {
		if p.re, err = regexp.Compile(text.Text); err == nil {
			if tree, err := syntax.Parse(text.Text, syntax.Perl); err == nil {
				tree = tree.Simplify()
				p.literals, p.first = requiredLiterals(tree), firstBytes(tree)
			}
		}
	} else if p.program, err = parseMatch(text.Text); err == nil {
		p.literals = []string{p.program.literal()}
		if (len(p.program.numbers) > 0) != numbers {
			return 0, wrongNumbers(field, text, numbers)
		}
	}
	if err != nil {
		return 0, &Error{field, fmt.Sprintf("pattern %q: %v", text.Text, err)}
	}
	c.patterns = append(c.patterns, p)
	c.index[text] = len(c.patterns) - 1
	return c.index[text], nil
}

func wrongNumbers(field string, text Pattern, numbers bool) error {
	if numbers {
		return &Error{field, fmt.Sprintf("pattern %q: it has no number: want a {NAME} where the number stands, such as {throughput}", text.Text)}
	}
	return &Error{field, fmt.Sprintf("pattern %q: no number is read here: want * or {*} in place of a {NAME}", text.Text)}
}

// requiredLiterals returns texts of which one is in every match of re. It prefers long
// ones, and returns none if it finds none.
func requiredLiterals(re *syntax.Regexp) (literals []string) {
	switch re.Op {
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase == 0 {
			return []string{string(re.Rune)}
		}
	case syntax.OpCapture, syntax.OpPlus:
		return requiredLiterals(re.Sub[0])
	case syntax.OpAlternate:
		const most = 16 // of one pattern
		for _, sub := range re.Sub {
			l := requiredLiterals(sub)
			if literals = append(literals, l...); len(l) == 0 || len(literals) > most {
				return nil
			}
		}
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			if l := requiredLiterals(sub); shortest(l) > shortest(literals) {
				literals = l
			}
		}
	}
	return literals
}

// shortest returns the length of the shortest text, 0 for none.
func shortest(texts []string) int {
	if len(texts) == 0 {
		return 0
	}
	return len(slices.MinFunc(texts, func(a, b string) int { return len(a) - len(b) }))
}

// firstBytes returns the bytes with which a match of re can begin at the start of a
// line. It is nil if a match can begin elsewhere, or with any byte.
func firstBytes(re *syntax.Regexp) *[256]bool {
	prog, err := syntax.Compile(re)
	if err != nil {
		return nil
	}
	first := &[256]bool{}
	seen := map[[2]any]bool{}
	var add func(pc uint32, atStart bool) bool // false: any byte
	add = func(pc uint32, atStart bool) bool {
		key := [2]any{pc, atStart}
		if seen[key] { // a loop
			return true
		}
		seen[key] = true
		in := &prog.Inst[pc]
		switch in.Op {
		case syntax.InstFail:
			return true
		case syntax.InstAlt:
			return add(in.Out, atStart) && add(in.Arg, atStart)
		case syntax.InstCapture, syntax.InstNop:
			return add(in.Out, atStart)
		case syntax.InstEmptyWidth:
			return syntax.EmptyOp(in.Arg)&syntax.EmptyBeginText != 0 && add(in.Out, true)
		case syntax.InstRune, syntax.InstRune1:
			if !atStart {
				return false
			}
			fold := syntax.Flags(in.Arg)&syntax.FoldCase != 0
			for i := 0; i < len(in.Rune); i += 2 {
				for r := in.Rune[i]; r <= in.Rune[min(i+1, len(in.Rune)-1)] && r < 256; r++ {
					first[r] = true
					if fold && r|0x20 >= 'a' && r|0x20 <= 'z' {
						first[r^0x20] = true
					}
				}
			}
			for b := 0x80; b < 256; b++ {
				first[b] = true // the first byte of a longer character
			}
			return true
		}
		return false
	}
	if !add(uint32(prog.Start), false) {
		return nil
	}
	return first
}

// markOnce marks the patterns that are only conditions, which need no second match, and
// those that are read only below some headings.
func (r *reader) markOnce() {
	elsewhere := map[int]bool{r.signature: true} // patterns that count anywhere
	for i := range r.patterns {
		r.patterns[i].once = !r.patterns[i].heading
		elsewhere[i] = elsewhere[i] || r.patterns[i].heading
	}
	for _, l := range r.lines {
		elsewhere[l.when] = true
	}
	for _, n := range r.notes {
		elsewhere[n.pattern] = true
	}
	for _, l := range r.lines {
		r.patterns[l.pattern].once = false
		p := &r.patterns[l.pattern]
		if elsewhere[l.pattern] || l.section < 0 {
			p.below, elsewhere[l.pattern] = nil, true
		} else {
			p.below = append(p.below, l.section)
		}
		if len(l.expected.literals) > 0 {
			r.patterns[l.when].once = false
		}
	}
	for _, n := range r.notes {
		r.patterns[n.pattern].once = false
	}
}

// hints returns what the lines say about the names of their metrics.
func (r *reader) hints() []ktstr.Hint {
	hints := make([]ktstr.Hint, 0, len(r.lines))
	for _, l := range r.lines {
		h := ktstr.Hint{Name: l.name.pattern(), Polarity: l.Polarity, Headline: l.Headline}
		if l.unit.fixed() {
			h.Unit = l.unit.literals[0]
		}
		hints = append(hints, h)
	}
	return hints
}

// describe names the patterns of the lines for a message, at most three.
func (r *reader) describe() string {
	const most = 3
	var texts []string
	seen := map[int]bool{}
	for _, l := range r.lines {
		if !seen[l.pattern] {
			seen[l.pattern] = true
			texts = append(texts, "`"+l.Pattern.Text+"`")
		}
	}
	if len(texts) > most {
		texts = append(texts[:most], fmt.Sprintf("%d more patterns", len(texts)-most))
	}
	return strings.Join(texts, ", ")
}
