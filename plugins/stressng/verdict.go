package stressng

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/ktstr/ktstr"
)

// verdict is stress-ng's own judgement of its run. Its word "successful"
// is no part of it: versions before 0.15.07 say it of runs that failed.
type verdict struct {
	fails, errors mention // lines of type "fail:" and "error:"
	complaint     mention // a line without a type, with which it refused to start
	unsuccessful  mention // "unsuccessful run completed"
	untrusted     mention // metrics that it says cannot be trusted
	failed        mention // "failed: 1: hdd (1)"
	noneFailed    bool    // "failed: 0"
	skips         int     // lines that say that a stressor was skipped

	run course // the last run of the log
}

// course is how long a run was to be and was.
type course struct {
	dispatched int     // line of "dispatching hogs", or 0
	asked      float64 // seconds, or 0 if the log does not say it
	askedLine  int
	took       float64 // seconds
	completed  bool
	stopping   int // line of "stopping 2 stressors"
}

// mention counts lines of a kind, and keeps the first.
type mention struct {
	count int
	line  int
	text  string
}

func (m *mention) note(l *line) {
	if m.count == 0 {
		m.line, m.text = l.number, clip(l.text)
	}
	m.count++
}

func (m mention) String() string {
	if m.count > 1 {
		return fmt.Sprintf("%s (and %d more such lines)", m.text, m.count-1)
	}
	return m.text
}

// maxSkips bounds how many skipped stressors are named.
const maxSkips = 8

// remark reads lines of any kind that say something about the run.
func (p *parser) remark(l *line) bool {
	v := &p.text.verdict
	if l.typ == 0 && isComplaint(l.text) {
		v.complaint.note(l)
		return true
	}
	if bytes.Contains(l.text, []byte("ry 'stress-ng --help'")) {
		return true // the complaint itself is on stderr
	}
	if !bytes.Contains(l.text, []byte("ski")) && !bytes.Contains(l.text, []byte("untrust")) {
		return false
	}
	switch {
	case contains(l.text, "metrics are untrustworthy", "metrics may be untrustworthy"):
		v.untrusted.note(l)
	case contains(l.text, "not skipping stressor"):
	case contains(l.text, "skipping stressor", "skipping the stressor", "will be skipped"):
		if v.skips++; v.skips <= maxSkips {
			p.diagnose(ktstr.NotMeasured, l.number, "stress-ng skipped a stressor: "+clip(l.text))
		}
	default:
		return false
	}
	return true
}

// isComplaint recognises the lines without a type with which stress-ng, or
// getopt in its name, refuses its arguments.
func isComplaint(text []byte) bool {
	if rest, ok := bytes.CutPrefix(text, logPrefix); ok {
		return contains(rest, "unrecognized option", "invalid option", "unknown option", "requires an argument", "ambiguous", "doesn't allow an argument")
	}
	return bytes.HasPrefix(text, []byte("aborting: ")) || bytes.HasPrefix(text, []byte("No stress workers")) ||
		contains(text, "non-integer numeric", "is out of range for ", "must be between ", "is not a valid ", "Unknown class", "cannot be used together",
			"Unknown stressor", "Unknown scheduler", "Invalid number of ", "cannot specify ", "Cannot specify ", "must specify ", "illegal numeric")
}

func contains(text []byte, words ...string) bool {
	for _, w := range words {
		if bytes.Contains(text, []byte(w)) {
			return true
		}
	}
	return false
}

// counted takes the count of one of the last lines, such as "failed: 1: hdd (1)".
func (p *parser) counted(name string, n float64, list []byte, l *line) {
	v := &p.text.verdict
	switch {
	case name == "failed" && n == 0:
		v.noneFailed = true
	case n == 0:
	case name == "failed":
		v.failed.note(l)
	case name == "untrustworthy":
		v.untrusted.note(l)
	case name == "skipped" && v.skips == 0:
		p.diagnose(ktstr.NotMeasured, l.number, fmt.Sprintf("stress-ng skipped %s instances of stressors: %s", plain(n), clip(list)))
	}
}

// finish says how the run went.
func (v *verdict) finish(p *parser) {
	table := p.text.table.given
	switch {
	case v.fails.count > 0:
		p.diagnose(ktstr.ToolFailed, v.fails.line, "stress-ng says that it failed, whatever its exit code: "+v.fails.String())
	case v.failed.count > 0:
		p.diagnose(ktstr.ToolFailed, v.failed.line, "stress-ng says that instances of stressors failed: "+v.failed.String())
	case v.unsuccessful.count > 0:
		p.diagnose(ktstr.ToolFailed, v.unsuccessful.line, "stress-ng says that its run was unsuccessful")
	case v.errors.count > 0 && !(table && v.noneFailed):
		p.diagnose(ktstr.ToolFailed, v.errors.line, "stress-ng says that it failed, whatever its exit code: "+v.errors.String())
	case v.errors.count > 0:
		p.diagnose(ktstr.NotMeasured, v.errors.line, "stress-ng complains, and says that none of its stressors failed: "+v.errors.String())
	case v.complaint.count > 0 && !table && !v.run.completed:
		p.diagnose(ktstr.ToolFailed, v.complaint.line, "stress-ng refused to run: "+v.complaint.String())
	}
	if v.untrusted.count > 0 {
		p.diagnose(ktstr.ToolFailed, v.untrusted.line, "stress-ng says that metrics of this run cannot be trusted: "+v.untrusted.String())
	}
	r := v.run
	switch {
	case r.stopping > 0:
		p.diagnose(ktstr.Interrupted, r.stopping, "stress-ng was stopped by a signal; the metrics are of a shorter run than asked for")
	case r.short() && v.fails.count == 0 && !bounded(p.out.Argv):
		p.diagnose(ktstr.Interrupted, r.askedLine, fmt.Sprintf(
			"the run ended after %s s of %s s: stress-ng was stopped by a signal, or its stressors had done all that they were to do",
			plain(r.took), plain(r.asked)))
	}
	if (r.dispatched > 0 && !r.completed || p.cut) && !p.out.Truncated {
		p.diagnose(ktstr.Truncated, r.dispatched, "the text stops before stress-ng says that its run is complete: it was killed, or the text was cut")
	}
}

// short says whether the run ended well before its time. Versions before
// 0.15.08 say nothing else of a signal.
func (r course) short() bool {
	return r.completed && r.took > 0 && r.asked-r.took >= 0.5 && r.took < 0.9*r.asked
}

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

func plain(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// durations are the units of a duration in words, in seconds.
var durations = map[string]float64{"sec": 1, "second": 1, "min": 60, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}

// seconds reads "1.00s", "1,01 sec", "2 mins, 0.07 secs", "120.07s (2 mins, …)".
// It returns 0 for another text.
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
		size, ok := durations[string(bytes.TrimRight(f[i], ",s"))]
		if !ok {
			return 0
		}
		total += v * size
	}
	return total
}
