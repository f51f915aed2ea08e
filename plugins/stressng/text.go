package stressng

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/ktstr/ktstr"
)

// report holds the facts of the log lines so far. One log may hold several runs,
// one after the other: the last one counts.
type report struct {
	ours    bool           // a line of stress-ng's was there
	metrics []ktstr.Metric // of the last run, without those of its table
	tables  int            // of runs before the last
	table   table
	verdict verdict
	perf    perf
	times   times

	dispatch    []byte // the list of "dispatching hogs: 1 cpu, 2 pipe"
	headerless  int    // line of the header's second line where the first is not there
	version     string
	versionLine int
}

// begin forgets the run before, of which only failures stay.
func (t *report) begin() {
	if t.table.given {
		t.tables++
	}
	t.metrics = t.metrics[:0]
	t.table = table{rows: t.table.rows[:0]}
	t.perf = perf{orphan: t.perf.orphan}
	t.times = times{}
	t.dispatch = nil
	t.verdict.run = course{}
}

// announced begins a run where stress-ng announces one and another has ended.
func (t *report) announced() {
	if t.table.given || t.verdict.run.completed {
		t.begin()
	}
}

func (t *report) add(name string, value float64, unit string, polarity ktstr.Polarity, n int) {
	if t.metrics == nil {
		t.metrics = make([]ktstr.Metric, 0, 8)
	}
	t.metrics = append(t.metrics, ktstr.Metric{Name: name, Value: value, Unit: unit, Polarity: polarity, Line: n})
}

// logLine sorts one log line.
func (p *parser) logLine(l *line) {
	t := &p.text
	if l.typ != 0 {
		t.ours = true
	}
	if len(l.text) == 0 || t.table.given && p.tableLine(l) {
		return
	}
	switch l.typ {
	case 'f':
		t.verdict.fails.note(l)
		return
	case 'e':
		t.verdict.errors.note(l)
		return
	case 'd':
		t.readVersion(l)
		return
	}
	switch {
	case l.text[0] == ' ':
		if p.perfLine(l) || p.timesLine(l) {
			return
		}
		if !t.table.given && bytes.Contains(l.text, headerUnits) {
			t.headerless = l.number
		}
	case p.phrase(l):
		t.ours = true
		return
	case p.perfLine(l):
		return
	}
	if l.typ == 0 && p.prose == 0 {
		p.prose = l.number
	}
}

// phrase reads the lines that begin with fixed words.
func (p *parser) phrase(l *line) bool {
	t := &p.text
	r := &t.verdict.run
	rest := l.text
	begins := func(words string) bool {
		after, ok := bytes.CutPrefix(l.text, []byte(words))
		if ok {
			rest = after
		}
		return ok
	}
	switch l.text[0] {
	case 's':
		switch {
		case isHeader(l.text):
			if t.table.given {
				t.begin()
			}
			p.header(l)
			return true
		case begins("setting to a "):
			t.announced()
			if duration, _, ok := bytes.Cut(rest, []byte(" run per stressor")); ok {
				r.asked, r.askedLine = seconds(duration), l.number
			}
			return true
		case begins("skipped: "):
			return p.count("skipped", rest, l)
		case begins("successful run completed in "):
			r.completed, r.took = true, seconds(rest)
			return true
		case begins("stopping ") && contains(rest, " stressor"):
			r.stopping = l.number
			return true
		case t.readVersion(l):
			return true
		}
	case 'd':
		switch {
		case begins("dispatching hogs: "):
			t.announced()
			t.dispatch, r.dispatched = rest, l.number
			return true
		case begins("defaulting to a "):
			t.announced()
			return true
		}
	case 'p':
		if begins("passed: ") {
			return p.count("passed", rest, l)
		}
	case 'f':
		switch {
		case begins("failed: "):
			return p.count("failed", rest, l)
		case begins("for a ") && bytes.HasSuffix(rest, []byte("s run time:")):
			t.times = times{open: true, pid: l.pid}
			return true
		}
	case 'm':
		if begins("metrics untrustworthy: ") {
			return p.count("untrustworthy", rest, l)
		}
	case 'u':
		if begins("unsuccessful run completed in ") {
			r.completed, r.took = true, seconds(rest)
			t.verdict.unsuccessful.note(l)
			return true
		}
	}
	return p.remark(l)
}

// count reads "skipped: 2: apparmor (1) sctp (1)": instances, not stressors.
func (p *parser) count(name string, rest []byte, l *line) bool {
	digits, list, listed := bytes.Cut(rest, []byte(": "))
	n, ok := number(bytes.TrimRight(digits, " "))
	if !ok {
		return false
	}
	if !l.whole && !listed {
		p.cut = true
		return true
	}
	polarity := ktstr.Unknown
	if name == "failed" || name == "untrustworthy" {
		polarity = ktstr.Lower
	}
	p.text.add(name, n, "count", polarity, l.number)
	p.counted(name, n, list, l)
	return true
}

// readVersion reads "stress-ng 0.15.06" of --verbose and "stress-ng, version
// 0.22.00 (gcc …)" of --version.
func (t *report) readVersion(l *line) bool {
	rest, ok := bytes.CutPrefix(l.text, []byte("stress-ng "))
	if !ok {
		rest, ok = bytes.CutPrefix(l.text, []byte("stress-ng, version "))
	}
	if !ok {
		return false
	}
	v := cutVersion(rest)
	if !strings.Contains(v, ".") || !l.whole && len(v) == len(rest) {
		return false
	}
	t.version, t.versionLine = v, l.number
	return true
}

// finish adds the diagnostics about the log as a whole.
func (t *report) finish(p *parser) {
	t.table.finish(p)
	t.metrics = append(t.table.metrics, t.metrics...)
	if t.table.given && t.tables > 0 {
		p.diagnose(ktstr.SeveralReports, t.table.line, fmt.Sprintf("the text holds %d tables of stress-ng; the last one counts", t.tables+1))
	}
	if t.headerless > 0 {
		p.diagnose(ktstr.Malformed, t.headerless, "the first line of the table's header is not there; its rows were left out")
	}
	if t.perf.orphan > 0 {
		p.diagnose(ktstr.Malformed, t.perf.orphan, "counters stand under no stressor's name; they and those behind them were left out")
	}
	t.verdict.finish(p)
	r := t.verdict.run
	switch {
	case t.table.given || t.headerless > 0 || p.yaml.documents > 0:
	case r.completed:
		p.diagnose(ktstr.MissingHeadline, 0, "stress-ng printed no table of metrics; it does with --metrics")
	case t.version != "" && r.dispatched == 0:
		p.diagnose(ktstr.NoMetrics, t.versionLine, "stress-ng printed its version and ran nothing")
	}
}
