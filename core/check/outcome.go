package check

// What became of a check.
const (
	Held    = "held"
	Failed  = "failed"
	Skipped = "skipped" // not evaluated, for a check of the exit code failed
)

// Outcome is a check and what became of it.
type Outcome struct {
	Check  string `json:"check"`  // the check's text
	Status string `json:"status"` // Held, Failed or Skipped
}

// Outcomes says of each check what became of it, in order. v is what Evaluate
// made of just these checks. It is never nil.
func (v Verdict) Outcomes(checks []Check) []Outcome {
	all := make([]Outcome, len(checks))
	hidden := v.ExitCodeFailed()
	left := v.Details // one a failed check, in their order; those of the bounds come last
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
