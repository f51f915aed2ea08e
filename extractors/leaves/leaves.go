// Package leaves reads numbers of JSON documents by their paths. Table plugins use it.
package leaves

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/valyala/fastjson"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/text"
)

// Leaf is a number of a document, or several numbers whose paths differ in an element
// of an array or in a member of an object.
type Leaf struct {
	// Path is the keys to the number, with dots between them, such as
	// "end.sum_sent.bits_per_second". "streams.0" is the first element of an array.
	// "streams[]" stands for each element, numbered from 1. "results[command]" stands
	// for each element, called by the text of its member command. The second element of
	// the same name is called NAME~2. "*" stands for each member of an object, called by
	// its key.
	Path string

	// Name is the metric's name. The n-th * in it stands for the n-th number or text of
	// the path, as one segment of a name. For example, the path "results[command].mean"
	// with the name "*.mean" gives "sleep 1.mean" as "sleep_1.mean".
	Name string

	Unit       string
	Polarity   ktstr.Polarity
	Headline   bool // among the few numbers to show first
	ZeroIsNone bool // the tool prints 0 for a value that it did not measure
}

// An Error is a mistake in a list of leaves.
type Error struct {
	Field   string // such as "leaves[0].path"
	Problem string // what is wrong, and what is wanted
}

func (e *Error) Error() string { return e.Field + ": " + e.Problem }

// Reader reads leaves. The zero value reads none.
type Reader struct {
	leaves []compiled
}

type compiled struct {
	Leaf
	steps    []step
	literals []string // of the name, between its *
}

// step is one part of a path.
type step struct {
	key  string // of a member, or the number of an element
	each each
	by   string // of eachBy: the member that names the element
}

type each int

const (
	eachNone each = iota
	eachElement
	eachBy
	eachMember
)

// Compile returns the Reader of leaves. Every error is an *Error.
func Compile(list []Leaf) (*Reader, error) {
	r := &Reader{}
	for i, l := range list {
		field := fmt.Sprintf("leaves[%d]", i)
		c := compiled{Leaf: l, literals: strings.Split(l.Name, "*")}
		variables := 0
		for _, part := range strings.Split(l.Path, ".") {
			key, inside, array := strings.Cut(part, "[")
			switch {
			case part == "":
				return nil, &Error{field + ".path", fmt.Sprintf("%q: an empty key: want keys with dots between them, such as end.sum_sent.bits_per_second", l.Path)}
			case array && !strings.HasSuffix(inside, "]"):
				return nil, &Error{field + ".path", fmt.Sprintf("%q: want [] or [KEY] after the name of an array", l.Path)}
			default:
				if key == "*" {
					c.steps = append(c.steps, step{each: eachMember})
					variables++
				} else if key != "" {
					c.steps = append(c.steps, step{key: key})
				}
				if by := strings.TrimSuffix(inside, "]"); by != "" {
					c.steps = append(c.steps, step{each: eachBy, by: by})
					variables++
				} else if array {
					c.steps = append(c.steps, step{each: eachElement})
					variables++
				}
			}
		}
		switch {
		case l.Name == "":
			return nil, &Error{field + ".name", "empty: want the name of the metric"}
		case len(c.literals)-1 != variables:
			return nil, &Error{field + ".name", fmt.Sprintf("%q has %d *, and the path has %d [] or *: want one for each", l.Name, len(c.literals)-1, variables)}
		}
		r.leaves = append(r.leaves, c)
	}
	return r, nil
}

// Hints returns what the leaves say about the names of their metrics.
func (r *Reader) Hints() []ktstr.Hint {
	hints := make([]ktstr.Hint, len(r.leaves))
	for i, l := range r.leaves {
		hints[i] = ktstr.Hint{Name: l.Name, Unit: l.Unit, Polarity: l.Polarity, Headline: l.Headline}
	}
	return hints
}

// Extract returns the leaves of the documents in a text, and how often each Leaf was
// there. A document begins with { or [ at the start of a line. If a name occurs again,
// the last one counts, and a diagnostic says so if they differ.
func (r *Reader) Extract(data []byte) (x ktstr.Extraction, read []int) {
	f := found{byName: map[string]int{}, read: make([]int, len(r.leaves))}
	var parser fastjson.Parser
	documents, wasted := 0, 0
	for start := nextDocument(data, 0); start >= 0; start = nextDocument(data, start) {
		var raw json.RawMessage
		d := json.NewDecoder(bytes.NewReader(data[start:]))
		if err := d.Decode(&raw); err != nil {
			var syntax *json.SyntaxError
			if errors.As(err, &syntax) && data[start] == '[' && wasted <= len(data) { // prose, such as "[INFO] ready"
				wasted += int(syntax.Offset)
				start++
				continue
			}
			f.broken(data, start, documents)
			break // another attempt would read parts of this document as documents
		}
		line := 1 + bytes.Count(data[:start], []byte{'\n'})
		if v, err := parser.ParseBytes(raw); err != nil {
			f.note(ktstr.TooDeep, "the JSON document that begins here is nested too deep: left out", line)
		} else {
			documents++
			for i, l := range r.leaves {
				f.walk(i, l, l.steps, v, nil, line)
			}
		}
		start += int(d.InputOffset())
	}
	for i, l := range r.leaves {
		if l.Headline && f.read[i] == 0 && len(f.Metrics) > 0 {
			f.note(ktstr.MissingHeadline, fmt.Sprintf("%s is missing: the document has no number at %s", l.Name, l.Path), 0)
		}
	}
	return f.Extraction, f.read
}

// nextDocument returns the offset of the next { or [ at the start of a line, -1 if
// the text has none.
func nextDocument(data []byte, from int) int {
	for i := from; i < len(data); {
		if i == 0 || data[i-1] == '\n' {
			line := bytes.TrimLeft(data[i:], " \t")
			if len(line) > 0 && (line[0] == '{' || line[0] == '[') {
				return len(data) - len(line)
			}
		}
		end := bytes.IndexByte(data[i:], '\n')
		if end < 0 {
			return -1
		}
		i += end + 1
	}
	return -1
}

type found struct {
	ktstr.Extraction
	byName map[string]int
	read   []int
}

// broken reports a document that cannot be read.
func (f *found) broken(data []byte, start, documents int) {
	line := 1 + bytes.Count(data[:start], []byte{'\n'})
	if documents == 0 {
		f.note(ktstr.Malformed, "the JSON document that begins here is not complete or not valid", line)
		return
	}
	f.note(ktstr.Malformed, "the text that begins here is not valid JSON: left out", line)
}

// walk follows the steps of a leaf below v. words are the texts for its name.
func (f *found) walk(i int, l compiled, steps []step, v *fastjson.Value, words []string, line int) {
	if len(steps) == 0 {
		f.number(i, l, v, words, line)
		return
	}
	s, rest := steps[0], steps[1:]
	switch s.each {
	case eachNone:
		if next := v.Get(s.key); next != nil {
			f.walk(i, l, rest, next, words, line)
		} else if l.Headline && len(rest) == 0 && len(words) > 0 {
			f.note(ktstr.MissingHeadline, fmt.Sprintf("%s is missing: the element has no member %s", l.metric(words), s.key), line)
		}
	case eachMember:
		object, err := v.Object()
		if err != nil {
			return
		}
		object.Visit(func(key []byte, member *fastjson.Value) {
			f.walk(i, l, rest, member, append(words[:len(words):len(words)], string(key)), line)
		})
	default:
		elements, err := v.Array()
		if err != nil {
			return
		}
		times := map[string]int{}
		for n, element := range elements {
			word := strconv.Itoa(n + 1)
			if s.each == eachBy {
				by := element.Get(s.by)
				if by == nil {
					if l.Headline {
						f.note(ktstr.Malformed, fmt.Sprintf("element %d has no member %s, by which it is called: left out", n+1, s.by), line)
					}
					continue
				}
				word = segment(textOf(by))
				if times[word]++; times[word] > 1 {
					word += "~" + strconv.Itoa(times[word])
				}
			}
			f.walk(i, l, rest, element, append(words[:len(words):len(words)], word), line)
		}
	}
}

// textOf returns a string without its quotes, and another value as it is written.
func textOf(v *fastjson.Value) string {
	if b, err := v.StringBytes(); err == nil {
		return string(b)
	}
	return v.String()
}

// metric returns the name of the metric with those words.
func (c compiled) metric(words []string) string {
	var b strings.Builder
	for n, word := range words {
		b.WriteString(c.literals[n])
		b.WriteString(segment(word))
	}
	b.WriteString(c.literals[len(c.literals)-1])
	return b.String()
}

// segment returns a text as one segment of a name.
func segment(word string) string {
	return cmp.Or(text.Segment(strings.ToValidUTF8(word, "\uFFFD")), "_")
}

func (f *found) number(i int, l compiled, v *fastjson.Value, words []string, line int) {
	if v.Type() != fastjson.TypeNumber {
		return // null and text are no measurements
	}
	// Value.Float64 is not always the nearest number. An error leaves an infinity.
	value, _ := strconv.ParseFloat(string(v.MarshalTo(nil)), 64)
	name := l.metric(words)
	f.read[i]++
	switch {
	case math.IsInf(value, 0) || math.IsNaN(value):
		f.note(ktstr.NotFinite, name+" is not finite: left out", line)
		return
	case value == 0 && l.ZeroIsNone:
		f.note(ktstr.NotMeasured, name+" is 0: it was not measured", line)
		return
	}
	m := ktstr.Metric{Name: name, Value: value, Unit: l.Unit, Polarity: l.Polarity, Line: line}
	if m.Polarity == ktstr.SetUnknown {
		m.Polarity = ktstr.Unknown
	}
	if at, again := f.byName[name]; again {
		if f.Metrics[at].Value != value { // hyperfine writes a document again with more elements
			f.note(ktstr.Duplicate, name+" occurs again: the last one counts", line)
		}
		f.Metrics[at] = m
		return
	}
	f.byName[name] = len(f.Metrics)
	f.Metrics = append(f.Metrics, m)
}

// note adds a diagnostic, but no more than a hundred.
func (f *found) note(code ktstr.Code, message string, line int) {
	const mostOf = 100
	switch n := len(f.Diagnostics); {
	case n > mostOf:
		return
	case n == mostOf:
		code, message = ktstr.TooMany, "more values like these are not reported"
	}
	f.Diagnostics = append(f.Diagnostics, ktstr.Diagnostic{Code: code, Message: text.Shorten(message, 500), Line: line})
}
