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

// ExitStatus is the exit status of `ktstr run` for this record. Where several
// apply, the one nearest to the cause wins: interrupted, not run to its end,
// exit code, extraction, other checks.
func (r Record) ExitStatus() int {
	switch {
	case r.Interrupted:
		return ExitInterrupted
	case r.TimedOut, r.NotStarted != "", r.failed(kindSignal), r.failed(kindNotKept):
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

// Err is nil exactly when the run passed: it ran to its end, extraction gave
// what it should, and every check held.
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

// TimeoutText says in one phrase that the run timed out, and when.
func (r Record) TimeoutText() string {
	if r.Timeout == 0 { // of an older record
		return fmt.Sprintf("timed out after %v", time.Duration(r.Duration).Round(time.Millisecond))
	}
	return fmt.Sprintf("killed at the timeout of %v", r.Timeout)
}

// reason says in one phrase why the status is not OK.
func (e Extraction) reason() string {
	if e.Error != "" {
		return e.Error
	}
	for _, d := range e.Diagnostics {
		return "no metrics: " + d.Message
	}
	return "no metrics in the output"
}
