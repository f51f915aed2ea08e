package lines

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"

	"github.com/ktstr/ktstr"
)

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
