package core

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/core/payload"
)

// nameKilled adds a diagnostic that names the processes which were killed after the
// payload ended, if the extraction found nothing: the missing output may be theirs.
func (r *Result) nameKilled() {
	if r.Extraction.Status != extract.None || len(r.Killed) == 0 || r.TimedOut || r.EndedBy == "kill" {
		return // at a timeout they are killed with the payload
	}
	const some = 3
	var names []string
	for _, k := range r.Killed[:min(some, len(r.Killed))] {
		names = append(names, fmt.Sprintf("%s (pid %d)", k.Name, k.Pid))
	}
	if more := len(r.Killed) - some; more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	r.Extraction.Diagnostics = slices.Insert(r.Extraction.Diagnostics, 0, ktstr.Diagnostic{
		Code:    ktstr.NoMetrics,
		Message: fmt.Sprintf("the payload ended and left %s running, which ktstr killed: if they print the result, set `leftovers: wait` in the payload file", strings.Join(names, ", ")),
	})
}

// ExtractionOf returns the part of x that a record keeps besides the metrics.
func ExtractionOf(x extract.Result) Extraction {
	return Extraction{Status: x.Status, Extractor: x.Extractor, Version: x.Version, Error: x.Error, Diagnostics: x.Diagnostics}
}

// Kinds of details that are not about a check.
const (
	kindSignal  = "signal"      // a signal ended the payload, and no check is about its exit code
	kindNotKept = "not-kept"    // a sink could not keep the run
	kindLost    = "lost-output" // the output could not be read to its end
)

func notKept(err error) check.Detail {
	return check.Detail{Kind: kindNotKept, Message: err.Error()}
}

// NotKept notes in a finished record that a part of the run could not be kept where
// the user asked for it. The run does not pass then.
func (r *Record) NotKept(err error) { r.fail(notKept(err)) }

// Judge evaluates the checks of the resolved payload p on the record's metrics and
// exit code. It notes the outcome of each check, adds a detail for each failure and
// sets the verdict. stderr is quoted in messages, looked names the streams that the
// extractor was given, and hints are the extractor's.
func (r *Record) Judge(p payload.Payload, stderr []byte, looked []ktstr.Stream, hints []ktstr.Hint) {
	expected := r.TimedOut || r.Interrupted || r.EndedBy != "" || slices.ContainsFunc(p.Checks, func(c check.Check) bool { return c.Kind() == check.KindExit })
	if r.Signal != "" && !expected {
		r.fail(check.Detail{Kind: kindSignal, Message: "ended by " + r.Signal + ", and no check says that this is expected: want exit == -1 if it is"})
	}
	verdict := check.Evaluate(p.Checks, check.Input{
		Metrics:  r.Metrics,
		ExitCode: r.ExitCode,
		Signal:   r.Signal,
		Stderr:   stderr,
		Bounds:   p.Bounds,
		HintUnit: hintUnit(p, r.Hints, p.MetricHints(), hints),
		Searched: looked,
		Absent:   func(name string) string { return r.notMeasured(p, name) },
	})
	r.Checks = verdict.Outcomes(p.Checks)
	r.fail(verdict.Details...)
}

// fail adds details, of which there may be none, and sets the verdict.
func (r *Record) fail(details ...check.Detail) {
	r.Details = append(r.Details, details...)
	r.Verdict = Pass
	if r.ExitStatus() != ExitPass {
		r.Verdict = Fail
	}
}
