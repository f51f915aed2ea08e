package core

import (
	"errors"
	"fmt"
	"time"

	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/core/extract"
)

// Exit statuses of a run, in docs/record.md and `ktstr run --help`.
const (
	ExitPass        = 0
	ExitCheck       = 1   // a check failed
	ExitUsage       = 2   // found before anything ran
	ExitRun         = 3   // the payload could not be run to its end
	ExitExtraction  = 4   // extraction gave nothing or failed
	ExitTooFew      = 5   // not enough runs to tell
	ExitInterrupted = 130 // stopped by a person
)

// ExitStatus returns the exit status of `ktstr run` for this record. If several apply,
// it is the first of this order: interrupted, not run to its end, a failed check of
// the exit code, extraction, other checks.
func (r Record) ExitStatus() int {
	switch {
	case r.Interrupted:
		return ExitInterrupted
	case r.TimedOut, r.NotStarted != "", r.failed(kindSignal), r.failed(kindNotKept), r.failed(kindLost):
		return ExitRun
	case r.failed(check.ExitCode):
		return ExitCheck
	case r.Extraction.Status != extract.OK:
		return ExitExtraction
	case len(r.Details) > 0:
		return ExitCheck
	}
	return ExitPass
}

func (r Record) failed(kind string) bool {
	for _, d := range r.Details {
		if d.Kind == kind {
			return true
		}
	}
	return false
}

// Err returns nil exactly if the run passed: it ran to its end, the extraction gave
// metrics (or gives none by design), and every check held.
func (r Record) Err() error {
	if r.ExitStatus() == ExitPass {
		return nil
	}
	if r.NotStarted != "" {
		return fmt.Errorf("payload %s: %s", r.Payload, r.NotStarted)
	}
	var causes []error
	if r.Interrupted {
		causes = append(causes, errors.New("interrupted"))
	}
	if r.TimedOut {
		causes = append(causes, errors.New(r.TimeoutText()))
	}
	if r.Extraction.Status != extract.OK {
		causes = append(causes, fmt.Errorf("extractor %s: %s", r.Extraction.Extractor, r.Extraction.reason()))
	}
	for _, d := range r.Details {
		causes = append(causes, errors.New(d.Message))
	}
	return fmt.Errorf("payload %s: %w", r.Payload, errors.Join(causes...))
}

// TimeoutText returns a phrase that says that the run timed out, and after how long.
func (r Record) TimeoutText() string {
	if r.Timeout == 0 { // an older record
		return fmt.Sprintf("timed out after %v", time.Duration(r.Duration).Round(time.Millisecond))
	}
	return fmt.Sprintf("killed at the timeout of %v", r.Timeout)
}

// reason returns a phrase that says why the status is not OK.
func (e Extraction) reason() string {
	if e.Error != "" {
		return e.Error
	}
	for _, d := range e.Diagnostics {
		return "no metrics: " + d.Message
	}
	return "no metrics in the output"
}
