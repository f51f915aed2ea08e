package stressng

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/ktstr/ktstr"
)

// yaml is the document of --yaml as far as it was read. stress-ng writes one
// fixed dialect, of two levels, and may be stopped anywhere in it: it is read
// line by line. A library would refuse a document that was cut, and would read
// times of day as numbers of base 60.
type yaml struct {
	reading   bool
	ended     bool // the last document's "..." was there
	documents int
	metrics   []ktstr.Metric

	section string
	open    bool // keys of the section, or of an entry, may follow
	indent  int  // of these keys
	entry   entry
	lost    int  // first line of keys that stand under no entry or section; 0: none
	broken  bool // there were such keys in this section: whose the entries behind them are is not known

	stressors map[string]int // entries of each stressor under metrics
	counters  map[string]int // the same under perfstats
	extra     map[string]int // how often each further metric occurred

	version     string
	versionLine int
	buffer      []byte
}

// entry is one stressor's part of a section.
type entry struct {
	given   bool
	name    string
	line    int
	bogo    bool // bogo-ops is there
	rated   bool // its rate is there
	zero    bool // the row is all zeros so far
	figures []figure
}

// figure is one "key: value" of an entry.
type figure struct {
	key   []byte
	value float64
	ok    bool // value is a number
	line  int
}

// maxKeys bounds an entry: none of stress-ng's has half as many.
const maxKeys = 256

// yamlColumns are the table's columns by their keys.
var yamlColumns = map[string]int{
	"bogo-ops": 0, "wall-clock-time": 1, "user-time": 2, "system-time": 3, "bogo-ops-per-second-real-time": 4,
	"bogo-ops-per-second-usr-sys-time": 5, "cpu-usage-per-instance": 6, "max-rss": 7,
}

func startsYAML(text []byte) bool {
	switch string(bytes.TrimRight(text, " ")) {
	case "---", "build-info:", "system-info:", "metrics:", "perfstats:", "times:":
		return true
	}
	return false
}

// yamlStart begins a document; one that follows another takes its place.
func (p *parser) yamlStart(text []byte, n int) {
	version, line := p.yaml.version, p.yaml.versionLine
	p.yaml = yaml{
		reading: true, documents: p.yaml.documents + 1, version: version, versionLine: line,
		stressors: make(map[string]int), counters: make(map[string]int), extra: make(map[string]int),
	}
	if text[0] != '-' {
		p.yamlLine(text, n, true) // the first line, "---", is not there
	}
}

// yamlStop ends the document, with its end or without.
func (p *parser) yamlStop() {
	y := &p.yaml
	p.endEntry()
	y.reading = false
	if !y.ended && !p.out.Truncated {
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
	if indent == 0 {
		p.endEntry()
		switch {
		case string(text) == "...":
			y.ended = true
			p.yamlStop()
		case string(text) == "---":
			p.yamlStop()
			p.yamlStart(text, n)
		case text[len(text)-1] == ':':
			y.section, y.open, y.indent, y.broken = string(text[:len(text)-1]), true, 0, false
			if y.section == "metrics" || y.section == "perfstats" {
				y.open = false
			}
		}
		return
	}
	rest, item := bytes.CutPrefix(text[indent:], []byte("- "))
	key, value, ok := bytes.Cut(rest, []byte(":"))
	if !ok {
		return
	}
	value = bytes.TrimLeft(value, " ")
	if item && string(key) == "stressor" {
		p.endEntry()
		if y.section != "metrics" && y.section != "perfstats" && y.section != "thermal-zones" {
			y.loses(n) // the section's name is not there
			return
		}
		y.open, y.indent = true, indent+2
		if whole {
			y.entry = entry{given: true, name: strings.Trim(string(value), "'\""), line: n, zero: true, figures: y.entry.figures[:0]}
		}
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
	e.figures = append(e.figures, figure{key, v, ok, n})
	if y.section == "metrics" {
		switch i, known := yamlColumns[string(key)]; {
		case !known:
		case i == bogoOps:
			e.bogo = ok
			e.zero = e.zero && v == 0
		case i == rate || i == rateCPU:
			e.rated = e.rated || i == rate
			e.zero = e.zero && v == 0
		}
	}
}

// endEntry gives the figures of the entry that ends.
func (p *parser) endEntry() {
	y := &p.yaml
	e := y.entry
	y.entry.given = false
	if !e.given || !isStressor([]byte(e.name)) || y.broken {
		return
	}
	switch y.section {
	case "perfstats":
		segment := numbered(e.name, y.counters, e.name)
		for _, f := range e.figures {
			event := bytes.TrimSuffix(f.key, []byte("_total"))
			y.add(f, segment, append([]byte(".perf."), slug(nil, event)...), "count", ktstr.Unknown)
		}
	case "thermal-zones":
		for _, f := range e.figures {
			zone := slug(nil, f.key)
			y.add(f, numbered(e.name, y.extra, e.name+".tz."+string(zone)), append([]byte(".tz."), zone...), "C", ktstr.Unknown)
		}
	case "metrics":
		p.metricsEntry(e)
	}
}

// metricsEntry gives a stressor's row and its further metrics.
func (p *parser) metricsEntry(e entry) {
	y := &p.yaml
	segment := numbered(e.name, y.stressors, e.name)
	if !e.bogo {
		p.diagnose(ktstr.Malformed, e.line, "the entry of "+e.name+" has no bogo-ops; it was left out")
		return
	}
	if e.zero {
		p.diagnose(ktstr.NotMeasured, e.line, "the entry of "+e.name+" is all zeros, which are not measurements: it was skipped, died or did nothing that is counted")
	}
	if !e.rated && !e.zero {
		p.diagnose(ktstr.MissingHeadline, e.line, "the entry of "+e.name+" has no bogo-ops-per-second-real-time")
	}
	for _, f := range e.figures {
		if i, known := yamlColumns[string(f.key)]; known {
			if !e.zero {
				y.add(f, segment, []byte(columns[i].name), columns[i].unit, columns[i].polarity)
			}
			continue
		}
		unit, polarity := meaning(f.key)
		stat := append([]byte{'.'}, bytes.ReplaceAll(f.key, []byte("-"), []byte("_"))...)
		y.add(f, numbered(e.name, y.extra, e.name+string(stat)), stat, unit, polarity)
	}
}

func (y *yaml) add(f figure, segment string, stat []byte, unit string, polarity ktstr.Polarity) {
	if f.ok {
		y.buffer = append(append(y.buffer[:0], segment...), stat...)
		y.metrics = append(y.metrics, ktstr.Metric{Name: string(y.buffer), Value: f.value, Unit: unit, Polarity: polarity, Line: f.line})
	}
}

// numbered counts one more of key and gives name, name~2, name~3.
func numbered(name string, count map[string]int, key string) string {
	count[key]++
	if n := count[key]; n > 1 {
		return name + "~" + strconv.Itoa(n)
	}
	return name
}
