package compare

import (
	"math"
	"slices"
	"sort"

	"github.com/ktstr/ktstr"
)

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
		row.Verdict = row.verdict(k < rejected, reachable(*row, byP, rejected, alpha))
		switch row.Verdict {
		case TooFew:
			if row.Need = needed(alpha / float64(m)); row.shift.student {
				row.Need = row.shift.least()
			}
		case Unclear:
			row.Seen, row.Need = row.shift.detectable(row.Level, alpha, row.Margin/100)
			row.NeedRuns = row.neededRuns(alpha)
		}
	}
}

// verdict turns the comparison of one metric into a word. significant is the result of the
// corrected test, and reachable says whether any result of these runs could be significant.
//
// The bounds are not corrected for the number of metrics, because a gate passes only if
// all metrics exclude a loss (intersection–union test, R. L. Berger, Technometrics 24,
// 1982, 295–300).
func (r *Row) verdict(significant, reachable bool) Verdict {
	different := significant && math.Abs(r.Change)*100 > r.MinEffect && r.Change*float64(r.direction) > 0
	noLoss := r.loss()*100 < r.Margin || r.loss() == 0
	noGain := r.gain()*100 < r.Margin || r.gain() == 0
	switch {
	case different && r.Polarity == ktstr.Unknown:
		return Changed
	case different && r.worse():
		return Worse
	case different:
		return Better
	case noLoss && noGain:
		return Same
	case noLoss:
		return NoLoss
	case !reachable:
		return TooFew
	}
	return Unclear
}

// reachable reports whether the clearest possible result of the row's runs would be
// significant. In that result, all values of one side are above all values of the
// other side. The other rows stay as they are.
func reachable(r Row, byP []*Row, rejected int, alpha float64) bool {
	least := leastP(r.A.N, r.B.N)
	if r.shift.student {
		_, _, freedom := r.shift.means()
		return freedom >= leastFreedom
	}
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
