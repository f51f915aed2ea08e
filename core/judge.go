package core

import (
	"slices"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/core/payload"
)

// setExtraction fills in what extraction gave.
func (r *Result) setExtraction(x extract.Result) {
	r.Extraction = ExtractionOf(x)
	r.Metrics = x.Metrics
	for _, i := range x.Headlines {
		r.Headlines = append(r.Headlines, x.Metrics[i].Name)
	}
}

// ExtractionOf is how x stands in a record.
func ExtractionOf(x extract.Result) Extraction {
	return Extraction{Status: x.Status, Extractor: x.Extractor, Version: x.Version, Error: x.Error, Diagnostics: x.Diagnostics}
}

// kindSignal is the kind of the detail for a payload that a signal ended while
// no check says anything about its exit code.
const kindSignal = "signal"

// kindNotKept is the kind of the detail for a run that a sink could not keep.
const kindNotKept = "not-kept"

func notKept(err error) check.Detail {
	return check.Detail{Kind: kindNotKept, Message: err.Error()}
}

// NotKept notes in a finished record that something of the run could not be
// kept where it was asked for. It does not pass then.
func (r *Record) NotKept(err error) { r.fail(notKept(err)) }

// judge evaluates the checks of the resolved payload.
func (r *Result) judge(h *Handle, x extract.Result) {
	r.Judge(h.prepared.definition, r.Streams[1].Data, x.Looked, h.prepared.spec.Extractor.Describe().Hints)
}

// Judge evaluates the checks of the resolved payload p on the record's metrics
// and exit code, notes what became of each, adds what failed to the details and
// brings the verdict up to date. stderr is for messages, looked names the streams that metrics were
// looked for in, and hints are the extractor's.
func (r *Record) Judge(p payload.Payload, stderr []byte, looked []ktstr.Stream, hints []ktstr.Hint) {
	if r.Signal != "" && !r.TimedOut && !r.Interrupted && !slices.ContainsFunc(p.Checks, func(c check.Check) bool { return c.Kind() == check.KindExit }) {
		r.fail(check.Detail{Kind: kindSignal, Message: "ended by " + r.Signal + ", and no check says that this is expected: want exit == -1 if it is"})
	}
	verdict := check.Evaluate(p.Checks, check.Input{
		Metrics:  r.Metrics,
		ExitCode: r.ExitCode,
		Signal:   r.Signal,
		Stderr:   stderr,
		Bounds:   p.Bounds,
		HintUnit: hintUnit(p.MetricHints(), hints),
		Searched: looked,
	})
	r.Checks = verdict.Outcomes(p.Checks)
	r.fail(verdict.Details...)
}

// fail adds what failed, if anything, and brings the verdict up to date.
func (r *Record) fail(details ...check.Detail) {
	r.Details = append(r.Details, details...)
	r.Verdict = Pass
	if r.ExitStatus() != ExitPass {
		r.Verdict = Fail
	}
}
