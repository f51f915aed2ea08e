package fio

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/jsonscan"
)

// A terseReader collects terse lines, one a job.
//
// A line is the terse version, fio's version (not in 2), the job's name, its
// group and errno, then the directions, each of the same shape, then CPU use,
// three histograms, disks (not in 2), two counts with continue_on_error, and a
// description. Name and description may hold any number of semicolons, so the
// directions are found by their shape.
type terseReader struct {
	latPercentiles answer // whether the percentiles are those of lat, not of clat
	repeats        answer // whether there are reports at intervals
	unified        bool   // the command line asks for one row for all directions

	jobs  []terseJob // since the last banner
	fault error      // why a line since then cannot be read
	at    int        // where that line is
	notes notes
	list  series
}

// An answer says whether an option is on the command line.
type answer int

const (
	unknown answer = iota // there is no command line, or a job file may say more
	no
	yes
)

type terseJob struct {
	job
	version version
	disks   []disk
	group   string
	io      float64 // of all directions, KiB
	time    float64 // of the longest direction, ms
}

const (
	terseRow  = 41 // fields of one direction
	terseRow5 = 47 // in version 5
	terseTail = 34 // CPU and histograms
)

// line reads one line, and says whether it is a terse one.
func (t *terseReader) line(line string, number int, whole bool) bool {
	start := terseStart(line)
	if start < 0 {
		return false
	}
	fields := strings.Split(line[start:], ";")
	size, name := terseRow, 2
	switch fields[0] {
	case "5":
		size = terseRow5
	case "2":
		name = 1
	}
	first, rows := terseRows(fields, name+3, size)
	if rows == 0 {
		if fields[0] == "2" && whole && len(t.jobs) == 0 {
			return false // such a start is nothing special
		}
		fault := fmt.Errorf("%d fields, of which no %d are the numbers of a direction", len(fields), size)
		if len(fields) < name+3+size+terseTail {
			fault = fmt.Errorf("%d fields, want at least %d", len(fields), name+3+size+terseTail)
		}
		t.fails(number, whole, fault)
		return true
	}
	tail := fields[first+rows*size:]
	if fault := terseTailFault(tail); fault != nil {
		t.fails(number, whole, fault)
		return true
	}
	j := terseJob{job: job{
		name: strings.Join(fields[name:first-2], ";"), named: true, line: number,
		errno: terseNum(fields[first-1], "", number),
	}, group: fields[first-2]}
	if name == 2 {
		j.version = parseVersion(fields[1])
	}
	for i, op := range t.ops(fields[0], rows) {
		r := &j.rows[op]
		t.row(j.name, r, fields[first+i*size:first+(i+1)*size], number)
		if r.ioBytes.v > 0 {
			j.io += r.ioBytes.v
		}
		j.time = max(j.time, r.runtime.v)
	}
	j.usr = terseNum(strings.TrimSuffix(tail[0], "%"), "%", number)
	j.sys = terseNum(strings.TrimSuffix(tail[1], "%"), "%", number)
	j.ctx = terseNum(tail[2], "count", number)
	j.majf = terseNum(tail[3], "count", number)
	j.minf = terseNum(tail[4], "count", number)
	if name == 2 {
		j.disks = terseDisks(tail[terseTail:], number)
	}
	if len(t.jobs) == maxJobs {
		t.notes.add(ktstr.TooMany, number, "there are more than %d terse lines; this one and those behind it were left out", maxJobs)
		return true
	}
	t.jobs = append(t.jobs, j)
	if !whole {
		t.notes.add(ktstr.Truncated, number, "the terse line of job %q does not end; disks may be missing", j.name)
	}
	return true
}

// fails takes note of a line that cannot be read.
func (t *terseReader) fails(number int, whole bool, fault error) {
	if !whole {
		fault = jsonscan.ErrTruncated
	}
	t.fault, t.at = fault, number
}

// unfinished is told of a last line that does not end and is of no format.
func (t *terseReader) unfinished(number int) {
	if len(t.jobs) > 0 {
		t.notes.add(ktstr.Truncated, number, "the text ends inside a line; there may have been more jobs")
	}
}

// terseStart finds where a terse line begins: progress without an end of line
// can stand before it.
func terseStart(line string) int {
	if strings.HasPrefix(line, "2;") {
		return 0
	}
	i := strings.Index(line, ";fio-")
	if i < 1 || line[i-1] < '3' || line[i-1] > '5' || i > 1 && !strings.HasPrefix(line, "Jobs:") {
		return -1
	}
	return i - 1
}

// terseRows finds the first field of the first direction, at or behind from,
// and how many directions there are.
func terseRows(fields []string, from, size int) (first, rows int) {
	for first = from; first+size+terseTail <= len(fields); first++ {
		for isTerseRow(fields[min(first+rows*size, len(fields)):], size) && rows < 4 {
			rows++
		}
		if rows > 0 && isInteger(fields[first-1]) && isInteger(fields[first-2]) {
			return first, rows
		}
		rows = 0
	}
	return 0, 0
}

// isTerseRow says whether fields begin with a direction.
func isTerseRow(fields []string, size int) bool {
	if len(fields) < size || !strings.Contains(fields[12], "%=") {
		return false
	}
	for i, f := range fields[:size] {
		switch {
		case 12 <= i && i < 32:
			percent, value, ok := strings.Cut(f, "%=")
			if !ok || !isNumber(percent) || !isInteger(value) && !isNaN(value) {
				return false
			}
		case i < 6 || i == 8 || i == 9 || i == 32 || i == 33 || i == 36 || i == 37 || i == 41 || i == 42 || i == 43 || i == 46:
			if !isInteger(f) && !isNaN(f) {
				return false
			}
		case i == 38:
			if !strings.HasSuffix(f, "%") {
				return false
			}
		}
	}
	return true
}

// terseTailFault says why fields cannot be the ones after the directions. A share
// of an empty histogram is -nan%.
func terseTailFault(fields []string) error {
	if len(fields) < terseTail {
		return fmt.Errorf("%d fields after the directions, want at least %d", len(fields), terseTail)
	}
	for i, f := range fields[:terseTail] {
		if 2 <= i && i < 5 {
			if !isInteger(f) {
				return fmt.Errorf("%q where a count stands", f)
			}
		} else if number, ok := strings.CutSuffix(f, "%"); !ok || !isNumber(number) && !isNaN(number) {
			return fmt.Errorf("%q where a share in %% stands", f)
		}
	}
	return nil
}

// isNaN knows how C prints a number that is not finite.
func isNaN(text string) bool {
	switch strings.TrimPrefix(text, "-") {
	case "nan", "inf":
		return true
	}
	return false
}

// ops names the directions of a line with that many rows.
func (t *terseReader) ops(version string, rows int) []int {
	switch {
	case rows == 1:
		return []int{mixed} // unified_rw_reporting=mixed of new versions
	case t.unified:
		return []int{mixed, write, trim, trim}[:rows] // of old ones, which leave the other rows empty
	case version == "3" && rows == 3:
		return []int{read, write, mixed} // unified_rw_reporting=both
	}
	return []int{read, write, trim, mixed}[:rows]
}

func (t *terseReader) row(job string, r *row, f []string, line int) {
	number := func(i int, unit string) num { return terseNum(f[i], unit, line) }
	distribution := func(i int) stats {
		return stats{min: number(i, "us"), max: number(i+1, "us"), mean: number(i+2, "us"), stddev: number(i+3, "us")}
	}
	r.line = line
	r.ioBytes, r.bw, r.iops, r.runtime = number(0, "KiB"), number(1, "KiB/s"), number(2, "iops"), number(3, "ms")
	r.slat, r.clat, r.lat = distribution(4), distribution(8), distribution(32)
	var p stats
	highest := 0.0
	for _, text := range f[12:32] {
		percent, value, _ := strings.Cut(text, "%=")
		if name, ok := percentileName([]byte(percent)); ok {
			n := terseNum(value, "us", line)
			highest = max(highest, n.v)
			p.add(percentile{name, n})
		}
	}
	// lat_percentiles=1 puts those of lat here, and the line does not say so.
	// Percentiles stand for ranges that are up to 3.2 % wide.
	switch {
	case t.latPercentiles == yes || !r.clat.measured() && r.lat.measured() || highest > 1.05*r.clat.max.v+2 && highest <= 1.05*r.lat.max.v+2:
		r.lat.percentiles = p.percentiles
	case t.latPercentiles == unknown && highest > r.clat.max.v:
		t.notes.add(ktstr.MissingHeadline, line, "the percentiles of job %q may be those of lat or of clat, and were left out: want the command line of fio (--argv)", job)
	default:
		r.clat.percentiles = p.percentiles
	}
	r.bwStats = stats{min: number(36, "KiB/s"), max: number(37, "KiB/s"), mean: number(39, "KiB/s"), stddev: number(40, "KiB/s")}
	if len(f) == terseRow5 {
		r.bwStats.samples = number(41, "count")
		r.iopsStats = stats{min: number(42, "iops"), max: number(43, "iops"), mean: number(44, "iops"), stddev: number(45, "iops"),
			samples: number(46, "count")}
	}
	// An amount below 1 KiB is printed as 0.
	r.measured = r.ioBytes.positive() || r.iops.positive() && r.bw.positive()
}

// terseNum reads one field. A text that is not a number counts as missing.
func terseNum(text, unit string, line int) num {
	v, ok := parseNumber(text)
	if !ok {
		return num{}
	}
	return num{v, unit, line}
}

// The nine fields of a disk behind its name.
var terseDiskNames = [...]string{"read_ios", "write_ios", "read_merges", "write_merges", "read_ticks", "write_ticks", "in_queue", "util"}

func terseDisks(fields []string, line int) (disks []disk) {
	for len(fields) > len(terseDiskNames) {
		values := fields[1 : 1+len(terseDiskNames)]
		util, ok := strings.CutSuffix(values[len(values)-1], "%")
		if !ok || !isNumber(util) || !isInteger(values[0]) {
			break
		}
		k := disk{name: fields[0], line: line}
		prefix := ""
		if k.name == "slaves" && len(disks) > 0 { // the disks below the one before
			k, prefix = disks[len(disks)-1], "aggr_"
			disks = disks[:len(disks)-1]
		}
		for i, name := range terseDiskNames {
			if n := terseNum(strings.TrimSuffix(values[i], "%"), diskUnit(name), line); n.ok() {
				k.counters = append(k.counters, counter{prefix + name, n})
			}
		}
		disks = append(disks, k)
		fields = fields[1+len(terseDiskNames):]
	}
	return disks
}

// reports returns the reports of all runs.
func (t *terseReader) reports() series {
	t.endRun()
	return t.list
}

// endRun groups the jobs of a run into reports. Nothing in terse output parts
// one report from the next, so repeated reports are known by the jobs that they repeat.
func (t *terseReader) endRun() {
	if len(t.jobs) == 0 && t.fault == nil {
		return
	}
	period, regular := t.period()
	if !regular {
		t.notes.add(ktstr.Malformed, t.jobs[0].line, "terse lines repeat, as reports at intervals do, but not in order; the last line of each job counts")
		t.jobs = lastOfEach(t.jobs)
		period = len(t.jobs)
	}
	var reports []*report
	var last *report
	for i := 0; i < len(t.jobs); i += period {
		jobs := t.jobs[i:min(i+period, len(t.jobs))]
		last = &report{format: formatTerse, line: jobs[0].line, complete: len(jobs) == period}
		for i := range jobs {
			j := &jobs[i]
			last.jobs = append(last.jobs, &j.job)
			last.version = j.version
			if last.disks == nil {
				last.disks = j.disks
			}
		}
		if !last.complete {
			last.err, last.errLine = jsonscan.ErrTruncated, jobs[len(jobs)-1].line
		}
		reports = append(reports, last)
	}
	if t.fault != nil {
		if last == nil || last.complete && period < len(t.jobs) {
			last = &report{format: formatTerse, line: t.at}
			reports = append(reports, last)
		}
		last.complete, last.err, last.errLine = false, t.fault, t.at
	}
	last.notes = t.notes
	for _, r := range reports {
		t.list.add(r)
	}
	t.jobs, t.fault, t.notes = nil, nil, notes{}
}

// lastOfEach returns the last line of each job, in the order of their first ones.
func lastOfEach(jobs []terseJob) (list []terseJob) {
	at := map[string]int{}
	for _, j := range jobs {
		key := j.group + ";" + j.name
		if i, ok := at[key]; ok {
			list[i] = j
			continue
		}
		at[key] = len(list)
		list = append(list, j)
	}
	return list
}

// period returns after how many jobs a report begins anew. Reports at
// intervals add up from the start: the same jobs in the same order, later and
// with more I/O each time. Clones, in contrast, share name and group but run
// side by side.
//
// Where lines look like repeated ones and no period fits, regular is false.
func (t *terseReader) period() (jobs int, regular bool) {
	n := len(t.jobs)
	if t.repeats == no {
		return max(n, 1), true
	}
	for p := 1; p <= n/2 || t.repeats == yes && p < n; p++ {
		if p > 64 {
			break // so many jobs at once are beyond doubt, and the search stays linear
		}
		if t.grows(p) {
			return p, true
		}
	}
	regular = true
	last := map[string]int{}
	for i := range t.jobs {
		j := &t.jobs[i]
		key := j.group + ";" + j.name
		if before, ok := last[key]; ok {
			b := &t.jobs[before]
			regular = regular && !(j.time >= b.time+apart && j.io > b.io)
		}
		last[key] = i
	}
	return max(n, 1), regular
}

// apart is the least time in ms between two reports. Clones end within
// milliseconds of each other.
const apart = 250

func (t *terseReader) grows(p int) bool {
	longest := 0.0
	for i := p; i < len(t.jobs); i++ {
		a, b := &t.jobs[i-p], &t.jobs[i]
		if a.name != b.name || a.group != b.group || b.time < a.time || b.io < a.io || b.time > a.time && b.io == a.io {
			return false
		}
		longest = max(longest, b.time-t.jobs[i%p].time)
	}
	return longest >= apart || t.repeats == yes && slices.IndexFunc(t.jobs[1:], func(j terseJob) bool { return j.name == t.jobs[0].name }) == p-1
}
