package fio

// A report holds the numbers of one report of fio in any format, before they
// have names and polarities. The parsers of the formats make reports, emit.go makes
// metrics of them.
type report struct {
	format   int
	line     int // where it starts
	version  version
	jobs     []*job
	disks    []disk
	idle     []counter // --idle-prof
	complete bool      // the end of the report was seen, and all before it could be read
	err      error     // why it is not complete
	errLine  int
	notes    notes

	start    float64 // when the run started, in seconds, or 0 if the report does not say it
	jobStart float64 // when its first job started, in ms, or 0
}

// The formats, the one with the most digits first.
const (
	formatJSON = iota
	formatTerse
	formatNormal
	numFormats
)

var formatNames = [numFormats]string{"JSON", "terse", "normal"}

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
	named bool // the entry has a name, which may be empty
	line  int
	pid   string // of its process, or empty if the report does not say it

	rows                                [numOps]row
	usr, sys, ctx, majf, minf           num
	errno, totalErr, firstErr           num
	runtime, depth                      num
	steady                              bool
	ssAttained, ssBW, ssIOPS, ssLatency num

	errText string // the words that the text adds to errno
	lost    bool   // it could not be read, and only its name counts
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
	bwKiB                       num    // beside bw, and before 3.2 instead of it
	printed                     *rates // of the normal format, or nil if the numbers need no check
	old                         figure // the amount in the normal format of fio up to 2.16
}

// stats is one distribution.
type stats struct {
	min, max, mean, stddev num
	samples                num
	percentiles            []percentile
	rounded                []percentile // whose names are rounded to whole numbers
}

// measured says whether there was any sample. Formats without a count of
// samples print zeros where there was none.
func (s *stats) measured() bool {
	if s.samples.ok() {
		return s.samples.v > 0
	}
	return s.max.positive() || s.mean.positive()
}

// A disk is the line of one block device. Its counters have fio's own names.
type disk struct {
	name     string
	line     int
	counters []counter
}

type counter struct {
	name string
	num
}
