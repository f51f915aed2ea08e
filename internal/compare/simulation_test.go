package compare_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/compare"
)

// sides returns two sides of n runs with several headline metrics. value returns metric
// i of the run at a place in the order of execution.
func sides(n, metrics int, order []int, value func(side, place, i int) float64) (a, b compare.Side) {
	both := [2]compare.Side{{Name: "a"}, {Name: "b"}}
	for place, s := range order {
		var r compare.Run
		for i := range metrics {
			name := fmt.Sprint("m", i)
			r.Metrics = append(r.Metrics, ktstr.Metric{Name: name, Value: value(s, place, i), Polarity: ktstr.Lower})
			r.Headlines = append(r.Headlines, name)
		}
		both[s].Runs = append(both[s].Runs, r)
	}
	return both[0], both[1]
}

func called(r compare.Report) bool {
	c := r.Counts()
	return c[compare.Worse]+c[compare.Better]+c[compare.Changed] > 0
}

// At most 5 % of the comparisons of equal distributions may call a difference, for any
// number of headlines and for any distribution.
func TestFalseAlarmsStayBelowAlpha(t *testing.T) {
	const comparisons = 500 // bench/decide makes 10,000
	none := 0.0
	distributions := map[string]func(*rand.Rand) float64{
		"normal":     func(r *rand.Rand) float64 { return 100 + 5*r.NormFloat64() },
		"long tail":  func(r *rand.Rand) float64 { return 100 * math.Exp(0.5*r.NormFloat64()) },
		"few values": func(r *rand.Rand) float64 { return float64(100 + r.IntN(4)) },
		"two modes":  func(r *rand.Rand) float64 { return float64(100+50*r.IntN(2)) + r.NormFloat64() },
	}
	for name, draw := range distributions {
		for _, c := range []struct{ n, metrics int }{{10, 1}, {10, 8}, {6, 3}} {
			r := rand.New(rand.NewPCG(1, uint64(c.n*100+c.metrics)))
			alarms := 0
			for range comparisons {
				// Half of the metrics move together, as percentiles of one histogram do.
				shared := map[int]float64{}
				a, b := sides(c.n, c.metrics, compare.Order(2, c.n), func(_, place, i int) float64 {
					if i%2 == 1 {
						if _, ok := shared[place]; !ok {
							shared[place] = draw(r)
						}
						return shared[place]
					}
					return draw(r)
				})
				if called(compare.Compare(a, b, compare.Options{MinEffect: &none})) {
					alarms++
				}
			}
			if alarms > 42 { // the upper 99.9 % limit of 500 draws with probability 0.05 is 41
				t.Errorf("%s, n=%d, %d headlines: %d false alarms in %d comparisons, want at most 5%%", name, c.n, c.metrics, alarms, comparisons)
			}
		}
	}
}

// A change of 10 % under 1 % noise is found with ten runs.
func TestClearChangesAreFound(t *testing.T) {
	const comparisons = 200
	for _, metrics := range []int{1, 10} {
		r := rand.New(rand.NewPCG(2, uint64(metrics)))
		found := 0
		for range comparisons {
			a, b := sides(10, metrics, compare.Order(2, 10), func(side, _, i int) float64 {
				v := 100 * (1 + 0.01*r.NormFloat64())
				if side == 1 && i == 0 {
					v *= 1.1
				}
				return v
			})
			if rep := compare.Compare(a, b, compare.Options{}); rep.Rows[0].Metric == "m0" && rep.Rows[0].Verdict == compare.Worse {
				found++
			}
		}
		if float64(found) < 0.99*comparisons {
			t.Errorf("%d headlines: found %d of %d", metrics, found, comparisons)
		}
	}
}

// The host slows down steadily by 10 % while two equal payloads run. If one runs after
// the other, they look different. If they are interleaved, they do not.
func TestOrderCancelsDrift(t *testing.T) {
	const n, comparisons = 10, 200
	block := make([]int, 2*n)
	for i := n; i < 2*n; i++ {
		block[i] = 1
	}
	rate := func(order []int) float64 {
		r := rand.New(rand.NewPCG(3, 3))
		alarms := 0
		for range comparisons {
			a, b := sides(n, 1, order, func(_, place, _ int) float64 {
				return 100 * (1 + 0.1*float64(place)/(2*n) + 0.005*r.NormFloat64())
			})
			if called(compare.Compare(a, b, compare.Options{})) {
				alarms++
			}
		}
		return float64(alarms) / comparisons
	}
	if got := rate(block); got < 0.99 {
		t.Errorf("in blocks a difference is reported in %.0f%% of comparisons, want nearly all", got*100)
	}
	if got := rate(compare.Order(2, n)); got > compare.DefaultAlpha {
		t.Errorf("interleaved a difference is reported in %.0f%% of comparisons, want at most 5%%", got*100)
	}
}
