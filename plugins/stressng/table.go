package stressng

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ktstr/ktstr"
)

// columns are the numbers of a row, in their order. Brief tables, and all up
// to 0.12.04, have the first six. The seventh came with 0.12.05 and the last
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
	plain   int // how many of them stand before "miscellaneous metrics:"

	metrics   []ktstr.Metric
	stressors counts // rows of each stressor
	extra     counts // how often each further metric occurred
}

// row is a line that can be a row. A long table has many: it is kept small.
type row struct {
	from, to int // where it is in the text
	number   int
}

// cell is one number of a row.
type cell struct {
	text  []byte
	to    int // where it ends in the row
	value float64
	ok    bool // value is the number
	name  int  // where its name ends among those of the row
}

var headerUnits = []byte("(secs)    (secs)    (secs)")

func isHeader(text []byte) bool {
	return bytes.HasPrefix(text, []byte("stressor ")) && bytes.Contains(text, []byte("bogo ops"))
}

// header reads the first line of the table's header.
func (p *parser) header(l *line) {
	t := &p.text.table
	*t = table{given: true, line: l.number, pid: l.pid, rows: t.rows[:0]}
	if bytes.Count(l.text, []byte("bogo ops real time")) > 1 {
		t.unknown = true
		p.diagnose(ktstr.Malformed, l.number, "two outputs stand side by side, and which number is of which cannot be told: want each output by itself")
		return
	}
	var buffer [128]byte
	words := buffer[:0]
	for word := range bytes.FieldsSeq(l.text) {
		words = append(append(words, word...), ' ')
	}
	switch string(words) {
	case "stressor bogo ops real time usr time sys time bogo ops/s bogo ops/s ":
		t.columns = brief
	case "stressor bogo ops real time usr time sys time bogo ops/s bogo ops/s CPU used per ":
		t.columns = brief + 1
	case "stressor bogo ops real time usr time sys time bogo ops/s bogo ops/s CPU used per RSS Max ":
		t.columns = brief + 2
	default:
		t.unknown = true
		p.diagnose(ktstr.UnsupportedVersion, l.number,
			"the table's columns are those of no stress-ng that this plugin was proven on; its rows were left out: "+clip(l.text))
	}
}

// tableLine puts a line behind the header by, if it can be a row. Only lines of
// the process that printed the header are.
func (p *parser) tableLine(l *line) bool {
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
			if !t.extras {
				t.extras, t.plain = true, len(t.rows)
			}
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
	if further := l.text[len(l.text)-1] == ')'; !t.extras && !further && (len(rest) == 0 || !isFigure(rest)) {
		return false
	}
	t.rows = append(t.rows, row{p.end - len(l.text), p.end, l.number})
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
	if t.unknown {
		return
	}
	data := p.out.Data
	plain := len(t.rows)
	if t.extras {
		plain = t.plain
	}
	newline := bytes.LastIndexByte(data, '\n')
	for i, r := range t.rows {
		p.tableRow(&line{text: data[r.from:r.to], number: r.number, whole: r.to <= newline}, i >= plain)
	}
}

func (t *table) add(name string, value float64, unit string, polarity ktstr.Polarity, n int) {
	if len(t.metrics) == cap(t.metrics) {
		t.metrics = slices.Grow(t.metrics, len(t.metrics)+1) // append grows by a quarter and copies often
	}
	t.metrics = append(t.metrics, ktstr.Metric{Name: name, Value: value, Unit: unit, Polarity: polarity, Line: n})
}

// tableRow reads a row of the table, or one of the further metrics, which may
// also stand among them (extras: they can be nothing else).
func (p *parser) tableRow(l *line, extras bool) {
	t := &p.text.table
	text := l.text
	i := bytes.IndexByte(text, ' ')
	if i > longestStressor {
		return
	}
	name := text[:i]
	n := 0
	for i = skipGap(text, i); i < len(text) && n < len(p.cells); i = skipGap(text, i) {
		c := &p.cells[n]
		from := i
		for i < len(text) && !isGap(text[i]) {
			i++
		}
		if n > 0 && !isFigure(text[from:i]) {
			i = from
			break
		}
		c.value, c.ok = number(text[from:i])
		c.text, c.to = text[from:i], i
		n++
	}
	switch {
	case i < len(text) || n < brief-2:
		p.extraRow(l, name, &p.cells[0], extras)
	case !l.whole:
		p.cut = true
	case n != t.columns:
		p.diagnose(ktstr.Malformed, l.number, fmt.Sprintf("row %q has %d numbers, want %d: left out", clip(l.text), n, t.columns))
		s := t.stressors.of(name)
		s.times++
		s.measured++
	default:
		p.row(l, name, p.cells[:n])
	}
}

func isGap(c byte) bool { return c == ' ' || c == '\t' }

func skipGap(text []byte, i int) int {
	for i < len(text) && isGap(text[i]) {
		i++
	}
	return i
}

func isFigure(field []byte) bool {
	c := field[0]
	return c >= '0' && c <= '9' || (c == '-' || c == 'n' || c == 'i') && isNotFinite(field)
}

// row reads one row of the table. A row of zeros belongs to a stressor that was
// skipped or died.
func (p *parser) row(l *line, name []byte, cells []cell) {
	t := &p.text.table
	s := t.stressors.of(name)
	s.times++
	for i := range cells {
		c := &cells[i]
		if c.ok {
			continue
		}
		if !isNotFinite(c.text) {
			p.diagnose(ktstr.Malformed, l.number, fmt.Sprintf("row %q: %q is no number: left out", clip(l.text), clip(c.text)))
			s.measured++
			return
		}
		p.diagnose(ktstr.NotFinite, l.number, fmt.Sprintf("%s%s is %s: left out", name, columns[i].name, clip(c.text)))
	}
	if cells[bogoOps].value == 0 && cells[rate].value == 0 && cells[rateCPU].value == 0 {
		p.diagnose(ktstr.NotMeasured, l.number, fmt.Sprintf("the row of %s is all zeros, which are not measurements: it was skipped, died or did nothing that is counted", name))
		return
	}
	s.measured++
	// All names of a row are parts of one string.
	b := p.buffer[:0]
	for i := range cells {
		b = append(b, name...)
		if s.times > 1 {
			b = strconv.AppendInt(append(b, '~'), int64(s.times), 10)
		}
		b = append(b, columns[i].name...)
		cells[i].name = len(b)
	}
	p.buffer = b
	names := string(b)
	start := 0
	for i := range cells {
		c := &cells[i]
		if c.ok {
			t.add(names[start:c.name], c.value, columns[i].unit, columns[i].polarity, l.number)
		}
		start = c.name
	}
}

// extraRow reads "switch  12464.09 nanosecs per context switch (pipe method)
// (geometic mean of 1 instances)".
func (p *parser) extraRow(l *line, name []byte, figure *cell, extras bool) {
	t := &p.text.table
	description, known := cutKind(bytes.TrimSpace(l.text[figure.to:]))
	if !known && !l.whole {
		p.cut = true
		return
	}
	if !known && !extras {
		return
	}
	b := append(append(p.buffer[:0], name...), '.')
	b = slug(b, description)
	p.buffer = b
	if len(b) == len(name)+1 {
		return
	}
	if !figure.ok {
		p.diagnose(ktstr.Malformed, l.number, fmt.Sprintf("%q: want a number behind the stressor's name", clip(l.text)))
		return
	}
	unit, polarity := meaning(description)
	given := t.extra.numbered(b, len(name))
	if figure.value == 0 && perOperation(description, unit) {
		p.diagnose(ktstr.NotMeasured, l.number, fmt.Sprintf("%s is 0.00 %s, which is not a measurement: left out", given, unit))
		return
	}
	t.add(given, figure.value, unit, polarity, l.number)
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

// kinds are the ways in which the instances' numbers are made one. 0.15
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
	if len(t.stressors.list) == 0 && len(t.metrics) > 0 {
		p.diagnose(ktstr.NoMetrics, t.line, "no row of the table can be read, so the further metrics next to it do not count")
		t.metrics = nil
	} else if len(t.stressors.list) == 0 {
		p.diagnose(ktstr.NoMetrics, t.line, "the table has no row: no stressor did anything that is counted")
	}
	dispatched := dispatches(p.text.dispatch)
	ambiguous := make(map[string]bool)
	for _, d := range dispatched.list {
		s := t.stressors.find(d.name)
		switch {
		case s.times == 0 && t.columns == brief:
			p.diagnose(ktstr.NotMeasured, t.line, "the brief table has no row of "+d.name+": it did nothing that is counted")
		case s.times == 0:
			p.diagnose(ktstr.MissingHeadline, t.line, "the table has no row of "+d.name)
		case s.times != d.times:
			ambiguous[d.name] = true
			p.diagnose(ktstr.Malformed, t.line, fmt.Sprintf("%s was dispatched %d times and has %d rows: which is whose cannot be told, and they were left out", d.name, d.times, s.times))
		}
	}
	for _, x := range t.extra.list {
		name, _, _ := strings.Cut(x.name, ".")
		s := t.stressors.find(name)
		if (s.times > 1 || s.times > 0 && dispatched.find(name).times > 1) && x.times != s.times && x.times != s.measured {
			ambiguous[x.name] = true
			p.diagnose(ktstr.Malformed, t.line, fmt.Sprintf("%s has %d values for %d rows: which is whose cannot be told, and they were left out", x.name, x.times, s.times))
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
func dispatches(list []byte) (times counts) {
	for len(list) > 0 {
		var item []byte
		item, list, _ = bytes.Cut(list, []byte(", "))
		var f [2][]byte
		if fields(item, f[:]) != 2 || !isStressor(f[1]) {
			continue
		}
		if v, ok := number(f[0]); ok && v > 0 {
			times.of(f[1]).times++
		}
	}
	return times
}
