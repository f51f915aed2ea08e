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
