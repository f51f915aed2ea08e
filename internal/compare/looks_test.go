package compare_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/compare"
)

func TestLooksSpendAlpha(t *testing.T) {
	for most, want := range map[int][]int{3: {3}, 5: {5}, 12: {5, 10, 12}, 40: {5, 10, 20, 40}} {
		looks, spent := compare.Looks(most, 0.05), 0.0
		for i, l := range looks {
			spent += l.Alpha
			if len(looks) != len(want) || l.Runs != want[i] || l.Alpha <= 0 {
				t.Fatalf("at most %d runs: looks %v, want %v", most, looks, want)
			}
		}
		if math.Abs(spent-0.05) > 1e-12 {
			t.Errorf("at most %d runs: the looks spend %v, want 0.05", most, spent)
		}
	}
}

// Runs that go on until they are decided hold the error rates, and need fewer runs than
// the last look if the answer is clear.
func TestRunsUntilDecidedHoldTheErrorRates(t *testing.T) {
	const gates = 500
	r := rand.New(rand.NewPCG(11, 11))
	margin := 5.0
	gate := func(center float64) (status, runs int) {
		var a, b []float64
		for _, look := range compare.Looks(40, 0.05) {
			for len(a) < look.Runs {
				a, b = append(a, math.Exp(0.03*r.NormFloat64())), append(b, center*math.Exp(0.03*r.NormFloat64()))
			}
			m := ktstr.Metric{Name: "x", Polarity: ktstr.Lower}
			report := compare.Compare(side("a", m, a...), side("b", m, b...), compare.Options{Alpha: look.Alpha, Margin: &margin})
			if status, runs = report.ExitStatus(true), look.Runs; report.Decided() {
				break
			}
		}
		return status, runs
	}
	falseFails, falsePasses, made := 0, 0, 0
	for range gates {
		none, runs := gate(1)
		loss, _ := gate(1.05)
		made += runs
		if none == 1 {
			falseFails++
		}
		if loss == 0 {
			falsePasses++
		}
	}
	const limit = 41 // the upper 99.9 % limit of 500 draws with probability 0.05
	if falseFails > limit || falsePasses > limit || made > 20*gates {
		t.Errorf("of %d gates, %d fail falsely, %d pass falsely, with %d runs a side on average", gates, falseFails, falsePasses, made/gates)
	}
}

func TestHopelessIfEachOpenVerdictNeedsTooManyRuns(t *testing.T) {
	row := func(v compare.Verdict, need int) compare.Row {
		return compare.Row{Verdict: v, Need: need, Decides: true}
	}
	for i, c := range []struct {
		rows []compare.Row
		want bool
	}{
		{[]compare.Row{row(compare.Unclear, 81)}, true},
		{[]compare.Row{row(compare.Unclear, 80)}, false},
		{[]compare.Row{row(compare.Unclear, 81), row(compare.Same, 0)}, true},
		{[]compare.Row{row(compare.Unclear, 81), row(compare.Unclear, 30)}, false},
		{[]compare.Row{row(compare.TooFew, 900)}, false},
	} {
		if got := (compare.Report{Rows: c.rows}).Hopeless(40); got != c.want {
			t.Errorf("case %d: %v, want %v", i, got, c.want)
		}
	}
}
