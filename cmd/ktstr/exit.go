package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"github.com/ktstr/ktstr/core"
)

// exitBrokenPipe is the exit status that a shell gives to a process that SIGPIPE ended.
const exitBrokenPipe = 128 + int(syscall.SIGPIPE)

// exitError is an error with the exit status that the command ends with. Its err is
// nil if there is nothing left to print.
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

// exitWith returns the error of a command that ends with status and has nothing left
// to print. It is nil for core.ExitPass.
func exitWith(status int) error {
	if status == core.ExitPass {
		return nil
	}
	return &exitError{status: status}
}

// outputError is the error of a command whose output could not be written, for example
// on a full disk.
func outputError(err error) error {
	if err == nil || errors.As(err, new(*exitError)) {
		return err
	}
	return &exitError{core.ExitRun, fmt.Errorf("standard output: %w", err)}
}

// addSentence adds a sentence to the message of err, which may end in a question.
func addSentence(err error, sentence string) error {
	if strings.HasSuffix(err.Error(), "?") {
		return fmt.Errorf("%w %s", err, sentence)
	}
	return fmt.Errorf("%w. %s", err, sentence)
}

// joinErrors prints each error and returns one error with the worst of their statuses,
// or nil.
func (a *app) joinErrors(errs ...error) error {
	status := core.ExitPass
	for _, err := range errs {
		status = worstStatus(status, a.printError(err))
	}
	if status == core.ExitPass {
		return nil
	}
	return &exitError{status, printedError{errors.Join(errs...)}}
}

// printedError is an error that the user has seen.
type printedError struct{ error }

func (t printedError) Unwrap() error { return t.error }

// exitSkip is the exit status by which git bisect run leaves out a commit.
const exitSkip = 125

// bisectStatus returns an exit status for git bisect run. git takes each status below 128
// except 0 and 125 for a bad commit, so that a commit whose benchmark does not start, or whose
// runs leave the question open, would be blamed. From 128 on, git stops.
func bisectStatus(status int) int {
	switch status {
	case core.ExitPass, core.ExitCheck, core.ExitInterrupted:
		return status
	}
	return exitSkip
}

// forBisect reports whether the command line args have the flag --bisect of ktstr run. It
// looks at the text, because a mistake in the command line must not blame a commit either.
func forBisect(args []string) bool {
	if end := slices.Index(args, "--"); end >= 0 {
		args = args[:end]
	}
	return slices.Contains(args, "--bisect") || slices.Contains(args, "--bisect=true")
}

// printError prints err, if it was not printed before, and returns its exit status. An
// error without a status is a usage error.
func (a *app) printError(err error) int {
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
	if errors.As(err, new(printedError)) {
		return status
	}
	if errors.Is(err, syscall.EPIPE) { // the reader has left on purpose, for example head
		return status
	}
	fmt.Fprintf(a.stderr, "ktstr: %s\n", printable(err.Error()))
	return status
}

// worstStatus returns the exit status of a command whose parts ended with a and b. The
// status that is nearer to the cause wins. For example, an extraction that failed wins
// over a failed check, because the check failed for lack of metrics.
func worstStatus(a, b int) int {
	for _, status := range []int{core.ExitInterrupted, core.ExitRun, core.ExitExtraction, core.ExitCheck, core.ExitTooFew} {
		if a == status || b == status {
			return status
		}
	}
	return max(a, b)
}
