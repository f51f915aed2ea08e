package compare

import (
	"math"
	"slices"
	"sort"
	"sync"

	"github.com/aclements/go-moremath/mathx"
)

// This file has the exact distribution of the Mann–Whitney statistic U. Both the test
// and the interval of a comparison follow from it. The library's test
// (go-moremath/stats.MannWhitneyUTest, which benchmath uses) gives no interval, computes
// the distribution again for each metric, and doubles the wrong tail if there are ties
// and the samples have different sizes.

// Up to these sizes of a sample the distribution is exact. Above them it is the normal
// approximation with corrections for continuity and ties. They are the limits of
// go-moremath/stats.
const (
	exactSize     = 50
	exactTiedSize = 25
)

// twoU returns 2U: twice the number of pairs in which b is above a, plus the number of
// equal pairs. ties lists the numbers of equal values in both samples, in their order. a
// and b are sorted.
func twoU(a, b []float64) (u int, ties []int) {
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		var v float64
		if j == len(b) || i < len(a) && a[i] <= b[j] {
			v = a[i]
		} else {
			v = b[j]
		}
		inA, inB := i, j
		for i < len(a) && a[i] == v {
			i++
		}
		for j < len(b) && b[j] == v {
			j++
		}
		u += (j - inB) * (inA + i) // 2 for each smaller a, 1 for each equal a
		ties = append(ties, i-inA+j-inB)
	}
	return u, ties
}

// uTest returns the two-sided P of the Mann–Whitney U-test (H. B. Mann and D. R. Whitney,
// Annals of Mathematical Statistics 18, 1947, 50–60), and in which direction b differs
// from a: -1, 0 or 1. P is twice the smaller tail, at most 1. a and b are sorted.
func uTest(a, b []float64) (p float64, direction int) {
	u, ties := twoU(a, b)
	middle := len(a) * len(b)
	switch {
	case u == middle || len(ties) == 1:
		return 1, 0
	case u > middle:
		direction = 1
	default:
		direction = -1
	}
	if tied := len(ties) < len(a)+len(b); !exact(len(a), len(b), tied) {
		// With the correction for continuity, 1 of 2U is half a pair.
		z := (math.Abs(float64(u-middle)) - 1) / 2 / deviation(len(a), len(b), ties)
		return min(1, 2*normalTail(z)), direction
	} else if !tied {
		c := cumulative(len(a), len(b))
		return min(1, 2*c[min(u, 2*middle-u)/2]), direction
	}
	ways := distribution(len(a), ties) // of the pairs in which a is above b
	tail := 0.0
	if direction > 0 {
		tail = sum(ways[:2*middle-u+1])
	} else {
		tail = sum(ways[2*middle-u:])
	}
	return min(1, 2*tail/sum(ways)), direction
}

// exact reports whether the distribution is exact for samples of these sizes.
func exact(n1, n2 int, tied bool) bool {
	if tied {
		return max(n1, n2) <= exactTiedSize
	}
	return max(n1, n2) <= exactSize
}

// distribution returns how many ways to deal the values to two samples give each 2U. n is
// the size of the first sample, and U counts the pairs in which the first sample is above
// the second. The values are equal within the groups of ties. Group by group, r of the t
// values go to the first sample in (t choose r) ways. 2U grows by 2 for each smaller value
// of the second sample and by 1 for each equal one (J. H. Klotz, Journal of the American
// Statistical Association 61, 1966, 772–787).
func distribution(n int, ties []int) []float64 {
	values := 0
	for _, t := range ties {
		values += t
	}
	ways := make([][]float64, n+1) // by the number of values in the first sample, then by 2U
	for i := range ways {
		ways[i] = make([]float64, 2*n*(values-n)+1)
	}
	ways[0][0] = 1
	before := 0
	for _, t := range ties {
		for i := min(n, before+t); i > 0; i-- { // descending: ways[i-r] must be without this group
			for r := max(1, i-before); r <= min(t, i); r++ {
				smaller := before - (i - r) // in the second sample
				if smaller+t-r > values-n {
					continue
				}
				shift, factor := r*(2*smaller+t-r), mathx.Choose(t, r)
				for u, w := range ways[i-r][:2*(i-r)*smaller+1] {
					ways[i][u+shift] += w * factor
				}
			}
		}
		before += t
	}
	return ways[n]
}

// sizes are the sizes of two samples.
type sizes struct{ n1, n2 int }

// tables keeps the results of cumulative, because all metrics of a comparison usually have
// the same number of runs.
var tables sync.Map // of sizes to []float64

// cumulative returns the probability of each U or a smaller one, if no values are equal.
func cumulative(n1, n2 int) []float64 {
	key := sizes{min(n1, n2), max(n1, n2)}
	if table, ok := tables.Load(key); ok {
		return table.([]float64)
	}
	ways := distribution(key.n1, slices.Repeat([]int{1}, n1+n2))
	table := make([]float64, n1*n2+1)
	all, below := sum(ways), 0.0
	for u := range table {
		below += ways[2*u]
		table[u] = below / all
	}
	tables.Store(key, table)
	return table
}

// deviation returns the standard deviation of U, corrected for ties.
func deviation(n1, n2 int, ties []int) float64 {
	n, correction := float64(n1+n2), 0.0
	for _, t := range ties {
		t := float64(t)
		correction += t*t*t - t
	}
	return math.Sqrt(float64(n1) * float64(n2) / 12 * (n + 1 - correction/(n*(n-1))))
}

// criticalU returns the largest U whose one-sided P, without ties, is at most the level.
// It is -1 if there is none.
func criticalU(n1, n2 int, level float64) int {
	if exact(n1, n2, false) {
		table := cumulative(n1, n2)
		return sort.Search(len(table), func(u int) bool { return table[u] > level*(1+1e-9) }) - 1
	}
	// P(U ≤ u) is the probability of a normal value of u+1/2 or less.
	return max(-1, int(math.Floor(float64(n1)*float64(n2)/2-0.5-normalQuantile(1-level)*deviation(n1, n2, nil))))
}

// difference returns the k-th smallest, from 1, of all differences between a value of b
// and a value of a. a and b are sorted. It halves the range of the differences, with one
// pass over both samples each time, and never lists all differences.
func difference(a, b []float64, k int) float64 {
	low, high := b[0]-a[len(a)-1], b[len(b)-1]-a[0]
	for low < high {
		middle := low/2 + high/2
		if !(middle < high) { // they are neighbours, or high is infinite
			middle = low
		}
		count, below, above := 0, low, high // the differences next to middle
		j := 0
		for i := range a {
			for j < len(b) && b[j]-a[i] <= middle {
				j++
			}
			count += j
			if j > 0 {
				below = max(below, b[j-1]-a[i])
			}
			if j < len(b) {
				above = min(above, b[j]-a[i])
			}
		}
		if count >= k {
			high = below
		} else {
			low = above
		}
	}
	return low
}

func sum(values []float64) (total float64) {
	for _, v := range values {
		total += v
	}
	return total
}

// normalQuantile returns the value below which a standard normal value is with probability p.
func normalQuantile(p float64) float64 { return math.Sqrt2 * math.Erfinv(2*p-1) }

// normalTail returns the probability that a standard normal value is above z.
func normalTail(z float64) float64 { return math.Erfc(z/math.Sqrt2) / 2 }
