package lines

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// element is one part of a pattern of the match language.
type element struct {
	kind     kind
	literal  string // of kindLiteral
	optional bool   // of kindBlank: the text may have no blank here
	group    int    // the first group that the element sets
	before   bool   // a literal touches the left end of a number or word
	unit     string // of {NAME:UNIT}; empty: the number has no fixed unit
	after    byte   // the first byte of the literal that touches the right end of a number; 0: none
}

type kind int

const (
	kindLiteral kind = iota
	kindBlank        // a run of blanks and tabs
	kindAny          // *: any text, also none
	kindWord         // {*}: sets one group
	kindNumber       // {NAME}: sets two groups, the number and its prefix
	kindUnit         // {unit}: sets one group
)

// number is a {NAME} of a pattern.
type number struct {
	name  string // may have * for words
	unit  string // of {NAME:UNIT}; may be empty
	group int    // of the number; the next group is its prefix, such as the k of 24.46k
	unitG int    // group of {unit}, -1 if there is none
}

// program is a compiled pattern of the match language.
type program struct {
	elements []element
	numbers  []number
	words    []part // the {*}, in order
	groups   int
}

// parseMatch compiles a pattern such as "Throughput: {throughput} {unit}".
// docs/measure-anything.md has the grammar.
func parseMatch(pattern string) (*program, error) {
	p := &program{}
	var literal []byte
	flush := func() {
		if len(literal) > 0 {
			p.elements = append(p.elements, element{kind: kindLiteral, literal: string(literal)})
			literal = nil
		}
	}
	add := func(e element) {
		flush()
		p.elements = append(p.elements, e)
	}
	for rest := strings.Trim(pattern, " \t"); rest != ""; {
		c := rest[0]
		switch {
		case strings.HasPrefix(rest, "{{") || strings.HasPrefix(rest, "}}") || strings.HasPrefix(rest, "**"):
			literal = append(literal, c)
			rest = rest[2:]
		case c == '*':
			add(element{kind: kindAny})
			rest = rest[1:]
		case c == ' ' || c == '\t':
			add(element{kind: kindBlank})
			rest = strings.TrimLeft(rest, " \t")
		case c == '{':
			inside, after, closed := strings.Cut(rest[1:], "}")
			if !closed {
				return nil, fmt.Errorf("%s: want a } after the name, or {{ for the character {", rest)
			}
			flush()
			if err := p.placeholder(inside); err != nil {
				return nil, fmt.Errorf("{%s}: %w", inside, err)
			}
			rest = after
		case c == '}':
			return nil, errors.New("} without {: want }} for the character }")
		case c < ' ' || c == 0x7f:
			return nil, fmt.Errorf("%q: a control character cannot be matched", c)
		default:
			literal = append(literal, c)
			rest = rest[1:]
		}
	}
	flush()
	if err := p.connect(); err != nil {
		return nil, err
	}
	return p, p.checkNames()
}

// placeholder adds the element for the text between { and }.
func (p *program) placeholder(inside string) error {
	name, unit, hasUnit := strings.Cut(inside, ":")
	switch {
	case name == "*" && (!hasUnit || unit == "lower"):
		p.elements = append(p.elements, element{kind: kindWord, group: p.groups})
		p.words = append(p.words, part{group: p.groups, lower: hasUnit})
		p.groups++
	case name == "*":
		return fmt.Errorf("want {*}, or {*:lower} for the word in lower case")
	case inside == "unit":
		if len(p.numbers) == 0 {
			return errors.New("want it after the {NAME} of the number that has this unit")
		}
		n := &p.numbers[len(p.numbers)-1]
		if n.unit != "" || n.unitG >= 0 {
			return fmt.Errorf("the number {%s} has a unit already: want one", n.name)
		}
		n.unitG = p.groups
		p.elements = append(p.elements, element{kind: kindUnit, group: p.groups})
		p.groups++
	case name == "unit":
		return errors.New("the unit of the number before it is {unit}: want another name, or {NAME:UNIT} for a number with a fixed unit")
	default:
		if err := checkName(name); err != nil {
			return err
		}
		if hasUnit && strings.TrimSpace(unit) == "" {
			return errors.New("the unit after : is empty: want a unit such as {latency:ms}, or {latency} alone")
		}
		unit = strings.TrimSpace(unit)
		p.elements = append(p.elements, element{kind: kindNumber, group: p.groups, unit: unit})
		p.numbers = append(p.numbers, number{name: name, unit: unit, group: p.groups, unitG: -1})
		p.groups += 2
	}
	return nil
}

// checkName returns an error for text that cannot be the name of a metric.
func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("no name: want {NAME}, such as {throughput}")
	case strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".") || strings.Contains(name, ".."):
		return errors.New("an empty part between dots: want a name such as latency.p99")
	}
	for _, r := range name {
		if unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune(`{"'`, r) || r == utf8.RuneError {
			return fmt.Errorf("%q in a name: want a name such as latency.p99", r)
		}
	}
	return nil
}

// connect tells each element about its neighbours, and refuses neighbours between
// which the text has no border.
func (p *program) connect() error {
	if len(p.numbers) == 0 && len(p.elements) == 0 {
		return errors.New("empty: want text with a {NAME} for the number")
	}
	for i := range p.elements {
		e := &p.elements[i]
		var left, right element
		if i > 0 {
			left = p.elements[i-1]
		}
		if i+1 < len(p.elements) {
			right = p.elements[i+1]
		}
		variable := func(k kind) bool { return k == kindAny || k == kindWord || k == kindNumber }
		if i > 0 && variable(e.kind) && variable(left.kind) && (e.kind != kindAny || left.kind != kindNumber) && (e.kind != kindNumber || left.kind != kindAny) {
			return errors.New("two of *, {*} and {NAME} next to each other: want text or a blank between them")
		}
		switch e.kind {
		case kindBlank:
			e.optional = punctuated(left, true) || punctuated(right, false) || left.kind == kindNumber && right.kind == kindUnit || left.kind == kindAny && i > 0 || right.kind == kindAny
		case kindNumber, kindWord:
			e.before = i > 0 && left.kind == kindLiteral
			if e.kind == kindNumber && e.before && isDigit(left.literal[len(left.literal)-1]) {
				return errors.New("a digit directly before {NAME}: the digit and the number would be one number")
			}
			if right.kind == kindLiteral && right.literal != "" {
				e.after = right.literal[0]
			}
			if e.kind == kindNumber && isDigit(e.after) {
				return errors.New("a digit directly after {NAME}: the number and the digit would be one number")
			}
		}
	}
	return nil
}

// punctuated reports whether the end (or the start) of a literal is neither a letter
// nor a digit.
func punctuated(e element, end bool) bool {
	if e.kind != kindLiteral || e.literal == "" {
		return false
	}
	r, _ := utf8.DecodeRuneInString(e.literal)
	if end {
		r, _ = utf8.DecodeLastRuneInString(e.literal)
	}
	return !unicode.IsLetter(r) && !unicode.IsDigit(r)
}

func (p *program) checkNames() error {
	seen := map[string]bool{}
	for _, n := range p.numbers {
		if seen[n.name] {
			return fmt.Errorf("{%s} is there twice: want each name once, and * for a number that is not read", n.name)
		}
		seen[n.name] = true
	}
	return nil
}

// literal returns the longest text that stands in every match.
func (p *program) literal() (longest string) {
	for _, e := range p.elements {
		if e.kind == kindLiteral && len(e.literal) > len(longest) {
			longest = e.literal
		}
	}
	return longest
}

// matcher finds one program in lines. It needs time in proportion to the length of a
// line: it remembers each place at which an element and the elements after it do not
// match.
type matcher struct {
	*program
	line    []byte
	spans   []int    // start and end of each group; -1: not set
	dead    []uint64 // bit element*(len(line)+1)+offset
	deadAny []span   // by element: offsets at which a * or a {*} cannot end
	word    span     // the last run of text without blanks that was looked at
}

type span struct{ from, to int }

func newMatcher(p *program) *matcher {
	return &matcher{program: p, spans: make([]int, 2*p.groups), deadAny: make([]span, len(p.elements))}
}

// find returns the spans of the groups for the leftmost match, and nil if there is
// none. The result is valid until the next call.
func (m *matcher) find(line []byte) []int {
	m.line = line
	first := m.elements[0]
	begun := false
	for at := 0; at <= len(line); at++ {
		switch first.kind {
		case kindLiteral:
			next := bytes.Index(line[at:], []byte(first.literal))
			if next < 0 {
				return nil
			}
			at += next
		case kindNumber:
			if at < len(line) && !startsNumber(line[at]) {
				continue
			}
		case kindWord:
			if at > 0 && !isBlank(line[at-1]) {
				continue
			}
		}
		if !begun {
			begun = true
			m.reset()
		}
		if m.match(0, at) {
			return m.spans
		}
	}
	return nil
}

func (m *matcher) reset() {
	bits := len(m.elements) * (len(m.line) + 1)
	if words := (bits + 63) / 64; cap(m.dead) < words {
		m.dead = make([]uint64, words)
	} else {
		m.dead = m.dead[:words]
		clear(m.dead)
	}
	clear(m.deadAny)
	m.word = span{}
	for i := range m.spans {
		m.spans[i] = -1
	}
}

// match reports whether the elements from number i on match at an offset of the line.
func (m *matcher) match(i, at int) bool {
	if i == len(m.elements) {
		return true
	}
	bit := i*(len(m.line)+1) + at
	if m.dead[bit/64]&(1<<(bit%64)) != 0 {
		return false
	}
	if m.matchElement(i, at) {
		return true
	}
	m.dead[bit/64] |= 1 << (bit % 64)
	return false
}

func (m *matcher) matchElement(i, at int) bool {
	e, line := &m.elements[i], m.line
	switch e.kind {
	case kindLiteral:
		return bytes.HasPrefix(line[at:], []byte(e.literal)) && m.match(i+1, at+len(e.literal))
	case kindBlank:
		// All offsets in a run of blanks lead to its end.
		if bit := i*(len(line)+1) + at - 1; at > 0 && at < len(line) && isBlank(line[at]) && isBlank(line[at-1]) && m.dead[bit/64]&(1<<(bit%64)) != 0 {
			return false
		}
		end := skipBlanks(line, at)
		return (end > at || e.optional) && m.match(i+1, end)
	case kindAny:
		return m.shortest(i, at, len(line), at)
	case kindWord:
		if !e.before && at > 0 && !isBlank(line[at-1]) && i > 0 && m.elements[i-1].kind != kindBlank {
			return false
		}
		end := m.wordEnd(at)
		if m.wholeWord(i) {
			return end > at && m.set(e.group, at, end) && m.match(i+1, end)
		}
		return m.shortest(i, at+1, end, at)
	case kindNumber:
		return m.matchNumber(i, at)
	default: // kindUnit
		end := unitEnd(line, at)
		return end > at && m.set(e.group, at, end) && m.match(i+1, end)
	}
}

// wholeWord reports whether a blank, or nothing, must follow the {*} at element i.
func (m *matcher) wholeWord(i int) bool {
	rest := m.elements[i+1:]
	return len(rest) == 0 || rest[0].kind == kindBlank && (!rest[0].optional || rest[1].kind == kindAny)
}

// wordEnd returns the end of the run of text without blanks at an offset.
func (m *matcher) wordEnd(at int) int {
	if at < m.word.from || at >= m.word.to {
		m.word = span{at, at}
		for m.word.to < len(m.line) && !isBlank(m.line[m.word.to]) {
			m.word.to++
		}
	}
	return m.word.to
}

// shortest tries each end of a * or {*} that starts at an offset, the nearest first.
func (m *matcher) shortest(i, from, to, start int) bool {
	// An end that failed for an earlier start fails for this one too.
	dead := &m.deadAny[i]
	for end := from; end <= to; end++ {
		if end >= dead.from && end < dead.to {
			end = dead.to - 1
			continue
		}
		if m.match(i+1, end) {
			if m.elements[i].kind == kindWord {
				m.set(m.elements[i].group, start, end)
			}
			return true
		}
	}
	if from <= to {
		*dead = span{from, to + 1}
	}
	return false
}

func (m *matcher) matchNumber(i, at int) bool {
	e := &m.elements[i]
	end, ok := numberEnd(m.line, at, e.before, e.after)
	if !ok {
		return false
	}
	m.set(e.group, at, end)
	// A prefix belongs to the unit, unless the pattern has it as text.
	if prefix, after := prefixOf(m.line, end, e.unit); after > 0 && m.set(e.group+1, prefix, after) && m.match(i+1, after) {
		return true
	}
	return m.set(e.group+1, -1, -1) && m.match(i+1, end)
}

// set sets a group. It returns true.
func (m *matcher) set(group, from, to int) bool {
	m.spans[2*group], m.spans[2*group+1] = from, to
	return true
}
