package compare

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/text"
)

// Verdict is the result of one metric.
type Verdict string

// The verdicts. A difference must be significant and larger than the smallest effect
// that counts.
const (
	Worse   Verdict = "worse"
	Missing Verdict = "missing" // a side has no value, or the units of the sides do not convert
	TooFew  Verdict = "too few" // no result of this number of runs could be significant
	Changed Verdict = "changed" // different, and the polarity is unknown
	Same    Verdict = "~"       // no difference shown
	Better  Verdict = "better"
)

// words lists the verdicts, worst first.
var words = []Verdict{Worse, Missing, TooFew, Changed, Same, Better}

// A Sample holds the values of one metric on one side, in the unit of the row.
type Sample struct {
	N int // the number of runs with a value
	// Median is 0 if N is 0. A median between two values is rounded to 12 digits.
	Median float64
	// Spread is half the distance between the quartiles, rounded to 12 digits.
	Spread float64
	Values []float64 // in the order of the runs
}

// A Row is the comparison of one metric.
type Row struct {
	Metric   string
	Unit     string         // of all values; the unit of side A, or of side B if A has none
	Polarity ktstr.Polarity // if the runs disagree, the one by which B is worst
	Decides  bool           // the exit status depends on this row
	Own      bool           // ktstr measured it around the run, and it is not of the payload's output
	A, B     Sample
	// Change is the change from the median of A to the median of B, as a fraction of
	// the median of A. For a target, it is the change of the median distance to the
	// target, as a fraction of the target. It is infinite if the value changes from
	// 0, and NaN if a side has no value.
	Change    float64
	P         float64 // of the Mann–Whitney U-test; 1 if the test is impossible
	Level     float64 // the largest significant P, corrected for the other metrics
	MinEffect float64 // percent
	Verdict   Verdict
	Need      int    // with TooFew: the number of runs per side that could show a difference
	Note      string // for the user, such as "not in the first"; may be empty

	disagreement string // the polarities of the sides, if they differ
}

// Measured reports whether both sides have values. If not, Change, P and Level have
// no meaning.
func (r Row) Measured() bool { return r.A.N > 0 && r.B.N > 0 }

// A Difference is a fact in which the sides differ.
type Difference struct {
	Name string   `json:"name"`
	A    []string `json:"a"` // the values on side A, sorted
	B    []string `json:"b"`
}

// A Report is the comparison of side B, the new one, with side A.
type Report struct {
	A, B        Counted
	Alpha       float64
	Differences []Difference
	Rows        []Row // first the rows that decide, then the worst verdict first
	Notes       []string
	LeftOut     int // the number of metrics of the payloads without a row; see Options.OnlyDeciding
}

// Counted holds the number of runs of a side.
type Counted struct {
	Name        string `json:"name"`
	Runs        int    `json:"runs"` // without interrupted ones
	Broken      int    `json:"broken"`
	Interrupted int    `json:"interrupted"`
}

// MoreBroken reports whether the fraction of broken runs is larger on side B than on
// side A.
func (r Report) MoreBroken() bool { return r.A.Runs > 0 && r.B.Broken*r.A.Runs > r.A.Broken*r.B.Runs }

// Counts returns the number of deciding rows with each verdict. If MoreBroken holds,
// Worse counts one more.
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

// Judged returns the number of deciding metrics, and how many of them were judged.
// Those with the verdicts TooFew and Missing were not. need is the number of runs per
// side that TooFew asks for, 0 if no metric has that verdict.
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

// Summary returns the number of metrics per verdict, such as "2 worse, 5 better, 31
// ~, 1 missing". If the runs were too few, it also gives the number of metrics that
// were judged.
func (r Report) Summary() string {
	counts := r.Counts()
	judged, deciding, need := r.Judged()
	var parts []string
	for _, w := range []Verdict{Worse, Better, Changed, Same, TooFew, Missing} {
		if counts[w] > 0 {
			part := fmt.Sprintf("%d %s", counts[w], w)
			if w == TooFew {
				part += fmt.Sprintf(" (%s a side could tell)", text.Count(need, "run"))
			}
			parts = append(parts, part)
		}
	}
	if len(parts) == 0 {
		return "nothing to compare"
	}
	words := strings.Join(parts, ", ")
	all := text.Count(deciding, "metric")
	switch {
	case counts[TooFew] == 0:
		return words
	case judged == 0:
		return fmt.Sprintf("%s: nothing was judged, 0 of %s", words, all)
	}
	return fmt.Sprintf("%s: %d of %s judged", words, judged, all)
}

// ExitStatus returns the exit status of a comparison. It is 1 if a deciding metric is
// Worse or Missing, or if no metric decides. It is 5 if the runs were too few to judge
// any of them or, with strict, to judge all of them. Otherwise it is 0.
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

// before is the order of rows: first those that decide, then the worst verdict, then
// the largest change.
func before(a, b Row) bool {
	if a.Decides != b.Decides {
		return a.Decides
	}
	if a.Verdict != b.Verdict {
		return slices.Index(words, a.Verdict) < slices.Index(words, b.Verdict)
	}
	ca, cb := math.Abs(a.Change), math.Abs(b.Change)
	if math.IsNaN(ca) || math.IsNaN(cb) || a.Verdict == Same || a.Verdict == TooFew {
		return false // keeps the order of the runs
	}
	return ca > cb
}
