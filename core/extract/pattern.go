package extract

import "strings"

// A pattern is a hint's name that contains '*', with its meaning.
type pattern struct {
	text           string
	prefix, suffix string // before the first '*' and after the last one
	single         bool   // there is only one '*'
	meaning        meaning
}

func newPattern(text string, m meaning) pattern {
	first, last := strings.IndexByte(text, '*'), strings.LastIndexByte(text, '*')
	return pattern{text: text, prefix: text[:first], suffix: text[last+1:], single: first == last, meaning: m}
}

// matches is Match(p.text, name). Most names differ from the pattern at one of
// their ends, so it looks there first.
func (p *pattern) matches(name string) bool {
	if len(name) < len(p.prefix)+len(p.suffix) || !strings.HasSuffix(name, p.suffix) || !strings.HasPrefix(name, p.prefix) {
		return false
	}
	if p.single {
		return strings.IndexByte(name[len(p.prefix):len(name)-len(p.suffix)], '.') < 0
	}
	return Match(p.text, name)
}

// Match reports whether name is the pattern or matches it. A '*' in the pattern
// matches any number of characters except a dot. For example, "fio.*.iops"
// matches "fio.read.iops" but not "fio.a.read.iops".
func Match(pattern, name string) bool {
	// This is the usual greedy match that remembers only the last '*'. An
	// earlier '*' needs no second try: a later '*' can take over everything up to
	// the next dot, and no '*' can reach beyond the dot.
	p, n := 0, 0
	star, mark := -1, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, n
			p++
		case p < len(pattern) && pattern[p] == name[n]:
			p++
			n++
		case star >= 0 && name[mark] != '.':
			mark++
			p, n = star+1, mark
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}
