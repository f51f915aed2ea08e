package fio

// A report is what one text of fio says, in any of its formats, before it has
// names and polarities. The parsers of the formats make reports, emit.go makes
// metrics of them.
type report struct {
	format   string // "JSON", "terse" or "normal"
	line     int    // where it starts
	version  version
	jobs     []*job
	disks    []disk
	idle     []counter // --idle-prof
	complete bool      // the end of the report was seen, and all before it could be read
	err      error     // why it is not complete
	errLine  int
	notes    notes
}

// A series is all reports of one format in a text. Only its last one, or its
// last complete one, can count, so that no others are kept.
type series struct {
	count          int
	last, complete *report
}

func (s *series) add(r *report) {
	s.count++
	s.last = r
	if r.complete {
		s.complete = r
	}
}

// A num is a number as printed, with its unit. The zero value means that the
// text does not have it.
type num struct {
	v    float64
	unit string
	line int // never 0 where there is a number
}

func (n num) ok() bool { return n.line != 0 }

// positive says whether the number is there and above zero.
func (n num) positive() bool { return n.line != 0 && n.v > 0 }

// The directions, in the order in which fio prints them. Sync has latencies only.
const (
	read = iota
	write
	trim
	mixed
	syncs
	numOps
)

var opNames = [numOps]string{"read", "write", "trim", "mixed", "sync"}

// A job is one entry of a report: a job, one of its clones, or a group.
type job struct {
	name  string
	named bool // the entry has a name, be it an empty one
	line  int

	rows                                [numOps]row
	usr, sys, ctx, majf, minf           num
	errno, totalErr, firstErr           num
	runtime, depth                      num
	steady                              bool
	ssAttained, ssBW, ssIOPS, ssLatency num

	errText string // what the text adds to errno
	lost    bool   // it was there and could not be read; only its name counts
}

// measured says whether the job did any I/O.
func (j *job) measured() bool {
	for op := range j.rows {
		if r := &j.rows[op]; r.measured || op == syncs && r.line != 0 && r.lat.measured() {
			return true
		}
	}
	return false
}

// A row is one data direction of a job.
type row struct {
	line int // 0: the text does not have this direction
	// measured says that the direction did I/O. Otherwise all else is filler.
	measured bool

	iops, bw, ioBytes, runtime  num
	totalIOs, shortIOs, dropIOs num
	iopsStats, bwStats          stats
	slat, clat, lat             stats
	bwKiB                       num // beside bw, and before 3.2 instead of it
}

// stats is one distribution.
type stats struct {
	min, max, mean, stddev num
	samples                num
	percentiles            []percentile
}

// measured says whether there was any sample. Formats without a count of
// samples print zeros where there was none.
func (s *stats) measured() bool {
	if s.samples.ok() {
		return s.samples.v > 0
	}
	return s.max.positive() || s.mean.positive()
}

// maxPercentiles is more than fio prints of one distribution.
const maxPercentiles = 64

// add adds a percentile. It is false if there is one of that name, or too many.
func (s *stats) add(p percentile) bool {
	for _, q := range s.percentiles {
		if p.name == q.name {
			return false
		}
	}
	if len(s.percentiles) == maxPercentiles {
		return false
	}
	s.percentiles = append(s.percentiles, p)
	return true
}

type percentile struct {
	name string // "p99_9"
	num
}

// A disk is the line of one block device; its counters have fio's own names.
type disk struct {
	name     string
	line     int
	counters []counter
}

type counter struct {
	name string
	num
}

// percentileName makes p99_9 of "99.900000". Other text than a positive
// decimal number gives false; fio fills unused places of its list with zeros.
func percentileName(text []byte) (string, bool) {
	dot, zero := -1, true
	for i, c := range text {
		switch {
		case c == '.' && dot < 0 && i > 0:
			dot = i
		case c < '0' || c > '9':
			return "", false
		case c != '0':
			zero = false
		}
	}
	if zero {
		return "", false
	}
	end := len(text)
	if dot >= 0 {
		for end > dot && (text[end-1] == '0' || end-1 == dot) {
			end--
		}
	}
	start := 0
	for start+1 < end && text[start] == '0' && text[start+1] != '.' {
		start++
	}
	name := make([]byte, 0, 8)
	name = append(append(name, 'p'), text[start:end]...)
	if dot >= 0 && dot < end {
		name[1+dot-start] = '_'
	}
	return string(name), true
}
