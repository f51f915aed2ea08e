package main

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/ktstr/ktstr/core"
)

// notPrinted is the error of a command whose output did not arrive.
func notPrinted(err error) error {
	if err == nil || errors.As(err, new(*exitError)) {
		return err
	}
	return &exitError{core.ExitRun, fmt.Errorf("standard output: %w", err)}
}

// exitError carries an exit status. Its message may be empty: then all has
// been said.
type exitError struct {
	status int
	err    error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.status)
	}
	return e.err.Error()
}
func (e *exitError) Unwrap() error { return e.err }

// ending is the error of a command that ends with that status and has said all.
func ending(status int) error {
	if status == core.ExitPass {
		return nil
	}
	return &exitError{status: status}
}

// told is an error that was printed already.
type told struct{ error }

func (t told) Unwrap() error { return t.error }

// together tells each of several errors, nil ones left out, and returns one with
// the status that counts among theirs.
func (a *app) together(errs ...error) error {
	status := core.ExitPass
	for _, err := range errs {
		status = worse(status, a.status(err))
	}
	if status == core.ExitPass {
		return nil
	}
	return &exitError{status, told{errors.Join(errs...)}}
}

// worse is the exit status of several things that ended with these two: what is
// nearer to the cause. A mistake in the usage counts only beside a success.
func worse(a, b int) int {
	for _, status := range []int{core.ExitInterrupted, core.ExitRun, core.ExitExtraction, core.ExitCheck, core.ExitTooFew} {
		if a == status || b == status {
			return status
		}
	}
	return max(a, b)
}

// status prints what went wrong and maps it to the exit status. What has no
// status of its own is a mistake in the usage.
func (a *app) status(err error) int {
	if err == nil {
		return core.ExitPass
	}
	status := core.ExitUsage
	var exit *exitError
	if errors.As(err, &exit) {
		if exit.err == nil {
			return exit.status
		}
		status = exit.status
	}
	if errors.As(err, new(told)) {
		return status
	}
	if errors.Is(err, syscall.EPIPE) { // the reader has seen enough, as head has
		return status
	}
	fmt.Fprintf(a.stderr, "ktstr: %s\n", printable(err.Error()))
	return status
}
