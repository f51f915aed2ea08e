package compare_test

import (
	"math/rand/v2"
	"testing"

	"golang.org/x/perf/benchmath"

	"github.com/ktstr/ktstr/internal/compare"
)

// The sizes of both benchmarks: 100 and 100 runs with 500 metrics.
const benchRuns, benchMetrics = 100, 500

// BenchmarkCompare tests 500 metrics, and computes their intervals.
func BenchmarkCompare(b *testing.B) {
	r := rand.New(rand.NewPCG(12, 12))
	sideA, sideB := sides(benchRuns, benchMetrics, compare.Order(2, benchRuns), func(int, int, int) float64 { return 100 + r.NormFloat64() })
	for b.Loop() {
		compare.Compare(sideA, sideB, compare.Options{})
	}
}

// BenchmarkBenchmath makes the summaries and the tests of benchstat with numbers of the same
// distribution. It has no intervals of the change.
func BenchmarkBenchmath(b *testing.B) {
	r := rand.New(rand.NewPCG(12, 12))
	draw := func() []float64 {
		values := make([]float64, benchRuns)
		for i := range values {
			values[i] = 100 + r.NormFloat64()
		}
		return values
	}
	for b.Loop() {
		for range benchMetrics {
			x, y := benchmath.NewSample(draw(), &benchmath.DefaultThresholds), benchmath.NewSample(draw(), &benchmath.DefaultThresholds)
			benchmath.AssumeNothing.Summary(x, 0.95)
			benchmath.AssumeNothing.Summary(y, 0.95)
			benchmath.AssumeNothing.Compare(x, y)
		}
	}
}
