package compare_test

import (
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"
	"testing"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/compare"
)

// side returns runs with one metric each.
func side(name string, m ktstr.Metric, values ...float64) compare.Side {
	s := compare.Side{Name: name}
	for _, v := range values {
		m.Value = v
		s.Runs = append(s.Runs, compare.Run{Metrics: []ktstr.Metric{m}, Headlines: []string{m.Name}})
	}
	return s
}

func TestEachVerdict(t *testing.T) {
	low := []float64{100, 101, 102, 103, 104}
	high := []float64{110, 111, 112, 113, 114}
	near := []float64{101, 102, 103, 104, 105}
	check := func(p ktstr.Polarity, a, b []float64, want compare.Verdict) compare.Row {
		t.Helper()
		m := ktstr.Metric{Name: "x", Unit: "us", Polarity: p}
		r := compare.Compare(side("a", m, a...), side("b", m, b...), compare.Options{})
		if got := r.Rows[0].Verdict; got != want {
			t.Errorf("%v %v → %v: %s, want %s (%+v)", p, a, b, got, want, r.Rows[0])
		}
		return r.Rows[0]
	}
	check(ktstr.Higher, low, high, compare.Better)
	check(ktstr.Higher, high, low, compare.Worse)
	check(ktstr.Lower, low, high, compare.Worse)
	check(ktstr.Lower, high, low, compare.Better)
	check(ktstr.Unknown, low, high, compare.Changed)
	check(ktstr.Lower, low, near, compare.Same)
	check(ktstr.Lower, low, low, compare.Same)
	check(ktstr.Lower, low, []float64{96, 101, 102, 104, 110}, compare.Unclear)
	check(ktstr.Lower, low, []float64{90, 95, 101, 102, 103}, compare.NoLoss)
	check(ktstr.Unknown, low, []float64{90, 95, 101, 102, 103}, compare.Unclear)
	check(ktstr.Lower, []float64{5, 5, 5, 5}, []float64{5, 5, 5, 5}, compare.Same)
	check(ktstr.Lower, low, nil, compare.Missing)
	check(ktstr.Lower, nil, low, compare.Missing)
	check(ktstr.Lower, low, []float64{math.NaN(), math.Inf(1)}, compare.Missing)
	// Significant, and smaller than the least effect.
	check(ktstr.Lower, []float64{1000, 1001, 1002, 1003, 1004}, []float64{1005, 1006, 1007, 1008, 1009}, compare.Same)
	// From zero any change is large; and back to zero.
	if row := check(ktstr.Lower, []float64{0, 0, 0, 0}, []float64{1, 2, 3, 4}, compare.Worse); !math.IsInf(row.Change, 1) {
		t.Errorf("change from 0 is %v", row.Change)
	}
	check(ktstr.Lower, []float64{1, 2, 3, 4}, []float64{0, 0, 0, 0}, compare.Better)
	check(ktstr.Higher, []float64{-110, -111, -112, -113}, []float64{-10, -11, -12, -13}, compare.Better)
	// Three runs a side can never be significant at 5 %.
	if row := check(ktstr.Lower, low[:3], high[:3], compare.TooFew); row.Need != 4 {
		t.Errorf("need %d, want 4", row.Need)
	}
	check(ktstr.Lower, low[:1], low[:1], compare.TooFew)
	check(ktstr.Lower, low[:4], high[:4], compare.Worse)
	check(ktstr.Lower, low, high[:2], compare.TooFew) // 2 of 21 ways: 0.095
	check(ktstr.Lower, low, high[:3], compare.Worse)  // 2 of 56 ways: 0.036
}

func TestTargetComparesDistances(t *testing.T) {
	target, _ := ktstr.Target(100)
	check := func(a, b []float64, want compare.Verdict, change float64) {
		t.Helper()
		m := ktstr.Metric{Name: "x", Polarity: target}
		row := compare.Compare(side("a", m, a...), side("b", m, b...), compare.Options{}).Rows[0]
		if row.Verdict != want || math.Abs(row.Change-change) > 1e-12 {
			t.Errorf("%v → %v: %s %v, want %s %v", a, b, row.Verdict, row.Change, want, change)
		}
	}
	check([]float64{90, 91, 89, 90, 90}, []float64{110, 111, 109, 110, 110}, compare.Same, 0)
	check([]float64{90, 91, 89, 90, 90}, []float64{104, 105, 106, 105, 105}, compare.Better, -0.05)
	check([]float64{101, 99, 100, 100, 101}, []float64{120, 121, 119, 118, 122}, compare.Worse, 0.19)
	check([]float64{100, 100, 100, 100}, []float64{100.1, 100.1, 100.1, 100.1}, compare.Same, 0.001)
}

func TestUnitsConvertOrAreNamed(t *testing.T) {
	us := side("a", ktstr.Metric{Name: "x", Unit: "us", Polarity: ktstr.Lower}, 2000, 2001, 2002, 2003)
	ms := side("b", ktstr.Metric{Name: "x", Unit: "ms", Polarity: ktstr.Lower}, 3, 3.1, 3.2, 3.3)
	row := compare.Compare(us, ms, compare.Options{}).Rows[0]
	if row.Verdict != compare.Worse || row.Unit != "us" || row.B.Values[0] != 3000 {
		t.Errorf("got %+v", row)
	}
	slow := side("a", ktstr.Metric{Name: "x", Unit: "K/s", Polarity: ktstr.Higher}, 2000, 2001, 2002, 2003)
	fast := side("b", ktstr.Metric{Name: "x", Unit: "M/s", Polarity: ktstr.Higher}, 3, 3.1, 3.2, 3.3)
	row = compare.Compare(slow, fast, compare.Options{}).Rows[0]
	if row.Verdict != compare.Better || row.Unit != "K/s" || row.B.Values[0] != 3000 {
		t.Errorf("got %+v", row)
	}
	kib := side("b", ktstr.Metric{Name: "x", Unit: "KiB", Polarity: ktstr.Lower}, 3, 3.1, 3.2, 3.3)
	row = compare.Compare(us, kib, compare.Options{}).Rows[0]
	if row.Verdict != compare.Missing || row.Note != `units "us" and "KiB" cannot be compared` {
		t.Errorf("got %+v", row)
	}
	target, _ := ktstr.Target(2)
	row = compare.Compare(us, side("b", ktstr.Metric{Name: "x", Unit: "ms", Polarity: target}, 2, 2, 2, 2), compare.Options{}).Rows[0]
	if row.Verdict != compare.Same || !strings.Contains(row.Note, "disagree about the polarity") {
		t.Errorf("polarities that disagree: %+v", row)
	}
	for i := range us.Runs {
		us.Runs[i].Metrics[0].Polarity = ""
	}
	row = compare.Compare(us, side("b", ktstr.Metric{Name: "x", Unit: "ms", Polarity: target}, 3, 3, 3, 3), compare.Options{}).Rows[0]
	if row.Verdict != compare.Worse || math.Abs(row.Change-0.49925) > 1e-9 {
		t.Errorf("target in ms: %+v", row)
	}
}

func TestMinEffect(t *testing.T) {
	m := ktstr.Metric{Name: "a.b", Polarity: ktstr.Higher}
	a, b := side("a", m, 100, 101, 102, 103), side("b", m, 110, 111, 112, 113)
	five, twenty := 5.0, 20.0
	check := func(o compare.Options, want compare.Verdict) {
		t.Helper()
		if got := compare.Compare(a, b, o).Rows[0].Verdict; got != want {
			t.Errorf("%+v: %s, want %s", o, got, want)
		}
	}
	check(compare.Options{MinEffect: &five}, compare.Better)
	check(compare.Options{MinEffect: &twenty}, compare.Same)
	check(compare.Options{MinEffects: []compare.Threshold{{"a.*", 20}}}, compare.Same)
	check(compare.Options{MinEffects: []compare.Threshold{{"a.*", 20}, {"a.b", 5}, {"*.b", 20}}}, compare.Better)
	check(compare.Options{MinEffect: &twenty, MinEffects: []compare.Threshold{{"*.b", 5}, {"c", 99}}}, compare.Better)
}

func TestBrokenRunsCountButDoNotMeasure(t *testing.T) {
	m := ktstr.Metric{Name: "x", Polarity: ktstr.Lower}
	a, b := side("a", m, 100, 101, 101, 102), side("b", m, 100, 101, 101, 102, 1e9)
	b.Runs[4].Broken = true
	r := compare.Compare(a, b, compare.Options{})
	if r.Rows[0].B.N != 4 || r.Rows[0].Verdict != compare.Same || r.B != (compare.Counted{Name: "b", Runs: 5, Broken: 1}) {
		t.Errorf("got %+v", r)
	}
	if r.Summary() != "1 worse, 1 same" || r.ExitStatus(false) != 1 {
		t.Errorf("got %q, %d", r.Summary(), r.ExitStatus(false))
	}
	if r := compare.Compare(b, a, compare.Options{}); r.Summary() != "1 same" || r.ExitStatus(true) != 0 {
		t.Errorf("fewer failed: %q, %d", r.Summary(), r.ExitStatus(true))
	}
}

func TestInterruptedRunsAreLeftOutWithANote(t *testing.T) {
	m := ktstr.Metric{Name: "x", Polarity: ktstr.Lower}
	a, b := side("a", m, 100, 101, 101, 102), side("b", m, 100, 101, 101, 102)
	b.Interrupted = 1
	r := compare.Compare(a, b, compare.Options{})
	if r.Summary() != "1 same" || r.ExitStatus(true) != 0 || r.MoreBroken() || r.B != (compare.Counted{Name: "b", Runs: 4, Interrupted: 1}) {
		t.Errorf("got %q, %d, %+v", r.Summary(), r.ExitStatus(true), r.B)
	}
	if got, want := strings.Join(r.Notes, "|"), "b: 1 interrupted, left out"; got != want {
		t.Errorf("notes %q, want %q", got, want)
	}
	if notes := compare.Compare(b, b, compare.Options{}).Notes; len(notes) != 1 {
		t.Errorf("the same on both sides: notes %q, want one", notes)
	}
}

func TestExitStatus(t *testing.T) {
	lower, unknown := ktstr.Metric{Name: "x", Polarity: ktstr.Lower}, ktstr.Metric{Name: "x"}
	check := func(a, b compare.Side, plain, strict int) {
		t.Helper()
		r := compare.Compare(a, b, compare.Options{})
		if r.ExitStatus(false) != plain || r.ExitStatus(true) != strict {
			t.Errorf("%s: %d, strict %d; want %d, %d", r.Summary(), r.ExitStatus(false), r.ExitStatus(true), plain, strict)
		}
	}
	check(side("a", lower, 1, 1, 1, 1), side("b", lower, 2, 2, 2, 2), 1, 1)
	check(side("a", lower, 2, 2, 2, 2), side("b", lower, 1, 1, 1, 1), 0, 0)
	// A change without a polarity cannot be judged.
	check(side("a", unknown, 2, 2, 2, 2), side("b", unknown, 1, 1, 1, 1), 5, 5)
	check(side("a", unknown, 2, 2, 2, 2), side("b", unknown, 2, 2, 2, 2), 0, 0)
	// Unclear is open only with strict or a margin, see TestMargin.
	check(side("a", lower, 1, 2, 3, 4, 5), side("b", lower, 1, 2, 3, 4, 5), 0, 5)
	// Nothing was judged: that is never green, with or without strict.
	check(side("a", lower, 1), side("b", lower, 2), 5, 5)
	check(side("a", lower, 1, 2, 3), side("b", lower, 100, 101, 102), 5, 5)
	some := func(name string, x float64) compare.Side { // of two metrics one has enough runs
		s := side(name, lower, x, x, x, x, x)
		for i := range s.Runs {
			s.Runs[i].Headlines = []string{"x", "rare"}
		}
		s.Runs[0].Metrics = append(s.Runs[0].Metrics, ktstr.Metric{Name: "rare", Polarity: ktstr.Lower})
		return s
	}
	check(some("a", 1), some("b", 1), 0, 5)
	check(some("a", 1), some("b", 100), 1, 1)
	check(side("a", lower, 1), side("b", ktstr.Metric{Name: "y"}, 2), 1, 1)
	check(compare.Side{}, compare.Side{}, 1, 1)
}

func TestSummaryTellsHowMuchWasJudged(t *testing.T) {
	rows := func(verdicts ...compare.Verdict) (rows []compare.Row) {
		for _, v := range verdicts {
			r := compare.Row{Verdict: v, Decides: true}
			if v == compare.TooFew {
				r.Need = 5
			}
			rows = append(rows, r)
		}
		return append(rows, compare.Row{Verdict: compare.TooFew, Need: 9}) // decides nothing
	}
	for want, report := range map[string]compare.Report{
		"1 worse, 1 better, 1 changed, 1 same, 1 missing":                                     {Rows: rows(compare.Worse, compare.Better, compare.Changed, compare.Same, compare.Missing)},
		"1 too few (5 runs a side could tell): nothing was judged, 0 of 1 metric":             {Rows: rows(compare.TooFew)},
		"1 too few (5 runs a side could tell), 1 missing: nothing was judged, 0 of 2 metrics": {Rows: rows(compare.TooFew, compare.Missing)},
		"2 same, 1 too few (5 runs a side could tell): 2 of 3 metrics judged":                 {Rows: rows(compare.Same, compare.Same, compare.TooFew)},
		"nothing to compare": {Rows: rows()},
	} {
		if got := report.Summary(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestHeadlinesOrTheSelectionDecide(t *testing.T) {
	run := func(a, b float64) compare.Run {
		return compare.Run{Metrics: []ktstr.Metric{{Name: "a.x", Value: a, Polarity: ktstr.Lower}, {Name: "b.x", Value: b, Polarity: ktstr.Lower}}, Headlines: []string{"a.x"}}
	}
	var a, b compare.Side
	for i := range 4 {
		noise := float64(i % 2)
		a.Runs = append(a.Runs, run(100+noise, 100+noise))
		b.Runs = append(b.Runs, run(100+noise, 200+noise))
	}
	check := func(o compare.Options, want string) {
		t.Helper()
		if got := compare.Compare(a, b, o).Summary(); got != want {
			t.Errorf("%+v: %s, want %s", o, got, want)
		}
	}
	check(compare.Options{}, "1 same")
	if r := compare.Compare(a, b, compare.Options{OnlyShown: true}); len(r.Rows) != 1 || r.LeftOut != 1 || r.Summary() != "1 same" {
		t.Errorf("only what decides: %+v", r)
	}
	check(compare.Options{Select: []string{"b.x"}}, "1 worse")
	check(compare.Options{Select: []string{"*.x"}}, "1 same, 1 too few (5 runs a side could tell): 1 of 2 metrics judged") // 4 runs a side: 0.029 > 0.05/2
	check(compare.Options{Select: []string{"nothing"}}, "nothing to compare")
	check(compare.Options{Select: []string{"b.x", "nothing"}, Absent: []string{"nothing"}, OnlyShown: true}, "1 worse, 1 missing")
	for i := range a.Runs {
		a.Runs[i].Headlines, b.Runs[i].Headlines = nil, nil
	}
	r := compare.Compare(a, b, compare.Options{})
	if r.Summary() != "1 same, 1 too few (5 runs a side could tell): 1 of 2 metrics judged" || len(r.Notes) != 1 || r.Rows[0].Need != 5 {
		t.Errorf("without headlines: %s, %q", r.Summary(), r.Notes)
	}
}

func TestDifferences(t *testing.T) {
	about := func(pairs ...string) compare.Run {
		var r compare.Run
		for i := 0; i < len(pairs); i += 2 {
			r.About = append(r.About, compare.Fact{Name: pairs[i], Value: pairs[i+1]})
		}
		return r
	}
	a := compare.Side{Runs: []compare.Run{about("kernel", "6.1", "cpu", "Zen", "governor", ""), about("kernel", "6.1", "cpu", "Zen")}}
	b := compare.Side{Runs: []compare.Run{about("kernel", "6.18", "cpu", "Zen", "governor", "powersave"), about("kernel", "6.1")}}
	if got, want := fmt.Sprint(compare.Compare(a, b, compare.Options{}).Differences), "[{kernel [6.1] [6.1 6.18]}]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := compare.Compare(a, b, compare.Options{Compared: []string{"kernel"}}).Differences; len(got) != 0 {
		t.Errorf("what is compared: %v, want none", got)
	}
	// Mixed within both, alike: the sides do not differ.
	if got := compare.Compare(b, b, compare.Options{}).Differences; len(got) != 0 {
		t.Errorf("the same on both sides: %v, want none", got)
	}
}

func TestOrder(t *testing.T) {
	for _, c := range []struct {
		sides, n int
		want     string
	}{{2, 4, "[0 1 1 0 0 1 1 0]"}, {2, 3, "[0 1 1 0 0 1]"}, {3, 2, "[0 1 2 2 1 0]"}, {1, 3, "[0 0 0]"}, {2, 0, "[]"}} {
		if got := fmt.Sprint(compare.Order(c.sides, c.n)); got != c.want {
			t.Errorf("Order(%d, %d) = %s, want %s", c.sides, c.n, got, c.want)
		}
	}
}

// Of all ways to deal the values to the sides, at most the fraction p has a P of at
// most p.
func TestUTestKeepsItsLevelWithTies(t *testing.T) {
	for _, c := range []struct {
		values []float64
		n      int
	}{
		{[]float64{1, 1, 2, 3, 3, 3, 4, 5}, 3},
		{[]float64{1, 1, 2, 2, 3, 3, 4, 5, 5, 6}, 4},
		{[]float64{1, 2, 3, 4, 5, 6, 7, 8, 8}, 5},
		{[]float64{1, 2, 3, 4, 5, 6, 7, 8}, 4},
		{[]float64{1, 1, 1, 1, 1, 1, 2, 2, 3}, 2},
	} {
		var all []float64
		for mask := range 1 << len(c.values) {
			if bits.OnesCount(uint(mask)) != c.n {
				continue
			}
			var x, y []float64
			for i, v := range c.values {
				if mask&(1<<i) != 0 {
					x = append(x, v)
				} else {
					y = append(y, v)
				}
			}
			p := compare.UTest(x, y)
			if p < compare.LeastP(len(x), len(y))*(1-1e-9) || p > 1 {
				t.Fatalf("%v, %v: P = %v, below the least", x, y, p)
			}
			if q := compare.UTest(y, x); q != p {
				t.Fatalf("%v, %v: P = %v, and %v the other way round", x, y, p, q)
			}
			all = append(all, p)
		}
		slices.Sort(all)
		for i, p := range all {
			if rate := float64(i+1) / float64(len(all)); (i+1 == len(all) || all[i+1] > p*(1+1e-9)) && rate > p*(1+1e-9) {
				t.Errorf("%v dealt %d: P ≤ %.4f in %.4f of the ways", c.values, c.n, p, rate)
			}
		}
	}
}

// A measured median keeps all its digits.
func TestMediansBetweenTwoValuesAreRounded(t *testing.T) {
	side := func(values ...float64) compare.Side {
		s := compare.Side{}
		for _, v := range values {
			s.Runs = append(s.Runs, compare.Run{Metrics: []ktstr.Metric{{Name: "m", Value: v}}})
		}
		return s
	}
	r := compare.Compare(side(10.2, 10.1, 10.1, 10.274), side(0.1234567890123456, 9007199254740991, 0), compare.Options{}).Rows[0]
	if r.A.Median != 10.15 || r.B.Median != 0.1234567890123456 || r.B.Values[1] != 9007199254740991 {
		t.Errorf("medians %v and %v of %v", r.A.Median, r.B.Median, r.B.Values)
	}
	if r := compare.Compare(side(0.1, 0.2), side(0.3, 0.3), compare.Options{}).Rows[0]; r.A.Median != 0.15 || r.A.Spread != 0.05 || r.Change != 1 {
		t.Errorf("median %v, spread %v, change %v; want 0.15, 0.05, 1", r.A.Median, r.A.Spread, r.Change)
	}
}

// The summary of one set of runs is its comparison with no runs.
func TestRowOfOneSideHasItsPolarity(t *testing.T) {
	b := side("b", ktstr.Metric{Name: "x", Unit: "us", Polarity: ktstr.Lower}, 1, 2, 3)
	row := compare.Compare(compare.Side{}, b, compare.Options{}).Rows[0]
	if row.Polarity != ktstr.Lower || row.Unit != "us" || row.B.Median != 2 {
		t.Errorf("got %+v", row)
	}
}
