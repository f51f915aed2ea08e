package compare

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/ktstr/ktstr"
)

// Verdict is the word for one metric.
type Verdict string

// The words. A difference is called only where it is significant and larger
// than the least effect.
const (
	Worse   Verdict = "worse"
	Missing Verdict = "missing" // on one side only, or on none though asked for, or in units that do not convert
	TooFew  Verdict = "too few" // no result of so many runs could be significant
	Changed Verdict = "changed" // different, and nobody said which way is better
	Same    Verdict = "~"       // no difference shown
	Better  Verdict = "better"
)

// words is the order of verdicts, worst first.
var words = []Verdict{Worse, Missing, TooFew, Changed, Same, Better}

// Sample is what one side measured of one metric, in the row's unit.
type Sample struct {
	N      int     // runs that have the metric
	Median float64 // 0 where N is 0; between two values rounded to 12 digits
	// Spread is half the distance between the quartiles, rounded to 12 digits.
	Spread float64
	Values []float64 // in the order of the runs
}

// Row is one metric.
type Row struct {
	Metric   string
	Unit     string // of all values: side A's, or side B's where A has none
	Polarity ktstr.Polarity
	Decides  bool // the gate is decided on it
	A, B     Sample
	// Change is from A's median to B's, as a fraction of A's; for a target, the
	// change of the median distance to it as a fraction of the target. It is
	// infinite from 0 to anything else, and NaN where a side has no value.
	Change    float64
	P         float64 // of the Mann–Whitney U-test; 1 where it cannot be made
	Level     float64 // what P had to be at most, corrected for the other metrics
	MinEffect float64 // percent
	Verdict   Verdict
	Need      int    // with TooFew: runs a side at which a clear difference could be shown
	Note      string // what is odd about this row; may be empty
}

// Measured reports whether both sides have values: without, Change, P and Level
// say nothing.
func (r Row) Measured() bool { return r.A.N > 0 && r.B.N > 0 }

// Difference is a fact in which the sides differ.
type Difference struct {
	Name string   `json:"name"`
	A    []string `json:"a"` // the values that occur, sorted
	B    []string `json:"b"`
}

// Report is a comparison of side B, the new one, with side A.
type Report struct {
	A, B        Counted
	Alpha       float64
	Differences []Difference
	Rows        []Row // those that decide first; worst first
	Notes       []string
	LeftOut     int // metrics that do not decide and have no row; see Options.OnlyDeciding
}

// Counted is how many runs a side has.
type Counted struct {
	Name        string `json:"name"`
	Runs        int    `json:"runs"` // without those interrupted
	Broken      int    `json:"broken"`
	Interrupted int    `json:"interrupted"`
}

// MoreBroken reports whether a greater part of B's runs is broken than of A's.
func (r Report) MoreBroken() bool { return r.A.Runs > 0 && r.B.Broken*r.A.Runs > r.A.Broken*r.B.Runs }

// Counts says how many rows that decide have each verdict. Runs that failed
// more often count as one worse.
func (r Report) Counts() map[Verdict]int {
	counts := map[Verdict]int{}
	for _, row := range r.Rows {
		if row.Decides {
			counts[row.Verdict]++
		}
	}
	if r.MoreBroken() {
		counts[Worse]++
	}
	return counts
}

// Judged says how many of the metrics that decide were judged: what is too few
// runs, or missing, was not. need is the runs a side at which what is too few
// could be; 0 where nothing is.
func (r Report) Judged() (judged, deciding, need int) {
	for _, row := range r.Rows {
		if !row.Decides {
			continue
		}
		deciding++
		switch row.Verdict {
		case TooFew:
			need = max(need, row.Need)
		case Missing:
		default:
			judged++
		}
	}
	return judged, deciding, need
}

// Summary is the last line: "2 worse, 5 better, 31 ~, 1 missing". Words that do
// not occur are left out. Where runs are too few it says how much was judged.
func (r Report) Summary() string {
	counts := r.Counts()
	judged, deciding, need := r.Judged()
	var parts []string
	for _, w := range []Verdict{Worse, Better, Changed, Same, TooFew, Missing} {
		if counts[w] > 0 {
			part := fmt.Sprintf("%d %s", counts[w], w)
			if w == TooFew {
				part += fmt.Sprintf(" (%s a side could tell)", plural(need, "run"))
			}
			parts = append(parts, part)
		}
	}
	if len(parts) == 0 {
		return "nothing to compare"
	}
	text := strings.Join(parts, ", ")
	all := plural(deciding, "metric")
	switch {
	case counts[TooFew] == 0:
		return text
	case judged == 0:
		return fmt.Sprintf("%s: nothing was judged, 0 of %s", text, all)
	}
	return fmt.Sprintf("%s: %d of %s judged", text, judged, all)
}

// ExitStatus is 0 where nothing that decides is worse or missing, else 1. Too
// few runs to judge any metric that decides are 5; with strict, to judge all of
// them. Nothing to decide on is 1. A gate that judged nothing is never green.
func (r Report) ExitStatus(strict bool) int {
	counts := r.Counts()
	judged, _, _ := r.Judged()
	switch {
	case counts[Worse] > 0, counts[Missing] > 0, len(counts) == 0:
		return 1
	case counts[TooFew] > 0 && (strict || judged == 0):
		return 5
	}
	return 0
}

// before orders rows: those that decide, then the worst verdict, then the
// largest change.
func before(a, b Row) bool {
	if a.Decides != b.Decides {
		return a.Decides
	}
	if a.Verdict != b.Verdict {
		return slices.Index(words, a.Verdict) < slices.Index(words, b.Verdict)
	}
	ca, cb := math.Abs(a.Change), math.Abs(b.Change)
	if math.IsNaN(ca) || math.IsNaN(cb) || a.Verdict == Same || a.Verdict == TooFew {
		return false // as they come
	}
	return ca > cb
}
