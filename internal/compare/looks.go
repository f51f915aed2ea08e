package compare

import "math"

// A Look is a point at which runs that go on are compared.
type Look struct {
	Runs  int     // a side
	Alpha float64 // the part of the error rate that this look may spend
}

// Looks returns the points at which runs that end at a decision are compared: at 5, 10, 20,
// 40 … and at most runs a side.
//
// The looks together spend alpha, by the function of K. K. G. Lan and D. L. DeMets (Biometrika
// 70, 1983, 659–663) that is close to S. J. Pocock's bounds: alpha·ln(1+(e-1)·t) at the part t
// of the runs. Each look is tested at what it adds, so that the error rates hold for any
// dependence between the looks (Bonferroni).
func Looks(most int, alpha float64) (looks []Look) {
	spent := 0.0
	for runs := 5; ; runs *= 2 {
		runs = min(runs, most)
		total := alpha * math.Log(1+(math.E-1)*float64(runs)/float64(most))
		looks = append(looks, Look{runs, total - spent})
		spent = total
		if runs == most {
			return looks
		}
	}
}

// Decided reports whether each metric that decides passed, or one failed.
func (r Report) Decided() bool { return r.ExitStatus(true) != 5 }

// Hopeless reports whether each open verdict needs more than twice that number of runs a
// side.
func (r Report) Hopeless(most int) bool {
	for _, row := range r.Rows {
		if row.Decides && !row.Verdict.passes() && (row.Verdict != Unclear || row.Need <= 2*most) {
			return false
		}
	}
	return true
}
