// Package compare turns two sets of runs of one benchmark into a verdict a
// metric: better, worse, or no difference shown. It computes only; docs/compare.md
// says how to read what it gives.
package compare

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/aclements/go-moremath/stats"
	"golang.org/x/perf/benchmath"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/core/unit"
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

func count(s Side) Counted {
	c := Counted{Name: s.Name, Runs: len(s.Runs), Interrupted: s.Interrupted}
	for _, r := range s.Runs {
		if r.Broken {
			c.Broken++
		}
	}
	return c
}

// differences lists the facts whose values are not the same on both sides. A
// fact that one side does not know at all is none, nor is one that is compared.
func differences(a, b Side, compared []string) []Difference {
	var order []string
	gather := func(s Side) map[string][]string {
		found := map[string][]string{}
		for _, r := range s.Runs {
			for _, f := range r.About {
				if !slices.Contains(order, f.Name) {
					order = append(order, f.Name)
				}
				if f.Value != "" && !slices.Contains(found[f.Name], f.Value) {
					found[f.Name] = append(found[f.Name], f.Value)
				}
			}
		}
		for _, values := range found {
			slices.Sort(values)
		}
		return found
	}
	inA, inB := gather(a), gather(b)
	var all []Difference
	for _, name := range order {
		va, vb := inA[name], inB[name]
		if len(va) > 0 && len(vb) > 0 && !slices.Equal(va, vb) && !slices.Contains(compared, name) {
			all = append(all, Difference{name, va, vb})
		}
	}
	return all
}

// Names lists the metrics of all runs that ended well, in the order of their first occurrence.
func Names(sides ...Side) []string {
	var order []string
	seen := map[string]bool{}
	for _, s := range sides {
		for _, r := range s.Runs {
			if r.Broken {
				continue
			}
			for _, m := range r.Metrics {
				if !seen[m.Name] {
					seen[m.Name] = true
					order = append(order, m.Name)
				}
			}
		}
	}
	return order
}

// selection says which metrics decide.
func selection(a, b Side, patterns []string) (decides func(name string) bool, note string) {
	if patterns != nil {
		return func(name string) bool {
			return slices.ContainsFunc(patterns, func(p string) bool { return extract.Match(p, name) })
		}, ""
	}
	headlines := map[string]bool{}
	for _, s := range []Side{a, b} {
		for _, r := range s.Runs {
			for _, name := range r.Headlines {
				headlines[name] = true
			}
		}
	}
	if len(headlines) == 0 {
		return func(string) bool { return true }, "no metric is marked as headline, so all decide; mark some with hints, or choose with --metric"
	}
	return func(name string) bool { return headlines[name] }, ""
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

// sighting is one metric of one run.
type sighting struct {
	value    float64
	unit     string
	polarity ktstr.Polarity
}

// collect gathers the first metric of each name of each run that ended well.
func collect(s Side) map[string][]sighting {
	all := map[string][]sighting{}
	for _, r := range s.Runs {
		if r.Broken {
			continue
		}
		seen := make(map[string]bool, len(r.Metrics))
		for _, m := range r.Metrics {
			if !seen[m.Name] {
				seen[m.Name] = true
				all[m.Name] = append(all[m.Name], sighting{m.Value, m.Unit, m.Polarity})
			}
		}
	}
	return all
}

// measure fills in what is known of one metric before the verdicts; a row that
// can get no other verdict than Missing has it.
func measure(name string, a, b []sighting) Row {
	row := Row{Metric: name, Change: math.NaN(), P: 1}
	note := func(format string, args ...any) {
		row.Note = strings.TrimPrefix(row.Note+"; "+fmt.Sprintf(format, args...), "; ")
	}
	all := slices.Concat(a, b)
	row.Unit = all[0].unit
	polarities := map[ktstr.Polarity]bool{}
	for _, s := range all {
		if s.polarity != ktstr.Unknown {
			polarities[s.polarity], row.Polarity = true, s.polarity
		}
		if !unit.Convertible(s.unit, row.Unit) {
			row.Verdict = Missing
			note("units %q and %q cannot be compared", row.Unit, s.unit)
			return row
		}
	}
	if len(polarities) > 1 {
		row.Polarity = ktstr.Unknown
		note("the runs do not agree which way is better")
	}
	odd := 0
	values := func(side []sighting) []float64 {
		var list []float64
		for _, s := range side {
			v, err := unit.Convert(s.value, s.unit, row.Unit)
			if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
				odd++
				continue
			}
			list = append(list, v)
		}
		return list
	}
	row.A, row.B = summarize(values(a)), summarize(values(b))
	if odd > 0 {
		note("%d values that are not finite were left out", odd)
	}
	switch {
	case row.A.N == 0 && row.B.N == 0:
		row.Verdict = Missing
		note("no side has a value")
		return row
	case row.A.N == 0:
		row.Verdict = Missing
		note("not in the first")
		return row
	case row.B.N == 0:
		row.Verdict = Missing
		note("not in the second")
		return row
	}
	x, y := row.A.Values, row.B.Values
	from, to, whole := row.A.Median, row.B.Median, math.Abs(row.A.Median)
	if target, ok := row.Polarity.Target(); ok {
		// The polarity's target is in the unit that its metric has; where the
		// sides' units differ that is the unit of the first that has it.
		for _, s := range all {
			if s.polarity == row.Polarity {
				if t, err := unit.Convert(target, s.unit, row.Unit); err == nil {
					target = t
				}
				break
			}
		}
		x, y = distances(x, target), distances(y, target)
		from, to = summarize(x).Median, summarize(y).Median
		if target != 0 {
			// Not of the distance at A: near the target that is next to
			// nothing, and any noise would be a change by hundreds of percent.
			whole = math.Abs(target)
		} else {
			whole = from
		}
	}
	row.Change = rounded(change(from, to, whole))
	row.P = uTest(x, y)
	return row
}

// uTest is the P of the two-sided Mann–Whitney U-test; 1 where it cannot be made.
//
// benchmath doubles the lower tail of the first sample's U also where U lies in
// the upper one. Without ties, or with equal numbers, the distribution is
// symmetric and that is the same; with both it is not, and P can come out as 0.
// So the sample that ranks lower goes first.
func uTest(x, y []float64) float64 {
	higher := 0 // pairs in which x is higher, less those in which y is
	for _, a := range x {
		for _, b := range y {
			switch {
			case a > b:
				higher++
			case a < b:
				higher--
			}
		}
	}
	if higher > 0 {
		x, y = y, x
	}
	thresholds := benchmath.DefaultThresholds
	sample := func(values []float64) *benchmath.Sample {
		return benchmath.NewSample(slices.Clone(values), &thresholds)
	}
	return min(1, benchmath.AssumeNothing.Compare(sample(x), sample(y)).P)
}

func distances(values []float64, target float64) []float64 {
	d := make([]float64, len(values))
	for i, v := range values {
		d[i] = math.Abs(v - target)
	}
	return d
}

func change(from, to, whole float64) float64 {
	switch {
	case from == to:
		return 0
	case whole == 0:
		return math.Inf(1) * math.Copysign(1, to-from)
	}
	return (to - from) / whole
}

// rounded is a derived number without the last digits, which are of the
// arithmetic and of no measurement: 10.237 in place of 10.236999999999998.
func rounded(v float64) float64 {
	const digits = 12
	r, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', digits, 64), 64)
	if err != nil { // next to the greatest number
		return v
	}
	return r
}

// summarize never rounds a median that is one of the values.
func summarize(values []float64) Sample {
	s := Sample{N: len(values), Values: values}
	if s.N == 0 {
		return s
	}
	thresholds := benchmath.DefaultThresholds
	s.Median = benchmath.AssumeNothing.Summary(benchmath.NewSample(slices.Clone(values), &thresholds), 0.95).Center
	if !slices.Contains(values, s.Median) {
		s.Median = rounded(s.Median)
	}
	sample := stats.Sample{Xs: slices.Clone(values)}
	sample.Sort()
	s.Spread = rounded((sample.Quantile(0.75) - sample.Quantile(0.25)) / 2)
	return s
}

// decide gives each row of one family its verdict.
func decide(rows []*Row, alpha float64) {
	m := len(rows)
	byP := slices.Clone(rows)
	sort.SliceStable(byP, func(i, j int) bool { return byP[i].P < byP[j].P })
	// Holm: the k-th smallest P (from 0) is significant if it is at most
	// alpha/(m-k) and all smaller ones are.
	rejected := 0
	for rejected < m && byP[rejected].P <= alpha/float64(m-rejected) {
		rejected++
	}
	for k, row := range byP {
		row.Level = alpha / float64(m-min(k, rejected))
		switch {
		case k < rejected:
			row.Verdict = called(*row)
		case !reachable(*row, byP, rejected, alpha):
			row.Verdict, row.Need = TooFew, needed(alpha/float64(m))
		default:
			row.Verdict = Same
		}
	}
}

// called is the verdict on a significant difference.
func called(r Row) Verdict {
	if !(math.Abs(r.Change)*100 > r.MinEffect) {
		return Same
	}
	_, target := r.Polarity.Target()
	switch {
	case r.Polarity == ktstr.Unknown:
		return Changed
	case target || r.Polarity == ktstr.Lower:
		if r.Change < 0 {
			return Better
		}
		return Worse
	}
	if r.Change > 0 {
		return Better
	}
	return Worse
}

// reachable reports whether the clearest possible result of so many runs, all
// values of one side above all of the other, would be significant beside the
// other rows as they are.
func reachable(r Row, byP []*Row, rejected int, alpha float64) bool {
	least := leastP(r.A.N, r.B.N)
	// It would come after the rows whose P is smaller still. (r itself is none
	// of these: its P is at least the least.) All of those must be significant.
	before := sort.Search(len(byP), func(i int) bool { return byP[i].P >= least*(1-1e-9) })
	return before <= rejected && least <= alpha/float64(len(byP)-before)
}

// leastP is the smallest P that the two-sided exact test can give: 2 of the
// (n1+n2 choose n1) ways to deal the ranks to the sides.
func leastP(n1, n2 int) float64 {
	ways := 1.0
	for i := 1; i <= min(n1, n2); i++ {
		ways *= float64(max(n1, n2)+i) / float64(i)
	}
	return min(1, 2/ways)
}

// needed is the least number of runs a side with which a difference can be
// significant at the level.
func needed(level float64) int {
	n := 1
	for leastP(n, n) > level && n < 1000 {
		n++
	}
	return n
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

// Order is the order in which n rounds of several sides are run so that slow
// drift of the host falls on all alike: forth and back (ABBA, ABBA, …; an odd
// last round is forth only). Each item is a side's index.
func Order(sides, n int) []int {
	order := make([]int, 0, sides*n)
	for round := range n {
		for i := range sides {
			if round%2 == 1 {
				i = sides - 1 - i
			}
			order = append(order, i)
		}
	}
	return order
}
