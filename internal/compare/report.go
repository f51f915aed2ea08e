package compare

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/text"
)

// Verdict is the result of one metric.
type Verdict string

// The verdicts. A difference must be significant and larger than the smallest effect that
// counts. The bounds of the interval must exclude a change of the margin.
const (
	Worse   Verdict = "worse"
	Missing Verdict = "missing" // a side has no value, or the units of the sides do not convert
	TooFew  Verdict = "too few" // no result of this number of runs could be significant
	Unclear Verdict = "unclear" // neither a difference nor the absence of a loss was shown
	Changed Verdict = "changed" // different, and the polarity is unknown
	NoLoss  Verdict = "no loss" // a loss of the margin is excluded, and a gain is not
	Same    Verdict = "same"    // a change of the margin is excluded in both directions
	Better  Verdict = "better"
)

// words lists the verdicts, worst first.
var words = []Verdict{Worse, Missing, TooFew, Unclear, Changed, NoLoss, Same, Better}

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
	Shown    bool           // the table has it without Table.All
	Per      Per            // the unit: the values are of runs, or medians of sets or of hosts
	Own      bool           // ktstr measured it around the run, and it is not of the payload's output
	A, B     Sample
	// Change is the change from the median of A to the median of B, as a fraction of
	// the median of A. For a target, it is the change of the median distance to the
	// target, as a fraction of the target. It is infinite if the value changes from
	// 0, and NaN if a side has no value.
	Change float64
	// Low and High are the bounds of the change, as fractions. The change is below Low with
	// at most the probability Alpha, and above High with at most the same. They are of this
	// metric alone, and infinite if there are too few runs. Their center is the
	// Hodges–Lehmann estimate, from which Change can differ a little.
	Low, High   float64
	P           float64 // of the test; 1 if it is impossible
	Level       float64 // the largest significant P, corrected for the other metrics
	MinEffect   float64 // percent
	Margin      float64 // percent; the loss that must be excluded
	MarginGiven bool    // the payload or the user gave it
	Verdict     Verdict
	// Need is the number of runs per side, or of sets or hosts as Per says, with which a
	// difference could be shown (TooFew), or a change of the margin (Unclear).
	Need int
	// NeedRuns is the number of runs per side on each of these hosts that has the same effect
	// as Need hosts. It is 0 if more runs on these hosts do not help, or if Per is not PerHost.
	NeedRuns int
	Seen     float64 // with Unclear: the smallest change, a fraction, that these runs would have shown with a probability of 80 %
	Note     string  // for the user, such as "not in the first"; may be empty
	// Hosts has the comparison on each host, if both sides have runs on the same hosts, of
	// which there are several.
	Hosts []HostRow
	// OddFrom is the difference between the change on a host and that on the others, a
	// fraction, from which the host is odd at the latest.
	OddFrom float64

	reading
	disagreement string  // the polarities of the sides, if they differ
	lowered      float64 // the smallest effect before Margin lowered it, in percent
}

// Measured reports whether both sides have values. If not, Change, P and Level have
// no meaning.
func (r Row) Measured() bool { return r.A.N > 0 && r.B.N > 0 }

// Bounded reports whether the row has an interval.
func (r Row) Bounded() bool { return r.Measured() && !math.IsInf(r.Low, 0) && !math.IsInf(r.High, 0) }

// A Difference is a fact in which the sides differ.
type Difference struct {
	Name string   `json:"name"`
	A    []string `json:"a"` // the values on side A, sorted
	B    []string `json:"b"`
}

// A Report is the comparison of side B, the new one, with side A.
type Report struct {
	A, B   Counted
	Alpha  float64
	Per    Per  // of the deciding rows, if it is not PerRun
	Paired bool // deciding rows compare B with A on the same hosts, see Row.Hosts
	// Drift says that the runs of the sides were not made in turns by one command, and
	// that Per is not PerSet. The intervals then do not include changes of the host, or
	// of all hosts together.
	Drift       bool
	Differences []Difference
	Rows        []Row // first the rows that decide, then the worst verdict first
	Notes       []string
	LeftOut     int // the number of metrics of the payloads without a row; see Options.OnlyShown
}

// Counted holds the number of runs of a side.
type Counted struct {
	Name        string `json:"name"`
	Runs        int    `json:"runs"` // without interrupted ones
	Broken      int    `json:"broken"`
	Interrupted int    `json:"interrupted"`
	Sets        int    `json:"sets,omitempty"`  // of the runs that are not broken; a run alone is a set; 0: unknown
	Hosts       int    `json:"hosts,omitempty"` // of all runs; 0: one host, or unknown
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

// passes reports whether a loss of the margin is excluded.
func (v Verdict) passes() bool { return v == Same || v == NoLoss || v == Better }

// Judged returns the number of deciding metrics, and how many of them were judged: those
// that passed or failed, and those that changed without a polarity. need is the number of
// runs per side that could judge the others, 0 if there are none.
func (r Report) Judged() (judged, deciding, need int) {
	for _, row := range r.Rows {
		if !row.Decides {
			continue
		}
		deciding++
		switch row.Verdict {
		case TooFew, Unclear:
			need = max(need, row.Need)
		case Missing:
		default:
			judged++
		}
	}
	return judged, deciding, need
}

// Summary returns the number of metrics per verdict, such as "2 worse, 5 better, 31
// same, 1 missing". If a verdict is open, it also gives the number of runs that could
// decide and the number of metrics that were judged.
func (r Report) Summary() string {
	counts := r.Counts()
	judged, deciding, _ := r.Judged()
	var parts []string
	for _, w := range []Verdict{Worse, Better, Changed, Same, NoLoss, Unclear, TooFew, Missing} {
		if counts[w] == 0 {
			continue
		}
		part := fmt.Sprintf("%d %s", counts[w], w)
		if need := r.need(w); need != "" {
			part += fmt.Sprintf(" (%s could tell)", need)
		}
		parts = append(parts, part)
	}
	if len(parts) == 0 && r.unjudgeable() {
		return "nothing was judged, because no metric has a polarity. " + polarityRemedy
	}
	if len(parts) == 0 {
		return "nothing to compare"
	}
	words := strings.Join(parts, ", ")
	all := text.Count(deciding, "metric")
	switch {
	case counts[TooFew]+counts[Unclear] == 0:
		return words
	case judged == 0:
		return fmt.Sprintf("%s: nothing was judged, 0 of %s", words, all)
	}
	return fmt.Sprintf("%s: %d of %s judged", words, judged, all)
}

// need returns the most that the deciding rows with a verdict need, such as "14 runs a
// side", or "".
func (r Report) need(w Verdict) string {
	var most Row
	for _, row := range r.Rows {
		if row.Decides && row.Verdict == w && row.Need > most.Need {
			most = row
		}
	}
	if most.Need == 0 {
		return ""
	}
	return most.enough()
}

// enough returns the number of runs, sets or hosts that an open verdict needs, such as
// "14 runs a side" or "12 hosts".
func (r Row) enough() string {
	enough := text.Count(r.Need, string(cmp.Or(r.Per, PerRun)))
	switch {
	case len(r.Hosts) == 0 || r.Per != PerHost:
		return enough + " a side"
	case r.NeedRuns > 0:
		return text.Count(r.NeedRuns, "run") + " a side on each of these hosts, or " + enough
	}
	return enough
}

// unjudgeable reports whether there are metrics and none of them decides, because none
// has a polarity.
func (r Report) unjudgeable() bool {
	return !slices.ContainsFunc(r.Rows, func(row Row) bool { return row.Decides }) &&
		slices.ContainsFunc(r.Rows, func(row Row) bool { return row.Shown })
}

// ExitStatus turns the verdicts into the exit status of a comparison.
//
//   - 1 (failed) if a deciding metric is Worse or Missing, or if there is no metric.
//   - 5 (open) if a deciding metric Changed, which cannot be judged without a polarity. Also
//     if one is Unclear or TooFew and has a margin that the payload or the user gave. With
//     strict, if any is Unclear or TooFew. If the runs are TooFew, also if nothing was judged,
//     or if the whole interval of a metric is a loss.
//   - 0 (passed) otherwise. With given margins or strict, each deciding metric then excludes
//     a loss of its margin.
func (r Report) ExitStatus(strict bool) int {
	counts := r.Counts()
	judged, deciding, _ := r.Judged()
	if counts[Worse] > 0 || counts[Missing] > 0 || deciding == 0 && !r.unjudgeable() {
		return 1
	}
	if counts[Changed] > 0 || deciding == 0 || judged == 0 && counts[TooFew] > 0 {
		return 5
	}
	for _, row := range r.Rows {
		if row.Decides && !row.Verdict.passes() && (strict || row.MarginGiven || row.Verdict == TooFew && row.lost()) {
			return 5
		}
	}
	return 0
}

// before is the order of rows: first those that decide, then the worst verdict, then
// the largest change.
func before(a, b Row) bool {
	if a.Decides != b.Decides {
		return a.Decides
	}
	if a.Shown != b.Shown {
		return a.Shown
	}
	if a.Verdict != b.Verdict {
		return slices.Index(words, a.Verdict) < slices.Index(words, b.Verdict)
	}
	ca, cb := math.Abs(a.Change), math.Abs(b.Change)
	if math.IsNaN(ca) || math.IsNaN(cb) || slices.Contains([]Verdict{Same, NoLoss, Unclear, TooFew}, a.Verdict) {
		return false // keeps the order of the runs
	}
	return ca > cb
}
