package fio

import (
	"bytes"
	"cmp"
	"slices"
)

// A run is the reports of one format that one run of fio printed. With
// --status-interval these are several. Each holds the numbers from the start of
// the run, so only the last complete one counts.
type run struct {
	count, line    int     // of the reports, and where the first one starts
	last, complete *report // complete is nil if there is none
}

// A series groups the reports of one format by the run that printed them.
type series struct {
	banners []int // lines with which a run of fio starts
	runs    []*run
}

// add adds the next report of the text.
func (s *series) add(r *report) {
	if n := len(s.runs); n == 0 || bannerBetween(s.banners, s.runs[n-1].last.line, r.line) || !r.follows(s.runs[n-1].last) {
		s.runs = append(s.runs, &run{line: r.line})
	}
	current := s.runs[len(s.runs)-1]
	current.count++
	current.last = r
	if r.complete {
		current.complete = r
	}
}

// bannerLines returns the lines with which a run of fio starts, such as
// "rd: (g=0): rw=read, bs=…" and "Starting 1 process".
func bannerLines(data []byte) (lines []int) {
	for _, mark := range []string{": (g=", "\nStarting "} {
		line, at := 1, 0
		for {
			i := bytes.Index(data[at:], []byte(mark))
			if i < 0 {
				break
			}
			i++ // after a newline of the mark
			line += bytes.Count(data[at:at+i], []byte{'\n'})
			at += i
			lines = append(lines, line)
		}
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

// bannerBetween reports whether a run starts between two lines.
func bannerBetween(banners []int, from, to int) bool {
	i, _ := slices.BinarySearch(banners, from+1)
	return i < len(banners) && banners[i] < to
}

// follows reports whether r may be a later report of the run that printed prev.
// Where nothing contradicts that, it is.
func (r *report) follows(prev *report) bool {
	if len(r.jobs) == 0 || len(prev.jobs) == 0 {
		return true // r is cut off, or nothing was running yet
	}
	if relation(prev, r) == differentJobs {
		return false
	}
	if prev.jobStart != 0 && r.jobStart != 0 {
		return prev.jobStart == r.jobStart
	}
	const rounding = 2 // seconds
	if prev.start != 0 && r.start != 0 && (r.start-prev.start > rounding || prev.start-r.start > rounding) {
		return false
	}
	return !contradicts(prev.jobs, r.jobs)
}

// contradicts reports whether a job has done less in a later report, or the
// same work in a longer time, which no running job does. It also compares the
// processes of the jobs, which only the normal format gives.
func contradicts(before, after []*job) bool {
	for i := range min(len(before), len(after)) {
		a, b := before[i], after[i]
		if a.name != b.name {
			return false
		}
		if a.pid != "" && b.pid != "" && a.pid != b.pid {
			return true
		}
		for op := range a.rows {
			x, y := &a.rows[op], &b.rows[op]
			if !x.measured || !x.ioBytes.ok() || !y.ioBytes.ok() || x.ioBytes.unit != y.ioBytes.unit {
				continue
			}
			if y.ioBytes.v < x.ioBytes.v || x.runtime.ok() && y.runtime.ok() && y.runtime.v < x.runtime.v {
				return true
			}
		}
	}
	return false
}

type jobRelation int

const (
	sameJobs jobRelation = iota // or those of one report are among those of the other
	differentJobs
)

// relation compares the names of the jobs of two reports.
func relation(a, b *report) jobRelation {
	if len(a.jobs) > len(b.jobs) {
		a, b = b, a
	}
	names := make(map[string]bool, len(b.jobs))
	for _, j := range b.jobs {
		names[j.name] = true
	}
	for _, j := range a.jobs {
		if !names[j.name] {
			return differentJobs
		}
	}
	return sameJobs
}

// An invocation is one run of fio with its reports in each format.
type invocation struct {
	runs   [numFormats]*run
	chosen *report
}

// invocations groups the runs of all formats by the run of fio, and chooses the
// report of each that counts. Of several formats that is the one with the most
// digits: JSON, then terse, then normal. A complete report comes before one
// that is not, and one with jobs before one without.
func invocations(formats [numFormats]series, banners []int) (list []*invocation) {
	type place struct {
		run    *run
		format int
	}
	var places []place
	for format, s := range formats {
		for _, r := range s.runs {
			places = append(places, place{r, format})
		}
	}
	slices.SortStableFunc(places, func(a, b place) int { return cmp.Compare(a.run.line, b.run.line) })
	for _, p := range places {
		var in *invocation
		if n := len(list); n > 0 && list[n-1].takes(p.run, p.format, banners) {
			in = list[n-1]
		} else {
			in = &invocation{}
			list = append(list, in)
		}
		in.runs[p.format] = p.run
	}
	for _, in := range list {
		in.choose()
	}
	return list
}

// takes reports whether a run of another format may be of the same invocation.
func (in *invocation) takes(r *run, format int, banners []int) bool {
	if in.runs[format] != nil {
		return false
	}
	for _, other := range in.runs {
		if other == nil {
			continue
		}
		if len(other.last.jobs) > 0 && len(r.last.jobs) > 0 && relation(other.last, r.last) == differentJobs {
			return false
		}
		if bannerBetween(banners, other.line, r.line) {
			return false
		}
	}
	return true
}

func (in *invocation) choose() {
	first := func(of func(r *run) *report) {
		for _, r := range in.runs {
			if r != nil && in.chosen == nil {
				in.chosen = of(r)
			}
		}
	}
	first(func(r *run) *report { return r.complete })
	first(func(r *run) *report {
		if len(r.last.jobs) == 0 {
			return nil
		}
		return r.last
	})
	first(func(r *run) *report { return r.last })
}
