package core

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/ktstr/ktstr/core/payload"
	"github.com/ktstr/ktstr/spawn"
)

// Prepared is a run in which every mistake that can be found beforehand was
// looked for. Start may be called several times, also from several goroutines:
// each call makes a run of its own.
type Prepared struct {
	spec       Spec
	definition payload.Payload // the payload as the run uses it
	tool       string          // the version that the payload's program printed; empty: it was not asked, or did not tell
	note       string          // how the program's version changed the definition, or why it could not be asked
}

// Prepare validates s, asks the payload's program for its version if the payload
// needs to know it, and resolves the definition that the run uses. A mistake in s
// is a *UsageError. Any other error says that ctx ended or that the program is too
// old.
func Prepare(ctx context.Context, s Spec) (*Prepared, error) {
	return new(Prober).Prepare(ctx, s)
}

// Prepare is Prepare for several runs that belong together, for example the two
// variants of a comparison: p asks each program once.
func (p *Prober) Prepare(ctx context.Context, s Spec) (*Prepared, error) {
	if err := s.validate(); err != nil {
		return nil, &UsageError{err}
	}
	r := &Prepared{spec: s}
	if err := r.ask(ctx, p); err != nil {
		return nil, err
	}
	var err error
	if r.definition, err = s.resolve(r.definition); err != nil {
		return nil, &UsageError{fmt.Errorf("payload %s: %w", s.Payload.Name, err)}
	}
	return r, nil
}

// Definition returns the payload as the run uses it: with the arguments, checks,
// options, timeout and cgroup of the Spec and of the program's version.
func (p *Prepared) Definition() payload.Payload { return p.definition }

// Note says how the program's version changed the definition, for example "fio
// 2.1: without --lat_percentiles", or why the program could not be asked. It is
// empty if there is nothing to say.
func (p *Prepared) Note() string { return p.note }

// ask sets p.definition to the variant of the payload for the installed version of
// its program. A program that is not installed changes nothing: the start fails
// with a message that says how to install it.
func (p *Prepared) ask(ctx context.Context, prober *Prober) error {
	p.definition = p.spec.Payload
	if len(p.definition.Needs) == 0 {
		return nil
	}
	found, err := prober.Ask(ctx, p.definition.Needs[0], p.definition.AsksHelp())
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("payload %s: %w", p.definition.Name, err)
	case err != nil:
		return nil
	}
	p.tool = found.Version
	if p.definition, p.note, err = payload.Resolve(p.definition, found); err != nil {
		return fmt.Errorf("payload %s: %w", p.spec.Payload.Name, err)
	}
	return nil
}

// probeTimeout and probeLimit bound a program that is asked for its version and
// its options. The time holds for both questions together. It is generous because a
// wrong answer chooses the wrong variant of the payload.
const (
	probeTimeout = 10 * time.Second
	probeLimit   = 1 << 20 // bytes of each stream
)

// Prober asks installed programs for their versions and options, each program
// once. The zero value is ready. A Prober is not safe for several goroutines.
type Prober struct {
	timeout time.Duration // 0: probeTimeout
	answers map[string]answer
}

type answer struct {
	found payload.Found
	err   error
}

// Ask returns the version of need's program, and its help text if help is set.
// A program that tells no version gives an empty one. A program that does not end
// within 10 s is killed, and Found.Problem says so. An error says that the program
// could not be executed or that ctx ended, which kills the program too.
func (p *Prober) Ask(ctx context.Context, need payload.Need, help bool) (payload.Found, error) {
	key := fmt.Sprintf("%q %q %q %q %t", need.Binary, need.VersionArgs, need.VersionPattern, need.HelpArgs, help)
	a, ok := p.answers[key]
	if !ok {
		a.found, a.err = p.probe(ctx, need, help)
		if p.answers == nil {
			p.answers = map[string]answer{}
		}
		p.answers[key] = a
	}
	return a.found, a.err
}

func (p *Prober) probe(ctx context.Context, need payload.Need, help bool) (found payload.Found, err error) {
	timeout := p.timeout
	if timeout == 0 {
		timeout = probeTimeout
	}
	deadline := time.Now().Add(timeout)
	ask := func(args []string, byDefault, key string) (string, error) {
		if len(args) == 0 {
			args = []string{byDefault}
		}
		left := max(time.Until(deadline), 1) // 0 would mean no timeout
		r, err := spawn.Run(ctx, spawn.Command{Path: need.Binary, Args: args, Timeout: left, Limit: probeLimit})
		switch {
		case err != nil:
			return "", err
		case r.Cause == spawn.CauseCancel:
			return "", fmt.Errorf("%s: stopped while it was asked what it can do: %w", need.Binary, ctx.Err())
		case r.Cause == spawn.CauseTimeout:
			found.Problem = fmt.Sprintf("%s %s: killed: it had not ended after %v: want %s in the payload's needs that end", need.Binary, strings.Join(args, " "), timeout, key)
		}
		return string(r.Stdout.Data) + "\n" + string(r.Stderr.Data), nil
	}
	text, err := ask(need.VersionArgs, "--version", "version_args")
	if err != nil {
		return found, err
	}
	found.Version = need.VersionIn(text)
	if help && found.Problem == "" {
		found.Help, err = ask(need.HelpArgs, "--help", "help_args")
	}
	return found, err
}
