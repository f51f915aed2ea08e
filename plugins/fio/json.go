package fio

import (
	"bytes"
	"errors"
	"strings"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/jsonscan"
)

// The first keys that a document of fio can have. fio itself always starts
// with its version. Tools that sort the keys of a document put others first.
var firstKeys = [][]byte{
	[]byte(`"fio version"`), []byte(`"jobs"`), []byte(`"client_stats"`), []byte(`"cpu_idleness"`),
	[]byte(`"disk_util"`), []byte(`"global options"`), []byte(`"time`),
}

// documentStart returns where the next document of fio may start, at or
// behind from, or -1.
func documentStart(data []byte, from int) int {
	for {
		i := bytes.IndexByte(data[from:], '{')
		if i < 0 {
			return -1
		}
		from += i
		s := jsonscan.Reader{Data: data, Pos: from + 1}
		s.Space()
		for _, key := range firstKeys {
			if bytes.HasPrefix(data[s.Pos:], key) {
				return from
			}
		}
		from++
	}
}

// A span is a part of the text.
type span struct{ start, end int }

// jsonReports reads every document of fio in the text, also those that are cut
// or broken, and says where they stand.
func jsonReports(data []byte, banners []int, argv []string) (reports series, spans []span) {
	reports.banners = banners
	s := jsonscan.Reader{Data: data}
	lastEnd := bytes.LastIndex(data, []byte("\n}\n"))
	for from := 0; ; {
		start := documentStart(data, from)
		if start < 0 {
			return reports, spans
		}
		s.Pos, s.StrayComma = start, 0
		d := document{Reader: &s, report: &report{format: formatJSON, line: s.LineAt(start)}, asked: nextToJobFile(argv)}
		err := d.read()
		d.reportIgnored()
		end := s.Pos
		if err != nil {
			if errors.Is(err, jsonscan.ErrTruncated) && start < lastEnd {
				err = errUnclosed
			}
			d.err, d.errLine = err, s.LineAt(end)
			// A document may start inside the ruins of this one. It stands
			// on a line of its own.
			if i := bytes.LastIndex(data[start+1:end], []byte("\n{\n")); i >= 0 {
				end = start + 1 + i + 1
			}
			if end == start {
				end++
			}
		}
		if s.StrayComma > 0 {
			d.notes.add(ktstr.Malformed, s.LineAt(s.StrayComma), "a comma has no member behind it; one may be missing")
		}
		if d.timestamp > 0 && d.elapsed > 0 {
			d.start = d.timestamp - d.elapsed
		}
		d.complete = err == nil
		if d.isFio {
			reports.add(d.report)
			spans = append(spans, span{start, end})
		}
		from = end
	}
}

// errUnclosed is the fault of a document whose last line is there, and whose
// end was not found all the same.
var errUnclosed = errors.New("a string or a bracket is not closed")

// A document reads one JSON or json+ document.
type document struct {
	*jsonscan.Reader
	*report
	isFio bool

	asked  []askedOption     // of the command line
	global map[string]string // the values that the document gives for the asked options

	percentileNames map[string]string
	spare           *job    // of an entry that was none
	timestamp       float64 // of the report
	elapsed         float64 // since the start of the run
}

func (d *document) read() error {
	return d.Object(func(key []byte) error {
		switch string(key) {
		case "fio version":
			text, _, err := d.Text()
			d.isFio = true
			d.version = parseVersion(text)
			return err
		case "global options":
			d.global = map[string]string{}
			return d.readOptions(d.global)
		case "jobs", "client_stats":
			if d.Space() != '[' {
				return d.Skip()
			}
			d.isFio = true
			return d.Array(d.job)
		case "timestamp":
			return d.first(&d.timestamp)
		case "disk_util":
			if d.Space() != '[' {
				return d.Skip()
			}
			return d.Array(d.disk)
		case "cpu_idleness":
			if d.Space() != '{' {
				return d.Skip()
			}
			return d.Object(func(key []byte) error {
				name := string(key)
				unit := "%"
				if strings.HasPrefix(name, "unit_") {
					unit = "us" // the time that one unit of work took
				}
				return d.counter(&d.idle, name, unit)
			})
		}
		return d.Skip()
	})
}

// num reads a number into n, which keeps its first value if a key repeats.
func (d *document) num(n *num, key []byte, unit string) error {
	pos := d.Pos
	v, kind, err := d.Number()
	if err != nil {
		return err
	}
	line := d.LineAt(pos)
	switch {
	case kind == jsonscan.NotNumber:
		d.notes.add(ktstr.Malformed, line, "%q is not a number and was left out", string(key))
		return nil
	case kind == jsonscan.Infinite:
		d.notes.add(ktstr.NotFinite, line, "%q is not a finite number and was left out", string(key))
		return nil
	case kind == jsonscan.Inexact:
		d.notes.add(ktstr.Inexact, line, "%q is an integer above 2^53 without an exact float64; the nearest one is given", string(key))
	}
	if n.ok() {
		d.notes.add(ktstr.Duplicate, line, "%q occurs again in one object; the first one counts", string(key))
		return nil
	}
	*n = num{v, unit, line}
	return nil
}

// first reads a number that is no metric, and keeps the first one.
func (d *document) first(v *float64) error {
	n, kind, err := d.Number()
	if err == nil && kind == jsonscan.Exact && *v == 0 {
		*v = n
	}
	return err
}

func (d *document) counter(list *[]counter, name, unit string) error {
	var n num
	if err := d.num(&n, []byte(name), unit); err != nil {
		return err
	}
	if n.ok() && len(*list) < maxCounters {
		*list = append(*list, counter{name, n})
	}
	return nil
}

// job reads one element of jobs or client_stats. Only a whole one counts.
func (d *document) job() error {
	if d.Space() != '{' {
		return d.Skip()
	}
	j := d.spare
	if j == nil {
		j = new(job)
	}
	d.spare = nil
	*j = job{line: d.LineAt(d.Pos)}
	var own map[string]string
	if len(d.asked) > 0 {
		own = map[string]string{}
	}
	err := d.Object(func(key []byte) error {
		switch string(key) {
		case "job options":
			return d.readOptions(own)
		case "jobname":
			text, ok, err := d.Text()
			if !j.named {
				j.name, j.named = text, ok
			}
			return err
		case "read":
			return d.row(&j.rows[read])
		case "write":
			return d.row(&j.rows[write])
		case "trim":
			return d.row(&j.rows[trim])
		case "mixed":
			return d.row(&j.rows[mixed])
		case "sync":
			return d.row(&j.rows[syncs])
		case "elapsed":
			return d.first(&d.elapsed)
		case "job_start":
			return d.first(&d.jobStart)
		case "usr_cpu":
			return d.num(&j.usr, key, "%")
		case "sys_cpu":
			return d.num(&j.sys, key, "%")
		case "ctx":
			return d.num(&j.ctx, key, "count")
		case "majf":
			return d.num(&j.majf, key, "count")
		case "minf":
			return d.num(&j.minf, key, "count")
		case "error":
			return d.num(&j.errno, key, "")
		case "total_err":
			return d.num(&j.totalErr, key, "count")
		case "first_error":
			return d.num(&j.firstErr, key, "")
		case "job_runtime":
			return d.num(&j.runtime, key, "ms")
		case "latency_depth":
			return d.num(&j.depth, key, "")
		case "steadystate":
			return d.steadyState(j)
		}
		return d.Skip()
	})
	if err != nil {
		return err
	}
	if !j.named && !j.measured() {
		d.spare = j
		return nil // group_reporting in the last section only leaves such an entry, of zeros
	}
	if len(d.jobs) == maxJobs {
		return errTooManyJobs
	}
	d.jobs = append(d.jobs, j)
	d.compareOptions(own)
	return nil
}

// maxCounters is far beyond the CPUs of any machine.
const maxCounters = 1 << 13

// maxJobs bounds the memory that a hostile text can ask for. fio starts
// at most half as many.
const maxJobs = 1 << 13

var errTooManyJobs = errors.New("too many jobs")

// row reads one data direction.
func (d *document) row(r *row) error {
	if d.Space() != '{' {
		return d.Skip()
	}
	if r.line != 0 {
		d.notes.add(ktstr.Duplicate, d.LineAt(d.Pos), "a direction occurs again in one job; the first one counts")
		return d.Skip()
	}
	r.line = d.LineAt(d.Pos)
	err := d.Object(func(key []byte) error {
		switch string(key) {
		case "io_bytes":
			return d.num(&r.ioBytes, key, "B")
		case "bw_bytes":
			return d.num(&r.bw, key, "B/s")
		case "bw":
			return d.num(&r.bwKiB, key, "KiB/s")
		case "iops":
			return d.num(&r.iops, key, "iops")
		case "runtime":
			return d.num(&r.runtime, key, "ms")
		case "total_ios":
			return d.num(&r.totalIOs, key, "count")
		case "short_ios":
			return d.num(&r.shortIOs, key, "count")
		case "drop_ios":
			return d.num(&r.dropIOs, key, "count")
		case "slat_ns":
			return d.latency(&r.slat, "ns")
		case "clat_ns":
			return d.latency(&r.clat, "ns")
		case "lat_ns":
			return d.latency(&r.lat, "ns")
		case "slat": // before 3.0
			return d.latency(&r.slat, "us")
		case "clat":
			return d.latency(&r.clat, "us")
		case "lat":
			return d.latency(&r.lat, "us")
		case "bw_min":
			return d.num(&r.bwStats.min, key, "KiB/s")
		case "bw_max":
			return d.num(&r.bwStats.max, key, "KiB/s")
		case "bw_mean":
			return d.num(&r.bwStats.mean, key, "KiB/s")
		case "bw_dev":
			return d.num(&r.bwStats.stddev, key, "KiB/s")
		case "bw_samples":
			return d.num(&r.bwStats.samples, key, "count")
		case "iops_min":
			return d.num(&r.iopsStats.min, key, "iops")
		case "iops_max":
			return d.num(&r.iopsStats.max, key, "iops")
		case "iops_mean":
			return d.num(&r.iopsStats.mean, key, "iops")
		case "iops_stddev":
			return d.num(&r.iopsStats.stddev, key, "iops")
		case "iops_samples":
			return d.num(&r.iopsStats.samples, key, "count")
		}
		return d.Skip()
	})
	if !r.bw.ok() && d.version.before(3, 2) {
		r.bw = r.bwKiB
	}
	if r.ioBytes.ok() && d.version.before(2, 21) {
		r.ioBytes.unit = "KiB" // so it was, in spite of its name
	}
	// A failing job counts I/Os that moved nothing.
	switch {
	case r.ioBytes.ok() && r.ioBytes.unit == "KiB": // less than one is printed as 0
		r.measured = r.ioBytes.v > 0 || r.iops.positive() && (r.bw.positive() || r.bwKiB.positive())
	case r.ioBytes.ok():
		r.measured = r.ioBytes.v > 0
	case r.bw.ok():
		r.measured = r.bw.v > 0
	default:
		r.measured = r.totalIOs.positive()
	}
	return err
}

// latency reads one of slat, clat and lat.
func (d *document) latency(l *stats, unit string) error {
	if d.Space() != '{' {
		return d.Skip()
	}
	return d.Object(func(key []byte) error {
		switch string(key) {
		case "min":
			return d.num(&l.min, key, unit)
		case "max":
			return d.num(&l.max, key, unit)
		case "mean":
			return d.num(&l.mean, key, unit)
		case "stddev":
			return d.num(&l.stddev, key, unit)
		case "N":
			return d.num(&l.samples, key, "count")
		case "percentile":
			if d.Space() != '{' {
				return d.Skip()
			}
			return d.Object(func(key []byte) error {
				name := d.percentileName(key)
				if name == "" {
					return d.Skip()
				}
				p := percentile{name: name}
				if err := d.num(&p.num, key, unit); err != nil {
					return err
				}
				if p.ok() {
					l.add(p)
				}
				return nil
			})
		}
		return d.Skip()
	})
}

// percentileName remembers the names, which are the same few in all jobs.
func (d *document) percentileName(key []byte) string {
	name, ok := d.percentileNames[string(key)]
	if !ok {
		name, _ = percentileName(key)
		if d.percentileNames == nil {
			d.percentileNames = make(map[string]string)
		}
		if len(d.percentileNames) < maxPercentiles {
			d.percentileNames[string(key)] = name
		}
	}
	return name
}

func (d *document) steadyState(j *job) error {
	if d.Space() != '{' {
		return d.Skip()
	}
	j.steady = true
	return d.Object(func(key []byte) error {
		switch string(key) {
		case "attained":
			return d.num(&j.ssAttained, key, "")
		case "data":
			if d.Space() != '{' {
				return d.Skip()
			}
			return d.Object(func(key []byte) error {
				switch string(key) {
				case "bw_mean":
					return d.num(&j.ssBW, key, "B/s")
				case "iops_mean":
					return d.num(&j.ssIOPS, key, "iops")
				case "lat_mean":
					return d.num(&j.ssLatency, key, "ns")
				}
				return d.Skip()
			})
		}
		return d.Skip()
	})
}

// disk reads one element of disk_util.
func (d *document) disk() error {
	if d.Space() != '{' {
		return d.Skip()
	}
	k := disk{line: d.LineAt(d.Pos)}
	err := d.Object(func(key []byte) error {
		if string(key) == "name" {
			text, _, err := d.Text()
			k.name = text
			return err
		}
		name := string(key)
		return d.counter(&k.counters, name, diskUnit(name))
	})
	if err != nil || k.name == "" || len(d.disks) == maxJobs {
		return err
	}
	d.disks = append(d.disks, k)
	return nil
}
