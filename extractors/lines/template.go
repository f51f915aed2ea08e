package lines

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/ktstr/ktstr/internal/text"
)

// template is a text with parts of a line in it: literals[0], part 0, literals[1],
// part 1, …
type template struct {
	literals []string
	parts    []part
}

// part is the text of a group of the pattern.
type part struct {
	group   int
	heading bool // of the heading's pattern
	lower   bool // in lower case
}

// groupTemplate reads a text with {group} and {group:lower}. heading may be nil.
func groupTemplate(text string, re, heading *regexp.Regexp) (template, error) {
	var t template
	for {
		before, rest, found := strings.Cut(text, "{")
		if !found {
			t.literals = append(t.literals, text)
			return t, nil
		}
		inside, after, closed := strings.Cut(rest, "}")
		group, lower := strings.CutSuffix(inside, ":lower")
		p := part{group: -1, lower: lower}
		if closed {
			p.group = re.SubexpIndex(group)
			if p.group < 0 && heading != nil {
				p.group, p.heading = heading.SubexpIndex(group), true
			}
		}
		if p.group < 0 {
			return template{}, fmt.Errorf("{%s: want the name of a group of the pattern, and }", inside)
		}
		t.literals = append(t.literals, before)
		t.parts = append(t.parts, p)
		text = after
	}
}

// starTemplate reads a name in which the n-th * stands for the n-th word.
func starTemplate(name string, words []part) (template, error) {
	literals := strings.Split(name, "*")
	if n := len(literals) - 1; n > len(words) {
		if len(words) == 0 {
			return template{}, fmt.Errorf("{%s}: * stands for a word: want {*} where the word stands", name)
		}
		return template{}, fmt.Errorf("{%s}: it has %d *, and the pattern has %s: want a {*} for each", name, n, text.Count(len(words), "word"))
	}
	return template{literals: literals, parts: words[:len(literals)-1]}, nil
}

func (t template) fixed() bool { return len(t.parts) == 0 }

// pattern is the template as the name of a hint.
func (t template) pattern() string { return strings.Join(t.literals, "*") }

// expand replaces the parts by their text. For a name each text becomes a part of one
// segment. heading has the texts of the groups of the heading.
func (t template) expand(line []byte, match []int, heading []string, segment bool) string {
	if t.fixed() {
		return t.literals[0]
	}
	var b strings.Builder
	for i, p := range t.parts {
		b.WriteString(t.literals[i])
		var word string
		switch {
		case p.heading && p.group < len(heading):
			word = heading[p.group]
		case !p.heading && match[2*p.group] >= 0:
			word = strings.ToValidUTF8(string(line[match[2*p.group]:match[2*p.group+1]]), string(utf8.RuneError))
		}
		if p.lower {
			word = strings.ToLower(word)
		}
		if segment {
			word = cmp.Or(text.Segment(word), "_")
		}
		b.WriteString(word)
	}
	b.WriteString(t.literals[len(t.literals)-1])
	return b.String()
}
