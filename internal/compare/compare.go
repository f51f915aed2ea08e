// Package compare compares two sets of runs of one benchmark. Each metric gets a
// verdict: better, worse, or no difference shown. The package only computes and
// formats. docs/compare.md explains how to read the result.
package compare

import (
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/extract"
)

// A Run is one run of a side.
type Run struct {
	// Broken marks a run that failed: by its exit code, a signal, a timeout, or
	// because it has no metrics. Its metrics are left out, because an incomplete run
	// measures less. A run that only failed a check of a metric is not broken.
	// Leaving it out would hide the slow runs.
	Broken    bool
	Metrics   []ktstr.Metric // if several have the same name, the first one counts
	Headlines []string       // names of metrics
	Checked   []string       // names of the metrics that a check of the run names
	About     []Fact         // facts that must be equal for two runs to be comparable
}

// A Fact describes the host or the configuration of a run.
type Fact struct {
	Name  string `json:"name"` // such as "kernel" or "cpu"
	Value string `json:"value"`
}

// A Side is a set of runs.
type Side struct {
	Name string // for the table
	Runs []Run
	// Interrupted is the number of runs that the user stopped. They are not in Runs
	// and do not count as failures.
	Interrupted int
}

// A MinEffect is the smallest change, in percent, that counts for the metrics with a
// name. The name may be a pattern, such as "fio.*.iops".
type MinEffect struct {
	Name    string
	Percent float64
}

// Options configure a comparison. The zero value selects the defaults.
type Options struct {
	// Alpha is the probability of at least one false alarm among all headline
	// metrics of a comparison. 0 means DefaultAlpha.
	Alpha float64
	// MinEffect is the smallest change that is called a difference, in percent. nil
	// means 2.
	MinEffect *float64
	// MinEffects override MinEffect. An exact name wins over a pattern. Among equals,
	// the last one wins.
	MinEffects []MinEffect
	// Select lists the metrics that decide, as names or patterns. nil means the
	// headlines, or all metrics if no run has a headline. The metrics of the run itself
	// (ktstr.RunStream) decide only as headlines, or if a check names them.
	Select []string
	// Absent lists metrics that the user requested and that no run has. Each gets a
	// row that decides, with the verdict Missing.
	Absent []string
	// Compared lists the facts whose effect the user wants to compare, such as
	// "kernel". They are not reported as differences.
	Compared []string
	// OnlyDeciding leaves out the rows that do not decide. Testing them takes time.
	OnlyDeciding bool
}

// DefaultAlpha is the Alpha of the zero Options.
const DefaultAlpha = 0.05

// defaultMinEffect is the MinEffect of the zero Options, in percent.
const defaultMinEffect = 2.0

// Compare compares b, the new side, with a.
//
// It tests each metric by the two-sided Mann–Whitney U-test of
// golang.org/x/perf/benchmath, which assumes nothing about distributions. It corrects
// the significance level for all metrics that decide, by Holm's step-down procedure
// (S. Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian
// Journal of Statistics 6 (1979) 65–70). So the probability that Compare calls one or
// more of them different although none is, is at most Alpha, also if the metrics
// depend on each other. The metrics that do not decide are corrected separately, and so
// are those of the run itself.
func Compare(a, b Side, o Options) Report {
	if o.Alpha == 0 {
		o.Alpha = DefaultAlpha
	}
	r := Report{A: count(a), B: count(b), Alpha: o.Alpha, Differences: differences(a, b, o.Compared)}
	decides, notes := selection(a, b, o.Select)
	r.Notes = append(r.Notes, notes...)
	for _, side := range []Counted{r.A, r.B} {
		note := fmt.Sprintf("%s: %d interrupted, left out", side.Name, side.Interrupted)
		if side.Interrupted > 0 && !slices.Contains(r.Notes, note) { // both sides may have the same name
			r.Notes = append(r.Notes, note)
		}
	}
	inA, inB := collect(a), collect(b)
	own := ownMetrics(a, b)
	for _, name := range Names(a, b) {
		if o.OnlyDeciding && !decides(name) {
			if !own[name] {
				r.LeftOut++
			}
			continue
		}
		row := measure(name, inA[name], inB[name])
		row.Decides = decides(name)
		row.Own = own[name]
		row.MinEffect = o.minEffect(name, row.Own)
		r.Rows = append(r.Rows, row)
	}
	for _, name := range o.Absent {
		r.Rows = append(r.Rows, Row{Metric: name, Decides: true, Verdict: Missing, Change: math.NaN(), P: 1, MinEffect: o.minEffect(name, false), Note: "no run has it"})
	}
	r.Notes = append(r.Notes, disagreements(r.Rows)...)
	var deciding, others, ownOthers []*Row
	for i := range r.Rows {
		switch row := &r.Rows[i]; {
		case row.Verdict != "":
		case row.Decides:
			deciding = append(deciding, row)
		case row.Own:
			ownOthers = append(ownOthers, row)
		default:
			others = append(others, row)
		}
	}
	for _, family := range [][]*Row{deciding, others, ownOthers} {
		decide(family, o.Alpha)
	}
	sort.SliceStable(r.Rows, func(i, j int) bool { return before(r.Rows[i], r.Rows[j]) })
	if r.MoreBroken() {
		r.Notes = append(r.Notes, fmt.Sprintf("%s: %d of %d runs failed, %s: %d of %d; this counts as worse",
			r.B.Name, r.B.Broken, r.B.Runs, r.A.Name, r.A.Broken, r.A.Runs))
	}
	return r
}

// minEffect returns the smallest change of a metric that counts, in percent. Patterns do
// not apply to an own metric.
func (o Options) minEffect(name string, own bool) float64 {
	percent := defaultMinEffect
	if o.MinEffect != nil {
		percent = *o.MinEffect
	}
	exact := false
	for _, m := range o.MinEffects {
		switch {
		case m.Name == name:
			percent, exact = m.Percent, true
		case !exact && !own && extract.Match(m.Name, name):
			percent = m.Percent
		}
	}
	return percent
}
