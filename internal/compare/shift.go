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
	a, b    []float64 // sorted; logarithms if the shift is a factor
	pairs   []float64 // the shift on each host, in the place of a and b
	logs    bool
	whole   float64 // an addend is a fraction of this
	student bool    // each value is of a set or of a host: Student's t in the place of ranks
	tails   int     // of the test: 1 or 2
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
	if !s.student {
		return uTest(s.a, s.b)
	}
	center, deviation, freedom := s.means()
	switch {
	case freedom < leastFreedom || center == 0:
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
// sets and one has no P below 1/11. For hosts they are those of Student's t of the pairs.
func (s shift) bounds(level float64) (low, high float64) {
	low, high = s.raw(level)
	return s.fraction(low), s.fraction(high)
}

// raw is bounds in the scale of a and b.
func (s shift) raw(level float64) (low, high float64) {
	low, high = math.Inf(-1), math.Inf(1)
	if !s.student {
		if c := criticalU(len(s.a), len(s.b), level); c >= 0 {
			low, high = difference(s.a, s.b, c+1), difference(s.a, s.b, len(s.a)*len(s.b)-c)
		}
		return low, high
	}
	center, deviation, freedom := s.means()
	if freedom < leastFreedom {
		return low, high
	}
	half := tQuantile(1-level, freedom) * deviation
	return center - half, center + half
}

// leastFreedom is the smallest number of degrees of freedom of Student's t: three hosts, or
// four sets. With one, values that a tool rounds are equal too often, and nothing holds the
// level.
const leastFreedom = 2

// center returns the estimate of the shift: the mean of Student's t, or for ranks the median
// of all differences (Hodges and Lehmann).
func (s shift) center() float64 {
	if s.student || s.pairs != nil {
		center, _, _ := s.means()
		return center
	}
	n := len(s.a) * len(s.b)
	low, high := difference(s.a, s.b, (n+1)/2), difference(s.a, s.b, n/2+1)
	return low/2 + high/2
}

// means returns the difference of the means, its standard deviation, and the degrees of
// freedom of the common variance. With pairs it returns those of their mean.
func (s shift) means() (center, deviation float64, freedom int) {
	if s.pairs != nil {
		mean, squares := moments(s.pairs)
		freedom = len(s.pairs) - 1
		return mean, math.Sqrt(squares / float64(max(1, freedom)) / float64(len(s.pairs))), freedom
	}
	meanA, squaresA := moments(s.a)
	meanB, squaresB := moments(s.b)
	na, nb := float64(len(s.a)), float64(len(s.b))
	freedom = len(s.a) + len(s.b) - 2
	return meanB - meanA, math.Sqrt((squaresA + squaresB) / float64(max(1, freedom)) * (1/na + 1/nb)), freedom
}

// deviation returns the standard error of center, or 0 if there are too few values for one.
func (s shift) deviation() float64 {
	if s.student {
		_, deviation, freedom := s.means()
		return deviation * float64(min(1, freedom))
	}
	low, high := s.raw(DefaultAlpha)
	if math.IsInf(high-low, 0) {
		return 0
	}
	return (high - low) / 2 / normalQuantile(1-DefaultAlpha)
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
	quantile := func(level float64, freedom int) float64 {
		if s.student {
			return tQuantile(1-level, max(1, freedom))
		}
		return normalQuantile(1 - level)
	}
	// A side of n values has the variance each/n, and a difference of two such sides 2/n.
	freedom, each, parts := len(s.a)+len(s.b)-2, 2.0, 1/float64(len(s.a))+1/float64(len(s.b))
	if s.pairs != nil {
		freedom, each, parts = len(s.pairs)-1, 1, 1/float64(len(s.pairs))
	}
	tail, beyond := level/float64(s.tails), normalQuantile(power)
	deviation := half(alpha) / quantile(alpha, freedom)
	const most = 1 << 20
	least := s.least()
	need = least + sort.Search(most, func(i int) bool {
		n := i + least
		return (quantile(tail, int(each)*(n-1))+beyond)*deviation*math.Sqrt(each/float64(n)/parts) <= s.wanted(margin)
	})
	if !s.student {
		need = max(need, needed(level))
	}
	return s.fraction(half(tail) + beyond*deviation), need
}

// least returns the smallest number of values a side that has leastFreedom.
func (s shift) least() int {
	switch {
	case !s.student:
		return 2
	case s.pairs != nil:
		return 1 + leastFreedom
	}
	return 1 + leastFreedom/2
}

// wanted returns a margin, a fraction, in the scale of a and b.
func (s shift) wanted(margin float64) float64 {
	if s.logs {
		return math.Log1p(margin)
	}
	return margin * s.whole
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
