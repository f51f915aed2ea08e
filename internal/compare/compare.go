// Package compare turns two sets of runs of one benchmark into a verdict a
// metric: better, worse, or no difference shown. It computes only; docs/compare.md
// says how to read what it gives.
package compare

import (
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/extract"
)

// Run is one run as comparing sees it.
type Run struct {
	// Broken runs did not end well (exit code, signal, timeout, no metrics).
	// They are counted, and their metrics are not: half a run measures half.
	// A run that only failed a check of a metric is not broken; leaving it out
	// would hide exactly the slow ones.
	Broken    bool
	Metrics   []ktstr.Metric // of several with one name the first counts
	Headlines []string       // names
	About     []Fact         // what must be equal for two runs to be comparable
}

// Fact is one thing known about where and how a run was made.
type Fact struct {
	Name  string `json:"name"` // "kernel", "cpu", …
	Value string `json:"value"`
}

// Side is a set of runs with a name for the table's head.
type Side struct {
	Name string
	Runs []Run
	// Interrupted is how many more runs somebody stopped. They are no failure
	// of the side, measure nothing, and are not in Runs.
	Interrupted int
}

// MinEffect is the least change that counts for metrics of a name or pattern
// (as in ktstr.Hint), in percent.
type MinEffect struct {
	Name    string
	Percent float64
}

// Options say how sure and how large a difference must be. The zero value is
// the default.
type Options struct {
	// Alpha is the probability of one or more false alarms among all headline
	// metrics of a comparison; 0: 0.05.
	Alpha float64
	// MinEffect is the least change that is called a difference, in percent;
	// nil: 2.
	MinEffect *float64
	// MinEffects go before MinEffect; an exact name before a pattern, of equal
	// ones the last.
	MinEffects []MinEffect
	// Select names the metrics, or patterns of them, to decide on in place of
	// the headlines; nil: the headlines, or all where no run has any.
	Select []string
	// Absent are metrics, or patterns of them, that were asked for and that no
	// run has: each is a row that decides, and Missing.
	Absent []string
	// Compared names the facts that are what is compared: they are no
	// difference to be said.
	Compared []string
	// OnlyDeciding leaves out the rows that do not decide, and the time that
	// it takes to test them.
	OnlyDeciding bool
}

// DefaultAlpha and DefaultMinEffect (percent) are what the zero Options mean.
const (
	DefaultAlpha     = 0.05
	DefaultMinEffect = 2.0
)

// Compare compares b, the new side, with a.
//
// Each metric is tested by the two-sided Mann–Whitney U-test of
// golang.org/x/perf/benchmath, which assumes nothing about distributions. False
// alarms are controlled across all metrics that decide, together, by Holm's
// step-down procedure (S. Holm, "A Simple Sequentially Rejective Multiple Test
// Procedure", Scandinavian Journal of Statistics 6 (1979) 65–70), which holds
// whatever the metrics have to do with each other: the chance that one or more
// of them is called different although none is, is at most Alpha. The metrics
// that do not decide are a family of their own.
func Compare(a, b Side, o Options) Report {
	if o.Alpha == 0 {
		o.Alpha = DefaultAlpha
	}
	r := Report{A: count(a), B: count(b), Alpha: o.Alpha, Differences: differences(a, b, o.Compared)}
	decides, note := selection(a, b, o.Select)
	if note != "" {
		r.Notes = append(r.Notes, note)
	}
	for _, side := range []Counted{r.A, r.B} {
		note := fmt.Sprintf("%s: %d interrupted, left out", side.Name, side.Interrupted)
		if side.Interrupted > 0 && !slices.Contains(r.Notes, note) { // one tag may be both
			r.Notes = append(r.Notes, note)
		}
	}
	inA, inB := collect(a), collect(b)
	for _, name := range Names(a, b) {
		if o.OnlyDeciding && !decides(name) {
			r.LeftOut++
			continue
		}
		row := measure(name, inA[name], inB[name])
		row.Decides = decides(name)
		row.MinEffect = o.minEffect(name)
		r.Rows = append(r.Rows, row)
	}
	for _, name := range o.Absent {
		r.Rows = append(r.Rows, Row{Metric: name, Decides: true, Verdict: Missing, Change: math.NaN(), P: 1, MinEffect: o.minEffect(name), Note: "no run has it"})
	}
	for _, family := range []bool{true, false} {
		var rows []*Row
		for i := range r.Rows {
			if r.Rows[i].Decides == family && r.Rows[i].Verdict == "" {
				rows = append(rows, &r.Rows[i])
			}
		}
		decide(rows, o.Alpha)
	}
	sort.SliceStable(r.Rows, func(i, j int) bool { return before(r.Rows[i], r.Rows[j]) })
	if r.MoreBroken() {
		r.Notes = append(r.Notes, fmt.Sprintf("%s: %d of %d runs failed, %s: %d of %d; this counts as worse",
			r.B.Name, r.B.Broken, r.B.Runs, r.A.Name, r.A.Broken, r.A.Runs))
	}
	return r
}

func (o Options) minEffect(name string) float64 {
	percent := DefaultMinEffect
	if o.MinEffect != nil {
		percent = *o.MinEffect
	}
	exact := false
	for _, m := range o.MinEffects {
		switch {
		case m.Name == name:
			percent, exact = m.Percent, true
		case !exact && extract.Match(m.Name, name):
			percent = m.Percent
		}
	}
	return percent
}
