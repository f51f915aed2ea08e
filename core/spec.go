package core

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/core/payload"
)

// Spec says which payload to run, how to read its output and how to judge it. Payload
// and Extractor are required. Every other field may stay zero.
type Spec struct {
	Payload   payload.Payload
	Extractor ktstr.Extractor

	Program         []string          // executed instead of the payload's binary: a path and the first arguments
	Args            []string          // are appended to the payload's own
	NoDefaultArgs   bool              // leaves the payload's own arguments out
	Env             map[string]string // is added to the payload's own; the values are secrets, which no record shows
	Dir             string            // the working directory, an absolute path; empty: the payload's dir
	User            string            // the payload runs as the user of that name or number; empty: the payload's user
	Checks          []check.Check     // are appended to the payload's own
	NoDefaultChecks bool              // leaves the payload's own checks out

	Hints []ktstr.Hint // override those of the payload and of the extractor; the record keeps them

	Options   map[string]string // of the extractor; they override the payload's own
	Timeout   time.Duration     // counted from the spawn; 0: the payload's timeout, which may be none
	StopAfter time.Duration     // ends the payload on purpose, by SIGINT; the checks decide; 0: the payload's stop_after, which may be none
	Grace     time.Duration     // between the request to stop and the kill; 0: 5 s
	Limit     int64             // bytes that are kept of each stream; 0: 16 MiB
	Scratch   string            // the parent of scratch directories; empty: the working directory

	// Labels are kept in the record, for example "set" and "commit". This package does
	// not use them.
	Labels map[string]string

	// Counters are events for the instrument counters, such as "cycles" or "all". nil
	// means the payload's.
	Counters []string

	Cgroup   string // a relative name; empty: the payload's, or else a private cgroup where the host allows one
	NoCgroup bool   // the payload stays in the caller's cgroup

	Plugin *Plugin // the executable of Extractor, for the record; nil: Extractor is in this process

	Sinks  []Sink       // get the run in this order
	Notice func(string) // is told at once of conditions that the user should know; nil: they are only in the record
}

// Sink keeps a run. Raw is called after the payload ended and before the extraction,
// with a record that has neither metrics nor a verdict. It may set Record.Bundle to
// the place where the run is kept. Emit is called once, with the finished record. If
// Raw returns an error, the run does not pass, and Emit is called only if Raw set
// Record.Bundle.
type Sink interface {
	Raw(r *Result) error
	Emit(r *Result) error
}

// AddArgs appends args to the payload's own and to those that were added before.
func (s *Spec) AddArgs(args ...string) { s.Args = append(s.Args, args...) }

// ClearArgs removes the payload's own args and those that were added before.
func (s *Spec) ClearArgs() { s.Args, s.NoDefaultArgs = nil, true }

// AddChecks appends checks to the payload's own and to those that were added before.
func (s *Spec) AddChecks(checks ...check.Check) { s.Checks = append(s.Checks, checks...) }

// ClearChecks removes the payload's own checks and those that were added before.
func (s *Spec) ClearChecks() { s.Checks, s.NoDefaultChecks = nil, true }

// String is a summary for debugging. It has names and counts, and no environment.
func (s Spec) String() string {
	return fmt.Sprintf("run of %s: %d args, %d checks, cgroup %q, timeout %v",
		s.Payload.Name, len(s.args()), len(s.checks()), s.cgroup(), s.timeout())
}

// GoString is String, so that %#v shows no more than %v.
func (s Spec) GoString() string { return s.String() }

func (s Spec) args() []string {
	if s.NoDefaultArgs {
		return s.Args
	}
	return append(append([]string(nil), s.Payload.Args...), s.Args...)
}

// env returns the variables of the payload and of s, and the names of the secrets.
func (s Spec) env() (env map[string]string, secrets []string) {
	if len(s.Env) == 0 {
		return s.Payload.Env, s.Payload.Secrets
	}
	env, secrets = maps.Clone(s.Payload.Env), slices.Clone(s.Payload.Secrets)
	if env == nil {
		env = map[string]string{}
	}
	maps.Copy(env, s.Env)
	for _, name := range slices.Sorted(maps.Keys(s.Env)) {
		if !slices.Contains(secrets, name) {
			secrets = append(secrets, name)
		}
	}
	return env, secrets
}

func (s Spec) dir() string { return cmp.Or(s.Dir, s.Payload.Dir) }

func (s Spec) user() string { return cmp.Or(s.User, s.Payload.User) }

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

func (s Spec) stopAfter() time.Duration {
	if s.StopAfter != 0 {
		return s.StopAfter
	}
	return s.Payload.StopAfter
}

func (s Spec) counters() []string {
	if s.Counters != nil {
		return s.Counters
	}
	return s.Payload.Counters
}

func (s Spec) cgroup() string {
	if s.Cgroup != "" {
		return s.Cgroup
	}
	return s.Payload.Cgroup
}

// Deadline returns the timeout of the run: the Spec's, or else the payload's. 0 means
// none.
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
