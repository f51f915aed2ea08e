package compare

import "slices"

// For tests of the statistics.
var (
	LeastP        = leastP
	KthDifference = difference
	CriticalU     = criticalU
	TQuantile     = tQuantile
)

// UTest is uTest of samples in any order.
func UTest(x, y []float64) float64 {
	p, _ := uTest(slices.Sorted(slices.Values(x)), slices.Sorted(slices.Values(y)))
	return p
}

// Bounds returns the bounds of a shift by a factor, at a one-sided level. With sets, each
// value is a set.
func Bounds(a, b []float64, level float64, sets bool) (low, high float64) {
	s := newShift(a, b, 1, true)
	s.student = sets
	return s.bounds(level)
}
