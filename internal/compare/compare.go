// Package compare compares two sets of runs of one benchmark. Each metric gets an interval
// for its change and a verdict, such as better, worse, same or unclear. The package only
// computes and formats. docs/compare.md explains how to read the result.
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
	Set       string         // shared by the runs of one command; empty: unknown, or a run alone
	Host      string         // on which the run took place; empty: unknown, which counts as a host
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

// A Threshold is a change, in percent, for the metrics with a name. The name may be a
// pattern, such as "fio.*.iops".
type Threshold struct {
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
	MinEffects []Threshold
	// Margin is the loss, in percent, that must be excluded before a metric counts as not
	// worse. nil means 5, or the smallest effect of the metric if that is larger.
	Margin *float64
	// Margins override Margin, as MinEffects override MinEffect.
	Margins []Threshold
	// Select lists the metrics that decide, as names or patterns. nil means the
	// headlines, or all metrics if no run has a headline, of these the metrics with a
	// polarity. The metrics of the run itself (ktstr.RunStream) decide only as headlines,
	// or if a check names them.
	Select []string
	// Absent lists metrics that the user requested and that no run has. Each gets a
	// row that decides, with the verdict Missing.
	Absent []string
	// Compared lists the facts whose effect the user wants to compare, such as
	// "kernel". They are not reported as differences.
	Compared []string
	// OnlyShown leaves out the rows that are not shown. Testing them takes time.
	OnlyShown bool
}

// DefaultAlpha is the Alpha of the zero Options.
const DefaultAlpha = 0.05

// The MinEffect and the Margin of the zero Options, in percent.
const (
	defaultMinEffect = 2.0
	defaultMargin    = 5.0
)

// Compare compares b, the new side, with a.
//
// It tests each metric by the two-sided Mann–Whitney U-test, which assumes nothing about
// distributions. It corrects the significance level for all metrics that decide, by Holm's
// step-down procedure (S. Holm, "A Simple Sequentially Rejective Multiple Test Procedure",
// Scandinavian Journal of Statistics 6 (1979) 65–70). So the probability that Compare calls
// one or more of them different although none is, is at most Alpha, also if the metrics
// depend on each other. The metrics that do not decide are corrected separately, and so
// are those of the run itself.
//
// Each change has an interval, see shift.bounds. If a side has several sets of runs, each
// set counts once, with its median, because the runs of a set have the night, the boot and
// the build in common. If both sides have runs on the same hosts, B is compared with A on each
// host, and each host counts once, see Row.divide. The test is then Student's t-test.
func Compare(a, b Side, o Options) Report {
	if o.Alpha == 0 {
		o.Alpha = DefaultAlpha
	}
	r := Report{A: count(a), B: count(b), Alpha: o.Alpha}
	a, b, shared, left := onCommonHosts(a, b)
	r.Differences = differences(a, b, o.Compared)
	chosen := selection(a, b, o.Select)
	r.Notes = append(left, chosen.notes...)
	for _, side := range []Counted{r.A, r.B} {
		note := fmt.Sprintf("%s: %d interrupted, left out", side.Name, side.Interrupted)
		if side.Interrupted > 0 && !slices.Contains(r.Notes, note) { // both sides may have the same name
			r.Notes = append(r.Notes, note)
		}
	}
	inA, inB := collect(a), collect(b)
	for _, name := range Names(a, b) {
		if o.OnlyShown && !chosen.shows(name) {
			if !chosen.own[name] {
				r.LeftOut++
			}
			continue
		}
		row := measure(name, inA[name], inB[name], shared, o.Alpha)
		row.Own, row.Shown, row.Decides = chosen.own[name], chosen.shows(name), chosen.decides(row)
		o.setThresholds(&row)
		if row.Decides && row.Per != PerRun && r.Per != PerHost {
			r.Per = row.Per
		}
		r.Paired = r.Paired || row.Decides && len(row.Hosts) > 0
		r.Rows = append(r.Rows, row)
	}
	r.Drift = r.Per != PerSet && drift(a, b)
	for _, name := range o.Absent {
		row := Row{Per: PerRun, Metric: name, Decides: true, Shown: true, Verdict: Missing, Change: math.NaN(), P: 1, Low: math.Inf(-1), High: math.Inf(1), Note: "no run has it"}
		o.setThresholds(&row)
		r.Rows = append(r.Rows, row)
	}
	r.Notes = append(r.Notes, neutral(r.Rows)...)
	r.Notes = append(r.Notes, disagreements(r.Rows)...)
	r.Notes = append(r.Notes, lowered(r.Rows)...)
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
	for i := range r.Rows {
		r.Rows[i].oddHosts(o.Alpha)
	}
	sort.SliceStable(r.Rows, func(i, j int) bool { return before(r.Rows[i], r.Rows[j]) })
	if r.MoreBroken() {
		r.Notes = append(r.Notes, fmt.Sprintf("%s: %d of %d runs failed, %s: %d of %d; this counts as worse",
			r.B.Name, r.B.Broken, r.B.Runs, r.A.Name, r.A.Broken, r.A.Runs))
	}
	return r
}

// setThresholds sets the smallest effect and the margin of a row, in percent. A margin
// that was given lowers the smallest effect, because a gate that excludes a loss of 1 %
// must also find one.
func (o Options) setThresholds(r *Row) {
	r.MinEffect, _ = threshold(*r, o.MinEffect, o.MinEffects, defaultMinEffect)
	r.Margin, r.MarginGiven = threshold(*r, o.Margin, o.Margins, max(defaultMargin, r.MinEffect))
	if r.Margin < r.MinEffect {
		r.lowered = r.MinEffect
		r.MinEffect = r.Margin
	}
}

// threshold returns the threshold of a row: that of its name, or the one for all metrics,
// or the standard one. given reports whether it is not the standard one. Patterns do not
// apply to an own metric.
func threshold(r Row, all *float64, list []Threshold, standard float64) (percent float64, given bool) {
	percent = standard
	if all != nil {
		percent, given = *all, true
	}
	exact := false
	for _, t := range list {
		switch {
		case t.Name == r.Metric:
			percent, exact, given = t.Percent, true, true
		case !exact && !r.Own && extract.Match(t.Name, r.Metric):
			percent, given = t.Percent, true
		}
	}
	return percent, given
}
