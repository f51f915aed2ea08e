package check

// The values of Outcome.Status.
const (
	Held    = "held"
	Failed  = "failed"
	Skipped = "skipped" // not judged, because a check of the exit code failed
)

// An Outcome is the result of one check.
type Outcome struct {
	Check  string `json:"check"`  // the check's text
	Status string `json:"status"` // Held, Failed or Skipped
}

// Outcomes returns the result of each check, in order. v must be the verdict of
// Evaluate on the same checks. The list is never nil.
func (v Verdict) Outcomes(checks []Check) []Outcome {
	all := make([]Outcome, len(checks))
	hidden := v.ExitCodeFailed()
	left := v.Details // one for each failed check, in their order, then those of the bounds
	for i := range checks {
		all[i] = Outcome{checks[i].String(), Held}
		switch {
		case len(left) > 0 && left[0].Check == all[i].Check:
			all[i].Status, left = Failed, left[1:]
		case hidden && (checks[i].kind != KindExit || len(left) == 0):
			all[i].Status = Skipped
		}
	}
	return all
}
