package fio

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/jsonscan"
)

// A normalReader reads fio's text for humans, line by line. Which direction a
// line belongs to is known only from the lines before it, so it takes care
// that none is missing: the lines of a direction have a fixed order, and one
// that comes out of turn belongs to a direction whose first line is not there.
type normalReader struct {
	version version
	si      bool // the command line has kb_base=1000
	list    series
	current *report

	headless int  // a direction that stands before all jobs
	hosts    int  // greetings of servers, in client mode
	ends     int  // ends of job lists seen in this report
	open     bool // a report has begun
	inDisks  bool
	inGroups bool            // the job list is over
	seen     map[string]bool // pid and name of the jobs in this report

	job     *job
	inset   int  // blanks before each line, if the whole report is indented
	unread  int  // first line after that of the job that is not of fio, before any that is
	whole   bool // the job's directions are over
	counted bool // the last line that every job has was read
	row     *row
	turn    int    // of the last line of this row
	target  *stats // the distribution of the percentile rows that follow
	unit    string
}

// The order of the lines in a direction.
const (
	turnDirection = iota
	turnSlat
	turnClat
	turnLat
	turnSlatPercentiles
	turnClatPercentiles
	turnLatPercentiles
	turnBW
	turnIOPS
)

// line reads one line, and says whether it is part of a report.
func (n *normalReader) line(line string, number int, whole bool) bool {
	text := strings.TrimLeft(line, " ")
	indent := len(line) - len(text)
	if text == "" {
		n.inDisks = n.inDisks && indent > 0
		return n.open
	}
	if !whole && !(n.inDisks && strings.HasSuffix(text, "%")) {
		return n.open // it may be cut anywhere, also inside a number
	}
	if strings.HasPrefix(line, "  Description  : [") {
		return n.open // which may hold anything, for example the first line of a job
	}
	if j, ok := jobLine(line, number); ok {
		n.begin(j)
		return true
	}
	if strings.HasPrefix(line, "hostname=") && strings.Contains(line, ", be=") {
		n.hosts++
		return false
	}
	if !n.open {
		if _, _, ok := directionLine(text, number); ok && indent >= 2 && n.headless == 0 {
			n.headless = number
		}
		return false
	}
	switch {
	case indent <= n.inset && strings.HasPrefix(text, "Run status group "):
		if !n.inGroups { // several groups follow each other
			n.ends++
		}
		n.endJob()
		n.row, n.inDisks, n.inGroups = nil, false, true
		return true
	case indent <= n.inset && strings.HasPrefix(text, "Disk stats "):
		n.inDisks = true
		return true
	case n.inDisks && indent >= 2 && n.disk(text, number):
		return true
	case indent >= 2 && n.direction(text, number):
		n.uninset(indent)
		return true
	case indent >= 3 && n.distribution(text, number):
		return true
	case indent >= 2 && n.trailer(text, number):
		return true
	}
	// The rest of a job is of no interest, but no new text either.
	if n.job != nil && indent >= 2 {
		return true
	}
	if n.job != nil && n.unread == 0 && !n.whole && !anyRow(n.job) {
		n.unread = number
	}
	return false
}

// uninset removes the indentation of a whole report from the name of the job. A line of
// a direction is always indented, and then by as much again.
func (n *normalReader) uninset(indent int) {
	if n.job == nil {
		return
	}
	name := strings.TrimLeft(n.job.name, " ")
	if inset := len(n.job.name) - len(name); inset > 0 && indent >= inset+2 {
		n.inset, n.job.name = inset, name
	}
}

// begin starts a job, and a report where the last one is over.
func (n *normalReader) begin(j job) {
	// In client mode each server has a list of its own, and the sum of all
	// comes last, behind their ends.
	over := n.ends >= max(n.hosts, 1) && !(n.hosts > 0 && j.name == allClients)
	// A job reports once in a report. Two jobs may have one pid, on several
	// servers or where fio does not know the number of a thread.
	key := j.pid + " " + j.name
	over = over || n.seen[key] && j.pid != "" && n.hosts < 2
	if !n.open || over {
		n.endReport()
		n.current = &report{format: formatNormal, line: j.line, version: n.version}
		n.open, n.ends, n.inset, n.seen = true, 0, 0, map[string]bool{}
	} else {
		n.endJob()
	}
	n.inDisks, n.inGroups, n.whole, n.counted, n.row, n.target, n.unread = false, false, false, false, nil, nil, 0
	n.job = &j
	n.seen[key] = true
}

// endJob adds the job that was read, if it was read to its end.
func (n *normalReader) endJob() {
	j := n.job
	if j == nil {
		return
	}
	n.job = nil
	r := n.current
	if !n.whole {
		r.notes.add(ktstr.Malformed, j.line, "job %q has no end and was left out", j.name)
		j = &job{name: j.name, named: true, line: j.line, lost: true}
	}
	for op := range j.rows {
		if row := &j.rows[op]; row.old.v > 0 && (n.si || row.countsThousands()) {
			row.toThousands(j.name, op, &r.notes)
		}
	}
	if r.version.dropsCarry() {
		for op := range j.rows {
			if p := j.rows[op].printed; p != nil {
				p.check(&j.rows[op], j.name, op, &r.notes)
			}
		}
	}
	if len(r.jobs) < maxJobs {
		r.jobs = append(r.jobs, j)
	}
}

// finish ends the last report and returns all of them.
func (n *normalReader) finish() series {
	n.endReport()
	return n.list
}

// endReport says whether the report came to its end. In client mode each
// server has one, and the sum of several jobs comes last.
func (n *normalReader) endReport() {
	if !n.open {
		return
	}
	r := n.current
	cut := n.job != nil && !n.counted // nothing stands behind this job
	if !n.whole {
		n.job = nil
	}
	n.endJob()
	r.complete = !cut && n.ends >= max(n.hosts, 1)
	if last := len(r.jobs) - 1; n.hosts > 0 && last > 0 && r.jobs[last].name != allClients {
		r.complete = false
	}
	switch {
	case r.complete:
	case n.unread > 0 && !n.whole:
		r.err, r.errLine = fmt.Errorf("line %d is not a line of a job", n.unread), n.unread
	default:
		r.err, r.errLine = jsonscan.ErrTruncated, r.line
	}
	r.nameRounded()
	n.list.add(r)
}

// allClients is fio's name for the sum of all jobs in client mode.
const allClients = "All clients"

// jobLine reads "NAME: (groupid=0, jobs=1): err= 0: pid=123: DATE". The name
// may hold anything, also such a text, so the last one counts.
func jobLine(line string, number int) (j job, ok bool) {
	const mark = ": (groupid="
	i := strings.LastIndex(line, mark)
	if i < 0 {
		return job{}, false
	}
	group, rest, ok := strings.Cut(line[i+len(mark):], ", jobs=")
	if !ok || !isInteger(group) {
		return job{}, false
	}
	members, rest, ok := strings.Cut(rest, "): err=")
	if !ok || !isInteger(members) {
		return job{}, false
	}
	errno, rest := digits(strings.TrimLeft(rest, " "))
	at := strings.LastIndex(rest, ": pid=")
	if errno == "" || at < 0 {
		return job{}, false
	}
	j = job{name: line[:i], named: true, line: number, errno: terseNum(errno, "", number)}
	j.errText = strings.TrimSuffix(strings.TrimPrefix(rest[:at], " ("), ")")
	if j.pid, _ = digits(rest[at+len(": pid="):]); strings.Trim(j.pid, "0") == "" {
		j.pid = "" // the sum of several jobs
	}
	return j, true
}

// lost reports a line whose direction is unknown. Nothing is read until the
// next direction begins.
func (n *normalReader) lost(number int) {
	r := n.current
	r.notes.add(ktstr.Malformed, number, "a line of a direction whose first line is missing was left out")
	n.row, n.target = nil, nil
	n.turn = turnIOPS
}

// directionLine reads "read: IOPS=23.6k, BW=92.3MiB/s (96.8MB/s)(185MiB/2000msec)",
// or, up to 2.16, "read : io=185MB, bw=94.5MB/s, iops=23625, runt=  2000msec".
// op is -1 for other lines. ok is false if a number cannot be read.
func directionLine(text string, number int) (op int, r row, ok bool) {
	name, rest, _ := strings.Cut(text, ":")
	op = slices.Index(opNames[:syncs], strings.TrimRight(name, " "))
	rest = strings.TrimLeft(rest, " ")
	switch {
	case op < 0:
	case strings.HasPrefix(rest, "IOPS="):
		r, ok = newRow(rest, number)
	case strings.HasPrefix(rest, "io="):
		r, ok = oldRow(rest, number)
	default:
		op = -1
	}
	return op, r, ok
}

// direction reads the first line of a direction.
func (n *normalReader) direction(text string, number int) bool {
	op, r, ok := directionLine(text, number)
	if op < 0 {
		return false
	}
	n.row, n.target = nil, nil
	switch {
	case !ok:
		n.current.notes.add(ktstr.Malformed, number, "the first line of a %s direction cannot be read", opNames[op])
	case n.job == nil || n.whole || n.job.rows[op].line != 0: // of another job, whose first line is missing
		n.endJob()
		n.lost(number)
	default:
		n.job.rows[op] = r
		n.row, n.turn = &n.job.rows[op], turnDirection
	}
	return true
}

func newRow(text string, line int) (r row, ok bool) {
	value := func(name, end string) (v string) {
		if !ok {
			return ""
		}
		if text, ok = strings.CutPrefix(text, name); ok {
			v, text, ok = strings.Cut(text, end)
		}
		return v
	}
	ok = true
	iops := value("IOPS=", ", ")
	bw := value("BW=", " (")
	other := value("", ")(")
	amount := value("", "/")
	time := value("", "msec)")
	if !ok {
		return row{}, false
	}
	r = row{line: line, measured: true}
	v, ok1 := scaled(iops)
	r.iops = num{v, "iops", line}
	v, unit, ok2 := numberWithUnit(bw)
	unit, ok3 := rateUnit(unit)
	r.bw = num{v, unit, line}
	v, amountUnit, ok4 := numberWithUnit(amount)
	r.ioBytes = num{v, amountUnit, line}
	v, ok5 := scaled(time)
	r.runtime = num{v, "ms", line}
	if r.iops.v == 0 && r.bw.v == 0 && r.ioBytes.v == 0 {
		// Up to 3.33 at least, fio prints zeros for the sum of
		// unified_rw_reporting=both, above latencies that are right.
		r.iops, r.bw, r.ioBytes = num{}, num{}, num{}
	} else {
		r.printed = newRates(iops, bw, other, amount, unit, amountUnit)
	}
	return r, ok1 && ok2 && ok3 && ok4 && ok5 && isAmountUnit(amountUnit)
}

// rateUnit completes the unit of a mixed direction, which fio prints as "Mi",
// and refuses a text that is not the unit of a rate.
func rateUnit(text string) (string, bool) {
	amount, perSecond := strings.CutSuffix(text, "/s")
	if !perSecond && !strings.HasSuffix(amount, "B") {
		amount += "B"
	}
	return amount + "/s", isAmountUnit(amount)
}

// isAmountUnit knows B, kB, KiB, bit, kbit, Kibit and so on.
func isAmountUnit(unit string) bool {
	prefix, ok := strings.CutSuffix(unit, "B")
	if !ok {
		prefix, ok = strings.CutSuffix(unit, "bit")
	}
	prefix = strings.TrimSuffix(prefix, "i")
	return ok && (prefix == "" || len(prefix) == 1 && strings.Contains("kKMGTPE", prefix))
}

func oldRow(text string, line int) (r row, ok bool) {
	fields := map[string]string{}
	for _, f := range strings.Split(text, ",") {
		if key, value, ok := strings.Cut(strings.TrimSpace(f), "="); ok {
			fields[key] = strings.TrimSpace(value)
		}
	}
	r = row{line: line, measured: true}
	v, unit, ok1 := numberWithUnit(fields["io"])
	r.ioBytes = num{v, oldUnit(unit), line}
	r.old, _ = newFigure(strings.TrimSuffix(fields["io"], unit), unitScale(r.ioBytes.unit))
	v, rate, ok2 := numberWithUnit(fields["bw"])
	rate, isRate := strings.CutSuffix(rate, "/s")
	if len(rate) < 2 { // the sum of all clients has "M/s"
		rate += "B"
	}
	r.bw = num{v, oldUnit(rate) + "/s", line}
	v, ok3 := scaled(fields["iops"])
	r.iops = num{v, "iops", line}
	time, isTime := strings.CutSuffix(fields["runt"], "msec")
	v, ok4 := scaled(strings.TrimSpace(time))
	r.runtime = num{v, "ms", line}
	return r, ok1 && ok2 && ok3 && ok4 && isTime && isRate && isAmountUnit(unit) && isAmountUnit(rate)
}

// oldUnit spells out that up to 2.16 "KB", "MB" and "Mbit" were powers of 1024.
func oldUnit(unit string) string {
	if len(unit) > 1 && unit[1] != 'i' && strings.IndexByte("KkMGTP", unit[0]) >= 0 {
		return strings.ToUpper(unit[:1]) + "i" + unit[1:]
	}
	return unit
}

// latencyUnit returns the unit for fio's word, such as ns for nsec, or "".
func latencyUnit(word string) string {
	switch word {
	case "nsec":
		return "ns"
	case "usec":
		return "us"
	case "msec":
		return "ms"
	case "sec":
		return "s"
	}
	return ""
}

// distribution reads the lines under a direction.
func (n *normalReader) distribution(text string, number int) bool {
	if rows, ok := strings.CutPrefix(text, "| "); ok {
		n.percentiles(rows, number)
		return true
	}
	head, rest, ok := strings.Cut(text, ":")
	if !ok {
		return false
	}
	rest = strings.TrimLeft(rest, " ")
	if name, unit, ok := strings.Cut(head, " percentiles ("); ok {
		// A single priority has its share in parentheses behind its name.
		n.percentileHead(name, latencyUnit(strings.TrimSuffix(unit, ")")), number)
		return true
	}
	name, inner, ok := strings.Cut(head, "(")
	unit, closed := strings.CutSuffix(strings.TrimRight(inner, " "), ")")
	if ok && closed {
		unit = strings.TrimSpace(unit)
		name = strings.TrimRight(name, " ")
		switch {
		case name == "bw" && strings.HasPrefix(rest, "min="):
			n.stats(turnBW, rest, tableRateUnit(unit), number)
			return true
		case !strings.HasPrefix(rest, "min="):
			return false // a histogram
		}
		if turn, ok := map[string]int{"slat": turnSlat, "clat": turnClat, "lat": turnLat, "sync": turnLat}[name]; ok {
			n.enterSync(name == "sync", number)
			n.stats(turn, rest, latencyUnit(unit), number)
			return true
		}
		return strings.Contains(name, " prio") // of one priority
	}
	if strings.TrimRight(head, " ") == "iops" && strings.HasPrefix(rest, "min=") {
		n.stats(turnIOPS, rest, "iops", number)
		return true
	}
	if head == "block lifetime percentiles " {
		n.target = nil
		return true
	}
	return false
}

// tableRateUnit reads the unit of a "bw (  KiB/s)" or "bw (KB  /s)" line. It
// returns "" for another text.
func tableRateUnit(unit string) string {
	amount, ok := strings.CutSuffix(strings.ReplaceAll(unit, " ", ""), "/s")
	if !ok || !isAmountUnit(amount) {
		return ""
	}
	return oldUnit(amount) + "/s"
}

// enterSync opens the direction of fsync and its like, which has no first line
// of its own, where a line is of it, and leaves it where one is not.
func (n *normalReader) enterSync(is bool, number int) {
	if n.job == nil || n.whole {
		n.row = nil
		return
	}
	r := &n.job.rows[syncs]
	switch {
	case is && r.line == 0:
		r.line = number
		n.row, n.turn, n.target = r, turnDirection, nil
	case is != (n.row == r):
		n.row = nil
	}
}

// inTurn says whether a line may come now.
func (n *normalReader) inTurn(turn, number int) bool {
	if n.row != nil && n.turn < turn {
		n.turn = turn
		return true
	}
	n.lost(number)
	return false
}

// stats reads "min=2, max=417, avg=10.83, stdev=12.31", also with more in between.
func (n *normalReader) stats(turn int, text, unit string, number int) {
	n.target = nil
	if !n.inTurn(turn, number) {
		return
	}
	var s stats
	odd := unit == ""
	for _, f := range strings.Split(text, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(f), "=")
		var into *num
		switch key {
		case "min":
			into = &s.min
		case "max":
			into = &s.max
		case "avg":
			into = &s.mean
		case "stdev":
			into = &s.stddev
		case "samples":
			into = &s.samples
		default:
			continue
		}
		v, ok := scaled(strings.TrimSpace(value))
		if !ok {
			odd = true
			continue
		}
		*into = num{v, unit, number}
	}
	if odd {
		n.current.notes.add(ktstr.Malformed, number, "a number or unit in this line cannot be read and was left out")
		if unit == "" {
			return
		}
	}
	if !s.samples.ok() {
		s.samples = num{1, "count", number} // such a line is printed only if there were any
	}
	switch turn {
	case turnSlat:
		n.row.slat = s
	case turnClat:
		n.row.clat = s
	case turnLat:
		n.row.lat = s
	case turnBW:
		n.row.bwStats = s
	case turnIOPS:
		n.row.iopsStats = s
	}
}

// percentileHead reads the head of percentile rows. Rows of other families,
// such as those of one priority, are not kept.
func (n *normalReader) percentileHead(name, unit string, number int) {
	n.target, n.unit = nil, unit
	turn, ok := map[string]int{
		"slat": turnSlatPercentiles, "clat": turnClatPercentiles, "lat": turnLatPercentiles, "sync": turnLatPercentiles,
	}[name]
	if !ok || unit == "" {
		return
	}
	n.enterSync(name == "sync", number)
	if !n.inTurn(turn, number) {
		return
	}
	switch turn {
	case turnSlatPercentiles:
		n.target = &n.row.slat
	case turnClatPercentiles:
		n.target = &n.row.clat
	case turnLatPercentiles:
		n.target = &n.row.lat
	}
	// The family's own line may be missing.
	if !n.target.samples.ok() {
		n.target.samples = num{1, "count", number}
	}
}

// percentiles reads "1.00th=[  804],  5.00th=[ 1004], …".
func (n *normalReader) percentiles(text string, number int) {
	if n.target == nil {
		return
	}
	for _, f := range strings.Split(text, "]") {
		percent, value, ok := strings.Cut(f, "th=[")
		if !ok {
			continue
		}
		percent = strings.TrimLeft(percent, ", ")
		name, ok1 := percentileName([]byte(percent))
		v, ok2 := scaled(strings.TrimSpace(value))
		if !ok1 || !ok2 {
			n.current.notes.add(ktstr.Malformed, number, "a percentile in this line cannot be read and was left out")
			continue
		}
		p := percentile{name, num{v, n.unit, number}}
		if !strings.Contains(percent, ".") && len(n.target.rounded) < maxPercentiles {
			n.target.rounded = append(n.target.rounded, p)
			continue
		}
		if !n.target.add(p) { // rows of another distribution, whose head is missing
			n.current.notes.add(ktstr.Malformed, number, "percentiles whose head line is missing were left out")
			n.target = nil
			return
		}
	}
}

// trailer reads the lines of a job after its directions.
func (n *normalReader) trailer(text string, number int) bool {
	if n.job == nil {
		return false
	}
	head, rest, ok := strings.Cut(text, ":")
	if !ok {
		return false
	}
	rest = strings.TrimSpace(rest)
	switch strings.TrimRight(head, " ") {
	case "cpu":
		if n.whole { // of another job, whose first line is missing
			n.endJob()
			n.lost(number)
			return true
		}
		n.whole, n.row, n.target = true, nil, nil
		n.cpu(rest, number)
	case "issued rwts", "issued rwt", "issued r/w", "issued":
		n.counted = true
		n.issued(rest, number)
	case "errors":
		n.errors(rest, number)
	case "latency":
		if _, depth, ok := strings.Cut(rest, "depth="); ok {
			n.job.depth = terseNum(depth, "", number)
		}
	case "steadystate":
		n.steadyState(rest, number)
	case "fsync/fdatasync/sync_file_range", "fsync/fdatasync/sync_file_range/syncfs":
	default:
		return false
	}
	return true
}

func (n *normalReader) cpu(text string, number int) {
	for _, f := range strings.Split(text, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(f), "=")
		percent := terseNum(strings.TrimSuffix(value, "%"), "%", number)
		count := terseNum(value, "count", number)
		switch key {
		case "usr":
			n.job.usr = percent
		case "sys":
			n.job.sys = percent
		case "ctx":
			n.job.ctx = count
		case "majf":
			n.job.majf = count
		case "minf":
			n.job.minf = count
		}
	}
}

// issued reads "total=65701,65750,0,0 short=0,0,0,0 dropped=0,0,0,0", in old
// versions "total=r=1/w=2/d=0, short=…", and checks by it that no direction
// is missing.
func (n *normalReader) issued(text string, number int) {
	text = strings.NewReplacer("r=", "", "w=", "", "d=", "", "/", ",", ", ", " ").Replace(strings.Replace(text, "dropped=", "drop:", 1))
	j := n.job
	for _, group := range strings.Fields(text) {
		i := strings.IndexAny(group, "=:")
		if i < 0 {
			continue
		}
		for op, value := range strings.Split(group[i+1:], ",") {
			if op > trim {
				break
			}
			count := terseNum(value, "count", number)
			r := &j.rows[op]
			switch {
			case r.line == 0:
				if group[:i] == "total" && count.positive() && j.rows[mixed].line == 0 && anyRow(j) && j.errno.v == 0 {
					n.current.notes.add(ktstr.MissingHeadline, number, "job %q counts %.0f I/Os of %s and does not show them", j.name, count.v, opNames[op])
				}
			case group[:i] == "total":
				r.totalIOs = count
			case group[:i] == "short":
				r.shortIOs = count
			case group[:i] == "drop":
				r.dropIOs = count
			}
		}
	}
}

func anyRow(j *job) bool {
	for i := range j.rows {
		if j.rows[i].line != 0 {
			return true
		}
	}
	return false
}

// errors reads "total=1, first_error=28/<No space left on device>".
func (n *normalReader) errors(text string, number int) {
	total, rest, _ := strings.Cut(text, ", first_error=")
	n.job.totalErr = terseNum(strings.TrimPrefix(total, "total="), "count", number)
	first, _ := digits(rest)
	n.job.firstErr = terseNum(first, "", number)
}

// steadyState reads "attained=yes, bw=40.6MiB/s (41.6MB/s), iops=10.4k,
// lat=92.1knsec, lat mean dev=26.254%".
func (n *normalReader) steadyState(text string, number int) {
	j := n.job
	j.steady = true
	for _, f := range strings.Split(text, ", ") {
		key, value, _ := strings.Cut(f, "=")
		switch key {
		case "attained":
			switch value {
			case "yes":
				j.ssAttained = num{1, "", number}
			case "no":
				j.ssAttained = num{0, "", number}
			}
		case "bw":
			value, _, _ = strings.Cut(value, " ")
			if v, unit, ok := numberWithUnit(value); ok {
				if unit, ok := rateUnit(unit); ok {
					j.ssBW = num{v, unit, number}
				}
			}
		case "iops":
			if v, ok := scaled(value); ok {
				j.ssIOPS = num{v, "iops", number}
			}
		case "lat":
			for _, word := range []string{"nsec", "usec", "msec"} {
				if short, ok := strings.CutSuffix(value, word); ok {
					if v, ok := scaled(short); ok {
						j.ssLatency = num{v, latencyUnit(word), number}
					}
				}
			}
		}
	}
}

// disk reads "vda: ios=1/2, sectors=3/4, merge=5/6, ticks=7/8, in_queue=9,
// util=1.23%", where two numbers are of reads and writes, and which goes on
// with the sums of the disks below, if any.
func (n *normalReader) disk(text string, number int) bool {
	name, rest, ok := strings.Cut(text, ": ios=")
	if !ok {
		return false
	}
	k := disk{name: name, line: number}
	for _, f := range strings.Split("ios="+rest, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(f), "=")
		prefix := ""
		if short, ok := strings.CutPrefix(key, "aggr"); ok {
			key, prefix = short, "aggr_"
		}
		if key == "merge" {
			key = "merges"
		}
		unit := diskUnit(key)
		if reads, writes, ok := strings.Cut(value, "/"); ok {
			k.add(prefix+"read_"+key, terseNum(reads, unit, number))
			k.add(prefix+"write_"+key, terseNum(writes, unit, number))
			continue
		}
		k.add(prefix+key, terseNum(strings.TrimSuffix(value, "%"), unit, number))
	}
	if r := n.current; len(r.disks) < maxJobs {
		r.disks = append(r.disks, k)
	}
	return true
}

func (k *disk) add(name string, n num) {
	if n.ok() {
		k.counters = append(k.counters, counter{name, n})
	}
}
