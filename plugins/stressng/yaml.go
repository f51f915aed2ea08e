package stressng

import (
	"bytes"
	"fmt"

	"github.com/ktstr/ktstr"
)

// yaml is the document of --yaml as far as it was read. stress-ng writes one
// fixed dialect, of two levels, and may be stopped anywhere in it: it is read
// line by line. A library would refuse a document that was cut, and would read
// times of day as numbers of base 60.
type yaml struct {
	reading   bool
	marked    bool // the document starts with "---", and so ends with "..."
	ended     bool // the last document's "..." was there
	margin    int  // blanks before each line, if another program indented the document
	documents int
	metrics   []ktstr.Metric

	section string
	open    bool // keys of the section, or of an entry, may follow
	indent  int  // of these keys
	item    int  // indent of the section's entries, -1 before the first one
	entry   entry
	lost    int  // first line of keys that stand under no entry or section, or 0
	broken  bool // there were such keys in this section: whose the entries behind them are is not known

	stressors counts // entries of each stressor under metrics
	counters  counts // the same under perfstats
	extra     counts // how often each further metric occurred

	version     string
	versionLine int
}

// entry is one stressor's part of a section.
type entry struct {
	given   bool
	name    []byte
	line    int
	bogo    bool // bogo-ops is there
	rated   bool // its rate is there
	zero    bool // the row is all zeros so far
	figures []figure
}

// figure is one "key: value" of an entry.
type figure struct {
	key    []byte
	column int // of the table, or -1 for a further metric
	value  float64
	ok     bool // value is a number
	line   int
}

// maxKeys bounds an entry: none of stress-ng's has half as many.
const maxKeys = 256

// yamlColumn is the table's column of a key, -1 if it has none.
func yamlColumn(key []byte) int {
	switch string(key) {
	case "bogo-ops":
		return bogoOps
	case "wall-clock-time":
		return 1
	case "user-time":
		return 2
	case "system-time":
		return 3
	case "bogo-ops-per-second-real-time":
		return rate
	case "bogo-ops-per-second-usr-sys-time":
		return rateCPU
	case "cpu-usage-per-instance":
		return 6
	case "max-rss":
		return 7
	}
	return -1
}

// startsYAML reports whether a line starts a document. Another program may have
// indented it, and then the line is more than a mark or a word that prose has.
func startsYAML(text []byte) bool {
	text = bytes.TrimRight(text, " ")
	first := bytes.TrimLeft(text, " ")
	switch string(first) {
	case "build-info:", "system-info:", "metrics:":
		return true
	case "---", "perfstats:", "times:":
		return len(first) == len(text)
	}
	return isEntry(first)
}

// isEntry reports whether a line begins the entry of a stressor.
func isEntry(text []byte) bool {
	key, ok := bytes.CutPrefix(text, []byte("- "))
	return ok && bytes.HasPrefix(bytes.TrimLeft(key, " "), []byte("stressor:"))
}

// yamlStart begins a document. One that follows another takes its place.
func (p *parser) yamlStart(text []byte, n int) {
	version, line := p.yaml.version, p.yaml.versionLine
	first := bytes.TrimLeft(text, " ")
	p.yaml = yaml{
		reading: true, documents: p.yaml.documents + 1, version: version, versionLine: line, item: -1,
		marked: string(first) == "---", margin: len(text) - len(first),
	}
	if isEntry(first) {
		p.yaml.section = "metrics" // a tool such as yq selected the list
	}
	if !p.yaml.marked {
		p.yamlLine(first, n, true) // the first line, "---", is not there
	}
}

// unindent takes the margin off a line. It returns false for a line that stands
// outside of the indented document.
func (y *yaml) unindent(text []byte) ([]byte, bool) {
	blanks := len(text) - len(bytes.TrimLeft(text, " "))
	if blanks == len(text) {
		return nil, true
	}
	if blanks < y.margin {
		return text, false
	}
	return text[y.margin:], true
}

// yamlStop ends the document, with its end or without.
func (p *parser) yamlStop() {
	y := &p.yaml
	p.endEntry()
	y.reading = false
	// stress-ng indents the entries by 4. Other tools indent less and print no end.
	if y.marked && !y.ended && !p.out.Truncated && (y.item < 0 || y.item == 4) {
		p.diagnose(ktstr.Truncated, 0, "the YAML of stress-ng stops before its end; what was complete of it counts")
	}
	if y.lost > 0 {
		p.diagnose(ktstr.Malformed, y.lost, "keys stand under no stressor or section; they and what follows them in their section were left out")
	}
}

// yamlLine reads one line of a document.
func (p *parser) yamlLine(text []byte, n int, whole bool) {
	y := &p.yaml
	indent := 0
	for indent < len(text) && text[indent] == ' ' {
		indent++
	}
	if y.indent > 0 && indent > y.indent && indent < len(text) {
		return // below "instances:"
	}
	for len(text) > 0 && text[len(text)-1] == ' ' {
		text = text[:len(text)-1]
	}
	if indent >= len(text) {
		p.endEntry()
		y.open = false
		return
	}
	rest, item := bytes.CutPrefix(text[indent:], []byte("- "))
	rest = bytes.TrimLeft(rest, " ")
	if indent == 0 && !item {
		p.endEntry()
		switch {
		case string(text) == "...":
			y.ended = true
			p.yamlStop()
		case string(text) == "---":
			p.yamlStop()
			p.yamlStart(text, n)
		case text[len(text)-1] == ':':
			y.section, y.open, y.indent, y.item, y.broken = string(text[:len(text)-1]), true, 0, -1, false
			if y.lists() {
				y.open = false
			}
		}
		return
	}
	key, value, ok := bytes.Cut(rest, []byte(":"))
	if !ok {
		return
	}
	key = bytes.Trim(key, "'\"")
	value = bytes.TrimLeft(value, " ")
	switch {
	case item && y.lists() && (y.item < 0 || indent == y.item):
		p.endEntry()
		y.item, y.open, y.indent = indent, true, len(text)-len(rest)
		if whole {
			y.entry = entry{given: true, line: n, zero: true, figures: y.entry.figures[:0]}
			p.yamlKey(key, value, n, whole)
		}
		return
	case item && string(key) == "stressor":
		p.endEntry()
		y.loses(n) // the section's name is not there
		return
	}
	if y.indent == 0 {
		y.indent = indent
	}
	if item {
		return
	}
	p.yamlKey(key, value, n, whole)
}

// lists reports whether the section is a list with an entry for each stressor.
func (y *yaml) lists() bool {
	return y.section == "metrics" || y.section == "perfstats" || y.section == "thermal-zones"
}

// yamlKey reads "key: value" of a section or of an entry.
func (p *parser) yamlKey(key, value []byte, n int, whole bool) {
	y := &p.yaml
	if !y.open && (y.section == "metrics" || y.section == "perfstats" || y.section == "times") || !y.open && y.section == "" {
		y.loses(n)
		return
	}
	if !whole {
		return // digits may be missing
	}
	switch y.section {
	case "system-info":
		if string(key) == "stress-ng-version" {
			if v := cutVersion(bytes.Trim(value, "'\"")); v != "" {
				y.version, y.versionLine = v, n
			}
		}
	case "times":
		if name, ok := bytes.CutSuffix(key, []byte("-time")); ok {
			if name, wanted := timesNames[string(name)]; wanted {
				if v, ok := p.yamlNumber(key, value, n); ok {
					y.metrics = append(y.metrics, ktstr.Metric{Name: name, Value: v, Unit: "s", Line: n})
				}
			}
		}
	case "metrics", "perfstats", "thermal-zones":
		if y.entry.given {
			p.entryKey(key, value, n)
		}
	}
}

// loses takes note that an entry's or a section's beginning is not there.
func (y *yaml) loses(n int) {
	if y.lost == 0 {
		y.lost = n
	}
	y.broken = true
	y.entry.given = false
	y.open = false
}

func (p *parser) yamlNumber(key, value []byte, n int) (float64, bool) {
	v, ok := localNumber(value)
	switch {
	case ok:
	case isNotFinite(value):
		p.diagnose(ktstr.NotFinite, n, fmt.Sprintf("%s is %s: left out", clip(key), clip(value)))
	default:
		p.diagnose(ktstr.Malformed, n, fmt.Sprintf("%s: %q: want a number", clip(key), clip(value)))
	}
	return v, ok
}

func isKey(key []byte) bool {
	for _, c := range key {
		if !isWord(c) && c != '-' && c != '_' && !(c >= 'A' && c <= 'Z') {
			return false
		}
	}
	return len(key) > 0
}

// entryKey reads one figure of a stressor.
func (p *parser) entryKey(key, value []byte, n int) {
	y := &p.yaml
	e := &y.entry
	if len(value) == 0 {
		return // "instances:"
	}
	if string(key) == "stressor" {
		if e.name != nil {
			y.loses(n) // the next entry's first line is not there
			return
		}
		e.name = bytes.Trim(value, "'\"")
		return
	}
	if y.section == "perfstats" && !bytes.HasSuffix(key, []byte("_total")) {
		return
	}
	if !isKey(key) {
		p.diagnose(ktstr.Malformed, n, fmt.Sprintf("key %q: want letters, digits, - and _: left out", clip(key)))
		return
	}
	for i := range e.figures {
		if bytes.Equal(e.figures[i].key, key) {
			y.loses(n) // the next entry's name is not there
			return
		}
	}
	if len(e.figures) == maxKeys {
		y.loses(n)
		return
	}
	v, ok := p.yamlNumber(key, value, n)
	column := yamlColumn(key)
	e.figures = append(e.figures, figure{key, column, v, ok, n})
	switch column {
	case bogoOps:
		e.bogo = ok
		e.zero = e.zero && v == 0
	case rate, rateCPU:
		e.rated = e.rated || column == rate
		e.zero = e.zero && v == 0
	}
}

// endEntry gives the figures of the entry that ends.
func (p *parser) endEntry() {
	y := &p.yaml
	e := y.entry
	y.entry.given = false
	if !e.given || !isStressor(e.name) || y.broken {
		return
	}
	switch y.section {
	case "perfstats":
		segment := y.counters.numbered(e.name, len(e.name))
		for _, f := range e.figures {
			b := append(append(p.buffer[:0], segment...), ".perf."...)
			p.buffer = slug(b, bytes.TrimSuffix(f.key, []byte("_total")))
			p.yamlAdd(f, string(p.buffer), "count", ktstr.Unknown)
		}
	case "thermal-zones":
		for _, f := range e.figures {
			b := append(append(p.buffer[:0], e.name...), ".tz."...)
			p.buffer = slug(b, f.key)
			p.yamlAdd(f, y.extra.numbered(p.buffer, len(e.name)), "C", ktstr.Unknown)
		}
	case "metrics":
		p.metricsEntry(e)
	}
}

// metricsEntry gives a stressor's row and its further metrics.
func (p *parser) metricsEntry(e entry) {
	y := &p.yaml
	segment := y.stressors.numbered(e.name, len(e.name))
	if !e.bogo {
		p.diagnose(ktstr.Malformed, e.line, fmt.Sprintf("the entry of %s has no bogo-ops; it was left out", e.name))
		return
	}
	if e.zero {
		p.diagnose(ktstr.NotMeasured, e.line, fmt.Sprintf("the entry of %s is all zeros, which are not measurements: it was skipped, died or did nothing that is counted", e.name))
	}
	if !e.rated && !e.zero {
		p.diagnose(ktstr.MissingHeadline, e.line, fmt.Sprintf("the entry of %s has no bogo-ops-per-second-real-time", e.name))
	}
	for _, f := range e.figures {
		if f.column >= 0 {
			if !e.zero {
				c := columns[f.column]
				p.buffer = append(append(p.buffer[:0], segment...), c.name...)
				p.yamlAdd(f, string(p.buffer), c.unit, c.polarity)
			}
			continue
		}
		p.buffer = append(append(p.buffer[:0], e.name...), '.')
		for _, c := range f.key {
			if c == '-' {
				c = '_'
			}
			p.buffer = append(p.buffer, c)
		}
		unit, polarity := meaning(f.key)
		name := y.extra.numbered(p.buffer, len(e.name))
		if f.ok && f.value == 0 && perOperation(f.key, unit) {
			p.diagnose(ktstr.NotMeasured, f.line, fmt.Sprintf("%s is 0 %s, which is not a measurement: left out", name, unit))
			continue
		}
		p.yamlAdd(f, name, unit, polarity)
	}
}

func (p *parser) yamlAdd(f figure, name, unit string, polarity ktstr.Polarity) {
	if !f.ok {
		return
	}
	y := &p.yaml
	y.metrics = append(y.metrics, ktstr.Metric{Name: name, Value: f.value, Unit: unit, Polarity: polarity, Line: f.line})
}
