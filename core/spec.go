package core

import (
	"fmt"
	"time"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/core/payload"
)

// Spec says what to run, how to read it and how to judge it. Payload and
// Extractor are required; everything else may stay zero.
type Spec struct {
	Payload   payload.Payload
	Extractor ktstr.Extractor

	Program         []string      // executed in place of the payload's binary: a path and the args before all others
	Args            []string      // after the payload's own
	NoDefaultArgs   bool          // leave the payload's own args out
	Checks          []check.Check // after the payload's own
	NoDefaultChecks bool          // leave the payload's own checks out

	Options map[string]string // for the extractor, over the payload's own
	Timeout time.Duration     // counted from the spawn; 0: the payload's, which may be none
	Grace   time.Duration     // between asking the payload to stop and killing it; 0: 5 s
	Limit   int64             // bytes kept of each stream; 0: 16 MiB
	Scratch string            // where scratch directories are made; empty: the working directory

	// Labels say what the run belongs to ("set", "commit", …); they are kept in
	// the record and mean nothing here.
	Labels map[string]string

	Cgroup   string // relative name; empty: the payload's, else a private one where one can be made
	NoCgroup bool   // stay in the caller's cgroup

	Plugin *Plugin // for the record: the executable that Extractor is; nil: it is in process

	Sinks  []Sink       // get the record of the finished run, in order
	Notice func(string) // told at once what a person should know while the run goes on; nil: only the record says it
}

// Sink keeps what a run leaves. Raw is called when the payload has ended,
// before extraction, with a record that has neither metrics nor verdict yet;
// Emit once with the finished record. Raw may fill in where the run is kept
// (Record.Bundle). Where Raw fails the run does not pass, and Emit is called only
// if Raw has filled that in all the same.
type Sink interface {
	Raw(r *Result) error
	Emit(r *Result) error
}

// AddArgs appends to the payload's args.
func (s *Spec) AddArgs(args ...string) { s.Args = append(s.Args, args...) }

// ClearArgs wipes the payload's args and those added before.
func (s *Spec) ClearArgs() { s.Args, s.NoDefaultArgs = nil, true }

// AddChecks appends to the payload's checks.
func (s *Spec) AddChecks(checks ...check.Check) { s.Checks = append(s.Checks, checks...) }

// ClearChecks wipes the payload's checks and those added before.
func (s *Spec) ClearChecks() { s.Checks, s.NoDefaultChecks = nil, true }

// String is a summary for debugging: names and counts, no contents.
func (s Spec) String() string {
	return fmt.Sprintf("run of %s: %d args, %d checks, cgroup %q, timeout %v",
		s.Payload.Name, len(s.args()), len(s.checks()), s.cgroup(), s.timeout())
}

// GoString is String, so that %#v shows nothing internal either.
func (s Spec) GoString() string { return s.String() }

func (s Spec) args() []string {
	if s.NoDefaultArgs {
		return s.Args
	}
	return append(append([]string(nil), s.Payload.Args...), s.Args...)
}

func (s Spec) checks() []check.Check {
	if s.NoDefaultChecks {
		return s.Checks
	}
	return append(append([]check.Check(nil), s.Payload.Checks...), s.Checks...)
}

func (s Spec) timeout() time.Duration {
	if s.Timeout != 0 {
		return s.Timeout
	}
	return s.Payload.Timeout
}

func (s Spec) cgroup() string {
	if s.Cgroup != "" {
		return s.Cgroup
	}
	return s.Payload.Cgroup
}

// Deadline is the timeout that counts: the run's, else the payload's; 0: none.
func (s Spec) Deadline() time.Duration { return s.timeout() }

func (s Spec) options() map[string]string {
	options := map[string]string{}
	for _, source := range []map[string]string{s.Payload.Options, s.Options} {
		for name, value := range source {
			options[name] = value
		}
	}
	return options
}
