package savedtext

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"sync"
)

// A grammar is the form of a prefix that another program puts before each line. Two
// groups of the pattern have a meaning. source names the program or container that
// printed the line. host must be equal on all lines.
type grammar struct {
	name    string
	starts  string                // the bytes with which a line can begin
	pattern func() *regexp.Regexp // compiled at the first use, because most texts have no prefix
}

// The parts of the patterns. The fraction of a kernel time has six digits, so that
// "[  5] " of iperf3 is no prefix.
const (
	iso        = `\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?`
	bsd        = `(?:<\d{1,3}>)?[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d{1,6})?`
	kernelTime = `\[ *\d+\.\d{6}\]`
	epoch      = `(?:1[4-9]\d{8}(?:\.\d{1,9})?|1[4-9]\d{11})`
	space      = `(?: |$)` // some programs drop the space of a line without text
	digits     = "0123456789"
	letters    = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// grammars is the closed list of prefixes, the more specific ones first.
var grammars = []grammar{
	newGrammar("a GitLab job log", digits, iso+` \d\d[OE](?:\+| |$)`),
	newGrammar("a GitHub job log", letters+digits, `(?P<source>[^\t]+\t[^\t]+)\t(?:\x{feff})?`+iso+space),
	newGrammar("the journal", digits+letters+"<[", `(?:`+bsd+`|`+iso+`|`+kernelTime+`|`+epoch+`) (?P<host>[^\s:|]+) (?P<source>[^\s:\[\]]+)\[\d+\]:`+space),
	newGrammar("syslog", "<", `<\d{1,3}>1 `+iso+` (?P<host>\S+) (?P<source>\S+) \S+ \S+ (?:-|\[[^\]]*\])`+space),
	newGrammar("syslog", letters+"<", bsd+` (?P<host>[^\s:|]+) (?P<source>[^\s:\[\]]+):`+space),
	newGrammar("logger", "<", bsd+` (?P<source>[^\s:\[\]]+)(?:\[\d+\])?:`+space),
	newGrammar("the kernel console", "[<", `(?:<\d{1,3}>)?`+kernelTime+`(?:\[ *[TC]\d+\])?`+space),
	newGrammar("the kernel console", "[", `\[[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}\]`+space),
	newGrammar("kubectl", "[", `\[(?P<source>[a-z]+/[^\]\s/]+/[^\]\s/]+)\]`+space),
	newGrammar("docker compose", letters+digits, `(?P<source>[A-Za-z0-9][\w.@-]*) +\|`+space),
	newGrammar("docker build", "#", `(?P<source>#\d+)(?: \d+\.\d{1,3})?`+space),
	newGrammar("a test log", digits, `(?:\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d(?:[.,]\d+)? (?:[\w.-]+ +L\d+ )?(?:DEBUG|INFO|WARN|WARNING|ERROR|CRITICAL) *\|(?: \[(?P<source>stdout|stderr)\])?`+space),
	newGrammar("a timestamp", digits, `(?:`+iso+`|`+epoch+`)(?::? |\t|$)`),
	newGrammar("a timestamp", "[", `\[(?:`+iso+`|`+epoch+`)\](?::? |\t|$)`),
	newGrammar("a timestamp", letters, bsd+space),
	newGrammar("a mail quote", ">", `>`+space),
	newGrammar("a mail quote", ">", `>`),
}

func newGrammar(name, starts, pattern string) grammar {
	return grammar{name, starts, sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(?:` + pattern + `)`) })}
}

// removePrefix removes the prefix that stands on every line of data that is not blank.
// It returns one part for each source that the prefix names, or none if there is no
// such prefix. name is the grammar. reason tells of a prefix that stands on most lines,
// but not on all.
func removePrefix(data []byte) (parts []Reading, name, reason string) {
	first := firstLine(data)
	if len(first) == 0 {
		return nil, "", ""
	}
	for _, g := range grammars {
		if !strings.ContainsRune(g.starts, rune(first[0])) || !g.pattern().Match(first) {
			continue
		}
		s := g.split(data)
		if s.matched == s.lines && !s.mixed {
			return s.parts(g.name), g.name, ""
		}
		if reason == "" && s.matched > 1 && s.matched*2 >= s.lines {
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

// firstLine returns the first line that is neither blank nor a header of journalctl.
func firstLine(data []byte) (first []byte) {
	eachLine(data, func(line, _ []byte) bool {
		if !isBlank(line) && !bytes.HasPrefix(line, headerStart) {
			first = bytes.TrimLeft(line, "\r")
		}
		return first == nil
	})
	return first
}

// A split is a text divided into prefixes and the text after them.
type split struct {
	lines, matched int
	mixed          bool           // the hosts, or the columns of one source, differ
	rest           [][]byte       // by line: the text after the prefix, with the end of the line
	ends           [][]byte       // by line: the end of the line
	source         []int          // by line: an index into sources; -1: the line is blank
	sources        []string       // in the order of their first lines
	index          map[string]int // into sources
}

// split matches all lines of data. It stops early if most lines do not match.
func (g grammar) split(data []byte) split {
	s := split{index: map[string]int{}}
	pattern := g.pattern()
	host, source := pattern.SubexpIndex("host"), pattern.SubexpIndex("source")
	var hosts []byte
	var columns []int
	eachLine(data, func(line, end []byte) bool {
		line = bytes.TrimLeft(line, "\r")
		if isBlank(line) || bytes.HasPrefix(line, headerStart) && host > 0 {
			s.rest, s.ends, s.source = append(s.rest, nil), append(s.ends, end), append(s.source, -1)
			return true
		}
		s.lines++
		m := pattern.FindSubmatchIndex(line)
		if m == nil {
			return s.lines < 100 || s.matched*2 > s.lines
		}
		s.matched++
		if host > 0 {
			name := line[m[2*host]:m[2*host+1]]
			if hosts == nil {
				hosts = name
			}
			s.mixed = s.mixed || !bytes.Equal(hosts, name)
		}
		name := ""
		if source > 0 && m[2*source] >= 0 {
			name = string(line[m[2*source]:m[2*source+1]])
		}
		at, known := s.index[name]
		if !known {
			at = len(s.sources)
			s.index[name] = at
			s.sources = append(s.sources, name)
			columns = append(columns, bytes.IndexByte(line[:m[1]], '|'))
		}
		s.mixed = s.mixed || bytes.IndexByte(line[:m[1]], '|') != columns[at]
		s.rest, s.ends, s.source = append(s.rest, line[m[1]:]), append(s.ends, end), append(s.source, at)
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
		parts[i].Removed = removed
		if len(parts) > 1 {
			parts[i].Source = s.sources[i]
		}
	}
	for i, rest := range s.rest {
		for j := range parts {
			if j == s.source[i] {
				parts[j].Data = append(parts[j].Data, rest...)
			}
			parts[j].Data = append(parts[j].Data, s.ends[i]...)
		}
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
