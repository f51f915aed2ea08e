package compare_test

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/aclements/go-moremath/stats"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/compare"
)

// Without ties, the P is that of the library.
func TestUTestIsThatOfTheLibrary(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	for _, n := range []sizes{{1, 1}, {3, 5}, {10, 10}, {20, 7}, {50, 50}, {51, 50}, {100, 100}} {
		x, y := make([]float64, n.a), make([]float64, n.b)
		for range 3 {
			for i := range x {
				x[i] = r.NormFloat64()
			}
			for i := range y {
				y[i] = r.NormFloat64() + 0.5
			}
			want, err := stats.MannWhitneyUTest(x, y, stats.LocationDiffers)
			if err != nil {
				t.Fatal(err)
			}
			if got := compare.UTest(x, y); math.Abs(got-min(1, want.P)) > 1e-9 {
				t.Errorf("%d and %d values: P = %v, want %v", n.a, n.b, got, want.P)
			}
		}
	}
}

type sizes struct{ a, b int }

// Of all ways to deal the ranks, those with a U up to the critical one are at most the
// level, and one U more is too many.
func TestCriticalUOfAllDeals(t *testing.T) {
	for _, n := range []sizes{{2, 2}, {3, 3}, {1, 19}, {4, 5}, {5, 5}, {6, 6}} {
		counts := make([]int, n.a*n.b+1)
		deals := 0
		for mask := range 1 << (n.a + n.b) {
			if bits.OnesCount(uint(mask)) != n.a {
				continue
			}
			deals++
			u, below := 0, 0 // below: values of the second sample so far
			for i := range n.a + n.b {
				if mask&(1<<i) == 0 {
					below++
				} else {
					u += below
				}
			}
			counts[u]++
		}
		for _, level := range []float64{0.001, 0.01, 0.025, 0.05, 0.2} {
			want, below := -1, 0
			for u, c := range counts {
				if below += c; float64(below) > level*float64(deals)*(1+1e-9) {
					break
				}
				want = u
			}
			if got := compare.CriticalU(n.a, n.b, level); got != want {
				t.Errorf("%d and %d values, level %v: %d, want %d", n.a, n.b, level, got, want)
			}
		}
	}
}

// At the limit of the exact distribution the approximation agrees with it.
func TestCriticalUOfManyRuns(t *testing.T) {
	exact, approximate := compare.CriticalU(50, 50, 0.05), compare.CriticalU(50, 51, 0.05)
	if ratio := float64(approximate) / float64(exact); ratio < 1.0 || ratio > 1.04 { // 51/50
		t.Errorf("critical U %d of 50 and 50 values, %d of 50 and 51", exact, approximate)
	}
}

func TestDifferenceIsThatOfAllDifferences(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	for _, n := range []sizes{{1, 1}, {1, 7}, {5, 5}, {13, 8}, {40, 30}} {
		var a, b, all []float64
		for range n.a {
			a = append(a, float64(r.IntN(50))/7) // with ties
		}
		for range n.b {
			b = append(b, r.NormFloat64())
		}
		for _, x := range a {
			for _, y := range b {
				all = append(all, y-x)
			}
		}
		slices.Sort(a)
		slices.Sort(b)
		slices.Sort(all)
		for k := range all {
			if got := compare.KthDifference(a, b, k+1); got != all[k] {
				t.Fatalf("difference %d of %v and %v: %v, want %v", k+1, a, b, got, all[k])
			}
		}
	}
	huge := []float64{-math.MaxFloat64, math.MaxFloat64}
	if got := compare.KthDifference(huge, huge, 2); got != 0 {
		t.Errorf("the difference of huge values is %v, want 0", got)
	}
}

// Student's t of a table: W. S. Gosset's 5 % points.
func TestTQuantiles(t *testing.T) {
	for freedom, want := range map[int]float64{1: 6.314, 2: 2.920, 9: 1.833, 30: 1.697} {
		if got := compare.TQuantile(0.95, freedom); math.Abs(got-want) > 0.001 {
			t.Errorf("%d degrees of freedom: %.4f, want %v", freedom, got, want)
		}
	}
}

func TestIntervalOfFactorsAndAddends(t *testing.T) {
	check := func(name string, m ktstr.Metric, a, b []float64, low, high float64) {
		t.Helper()
		row := compare.Compare(side("a", m, a...), side("b", m, b...), compare.Options{}).Rows[0]
		if row.Low != low || row.High != high {
			t.Errorf("%s: %v to %v, want %v to %v", name, row.Low, row.High, low, high)
		}
	}
	lower := ktstr.Metric{Name: "x", Polarity: ktstr.Lower}
	target, err := ktstr.Target(50)
	if err != nil {
		t.Fatal(err)
	}
	check("equal", lower, []float64{5, 5, 5}, []float64{5, 5, 5}, 0, 0)
	check("a factor", lower, []float64{10, 20, 40}, []float64{20, 40, 80}, -0.5, 7)
	check("addends, because of a zero", lower, []float64{0, 10, 20}, []float64{10, 20, 30}, -1, 3)
	check("addends to a negative median", lower, []float64{-20, -10, 0}, []float64{-10, 0, 10}, -1, 3)
	check("a target", ktstr.Metric{Name: "x", Polarity: target}, []float64{45, 45, 45}, []float64{60, 60, 60}, 0.1, 0.1)
	check("from zero", lower, []float64{0, 0, 0}, []float64{1, 2, 3}, math.Inf(1), math.Inf(1))
	check("too few", lower, []float64{1, 1}, []float64{1, 1}, math.Inf(-1), math.Inf(1))
	check("one run and many", lower, slices.Repeat([]float64{1}, 19), []float64{2}, 1, 1)
}

// The interval of runs holds its level for each shape of noise, also with ties. The
// interval of sets holds it for normal noise.
func TestIntervalsHoldTheirLevel(t *testing.T) {
	const comparisons, level = 2000, 0.05
	check := func(name string, n sizes, sets bool, draw func(*rand.Rand) float64) {
		t.Helper()
		r := rand.New(rand.NewPCG(6, uint64(n.a)))
		a, b := make([]float64, n.a), make([]float64, n.b)
		outside := 0
		for range comparisons {
			for i := range a {
				a[i] = draw(r)
			}
			for i := range b {
				b[i] = 1.05 * draw(r)
			}
			if low, _ := compare.Bounds(a, b, level, sets); low > 0.05+1e-9 {
				outside++
			}
		}
		if outside > 142 { // the upper 99.9 % limit of 2,000 draws with probability 0.05 is 133
			t.Errorf("%s, %v values: the change is below the interval in %d of %d cases, want at most 5%%", name, n, outside, comparisons)
		}
	}
	normal := func(r *rand.Rand) float64 { return 1 + 0.03*r.NormFloat64() }
	for _, n := range []sizes{{5, 5}, {10, 10}, {3, 8}, {60, 55}} {
		check("normal", n, false, normal)
		check("heavy tails", n, false, func(r *rand.Rand) float64 { return math.Exp(0.05 * math.Tan(3*(r.Float64()-0.5))) })
		check("two modes", n, false, func(r *rand.Rand) float64 { return 1 + 0.5*float64(r.IntN(2)) + 0.01*r.NormFloat64() })
		check("ties", n, false, func(r *rand.Rand) float64 { return float64(20 + r.IntN(4)) })
	}
	check("sets", sizes{10, 1}, true, normal)
	check("sets", sizes{3, 3}, true, normal)
}

// An open verdict says how many runs decide it: with so many runs, most comparisons find a
// loss of the margin, and most comparisons without a loss pass.
func TestNeededRunsDecide(t *testing.T) {
	const margin, spread, comparisons = 5, 0.04, 300
	m := ktstr.Metric{Name: "x", Polarity: ktstr.Lower}
	r := rand.New(rand.NewPCG(7, 7))
	draw := func(n int, center float64) (values []float64) {
		for range n {
			values = append(values, center*math.Exp(spread*r.NormFloat64()))
		}
		return values
	}
	wanted := float64(margin)
	of := func(n int, center float64) compare.Row {
		return compare.Compare(side("a", m, draw(n, 100)...), side("b", m, draw(n, center)...), compare.Options{Margin: &wanted}).Rows[0]
	}
	var needs []int
	for range comparisons {
		if row := of(5, 100); row.Verdict == compare.Unclear {
			needs = append(needs, row.Need)
		}
	}
	slices.Sort(needs)
	need := needs[len(needs)/2]
	worse, passed := 0, 0
	for range comparisons {
		if of(need, 105).Verdict == compare.Worse {
			worse++
		}
		if v := of(need, 100).Verdict; v == compare.Same || v == compare.NoLoss {
			passed++
		}
	}
	if worse < comparisons*65/100 || passed < comparisons*65/100 {
		t.Errorf("with %d runs, %d of %d find the loss and %d pass without one, want about 80%%", need, worse, comparisons, passed)
	}
	t.Logf("%d runs: %d of %d find the loss, %d pass", need, worse, comparisons, passed)
}
