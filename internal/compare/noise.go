package compare

import (
	"fmt"
	"math"
	"slices"
)

// Noise describes the values of one metric in runs of the same thing.
type Noise struct {
	N      int
	Spread float64 // standard deviation as a fraction of the median, estimated as by shift.detectable; 0: all values are equal
	Shape  []string
}

// NoiseOf describes values, which are in the order of the runs. ok is false if there are
// too few for an interval.
//
// It compares the runs 1, 4, 5, 8, … with the runs 2, 3, 6, 7, … (ABBA), which differ by
// nothing but noise.
func NoiseOf(values []float64) (n Noise, ok bool) {
	var sides [2][]float64
	for i, side := range Order(2, len(values)/2) {
		sides[side] = append(sides[side], values[i])
	}
	if min(len(sides[0]), len(sides[1])) < 3 {
		return Noise{N: len(values)}, false
	}
	whole := math.Abs(median(values))
	s := newShift(sides[0], sides[1], whole, true)
	low, high := s.raw(DefaultAlpha)
	pairs := 1/float64(len(sides[0])) + 1/float64(len(sides[1]))
	n = Noise{N: len(values), Spread: s.fraction((high - low) / 2 / normalQuantile(1-DefaultAlpha) / math.Sqrt(pairs)), Shape: shapeOf(values)}
	return n, !math.IsInf(n.Spread, 0)
}

// Detects returns the change, a fraction, that a comparison of runs a side finds with a
// probability of 80 %, if one metric decides. 0 means unknown: equal values do not say how
// far apart the values are that the tool can print.
func (n Noise) Detects(runs int) float64 {
	z := normalQuantile(1-DefaultAlpha/2) + normalQuantile(power)
	return math.Expm1(z * math.Log1p(n.Spread) * math.Sqrt(2/float64(runs)))
}

// shapeOf returns words for what makes the noise of values special, such as "two modes".
func shapeOf(values []float64) (words []string) {
	sorted := slices.Sorted(slices.Values(values))
	distinct := len(slices.Compact(slices.Clone(sorted)))
	if distinct == 1 {
		words = append(words, "all equal")
	} else if distinct <= len(values)/2 {
		words = append(words, fmt.Sprintf("ties (%d different values)", distinct))
	} else if at, separation := modes(sorted); separation > twoModes {
		words = append(words, fmt.Sprintf("two modes (%d of %d runs are in the lower one)", at, len(sorted)))
	}
	half := len(values) / 2
	first, second := slices.Sorted(slices.Values(values[:half])), slices.Sorted(slices.Values(values[half:]))
	if p, direction := uTest(first, second); p <= 0.01 {
		word := "drift downwards"
		if direction > 0 {
			word = "drift upwards"
		}
		words = append(words, word)
	}
	return words
}

// twoModes is the separation of two modes. Values of one normal distribution are separated
// less in 99 of 100 cases.
const twoModes = 6

// modes splits sorted values in two groups of at least a fifth of them, and returns the
// size of the lower group and the separation D of K. M. Ashman and others (Astronomical
// Journal 108, 1994, 2348–2361): the distance of the means over the root mean square of the
// standard deviations.
func modes(sorted []float64) (at int, separation float64) {
	least := max(2, len(sorted)/5)
	for i := least; i <= len(sorted)-least; i++ {
		meanA, squaresA := moments(sorted[:i])
		meanB, squaresB := moments(sorted[i:])
		variance := (squaresA/float64(i-1) + squaresB/float64(len(sorted)-i-1)) / 2
		if d := (meanB - meanA) / math.Sqrt(variance); meanB > meanA && d > separation {
			at, separation = i, d
		}
	}
	return at, separation
}
