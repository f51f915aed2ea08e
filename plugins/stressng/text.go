package stressng

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/ktstr/ktstr"
)

// text is what the log lines have said so far. One log may hold several runs,
// one after the other: the last one counts.
type text struct {
	ours    bool // a line of stress-ng's was there
	runs    int  // runs that printed a table
	metrics []ktstr.Metric
	table   table
	perf    perf
	inTimes bool   // behind "for a 1.01s run time:"
	pid     []byte // of that line

	dispatch       []byte // the list of "dispatching hogs: 1 cpu, 2 pipe"
	dispatchLine   int
	asked, took    float64 // seconds; 0: not said
	askedLine      int
	completed      bool
	stopping       int // line of "stopping N stressors"
	skipLines      int
	version        string
	versionLine    int
	failures       int // "fail:" and "error:" lines
	failure        string
	failureLine    int
	complaint      int // line of a complaint without a type (bad option)
	complaintText  string
	headerless     int // line of the table's second header line without the first
	unsuccessful   int // line of "unsuccessful run completed"
	untrusted      int // line that says that metrics cannot be trusted
	failedCount    float64
	failedLine     int
	untrustedCount float64
	summary        bool
	perfOrphan     int
}

// begin forgets the run before, of which only failures stay.
func (t *text) begin() {
	if t.table.given {
		t.runs++
	}
	t.metrics = t.metrics[:0]
	t.table = table{rows: t.table.rows[:0]}
	t.perf = perf{}
	t.inTimes = false
	t.dispatch, t.dispatchLine = nil, 0
	t.asked, t.took, t.askedLine = 0, 0, 0
	t.completed, t.stopping, t.summary = false, 0, false
}

func (t *text) ran() bool { return t.table.given || t.completed }

func (t *text) add(name string, value float64, unit string, polarity ktstr.Polarity, n int) {
	t.metrics = append(t.metrics, ktstr.Metric{Name: name, Value: value, Unit: unit, Polarity: polarity, Line: n})
}

// logLine sorts one log line.
func (p *parser) logLine(l line) {
	t := &p.text
	if l.typ != 0 {
		t.ours = true
	}
	if len(l.text) == 0 {
		return
	}
	if t.table.given && p.tableLine(l) {
		return
	}
	switch l.typ {
	case 'f', 'e':
		t.failures++
		if t.failures == 1 || l.typ == 'f' && !strings.HasPrefix(t.failure, "fail") {
			t.failure, t.failureLine = map[byte]string{'f': "fail: ", 'e': "error: "}[l.typ]+clip(l.text), l.number
		}
		return
	case 'd':
		t.readVersion(l)
		return
	}
	if l.text[0] == ' ' {
		if p.perfLine(l) || p.timesLine(l) {
			return
		}
		if bytes.Contains(l.text, headerUnits) && !t.table.given {
			t.headerless = l.number
		}
		if l.typ == 0 && p.prose == 0 {
			p.prose = l.number
		}
		return
	}
	if p.phrase(l) {
		t.ours = true
		return
	}
	if p.perfLine(l) {
		return
	}
	if l.typ == 0 && p.prose == 0 {
		p.prose = l.number
	}
}

// phrase reads the lines that begin with fixed words.
func (p *parser) phrase(l line) bool {
	t := &p.text
	switch l.text[0] {
	case 's':
		if isHeader(l.text) {
			if t.table.given {
				t.begin()
			}
			p.header(l)
			return true
		}
		if rest, ok := bytes.CutPrefix(l.text, []byte("setting to a ")); ok {
			p.runLength(rest, l.number)
			return true
		}
		if rest, ok := bytes.CutPrefix(l.text, []byte("skipped: ")); ok {
			return p.count("skipped", rest, l)
		}
		if rest, ok := bytes.CutPrefix(l.text, []byte("successful run completed in ")); ok {
			t.completed, t.took = true, seconds(rest)
			return true
		}
		if rest, ok := bytes.CutPrefix(l.text, []byte("stopping ")); ok && bytes.HasSuffix(rest, []byte(" stressors")) {
			t.stopping = l.number
			return true
		}
		if t.readVersion(l) {
			return true
		}
		if rest, ok := bytes.CutPrefix(l.text, logPrefix); ok && isOptionError(rest) {
			return t.complain(l)
		}
	case 'd':
		if rest, ok := bytes.CutPrefix(l.text, []byte("dispatching hogs: ")); ok {
			if t.ran() {
				t.begin()
			}
			t.dispatch, t.dispatchLine = rest, l.number
			return true
		}
		if _, ok := bytes.CutPrefix(l.text, []byte("defaulting to a ")); ok {
			if t.ran() {
				t.begin()
			}
			return true
		}
	case 'p':
		if rest, ok := bytes.CutPrefix(l.text, []byte("passed: ")); ok {
			return p.count("passed", rest, l)
		}
	case 'f':
		if rest, ok := bytes.CutPrefix(l.text, []byte("failed: ")); ok {
			return p.count("failed", rest, l)
		}
		if bytes.HasPrefix(l.text, []byte("for a ")) && bytes.HasSuffix(l.text, []byte("s run time:")) {
			t.inTimes, t.pid = true, l.pid
			return true
		}
	case 'm':
		if rest, ok := bytes.CutPrefix(l.text, []byte("metrics untrustworthy: ")); ok {
			return p.count("untrustworthy", rest, l)
		}
	case 'u':
		if rest, ok := bytes.CutPrefix(l.text, []byte("unsuccessful run completed in ")); ok {
			t.completed, t.took = true, seconds(rest)
			t.unsuccessful = l.number
			return true
		}
	}
	if l.typ == 0 {
		for _, start := range complaints {
			if bytes.HasPrefix(l.text, start) {
				return t.complain(l)
			}
		}
	}
	if bytes.Contains(l.text, []byte("ry 'stress-ng --help'")) {
		return true // the complaint itself is on stderr
	}
	return p.remark(l)
}

// complaints start the lines, without a prefix, with which stress-ng refuses
// to start.
var complaints = [][]byte{
	[]byte("aborting: "), []byte("value "), []byte("Value "),
	[]byte("Invalid "), []byte("invalid "), []byte("No stress workers"), []byte("Unknown "), []byte("unknown "),
	[]byte("Number of "), []byte("Cannot "), []byte("cannot "),
}

// isOptionError recognises what getopt says of an option.
func isOptionError(text []byte) bool {
	for _, words := range []string{"unrecognized option", "invalid option", "unknown option", "requires an argument", "ambiguous", "doesn't allow an argument"} {
		if bytes.Contains(text, []byte(words)) {
			return true
		}
	}
	return false
}

func (t *text) complain(l line) bool {
	if t.complaint == 0 {
		t.complaint, t.complaintText = l.number, clip(l.text)
	}
	return true
}

// remark reads what stressors say about not having measured.
func (p *parser) remark(l line) bool {
	t := &p.text
	if !bytes.Contains(l.text, []byte("ski")) && !bytes.Contains(l.text, []byte("untrust")) {
		return false
	}
	if bytes.Contains(l.text, []byte("metrics are untrustworthy")) || bytes.Contains(l.text, []byte("metrics may be untrustworthy")) {
		if t.untrusted == 0 {
			t.untrusted = l.number
		}
		return true
	}
	if bytes.Contains(l.text, []byte("not skipping stressor")) {
		return true
	}
	if bytes.Contains(l.text, []byte("skipping stressor")) || bytes.Contains(l.text, []byte("skipping the stressor")) || bytes.Contains(l.text, []byte("will be skipped")) {
		t.skipLines++
		if t.skipLines <= 8 {
			p.diagnose(ktstr.NotMeasured, l.number, "stress-ng skipped a stressor: "+clip(l.text))
		}
		return true
	}
	return false
}

func (t *text) readVersion(l line) bool {
	rest, ok := bytes.CutPrefix(l.text, []byte("stress-ng "))
	if !ok {
		rest, ok = bytes.CutPrefix(l.text, []byte("stress-ng, version "))
	}
	if !ok {
		return false
	}
	v := cutVersion(rest)
	if v == "" || !strings.Contains(v, ".") || !l.whole && len(v) == len(rest) {
		return false
	}
	t.version, t.versionLine = v, l.number
	return true
}

// count reads "skipped: 2: apparmor (1) sctp (1)": instances, not stressors.
func (p *parser) count(name string, rest []byte, l line) bool {
	t := &p.text
	digits, list, listed := bytes.Cut(rest, []byte(": "))
	v, ok := number(bytes.TrimRight(digits, " "))
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
	t.summary = true
	t.add(name, v, "count", polarity, l.number)
	if v == 0 {
		return true
	}
	switch name {
	case "failed":
		t.failedCount, t.failedLine = v, l.number
	case "untrustworthy":
		t.untrustedCount, t.untrusted = v, l.number
	case "skipped":
		if t.skipLines == 0 {
			p.diagnose(ktstr.NotMeasured, l.number, fmt.Sprintf("stress-ng skipped %v instances of stressors: %s", v, clip(list)))
		}
	}
	return true
}

func (p *parser) runLength(rest []byte, n int) {
	if p.text.ran() {
		p.text.begin()
	}
	if duration, _, ok := bytes.Cut(rest, []byte(" run per stressor")); ok {
		p.text.asked, p.text.askedLine = seconds(duration), n
	}
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

// seconds reads "1.00s", "1,01 sec", "2 mins, 0.07 secs", "120.07s (2 mins, …)".
// What it cannot read is 0.
func seconds(duration []byte) float64 {
	duration, _, _ = bytes.Cut(duration, []byte(" ("))
	total := 0.0
	var f [16][]byte
	n := min(fields(duration, f[:]), len(f))
	for i := 0; i < n; i++ {
		word := bytes.TrimRight(f[i], ",")
		if glued, ok := bytes.CutSuffix(word, []byte("s")); ok {
			if v, ok := localNumber(glued); ok {
				total += v
				continue
			}
		}
		v, ok := localNumber(word)
		if !ok || i+1 == n {
			return 0
		}
		i++
		unit := string(bytes.TrimRight(f[i], ",s"))
		size, ok := map[string]float64{"sec": 1, "second": 1, "min": 60, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}[unit]
		if !ok {
			return 0
		}
		total += v * size
	}
	return total
}

// finish says what the whole of the log says.
func (t *text) finish(p *parser) {
	t.table.finish(p)
	t.metrics = append(t.table.metrics, t.metrics...)
	if t.table.given {
		t.runs++
	}
	if t.runs > 1 {
		p.diagnose(ktstr.SeveralReports, t.table.line, fmt.Sprintf("the text holds %d tables of stress-ng; the last one counts", t.runs))
	}
	switch {
	case t.failures > 0:
		more := ""
		if t.failures > 1 {
			more = fmt.Sprintf(" (and %d more such lines)", t.failures-1)
		}
		p.diagnose(ktstr.ToolFailed, t.failureLine, "stress-ng says that it failed, whatever its exit code: "+t.failure+more)
	case t.failedCount > 0:
		p.diagnose(ktstr.ToolFailed, t.failedLine, fmt.Sprintf("stress-ng says that %v instances of stressors failed", t.failedCount))
	case t.unsuccessful > 0:
		p.diagnose(ktstr.ToolFailed, t.unsuccessful, "stress-ng says that its run was unsuccessful")
	case t.complaint > 0 && !t.table.given:
		p.diagnose(ktstr.ToolFailed, t.complaint, "stress-ng refused to run: "+t.complaintText)
	}
	if t.untrusted > 0 {
		p.diagnose(ktstr.ToolFailed, t.untrusted, "stress-ng says that metrics of this run cannot be trusted")
	}
	if t.headerless > 0 {
		p.diagnose(ktstr.Malformed, t.headerless, "the first line of the table's header is not there; its rows were left out")
	}
	if t.perfOrphan > 0 {
		p.diagnose(ktstr.Malformed, t.perfOrphan, "counters stand under no stressor's name; they and those behind them were left out")
	}
	switch {
	case t.stopping > 0:
		p.diagnose(ktstr.Interrupted, t.stopping, "stress-ng was stopped by a signal; the metrics are of a shorter run than asked for")
	case t.completed && t.asked-t.took >= 0.5 && t.took < 0.9*t.asked && t.took > 0 && t.failures == 0 && !bounded(p.out.Argv):
		p.diagnose(ktstr.Interrupted, t.askedLine, fmt.Sprintf(
			"the run ended after %s s of %s s: stress-ng was stopped by a signal, or its stressors had done all that they were to do",
			plain(t.took), plain(t.asked)))
	}
	if (t.dispatchLine > 0 && !t.completed || p.cut) && !p.out.Truncated {
		p.diagnose(ktstr.Truncated, t.dispatchLine, "the text stops before stress-ng says that its run is complete: it was killed, or the text was cut")
	}
	if t.completed && !t.table.given && p.yaml.documents == 0 && t.headerless == 0 {
		p.diagnose(ktstr.MissingHeadline, 0, "stress-ng printed no table of metrics; it does with --metrics")
	}
	if !t.completed && !t.table.given && t.version != "" && t.dispatchLine == 0 {
		p.diagnose(ktstr.NoMetrics, t.versionLine, "stress-ng printed its version and ran nothing")
	}
}

func plain(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// bounded says whether the arguments bound a stressor's work, so that a run may
// end early by itself.
func bounded(argv []string) bool {
	for _, arg := range argv {
		if strings.HasPrefix(arg, "--") && (strings.HasSuffix(arg, "-ops") || strings.Contains(arg, "-ops=")) {
			return true
		}
	}
	return false
}
