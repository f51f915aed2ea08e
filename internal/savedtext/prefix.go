package savedtext

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// A grammar is the form of a prefix that another program puts before each line. Two
// groups of the pattern have a meaning. source names the program or container that
// printed the line. joined marks a line that continues the line before. All other
// groups must be equal on all lines, for example the name of the host.
type grammar struct {
	name    string
	starts  string                // the bytes with which a line can begin
	pattern func() *regexp.Regexp // compiled at the first use, because most texts have no prefix
}

// The parts of the patterns. The fraction of a kernel time has six digits, so that
// "[  5] " of iperf3 is no prefix. The zones are a closed list, so that the first word
// of a line, such as "RPS", is no zone.
const (
	clock      = `\d\d:\d\d:\d\d(?:[.,]\d{1,9})?`
	date       = `\d{4}-\d\d-\d\d`
	zone       = `(?: ?Z| ?[+-]\d\d:?\d\d|(?P<zone> (?:UTC|GMT|CET|CEST|[ECMP][SD]T|BST|IST|JST)))?`
	iso        = `(?:[A-Z][a-z]{2} )?(?:` + date + `[T ]|\d{4}/\d\d/\d\d )` + clock + zone
	bsd        = `(?:<\d{1,3}>)?[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d{1,6})?`
	kernelTime = `\[ *\d+\.\d{6}(?: < *\d+\.\d{6}>)?\]`
	epoch      = `(?:1[4-9]\d{8}(?:\.\d{1,9}|(?:\d{3}){1,3})?)`
	hostname   = `(?P<host>[^\s:|]+) `
	space      = `(?: |$)` // some programs drop the space of a line without text
	digits     = "0123456789"
	letters    = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// grammars is the closed list of prefixes, the more specific ones first.
var grammars = []grammar{
	newGrammar("a GitLab job log", digits, iso+` \d\d[OE](?:(?P<joined>\+)| |$)`),
	newGrammar("a GitHub job log", letters+digits, `(?P<source>[^\t]+\t[^\t]+)\t(?:\x{feff})?`+iso+space),
	newGrammar("Kubernetes", digits, iso+` (?P<source>stdout|stderr) F`+space),
	newGrammar("the journal", digits+letters+"<[", `(?:`+bsd+`|`+iso+`|`+kernelTime+`|`+epoch+`) (?:`+hostname+`)?(?P<source>[^\s:\[\]]+)\[\d+\]:`+space),
	newGrammar("syslog", "<", `<\d{1,3}>1 `+iso+` (?P<host>\S+) (?P<source>\S+) \S+ \S+ (?:-|\[[^\]]*\])`+space),
	newGrammar("syslog", letters+digits+"<", `(?:`+bsd+`|`+date+`T`+clock+zone+`) `+hostname+`(?P<source>[^\s:\[\]]+)(?:\[\d+\])?:`+space),
	newGrammar("logger", "<", bsd+` (?P<source>[^:\[\]]+)(?:\[\d+\])?:`+space),
	newGrammar("logger", letters, `(?P<source>[A-Za-z][\w./-]*)\[\d+\]:`+space),
	newGrammar("the kernel console", letters+"[<", `(?:<\d{1,3}>|[a-z]+ *:[a-z]+ *: )?`+kernelTime+`(?:\[ *[TC]\d+\])?`+space),
	newGrammar("the kernel console", "[", `\[(?:[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}|[A-Z][a-z]{2} ?\d\d? \d\d:\d\d| *\+\d+\.\d{6})\]`+space),
	newGrammar("kubectl", "[", `\[(?P<source>[a-z]+/[^\]\s/]+/[^\]\s/]+)\]`+space),
	newGrammar("docker compose", letters+digits, `(?P<source>[A-Za-z0-9][\w.@-]*) +\|`+space),
	newGrammar("docker build", "#", `(?P<source>#\d+)(?: \d+\.\d{1,3})?`+space),
	newGrammar("a test log", digits, `(?:`+date+` )?`+clock+` (?:[\w.-]+ +){0,2}?(?:L\d+ )?(?:DEBUG|INFO|WARN|WARNING|ERROR|CRITICAL) *\|(?: \[(?P<source>stdout|stderr)\])?`+space),
	newGrammar("a timestamp", letters+digits, `(?:`+iso+`|`+epoch+`)(?::? |\t|$)`),
	newGrammar("a timestamp", "[", `\[(?:`+iso+`|`+epoch+`)\](?::? |\t|$)`),
	newGrammar("a timestamp", letters, bsd+space),
	newGrammar("a mail quote", ">", `>(?: |\x{a0}|$)`),
	newGrammar("a mail quote", ">", `>`),
}

// match returns whether a line begins with the prefix.
func (g grammar) match(line []byte) bool {
	return strings.ContainsRune(g.starts, rune(line[0])) && g.pattern().Match(line)
}

func newGrammar(name, starts, pattern string) grammar {
	return grammar{name, starts, sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(?:` + pattern + `)`) })}
}

// removePrefix removes the prefix that stands on every line of data that is not blank.
// It returns one part for each source that the prefix names, or none if there is no
// such prefix. name is the grammar. reason tells of a prefix that stands on most lines,
// but not on all.
func removePrefix(data []byte) (parts []Reading, name, reason string) {
	first := firstLines(data)
	for _, g := range grammars {
		if !slices.ContainsFunc(first, g.match) {
			continue
		}
		s := g.split(data)
		if s.matched == s.lines && !s.mixed {
			return s.parts(g.name), g.name, ""
		}
		if reason == "" && s.matched*2 >= s.lines {
			reason = fmt.Sprintf("the prefix of %s stands on %d of the %d lines that are not blank: want it on all", g.name, s.matched, s.lines)
			if s.mixed {
				reason = fmt.Sprintf("the prefix of %s is not the same on all lines", g.name)
			}
		}
	}
	if parts := removeQuotes(data); parts != nil {
		return parts, "Ansible", ""
	}
	if part, ok := removeIndentation(data); ok {
		return []Reading{part}, "indentation", ""
	}
	return nil, "", reason
}

// headerStart begins the lines that journalctl prints between entries, for example
// "-- Boot 6c1f... --".
var headerStart = []byte("-- ")

// firstLines returns the first two lines that are neither blank nor a header of
// journalctl. The first of them may be of the user, for example "On Monday, Ada wrote:".
func firstLines(data []byte) (first [][]byte) {
	eachLine(data, func(line, _ []byte) bool {
		if line = bytes.TrimLeft(line, "\r"); !isBlank(line) && !bytes.HasPrefix(line, headerStart) {
			first = append(first, line)
		}
		return len(first) < 2
	})
	return first
}

// A split is a text divided into prefixes and the text after them.
type split struct {
	lines, matched int
	mixed          bool // the host, the zone, or the column of one source differs
	rows           []row
	sources        []string       // in the order of their first lines
	index          map[string]int // into sources
}

// A row is one line of a split.
type row struct {
	rest, end []byte // the text after the prefix, and the end of the line
	source    int    // an index into split.sources; -1: the line is blank
	joined    bool   // the line continues the line before
}

// split matches all lines of data. It stops early if most lines do not match.
func (g grammar) split(data []byte) split {
	s := split{index: map[string]int{}}
	pattern := g.pattern()
	source, joined := pattern.SubexpIndex("source"), pattern.SubexpIndex("joined")
	journal := pattern.SubexpIndex("host") > 0
	var equal [][]byte // the groups that must be equal on all lines
	var columns []int
	eachLine(data, func(line, end []byte) bool {
		line = bytes.TrimLeft(line, "\r")
		if isBlank(line) || journal && bytes.HasPrefix(line, headerStart) {
			s.rows = append(s.rows, row{end: end, source: -1})
			return true
		}
		s.lines++
		groups := pattern.FindSubmatch(line)
		if groups == nil {
			return s.lines < 100 || s.matched*2 > s.lines
		}
		s.matched++
		prefix := groups[0]
		groups[0] = nil
		take := func(i int) (group []byte) {
			if i > 0 {
				group, groups[i] = groups[i], nil
			}
			return group
		}
		name, continues := string(take(source)), take(joined) != nil
		if equal == nil {
			equal = groups
		}
		at, known := s.index[name]
		column := bytes.IndexByte(prefix, '|')
		if !known {
			at = len(s.sources)
			s.index[name] = at
			s.sources = append(s.sources, name)
			columns = append(columns, column)
		}
		s.mixed = s.mixed || column != columns[at] || !slices.EqualFunc(equal, groups, bytes.Equal)
		s.rows = append(s.rows, row{line[len(prefix):], end, at, continues})
		return true
	})
	return s
}

// parts returns one reading for each source.
func (s split) parts(name string) []Reading {
	if len(s.sources) > maxSources {
		return make([]Reading, len(s.sources)) // the caller only counts them
	}
	removed := []Removal{{"the prefix of " + name, s.lines, "line"}}
	parts := make([]Reading, len(s.sources))
	for i := range parts {
		part := &parts[i]
		part.Removed = removed
		if len(parts) > 1 {
			part.Source = s.sources[i]
		}
		var ends []byte // held back, because the next line may continue the line before
		for _, r := range s.rows {
			if r.source != i || !r.joined {
				part.Data = append(part.Data, ends...)
				ends = ends[:0]
			}
			if r.source == i {
				part.Data = append(part.Data, r.rest...)
			}
			ends = append(ends, r.end...)
		}
		part.Data = append(part.Data, ends...)
	}
	return parts
}

// removeIndentation removes the blanks that all lines of data begin with.
func removeIndentation(data []byte) (Reading, bool) {
	var indent []byte
	lines := 0
	eachLine(data, func(line, _ []byte) bool {
		if isBlank(line) {
			return true
		}
		own := line[:len(line)-len(bytes.TrimLeft(line, " \t"))]
		if lines == 0 {
			indent = own
		}
		for !bytes.HasPrefix(own, indent) {
			indent = indent[:len(indent)-1]
		}
		lines++
		return len(indent) > 0
	})
	if len(indent) == 0 {
		return Reading{}, false
	}
	clean := make([]byte, 0, len(data)-lines*len(indent))
	eachLine(data, func(line, end []byte) bool {
		if !isBlank(line) {
			clean = append(clean, line[len(indent):]...)
		}
		clean = append(clean, end...)
		return true
	})
	return Reading{Data: clean, Removed: []Removal{{"the indentation", lines, "line"}}}, true
}
