package compare

import (
	"math"
	"slices"
	"sort"

	"github.com/aclements/go-moremath/stats"
)

// A shift is by how much side B is shifted against side A: by a factor if all values are
// above zero, because then noise and losses are factors too, or else by an addend.
type shift struct {
	a, b  []float64 // sorted; logarithms if the shift is a factor
	logs  bool
	whole float64 // an addend is a fraction of this
	sets  bool    // each value is the median of a set of runs
	tails int     // of the test: 1 or 2
}

// newShift returns the shift between two samples. whole is the part of which an addend
// is a fraction. factor allows a factor.
func newShift(a, b []float64, whole float64, factor bool) shift {
	s := shift{a: slices.Sorted(slices.Values(a)), b: slices.Sorted(slices.Values(b)), whole: whole, tails: 2}
	if s.logs = factor && s.a[0] > 0 && s.b[0] > 0; s.logs {
		for _, side := range [][]float64{s.a, s.b} {
			for i, v := range side {
				side[i] = math.Log(v)
			}
		}
	}
	return s
}

// test returns the P that there is no shift, and the direction of the shift: -1, 0 or 1.
func (s shift) test() (p float64, direction int) {
	if !s.sets {
		return uTest(s.a, s.b)
	}
	center, deviation, freedom := s.means()
	switch {
	case freedom < 1 || center == 0:
		return 1, 0
	case center < 0:
		direction = -1
	default:
		direction = 1
	}
	if deviation == 0 {
		return 0, direction
	}
	return float64(s.tails) * stats.TDist{V: float64(freedom)}.CDF(-math.Abs(center)/deviation), direction
}

// bounds returns the bounds of the shift, as fractions. The shift is below low with at
// most the probability of level, and above high with the same probability. The bounds are
// infinite if there are too few values.
//
// For runs they are the bounds of J. L. Hodges and E. L. Lehmann (Annals of Mathematical
// Statistics 34, 1963, 598–611): the (c+1)-th smallest and largest difference between a
// value of B and a value of A, where c is the critical U. The level holds for any
// distribution, also with ties, because the bounds belong to the interval (G. E. Noether,
// Journal of the American Statistical Association 62, 1967, 184–188).
//
// For sets they are those of Student's t with a common variance. A permutation of ten
// sets and one has no P below 1/11.
func (s shift) bounds(level float64) (low, high float64) {
	low, high = s.raw(level)
	return s.fraction(low), s.fraction(high)
}

// raw is bounds in the scale of a and b.
func (s shift) raw(level float64) (low, high float64) {
	low, high = math.Inf(-1), math.Inf(1)
	if !s.sets {
		if c := criticalU(len(s.a), len(s.b), level); c >= 0 {
			low, high = difference(s.a, s.b, c+1), difference(s.a, s.b, len(s.a)*len(s.b)-c)
		}
		return low, high
	}
	center, deviation, freedom := s.means()
	if freedom < 1 {
		return low, high
	}
	half := tQuantile(1-level, freedom) * deviation
	return center - half, center + half
}

// means returns the difference of the means, its standard deviation, and the degrees of
// freedom of the common variance.
func (s shift) means() (center, deviation float64, freedom int) {
	meanA, squaresA := moments(s.a)
	meanB, squaresB := moments(s.b)
	na, nb := float64(len(s.a)), float64(len(s.b))
	freedom = len(s.a) + len(s.b) - 2
	return meanB - meanA, math.Sqrt((squaresA + squaresB) / float64(max(1, freedom)) * (1/na + 1/nb)), freedom
}

// moments returns the mean and the sum of the squared distances to it.
func moments(values []float64) (mean, squares float64) {
	mean = sum(values) / float64(len(values))
	for _, v := range values {
		squares += (v - mean) * (v - mean)
	}
	return mean, squares
}

// fraction returns a shift in the scale of a and b as a fraction of side A. For example,
// it returns 0.1 for log(1.1).
func (s shift) fraction(v float64) float64 {
	switch {
	case math.IsInf(v, 0): // there is no bound
		return v
	case s.logs:
		return rounded(math.Expm1(v))
	}
	return rounded(change(0, v, s.whole))
}

// power is the probability with which a change that the runs can detect is detected.
const power = 0.8

// detectable returns the smallest shift, as a fraction, that a test at the level detects
// with the probability power, and the number of values a side with which that shift is
// the margin, a fraction.
//
// The test detects a shift whose interval excludes zero. So the shift must exceed half of
// the interval by the standard error times the normal quantile of power. The standard
// error follows from the length of the interval at alpha (E. L. Lehmann, Annals of
// Mathematical Statistics 34, 1963, 1507–1512).
func (s shift) detectable(level, alpha, margin float64) (seen float64, need int) {
	half := func(level float64) float64 {
		low, high := s.raw(level)
		return (high - low) / 2
	}
	quantile := func(level float64, n1, n2 int) float64 {
		if s.sets {
			return tQuantile(1-level, max(1, n1+n2-2))
		}
		return normalQuantile(1 - level)
	}
	tail, beyond := level/float64(s.tails), normalQuantile(power)
	deviation := half(alpha) / quantile(alpha, len(s.a), len(s.b))
	wanted := math.Log1p(margin)
	if !s.logs {
		wanted = margin * s.whole
	}
	pairs := 1/float64(len(s.a)) + 1/float64(len(s.b))
	const most = 1 << 20
	need = 2 + sort.Search(most, func(i int) bool {
		n := i + 2
		return (quantile(tail, n, n)+beyond)*deviation*math.Sqrt(2/float64(n)/pairs) <= wanted
	})
	if !s.sets {
		need = max(need, needed(level))
	}
	return s.fraction(half(tail) + beyond*deviation), need
}

// tQuantile returns the value below which a value of Student's t is with probability p,
// which is above 0.5.
func tQuantile(p float64, freedom int) float64 {
	t := stats.TDist{V: float64(freedom)}
	high := 1.0
	for t.CDF(high) < p && high < 1e12 {
		high *= 2
	}
	low := 0.0
	for range 60 {
		if middle := low + (high-low)/2; t.CDF(middle) < p {
			low = middle
		} else {
			high = middle
		}
	}
	return high
}
