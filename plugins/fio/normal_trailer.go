package fio

import (
	"strings"

	"github.com/ktstr/ktstr"
)

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
