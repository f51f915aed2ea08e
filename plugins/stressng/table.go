package stressng

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/ktstr/ktstr"
)

// columns are the numbers of a row, in their order. Brief tables, and all up
// to 0.12.04, have the first six; the seventh came with 0.12.05 and the last
// with 0.14.04.
var columns = [...]struct {
	name     string
	unit     string
	polarity ktstr.Polarity
}{
	{".bogo_ops", "ops", ktstr.Unknown},
	{".real_time", "s", ktstr.Unknown},
	{".usr_time", "s", ktstr.Unknown},
	{".sys_time", "s", ktstr.Unknown},
	{".bogo_ops_rate", "ops/s", ktstr.Higher},
	{".bogo_ops_rate_cpu", "ops/s", ktstr.Higher},
	{".cpu_used", "%", ktstr.Unknown},
	{".max_rss", "KB", ktstr.Unknown},
}

const (
	bogoOps = 0
	rate    = 4
	rateCPU = 5
	brief   = 6 // numbers of a brief row
)

// table is the table of bogo operations, and the rows of further metrics that
// follow it. Rows are put by until the log has ended: of several tables only
// the last one counts.
type table struct {
	given   bool
	unknown bool // the header is not one that is known: rows are left out
	line    int
	pid     []byte
	columns int  // numbers in a row
	extras  bool // behind "miscellaneous metrics:"
	over    bool // another table has begun
	rows    []row

	metrics   []ktstr.Metric
	index     map[string]int // of stressors, by name
	stressors []stressor
	extra     map[string]*int // how often each further metric occurred
	buffer    []byte
	ends      [len(columns)]int
}

// row is a line that can be a row. A long table has many: it is kept small.
type row struct {
	text   []byte
	number int
	whole  bool
	extras bool // it stands behind "miscellaneous metrics:"
}

type stressor struct {
	name     string
	rows     int
	measured int // rows that are not all zeros
}

var headerUnits = []byte("(secs)    (secs)    (secs)")

func isHeader(text []byte) bool {
	return bytes.HasPrefix(text, []byte("stressor ")) && bytes.Contains(text, []byte("bogo ops"))
}

// header reads the first line of the table's header.
func (p *parser) header(l line) {
	t := &p.text.table
	*t = table{given: true, line: l.number, pid: l.pid, rows: t.rows[:0]}
	switch strings.Join(strings.Fields(string(l.text)), " ") {
	case "stressor bogo ops real time usr time sys time bogo ops/s bogo ops/s":
		t.columns = brief
	case "stressor bogo ops real time usr time sys time bogo ops/s bogo ops/s CPU used per":
		t.columns = brief + 1
	case "stressor bogo ops real time usr time sys time bogo ops/s bogo ops/s CPU used per RSS Max":
		t.columns = brief + 2
	default:
		t.unknown = true
		p.diagnose(ktstr.UnsupportedVersion, l.number,
			"the table's columns are those of no stress-ng that this plugin was proven on; its rows were left out: "+clip(l.text))
	}
}

// tableLine puts a line behind the header by, if it can be a row. Only lines of
// the process that printed the header are.
func (p *parser) tableLine(l line) bool {
	t := &p.text.table
	if t.over || l.typ != 'm' && l.typ != 'i' && l.typ != 0 || !bytes.Equal(l.pid, t.pid) {
		return false
	}
	if l.text[0] < 'a' || l.text[0] > 'z' {
		return l.text[0] == ' ' && bytes.Contains(l.text, headerUnits)
	}
	rest := l.text
	for len(rest) > 0 && rest[0] != ' ' {
		if !isWord(rest[0]) && rest[0] != '-' && rest[0] != '_' {
			return false
		}
		rest = rest[1:]
	}
	if rest = skipBlanks(rest); len(rest) == 0 || rest[0] < '0' || rest[0] > '9' {
		if string(l.text) == "miscellaneous metrics:" {
			t.extras = true
			return true
		}
		if bytes.HasPrefix(l.text, []byte("stressor ")) && !isHeader(l.text) {
			t.over = true
			return true
		}
		return false
	}
	for len(rest) > 0 && rest[0] != ' ' {
		rest = rest[1:]
	}
	rest = skipBlanks(rest)
	if !t.extras && !(len(rest) > 0 && isFigure(rest)) && l.text[len(l.text)-1] != ')' {
		return false
	}
	t.rows = append(t.rows, row{l.text, l.number, l.whole, t.extras})
	return true
}

func skipBlanks(text []byte) []byte {
	for len(text) > 0 && text[0] == ' ' {
		text = text[1:]
	}
	return text
}

// read reads the rows that were put by.
func (t *table) read(p *parser) {
	t.index = make(map[string]int)
	t.extra = make(map[string]*int)
	if t.unknown {
		return
	}
	figures := 0
	for i := range t.rows {
		if r := &t.rows[i]; r.extras || r.text[len(r.text)-1] == ')' {
			figures++
		} else {
			figures += t.columns
		}
	}
	t.metrics = make([]ktstr.Metric, 0, figures+len(p.text.metrics))
	for i := range t.rows {
		p.tableRow(&t.rows[i])
	}
}

func (t *table) add(name string, value float64, unit string, polarity ktstr.Polarity, n int) {
	t.metrics = append(t.metrics, ktstr.Metric{Name: name, Value: value, Unit: unit, Polarity: polarity, Line: n})
}

func (p *parser) tableRow(l *row) {
	t := &p.text.table
	var f [len(columns) + 2][]byte
	n := fields(l.text, f[:])
	if n < 2 || !isStressor(f[0]) {
		return
	}
	numbers := 1
	for numbers < n-1 && numbers < len(columns)+1 && isFigure(f[1+numbers]) {
		numbers++
	}
	switch {
	case numbers != n-1 || numbers < brief-2:
		p.extraRow(l, f[0], f[1])
	case !l.whole:
		p.cut = true
	case numbers != t.columns:
		p.diagnose(ktstr.Malformed, l.number, fmt.Sprintf("row %q has %d numbers, want %d: left out", clip(l.text), numbers, t.columns))
		t.row(f[0]).measured++
	default:
		p.row(l, f[0], f[1:n])
	}
}

func isFigure(field []byte) bool {
	c := field[0]
	return c >= '0' && c <= '9' || (c == '-' || c == 'n' || c == 'i') && isNotFinite(field)
}

// row counts one more row of a stressor.
func (t *table) row(name []byte) *stressor {
	i, ok := t.index[string(name)]
	if !ok {
		i = len(t.stressors)
		t.stressors = append(t.stressors, stressor{name: string(name)})
		t.index[t.stressors[i].name] = i
	}
	t.stressors[i].rows++
	return &t.stressors[i]
}

// row reads one row of the table. A row of zeros belongs to a stressor that was
// skipped or died.
func (p *parser) row(l *row, name []byte, figures [][]byte) {
	t := &p.text.table
	s := t.row(name)
	var values [len(columns)]float64
	var finite [len(columns)]bool
	for i, f := range figures {
		if values[i], finite[i] = number(f); finite[i] {
			continue
		}
		if !isNotFinite(f) {
			p.diagnose(ktstr.Malformed, l.number, fmt.Sprintf("row %q: %q is no number: left out", clip(l.text), clip(f)))
			s.measured++
			return
		}
		p.diagnose(ktstr.NotFinite, l.number, fmt.Sprintf("%s%s is %s: left out", name, columns[i].name, clip(f)))
	}
	if values[bogoOps] == 0 && values[rate] == 0 && values[rateCPU] == 0 {
		p.diagnose(ktstr.NotMeasured, l.number, fmt.Sprintf("the row of %s is all zeros, which are not measurements: it was skipped, died or did nothing that is counted", name))
		return
	}
	s.measured++
	// All names of a row are parts of one string.
	b := t.buffer[:0]
	for i := range figures {
		b = append(b, name...)
		if s.rows > 1 {
			b = strconv.AppendInt(append(b, '~'), int64(s.rows), 10)
		}
		b = append(b, columns[i].name...)
		t.ends[i] = len(b)
	}
	t.buffer = b
	names := string(b)
	start := 0
	for i := range figures {
		if finite[i] {
			t.add(names[start:t.ends[i]], values[i], columns[i].unit, columns[i].polarity, l.number)
		}
		start = t.ends[i]
	}
}

// extraRow reads "switch  12464.09 nanosecs per context switch (pipe method)
// (geometic mean of 1 instances)".
func (p *parser) extraRow(l *row, name, figure []byte) {
	t := &p.text.table
	at := len(name) + bytes.Index(l.text[len(name):], figure) + len(figure)
	description, known := cutKind(bytes.TrimSpace(l.text[at:]))
	if !known && !l.whole {
		p.cut = true
		return
	}
	if !known && !l.extras {
		return
	}
	b := append(append(t.buffer[:0], name...), '.')
	b = slug(b, description)
	t.buffer = b
	if len(b) == len(name)+1 {
		return
	}
	v, ok := number(figure)
	if !ok {
		p.diagnose(ktstr.Malformed, l.number, fmt.Sprintf("%q: want a number behind the stressor's name", clip(l.text)))
		return
	}
	unit, polarity := meaning(description)
	count, again := t.extra[string(b)]
	if !again {
		key := string(b)
		count = new(int)
		*count = 1
		t.extra[key] = count
		t.add(key, v, unit, polarity, l.number)
		return
	}
	*count++
	t.add(string(name)+"~"+strconv.Itoa(*count)+string(b[len(name):]), v, unit, polarity, l.number)
}

// cutKind takes "(geometric mean of 1 instance)" and its like off a
// description, and says whether there was one.
func cutKind(description []byte) ([]byte, bool) {
	if len(description) == 0 || description[len(description)-1] != ')' {
		return description, false
	}
	open := bytes.LastIndexByte(description, '(')
	if open < 0 {
		return description, false
	}
	kind := description[open+1 : len(description)-1]
	for _, k := range kinds {
		if rest, ok := bytes.CutPrefix(kind, k); ok && (len(rest) == 0 || bytes.HasPrefix(rest, []byte(" of ")) || bytes.HasPrefix(rest, []byte(" per stressor"))) {
			return bytes.TrimRight(description[:open], " "), true
		}
	}
	return description, false
}

// kinds are the ways in which the instances' numbers are made one; 0.15
// misspells one of them.
var kinds = [][]byte{
	[]byte("geometric mean"), []byte("geometic mean"), []byte("harmonic mean"), []byte("arithmetic mean"), []byte("total"),
	[]byte("maximum"), []byte("minimum"), []byte("average"), []byte("mean"), []byte("sum"), []byte("median"),
}

// finish compares the rows with the stressors that were dispatched. Where a
// stressor was dispatched several times and has not as many rows, nothing says
// which is whose.
func (t *table) finish(p *parser) {
	if !t.given {
		return
	}
	t.read(p)
	if t.unknown {
		return
	}
	if len(t.metrics) == 0 && len(t.stressors) == 0 {
		p.diagnose(ktstr.NoMetrics, t.line, "the table has no row: no stressor did anything that is counted")
	}
	dispatched := dispatches(p.text.dispatch)
	ambiguous := make(map[string]bool)
	for name, times := range dispatched {
		var s stressor
		if i, ok := t.index[name]; ok {
			s = t.stressors[i]
		}
		switch {
		case s.rows == 0 && t.columns == brief:
			p.diagnose(ktstr.NotMeasured, t.line, "the brief table has no row of "+name+": it did nothing that is counted")
		case s.rows == 0:
			p.diagnose(ktstr.MissingHeadline, t.line, "the table has no row of "+name)
		case s.rows != times:
			ambiguous[name] = true
			p.diagnose(ktstr.Malformed, t.line, fmt.Sprintf("%s was dispatched %d times and has %d rows: which is whose cannot be told, and they were left out", name, times, s.rows))
		}
	}
	for key, count := range t.extra {
		name, _, _ := strings.Cut(key, ".")
		i, ok := t.index[name]
		if !ok {
			continue
		}
		if s := t.stressors[i]; (s.rows > 1 || dispatched[name] > 1) && *count != s.rows && *count != s.measured {
			ambiguous[key] = true
			p.diagnose(ktstr.Malformed, t.line, fmt.Sprintf("%s has %d values for %d rows: which is whose cannot be told, and they were left out", key, *count, s.rows))
		}
	}
	if len(ambiguous) == 0 {
		return
	}
	kept := t.metrics[:0]
	for _, m := range t.metrics {
		segment, stat, _ := strings.Cut(m.Name, ".")
		name, _, _ := strings.Cut(segment, "~")
		if ambiguous[name+"."+stat] || ambiguous[name] && isColumn("."+stat) {
			continue
		}
		kept = append(kept, m)
	}
	t.metrics = kept
}

func isColumn(name string) bool {
	for _, c := range columns {
		if c.name == name {
			return true
		}
	}
	return false
}

// dispatches reads "1 cpu, 2 pipe, 1 cpu": how often each stressor is named.
func dispatches(list []byte) map[string]int {
	times := make(map[string]int)
	for _, item := range bytes.Split(list, []byte(", ")) {
		var f [2][]byte
		if fields(item, f[:]) != 2 || !isStressor(f[1]) {
			continue
		}
		if v, ok := number(f[0]); ok && v > 0 {
			times[string(f[1])]++
		}
	}
	return times
}
