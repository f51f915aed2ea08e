package verify

// Outcome is how a check ended.
type Outcome string

// The outcomes.
const (
	Pass Outcome = "pass"
	Fail Outcome = "fail"
	Skip Outcome = "skip"
)

// Report holds the results of the checks, in the order in which they ran.
type Report struct {
	Subject string // the executable's path, or "in process"
	Name    string // of the extractor
	Version string
	Checks  []Check
}

// Check is one promise and whether it was kept.
type Check struct {
	Name     string // as in the documentation
	About    string // the promise, in one sentence
	Outcome  Outcome
	Detail   string    // the reason of a skip, or an observation
	Failures []Failure // the first few
	More     int       // failures beyond those
}

// Failure is one way in which a promise was broken.
type Failure struct {
	Message string
	Also    int      // further inputs that gave the same message, beside Input
	Input   string   // the first such input, in words. Empty: no input was involved
	Bytes   []byte   // the text around the place in it that matters
	Said    []string // the last lines that the plugin said on stderr
	File    string   // the file with the whole input. Empty: it was not kept
}

// OK reports whether no check failed.
func (r Report) OK() bool {
	for _, c := range r.Checks {
		if c.Outcome == Fail {
			return false
		}
	}
	return true
}

// Failed returns the report with the checks that failed only.
func (r Report) Failed() Report {
	all := r.Checks
	r.Checks = nil
	for _, c := range all {
		if c.Outcome == Fail {
			r.Checks = append(r.Checks, c)
		}
	}
	return r
}

// mostFailures of one check are reported one by one.
const mostFailures = 5
