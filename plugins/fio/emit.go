package fio

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"

	"github.com/ktstr/ktstr"
)

// notes collects diagnostics, up to a number that a reader can bear.
type notes struct {
	list    []ktstr.Diagnostic
	dropped int
}

const maxNotes = 40

// maxMessage is the length in bytes at which a message is cut.
const maxMessage = 1 << 10

func (n *notes) add(code ktstr.Code, line int, format string, args ...any) {
	if len(n.list) == maxNotes {
		n.dropped++
		return
	}
	message := fmt.Sprintf(format, args...)
	if len(message) > maxMessage {
		message = message[:maxMessage] + "…"
	}
	n.addAll(ktstr.Diagnostic{Code: code, Message: strings.ToValidUTF8(message, "�"), Line: line})
}

func (n *notes) addAll(list ...ktstr.Diagnostic) {
	for _, d := range list {
		if len(n.list) == maxNotes {
			n.dropped++
			continue
		}
		n.list = append(n.list, d)
	}
}

// An emitter turns one report into metrics.
type emitter struct {
	metrics []ktstr.Metric
	names   []byte // of all metrics, one behind the other
	ends    []int  // where each ends
	notes   notes
	prefix  []byte // of the metric that comes next, with the last dot

	jobs, disks, sections segments

	long int  // how many metrics were left out for want of room for their names
	ran  bool // some job of the report did something, or says why not
}

// segments counts the names that were made segments of metric names.
type segments map[string]int

// segment makes a segment of the name of a job or disk. At the n-th occurrence
// of a name it ends with ~n. For example, the second "a" gives "a~2".
func (s *segments) segment(name string) string {
	name = cleanSegment(name)
	if *s == nil {
		*s = make(segments)
	}
	for {
		(*s)[name]++
		n := (*s)[name]
		if n == 1 {
			return name
		}
		name += "~" + strconv.Itoa(n) // which a user may have given away already
	}
}

// cleanSegment replaces dots and white space, which would break a dotted name.
func cleanSegment(name string) string {
	if name == "" {
		return "job"
	}
	clean := func(r rune) rune {
		if r == '.' || unicode.IsSpace(r) || unicode.IsControl(r) {
			return '_'
		}
		return r
	}
	return strings.Map(clean, strings.ToValidUTF8(name, string(utf8.RuneError)))
}

// maxNames bounds the memory that a hostile text can ask for, in bytes of all
// names: a long one may stand before many numbers. It is more than maxJobs jobs
// with all their percentiles have.
const maxNames = 1 << 28

func (e *emitter) put(name string, n num, polarity ktstr.Polarity) {
	if !n.ok() {
		return
	}
	if len(e.names)+len(e.prefix)+len(name) > maxNames {
		e.long++
		return
	}
	e.names = append(append(e.names, e.prefix...), name...)
	e.ends = append(e.ends, len(e.names))
	e.metrics = append(e.metrics, ktstr.Metric{Value: n.v, Unit: n.unit, Polarity: polarity, Line: n.line})
}

// report adds all jobs and disks.
func (e *emitter) report(r *report) {
	e.notes.addAll(r.notes.list...)
	e.notes.dropped += r.notes.dropped
	size := 32
	for _, j := range r.jobs {
		size += 16 // its own, and usually so many a direction:
		for op := range j.rows {
			if j.rows[op].measured {
				size += 48
			}
		}
	}
	e.metrics = slices.Grow(e.metrics, size)
	e.names = slices.Grow(e.names, 24*size)
	e.ends = slices.Grow(e.ends, size)
	e.ran = false
	for _, j := range r.jobs {
		e.job(j)
	}
	if !e.ran {
		return // the disks and CPUs of the machine say nothing about a run that did nothing
	}
	for _, d := range r.disks {
		name := e.disks.segment(d.name)
		e.prefix = append(append(append(e.prefix[:0], "disk."...), name...), '.')
		for _, c := range d.counters {
			e.put(cleanSegment(c.name), c.num, ktstr.Unknown)
		}
	}
	if len(r.idle) > 0 {
		e.prefix = append(append(e.prefix[:0], e.sections.segment("cpu_idle")...), '.')
	}
	for _, c := range r.idle {
		e.put(cleanSegment(c.name), c.num, ktstr.Unknown)
	}
}

// nameMetrics gives the metrics their names, which are parts of one string. It
// drops those whose name was there before: a job may be called "disk".
func (e *emitter) nameMetrics() {
	all, start := string(e.names), 0
	for i, end := range e.ends {
		e.metrics[i].Name = all[start:end]
		start = end
	}
	names := make(map[string]bool, len(e.metrics))
	kept := e.metrics[:0]
	for _, m := range e.metrics {
		if names[m.Name] {
			e.notes.add(ktstr.Duplicate, m.Line, "%s occurs again; the first one counts", m.Name)
			continue
		}
		names[m.Name] = true
		kept = append(kept, m)
	}
	e.metrics = kept
	if e.long > 0 {
		e.notes.add(ktstr.TooMany, 0, "%d numbers are left out: the names of jobs or disks are too long", e.long)
	}
}

func (e *emitter) job(j *job) {
	measured := j.measured()
	if !j.named {
		e.notes.add(ktstr.Malformed, j.line, "an entry with I/O has no job name and was left out")
		return
	}
	name := e.jobs.segment(j.name)
	if j.lost {
		return
	}
	e.prefix = append(append(e.prefix[:0], name...), '.')
	base := len(e.prefix)
	if j.errno.ok() && j.errno.v != 0 {
		e.ran = true
		e.put("error", j.errno, ktstr.Unknown)
		e.put("total_err", j.totalErr, ktstr.Unknown)
		e.put("first_error", j.firstErr, ktstr.Unknown)
		text := j.errText
		if text == "" {
			text = errnoText(j.errno.v)
		}
		e.notes.add(ktstr.ToolFailed, j.errno.line, "job %q failed with error %.0f (%s); its numbers are left out", j.name, j.errno.v, text)
		return
	}
	if !measured {
		e.notes.add(ktstr.NotMeasured, j.line, "job %q did no I/O", j.name)
		if !j.usr.positive() && !j.sys.positive() {
			return
		}
	} else if !j.errno.ok() {
		e.notes.add(ktstr.Malformed, j.line, "job %q does not say whether it failed", j.name)
	}
	e.ran = true
	for op := range j.rows {
		r := &j.rows[op]
		if r.line == 0 {
			continue
		}
		e.prefix = append(append(e.prefix[:base], opNames[op]...), '.')
		if op == syncs {
			e.latency("lat.", &r.lat)
		} else if r.measured {
			e.row(j, op, r)
		}
	}
	e.prefix = e.prefix[:base]
	e.put("cpu.usr", j.usr, ktstr.Unknown)
	e.put("cpu.sys", j.sys, ktstr.Unknown)
	e.put("cpu.ctx", j.ctx, ktstr.Unknown)
	e.put("cpu.majf", j.majf, ktstr.Unknown)
	e.put("cpu.minf", j.minf, ktstr.Unknown)
	e.put("error", j.errno, ktstr.Unknown)
	e.put("total_err", j.totalErr, ktstr.Unknown)
	e.put("first_error", j.firstErr, ktstr.Unknown)
	e.put("job_runtime", j.runtime, ktstr.Unknown)
	e.put("latency_depth", j.depth, ktstr.Unknown)
	if j.steady {
		e.put("steadystate.attained", j.ssAttained, ktstr.Unknown)
		e.put("steadystate.bw_mean", j.ssBW, ktstr.Higher)
		e.put("steadystate.iops_mean", j.ssIOPS, ktstr.Higher)
		e.put("steadystate.lat_mean", j.ssLatency, ktstr.Lower)
	}
}

func (e *emitter) row(j *job, op int, r *row) {
	if !r.iops.ok() || !r.bw.ok() {
		e.notes.add(ktstr.MissingHeadline, r.line, "the %s numbers of job %q lack iops or bandwidth", opNames[op], j.name)
	}
	e.put("iops", r.iops, ktstr.Higher)
	if r.iopsStats.measured() {
		e.put("iops.mean", r.iopsStats.mean, ktstr.Higher)
		e.put("iops.min", r.iopsStats.min, ktstr.Unknown)
		e.put("iops.max", r.iopsStats.max, ktstr.Unknown)
		e.put("iops.stddev", r.iopsStats.stddev, ktstr.Unknown)
	}
	e.put("bw", r.bw, ktstr.Higher)
	if r.bwStats.measured() {
		e.put("bw.mean", r.bwStats.mean, ktstr.Higher)
		e.put("bw.min", r.bwStats.min, ktstr.Unknown)
		e.put("bw.max", r.bwStats.max, ktstr.Unknown)
		e.put("bw.dev", r.bwStats.stddev, ktstr.Unknown)
	}
	e.latency("slat.", &r.slat)
	e.latency("clat.", &r.clat)
	e.latency("lat.", &r.lat)
	e.put("io_bytes", r.ioBytes, ktstr.Unknown)
	e.put("total_ios", r.totalIOs, ktstr.Unknown)
	e.put("short_ios", r.shortIOs, ktstr.Unknown)
	e.put("drop_ios", r.dropIOs, ktstr.Unknown)
	e.put("runtime", r.runtime, ktstr.Unknown)
}

// latency adds one distribution under family, which ends with a dot.
func (e *emitter) latency(family string, s *stats) {
	if !s.measured() {
		return
	}
	base := len(e.prefix)
	e.prefix = append(e.prefix, family...)
	e.put("min", s.min, ktstr.Lower)
	e.put("max", s.max, ktstr.Lower)
	e.put("mean", s.mean, ktstr.Lower)
	e.put("stddev", s.stddev, ktstr.Unknown)
	for _, p := range s.percentiles {
		e.put(p.name, p.num, ktstr.Lower)
	}
	e.prefix = e.prefix[:base]
}

// errnoText names an errno of Linux.
func errnoText(v float64) string {
	if v > 0 && v < 4096 {
		return syscall.Errno(v).Error()
	}
	return "unknown errno"
}

// diskUnit is the unit of one of fio's disk counters.
func diskUnit(name string) string {
	switch {
	case strings.HasSuffix(name, "util"):
		return "%"
	case strings.HasSuffix(name, "ticks"), strings.HasSuffix(name, "in_queue"):
		return "ms"
	}
	return "count"
}
