package schbench

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/ktstr/ktstr"
)

// family is how the metrics of one kind of table are called and judged.
type family struct {
	prefix   string
	polarity ktstr.Polarity
}

var families = [...]family{
	wakeup:  {"wakeup.", ktstr.Lower},
	request: {"request.", ktstr.Lower},
	rps:     {"rps.", ktstr.Higher},
}

// units are the units in the parentheses of a table's header.
var units = map[string]string{
	"usec": "us", "nsec": "ns", "msec": "ms", "sec": "s", "requests": "req/s",
}

// report gives the numbers of the last block, and of the lines around it.
func (s *scanned) report(e *extraction, out ktstr.Output) {
	if s.strange.given() {
		e.diagnose(ktstr.UnsupportedVersion, s.strange.number,
			fmt.Sprintf("table %q is of no revision of schbench that this plugin was proven on; it was left out", clip(s.strange.text)))
		e.unread = s.strange
	}
	if s.blocks > 0 {
		b := s.pick(e, out)
		s.block(e, out, b)
	}
	s.rateLines(e, out)
	if out.Truncated && s.ours {
		e.diagnose(ktstr.Truncated, 0, "the capture stops before the end of what schbench printed")
	}
	switch b := &s.last; {
	case !s.failure.given():
	case b.average.given() || b.goal.given() || b.pipe.given():
		// It went on to its final report.
		e.diagnose(ktstr.NotMeasured, s.failure.number, "schbench complains, and ran all the same: "+clip(s.failure.text))
	default:
		e.diagnose(ktstr.ToolFailed, s.failure.number, "schbench says that it failed: "+clip(s.failure.text))
	}
}

// pick chooses the block that counts: the last, unless the text stops inside
// its first table.
func (s *scanned) pick(e *extraction, out ktstr.Output) *block {
	b := &s.last
	stopped := (s.inTable || s.cut || out.Truncated) && !b.ended() && !b.damaged.given()
	final := b.average.given() || b.goal.given() || b.pipe.given()
	switch {
	case stopped && s.blocks > 1 && !s.usable():
		b = &s.previous
		e.diagnose(ktstr.Truncated, 0, fmt.Sprintf("the text stops inside report %d of schbench; report %d counts", s.blocks, s.blocks-1))
	case stopped:
		e.diagnose(ktstr.Truncated, 0, "the text stops inside the last report of schbench; what was complete of it counts")
	case b.current.given() && !final:
		e.diagnose(ktstr.Truncated, b.current.number,
			"schbench was stopped before its final report; the last interval report counts")
	case s.cut:
		e.diagnose(ktstr.Truncated, 0, "the last line is not whole, and was left out")
	case !final && exitedBadly(out):
		e.diagnose(ktstr.Truncated, 0, "schbench did not run to its end; the last report that it printed counts")
	}
	if s.blocks > 1 {
		e.diagnose(ktstr.SeveralReports, 0, fmt.Sprintf("schbench printed %d reports; the last complete one counts", s.blocks))
	}
	return b
}

// usable says whether the last block, in which the text stops, has at least
// its first table.
func (s *scanned) usable() bool {
	if len(s.last.tables) == 0 {
		return false
	}
	first := s.last.tables[0]
	if first.complete || len(s.last.tables) > 1 {
		return true
	}
	return len(s.previous.tables) > 0 && first.kind == s.previous.tables[0].kind && first.rows >= s.previous.tables[0].rows && first.rows > 0
}

func exitedBadly(out ktstr.Output) bool { return out.ExitCode != nil && *out.ExitCode != 0 }

func (s *scanned) block(e *extraction, out ktstr.Output, b *block) {
	if b.damaged.given() {
		e.diagnose(ktstr.Malformed, b.damaged.number, "rows stand under no table header; they were left out")
	}
	for i := range b.tables {
		readTable(e, out.Data, &b.tables[i])
	}
	if b.pipe.given() {
		readTransfer(e, b.pipe)
	}
	if b.average.given() {
		readRate(e, b.average, "average rps: ", "rps.average", ktstr.Higher)
	}
	if b.goal.given() {
		readGoal(e, b.goal)
	}
	if b.delay.given() {
		readDelay(e, b)
	}
	switch {
	case !b.has(wakeup):
		e.diagnose(ktstr.MissingHeadline, 0, "the last report has no table of wakeup latencies")
	case e.given["wakeup.p20"] && !b.has(request) && !b.pipe.given() && !b.current.given():
		// Only the tables of pipe mode have a 20th percentile, and its line goes with them.
		e.diagnose(ktstr.MissingHeadline, 0, `no "avg worker transfer" behind the table of pipe mode`)
	case b.has(rps) && !b.average.given() && !b.goal.given() && !b.current.given() && !s.goal.given():
		e.diagnose(ktstr.MissingHeadline, 0,
			`no "average rps" behind the last report of this stream (revisions of April 2023 print it on stdout, others on stderr)`)
	}
}

// rateLines gives the rates that old revisions print on stdout while their
// tables go to stderr.
func (s *scanned) rateLines(e *extraction, out ktstr.Output) {
	if s.average.given() {
		readRate(e, s.average, "average rps: ", "rps.average", ktstr.Higher)
	}
	switch {
	case s.ratesFinal.given():
		readFinalRate(e, out, s.ratesFinal)
	case s.rates.given() && exitedBadly(out):
		e.diagnose(ktstr.Truncated, s.rates.number, `schbench did not run to its end: the last "rps:" line is of an interval and was left out`)
	case s.rates.given():
		if want := reports(out.Argv); s.rateCount < want {
			e.diagnose(ktstr.MissingHeadline, s.rates.number,
				fmt.Sprintf(`%d lines "rps:" where such a run prints %d: the last one may be of an interval`, s.rateCount, want))
		}
		readRate(e, s.rates, "rps: ", "rps.average", ktstr.Higher)
	case s.current.given() && !s.average.given() && s.blocks == 0:
		e.diagnose(ktstr.MissingHeadline, s.current.number, `rates of intervals, and no "average rps" behind them`)
	}
	if s.loose.given() {
		readTransfer(e, s.loose)
	}
	if s.goal.given() {
		readGoal(e, s.goal)
	}
	if s.rounds.given() {
		readRound(e, s.rounds)
	}
}

// readTable gives one table: header, rows, extremes.
func readTable(e *extraction, data []byte, t *table) {
	f := families[t.kind]
	_, rest, _ := bytes.Cut(t.head.text, []byte(" percentiles ("))
	word, rest, _ := bytes.Cut(rest, []byte(")"))
	unit, known := units[string(word)]
	if !known {
		e.diagnose(ktstr.UnsupportedVersion, t.head.number,
			fmt.Sprintf("table in %q: want usec or requests; it was left out", clip(word)))
		e.unread = t.head
		return
	}
	if seconds, ok := between(rest, " runtime ", " (s)"); ok {
		e.add("runtime", seconds, "s", ktstr.Unknown, t.head.number)
	}
	if samples, ok := totalSamples(t.head.text); ok {
		if samples == 0 {
			e.diagnose(ktstr.NotMeasured, t.head.number,
				fmt.Sprintf("the table of %s has no samples; its zeros are not measurements", f.prefix[:len(f.prefix)-1]))
			e.unread = t.head
			return
		}
		e.add(f.prefix+"samples", samples, "count", ktstr.Unknown, t.head.number)
	}
	favourite, rows := false, 0
	n := t.head.number
	for body := data[t.from:t.to]; len(body) > 0; {
		text, more, _ := bytes.Cut(body, []byte("\n"))
		body = more
		n++
		text = bytes.Trim(text, " \t\r")
		if len(text) == 0 {
			continue
		}
		if isExtremes(text) {
			readExtremes(e, f, unit, line{text, n})
			continue
		}
		percent, v, ok := readRow(text)
		if !ok {
			if isRow(text) {
				e.diagnose(ktstr.Malformed, n, fmt.Sprintf("row %q: want a percentile, a value and its samples", clip(text)))
			}
			continue
		}
		e.add(f.prefix+percentileName(percent), v, unit, f.polarity, n)
		rows++
		favourite = favourite || percent == 99 || t.kind == rps
	}
	if rows > 0 {
		e.read = true
	} else {
		e.unread = t.head
	}
	if !favourite {
		e.diagnose(ktstr.MissingHeadline, t.head.number,
			fmt.Sprintf("the table of %s has no 99th percentile", f.prefix[:len(f.prefix)-1]))
	}
	if !t.complete {
		e.diagnose(ktstr.Malformed, t.head.number,
			fmt.Sprintf("the table of %s does not end with its min and max", f.prefix[:len(f.prefix)-1]))
	}
}

// readRow reads "* 99.0th: 3988       (50 samples)" and its older forms.
func readRow(text []byte) (percent, v float64, ok bool) {
	percent, rest, ok := cutNumber(bytes.TrimLeft(text, "* "))
	if !ok || percent > 100 {
		return 0, 0, false
	}
	if rest, ok = after(rest, "th: "); !ok {
		return 0, 0, false
	}
	if v, rest, ok = cutNumber(bytes.TrimLeft(rest, " ")); !ok {
		return 0, 0, false
	}
	if rest = bytes.TrimLeft(rest, " "); len(rest) > 0 {
		if rest, ok = after(rest, "("); !ok {
			return 0, 0, false
		}
		if _, rest, ok = cutNumber(rest); !ok || string(rest) != " samples)" {
			return 0, 0, false
		}
	}
	return percent, v, true
}

// percentileName returns p50, p99 or p99_9: without trailing zeros.
func percentileName(percent float64) string {
	return "p" + strings.Replace(strconv.FormatFloat(percent, 'f', -1, 64), ".", "_", 1)
}

// readExtremes reads "min=2, max=4692", in 2016 with "Over=0, " before it.
func readExtremes(e *extraction, f family, unit string, l line) {
	for more, rest := true, l.text; more; {
		var part []byte
		part, rest, more = bytes.Cut(rest, []byte(", "))
		key, text, _ := bytes.Cut(part, []byte("="))
		v, ok := number(text)
		switch name := string(key); {
		case ok && (name == "min" || name == "max"):
			e.add(f.prefix+name, v, unit, f.polarity, l.number)
		case ok && name == "Over":
			e.add(f.prefix+"over", v, "count", ktstr.Unknown, l.number)
		default:
			e.diagnose(ktstr.Malformed, l.number, fmt.Sprintf("%q: want min=N, max=N", clip(l.text)))
			return
		}
	}
}

// readRate reads a line that is a label and one number.
func readRate(e *extraction, l line, label, name string, polarity ktstr.Polarity) {
	rest, _ := after(l.text, label)
	v, ok := number(bytes.TrimRight(rest, " "))
	if !ok {
		e.diagnose(ktstr.Malformed, l.number, fmt.Sprintf("%q: want a number behind the label", clip(l.text)))
		return
	}
	e.add(name, v, "req/s", polarity, l.number)
}

// readGoal reads "final rps goal was 24" of -A, "final rps was 24" of old -R.
func readGoal(e *extraction, l line) {
	label := "final rps was "
	if _, ok := after(l.text, label); !ok {
		label = "final rps goal was "
	}
	readRate(e, l, label, "auto.rps_goal", ktstr.Unknown)
}

// tooLarge is the factor by which revisions from 2020-10-21 to 2021-04 print
// the rate of -R too large.
const tooLarge = 1e6

// readFinalRate reads
// "rps: 38.67 p95 (usec) 71 p99 (usec) 104 p95/cputime 0.24% p99/cputime 0.35%".
func readFinalRate(e *extraction, out ktstr.Output, l line) {
	rest, _ := after(l.text, "rps: ")
	v, rest, ok := cutNumber(rest)
	if !ok {
		e.diagnose(ktstr.Malformed, l.number, fmt.Sprintf("%q: want a number behind the label", clip(l.text)))
		return
	}
	if v >= implausible(out.Argv) {
		e.diagnose(ktstr.Malformed, l.number, fmt.Sprintf(
			"rps %s is 1000000 times too large, as revisions from October 2020 to April 2021 print it; it was left out",
			strconv.FormatFloat(v, 'f', 2, 64)))
	} else {
		e.add("rps.average", v, "req/s", ktstr.Higher, l.number)
	}
	for _, field := range []struct{ before, behind, name, unit string }{
		{" p95 (usec) ", "", "auto.p95", "us"},
		{" p99 (usec) ", "", "auto.p99", "us"},
		{" p95/cputime ", "%", "auto.p95_cputime", "%"},
		{" p99/cputime ", "%", "auto.p99_cputime", "%"},
	} {
		if v, ok := between(rest, field.before, field.behind); ok {
			e.add(field.name, v, field.unit, ktstr.Lower, l.number)
		}
	}
}

// implausible is the rate from which on a printed one must be tooLarge: far
// above the one asked for with -R, or, if that is not known, tooLarge itself.
func implausible(argv []string) float64 {
	for i, arg := range argv {
		if (arg == "-R" || arg == "--rps") && i+1 < len(argv) {
			if asked, ok := number([]byte(argv[i+1])); ok && asked > 0 {
				return asked * math.Sqrt(tooLarge)
			}
		}
	}
	return tooLarge
}

// reports is how many reports a run with these arguments prints: one for each
// interval that ends before the run does, and the final one. 0: not known.
func reports(argv []string) int {
	value := func(short, long string) float64 {
		for i, arg := range argv {
			if (arg == short || arg == long) && i+1 < len(argv) {
				v, _ := number([]byte(argv[i+1]))
				return v
			}
		}
		return 0
	}
	runtime, interval := value("-r", "--runtime"), value("-i", "--intervaltime")
	if runtime <= 0 || interval <= 0 {
		return 0
	}
	return int(math.Ceil(math.Min(runtime/interval, 1e6)))
}

// readRound reads the last round of -a: "cputime 30000 threads 2 p99 7080".
func readRound(e *extraction, l line) {
	text := append(append([]byte(" "), l.text...), ' ')
	for _, field := range []struct {
		before, name, unit string
		polarity           ktstr.Polarity
	}{
		{" cputime ", "auto.cputime", "us", ktstr.Unknown},
		{" threads ", "auto.threads", "count", ktstr.Unknown},
		{" p99 ", "auto.p99", "us", ktstr.Lower},
	} {
		v, ok := between(text, field.before, " ")
		if !ok {
			e.diagnose(ktstr.Malformed, l.number, fmt.Sprintf("%q: want cputime N threads N p99 N", clip(l.text)))
			return
		}
		e.add(field.name, v, field.unit, field.polarity, l.number)
	}
}

// readTransfer reads pipe mode's "avg worker transfer: 104367.06 ops/sec
// 407.68MB/s" and its two older forms. MB and the like are powers of 1024.
func readTransfer(e *extraction, l line) {
	if rest, ok := after(l.text, "avg loops per second: "); ok {
		if v, ok := number(bytes.TrimRight(rest, " ")); ok {
			e.add("transfer.ops", v, "ops/s", ktstr.Higher, l.number)
			return
		}
	}
	if rest, ok := after(l.text, "avg worker transfer: "); ok {
		v, rest, ok := cutNumber(rest)
		if next, hasOps := after(rest, " ops/sec "); ok && hasOps {
			e.add("transfer.ops", v, "ops/s", ktstr.Higher, l.number)
			v, rest, ok = cutNumber(next)
		}
		if unit, known := binaryRates[string(bytes.TrimRight(rest, " "))]; ok && known {
			e.add("transfer.bw", v, unit, ktstr.Higher, l.number)
			return
		}
	}
	e.diagnose(ktstr.Malformed, l.number, fmt.Sprintf("%q: want N ops/sec NMB/s", clip(l.text)))
}

var binaryRates = map[string]string{
	"B/s": "B/s", "KB/s": "KiB/s", "MB/s": "MiB/s", "GB/s": "GiB/s", "TB/s": "TiB/s", "PB/s": "PiB/s", "EB/s": "EiB/s",
}

// readDelay reads "sched delay: message 0 (usec) worker 0 (usec)". At the end
// the threads are gone and there is nothing to read: both are 0 then.
func readDelay(e *extraction, b *block) {
	message, ok1 := between(b.delay.text, " message ", " (usec)")
	worker, ok2 := between(b.delay.text, " worker ", " (usec)")
	switch {
	case !ok1 || !ok2:
		e.diagnose(ktstr.Malformed, b.delay.number, fmt.Sprintf("%q: want message N (usec) worker N (usec)", clip(b.delay.text)))
	case message == 0 && worker == 0 && !b.current.given():
	default:
		e.add("sched_delay.message", message, "us", ktstr.Lower, b.delay.number)
		e.add("sched_delay.worker", worker, "us", ktstr.Lower, b.delay.number)
	}
}

// clip shortens text for a message.
func clip(text []byte) string {
	const most = 120
	if len(text) > most {
		return string(bytes.ToValidUTF8(text[:most], []byte("?"))) + "…"
	}
	return string(bytes.ToValidUTF8(text, []byte("?")))
}
