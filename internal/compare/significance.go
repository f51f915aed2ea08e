package compare

import (
	"math"
	"slices"
	"sort"

	"golang.org/x/perf/benchmath"

	"github.com/ktstr/ktstr"
)

// uTest returns the P of the two-sided Mann–Whitney U-test, 1 if the test is
// impossible.
//
// benchmath doubles the lower tail of the first sample's U even if U lies in the upper
// tail. The distribution of U is not symmetric if there are ties and the samples have
// different sizes. Then P can come out as 0. So uTest passes the sample with the lower
// ranks first.
func uTest(x, y []float64) float64 {
	higher := 0 // pairs in which x is higher, minus pairs in which y is higher
	for _, a := range x {
		for _, b := range y {
			switch {
			case a > b:
				higher++
			case a < b:
				higher--
			}
		}
	}
	if higher > 0 {
		x, y = y, x
	}
	thresholds := benchmath.DefaultThresholds
	sample := func(values []float64) *benchmath.Sample {
		return benchmath.NewSample(slices.Clone(values), &thresholds)
	}
	return min(1, benchmath.AssumeNothing.Compare(sample(x), sample(y)).P)
}

// decide sets the verdicts of rows, which are corrected together.
func decide(rows []*Row, alpha float64) {
	m := len(rows)
	byP := slices.Clone(rows)
	sort.SliceStable(byP, func(i, j int) bool { return byP[i].P < byP[j].P })
	// Holm: the k-th smallest P (from 0) is significant if it is at most
	// alpha/(m-k) and all smaller ones are significant.
	rejected := 0
	for rejected < m && byP[rejected].P <= alpha/float64(m-rejected) {
		rejected++
	}
	for k, row := range byP {
		row.Level = alpha / float64(m-min(k, rejected))
		switch {
		case k < rejected:
			row.Verdict = called(*row)
		case !reachable(*row, byP, rejected, alpha):
			row.Verdict, row.Need = TooFew, needed(alpha/float64(m))
		default:
			row.Verdict = Same
		}
	}
}

// called returns the verdict on a significant difference.
func called(r Row) Verdict {
	if !(math.Abs(r.Change)*100 > r.MinEffect) {
		return Same
	}
	_, target := r.Polarity.Target()
	switch {
	case r.Polarity == ktstr.Unknown:
		return Changed
	case target || r.Polarity == ktstr.Lower:
		if r.Change < 0 {
			return Better
		}
		return Worse
	}
	if r.Change > 0 {
		return Better
	}
	return Worse
}

// reachable reports whether the clearest possible result of the row's runs would be
// significant. In that result, all values of one side are above all values of the
// other side. The other rows stay as they are.
func reachable(r Row, byP []*Row, rejected int, alpha float64) bool {
	least := leastP(r.A.N, r.B.N)
	// It would come after the rows with a smaller P, which must all be significant.
	// (The row itself is not one of them, because its P is at least the least.)
	before := sort.Search(len(byP), func(i int) bool { return byP[i].P >= least*(1-1e-9) })
	return before <= rejected && least <= alpha/float64(len(byP)-before)
}

// leastP returns the smallest P that the two-sided exact test can give: 2 of the
// (n1+n2 choose n1) ways to deal the ranks to the sides.
func leastP(n1, n2 int) float64 {
	ways := 1.0
	for i := 1; i <= min(n1, n2); i++ {
		ways *= float64(max(n1, n2)+i) / float64(i)
	}
	return min(1, 2/ways)
}

// needed returns the smallest number of runs per side with which a difference can be
// significant at the level.
func needed(level float64) int {
	n := 1
	for leastP(n, n) > level && n < 1000 {
		n++
	}
	return n
}
