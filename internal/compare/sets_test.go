package compare_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/compare"
)

// nights returns a side of several sets of five runs. Each night has a center.
func nights(prefix string, centers ...float64) compare.Side {
	s := compare.Side{Name: prefix}
	for i, center := range centers {
		for k := range 5 {
			m := ktstr.Metric{Name: "x", Unit: "us", Value: center + 0.1*float64(k-2), Polarity: ktstr.Lower}
			s.Runs = append(s.Runs, compare.Run{Set: prefix + strconv.Itoa(i), Headlines: []string{"x"}, Metrics: []ktstr.Metric{m}})
		}
	}
	return s
}

func TestEachOfSeveralSetsCountsOnce(t *testing.T) {
	a, b := nights("a", 100, 102, 98, 101), nights("b", 103)
	r := compare.Compare(a, b, compare.Options{})
	row := r.Rows[0]
	if row.Per != compare.PerSet || !slices.Equal(row.A.Values, []float64{100, 102, 98, 101}) || !slices.Equal(row.B.Values, []float64{103}) {
		t.Errorf("values %v and %v, want the medians of the sets", row.A.Values, row.B.Values)
	}
	if row.Verdict != compare.Unclear || !strings.HasSuffix(row.Open(), " sets a side") {
		t.Errorf("verdict %s, %q; want unclear, and sets", row.Verdict, row.Open())
	}
	if text := (compare.Table{}).Format(r); !strings.Contains(text, "A  a, 20 runs in 4 sets\n") || !strings.Contains(text, "each set of runs counts once") {
		t.Errorf("the table does not name the sets:\n%s", text)
	}
}

// A tool that rounds gives equal medians too often for three sets to show anything.
func TestThreeSetsAreTooFew(t *testing.T) {
	row := compare.Compare(nights("a", 100, 100), nights("b", 110), compare.Options{}).Rows[0]
	if row.Verdict != compare.TooFew || row.Need != 2 || row.Bounded() {
		t.Errorf("two sets and one: %s, need %d, interval %v to %v; want too few, 2 and none", row.Verdict, row.Need, row.Low, row.High)
	}
	if row := compare.Compare(nights("a", 100, 101), nights("b", 110, 111), compare.Options{}).Rows[0]; row.Verdict != compare.Worse {
		t.Errorf("two sets a side: %s, want worse", row.Verdict)
	}
}

func TestDriftIsNotedBetweenCommands(t *testing.T) {
	const note = "drift between sessions is not in this interval"
	check := func(name string, a, b compare.Side, want bool) {
		t.Helper()
		if got := strings.Contains(compare.Compare(a, b, compare.Options{}).Interval(), note); got != want {
			t.Errorf("%s: noted %v, want %v", name, got, want)
		}
	}
	check("two commands", nights("a", 100), nights("b", 100), true)
	check("variants of one command", nights("a", 100), nights("a", 101), false)
	check("several sets", nights("a", 100, 101), nights("b", 100), false)
	m := ktstr.Metric{Name: "x", Polarity: ktstr.Lower}
	check("runs without sets", side("a", m, 1, 2, 3), side("b", m, 1, 2, 3), true)
}

// With ten nights that differ by 2 %, one new night fails falsely in at most 5 % of the
// gates, and finds a loss of 5 % in most of them.
func TestNightsHoldTheErrorRates(t *testing.T) {
	const gates = 1000
	r := rand.New(rand.NewPCG(8, 8))
	night := func(n int, center float64) (list []float64) {
		for range n {
			list = append(list, center*math.Exp(0.02*r.NormFloat64()))
		}
		return list
	}
	margin := 5.0
	status := func(center float64) int {
		return compare.Compare(nights("a", night(10, 100)...), nights("b", night(1, center)...), compare.Options{Margin: &margin}).ExitStatus(false)
	}
	var none, loss [6]int
	for range gates {
		none[status(100)]++
		loss[status(105)]++
	}
	const limit = 71 // the upper 99.9 % limit of 1,000 draws with probability 0.05
	if none[1] > limit || loss[0] > limit || loss[1] < 600 {
		t.Errorf("of %d gates, %d fail without a loss; with a loss of 5 %%, %d pass and %d fail", gates, none[1], loss[0], loss[1])
	}
}
