package compare_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/ktstr/ktstr/internal/compare"
)

func TestNoiseHasItsSpreadAndItsShape(t *testing.T) {
	const draws = 200
	check := func(name string, word string, want, tolerance float64, draw func(r *rand.Rand, i int) float64) {
		t.Helper()
		r := rand.New(rand.NewPCG(9, 9))
		with, spread := 0, 0.0
		for range draws {
			values := make([]float64, 20)
			for i := range values {
				values[i] = draw(r, i)
			}
			n, ok := compare.NoiseOf(values)
			if !ok {
				t.Fatalf("%s: no noise of %v", name, values)
			}
			spread += n.Spread / draws
			if word == "" && len(n.Shape) > 0 || word != "" && strings.Contains(strings.Join(n.Shape, ", "), word) {
				with++
			}
		}
		if math.Abs(spread-want) > tolerance {
			t.Errorf("%s: spread %.4f, want about %v", name, spread, want)
		}
		if word == "" && with > draws/20 || word != "" && with < draws*9/10 {
			t.Errorf("%s: %d of %d are called %q", name, with, draws, word)
		}
	}
	check("normal", "", 0.03, 0.005, func(r *rand.Rand, _ int) float64 { return 100 * math.Exp(0.03*r.NormFloat64()) })
	check("two modes", "two modes", 0.1, 0.1, func(r *rand.Rand, i int) float64 { return 100 + 20*float64(r.IntN(2)) + r.NormFloat64() })
	check("drift", "drift upwards", 0.06, 0.05, func(r *rand.Rand, i int) float64 { return 100 + float64(i) + r.NormFloat64() })
	check("ties", "ties", 0.01, 0.01, func(r *rand.Rand, _ int) float64 { return float64(100 + r.IntN(3)) })
	if n, ok := compare.NoiseOf([]float64{1, 2, 3, 4, 5}); ok {
		t.Errorf("noise of five runs: %+v, want too few", n)
	}
	if n, _ := compare.NoiseOf([]float64{5, 5, 5, 5, 5, 5}); n.Spread != 0 || n.Detects(10) != 0 || !slices.Equal(n.Shape, []string{"all equal"}) {
		t.Errorf("noise of equal runs: %+v, want an unknown one", n)
	}
}

// Ten runs find the change that Detects gives in about 80 % of the comparisons.
func TestNoiseTellsTheDetectableChange(t *testing.T) {
	r := rand.New(rand.NewPCG(10, 10))
	n := compare.Noise{Spread: 0.03}
	change := n.Detects(10)
	found := 0
	const comparisons = 400
	for range comparisons {
		var a, b []float64
		for range 10 {
			a, b = append(a, math.Exp(0.03*r.NormFloat64())), append(b, (1+change)*math.Exp(0.03*r.NormFloat64()))
		}
		if compare.UTest(a, b) <= 0.05 {
			found++
		}
	}
	if found < comparisons*70/100 || found > comparisons*88/100 {
		t.Errorf("a change of %.1f%% is found in %d of %d comparisons, want about 80%%", change*100, found, comparisons)
	}
}
