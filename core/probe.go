package core

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/ktstr/ktstr/core/payload"
	"github.com/ktstr/ktstr/spawn"
)

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
	return p.askAs(ctx, account{}, need, help)
}

// askAs is Ask for a payload that runs as another user.
func (p *Prober) askAs(ctx context.Context, as account, need payload.Need, help bool) (payload.Found, error) {
	key := fmt.Sprintf("%q %q %q %q %q %t", as.env, need.Binary, need.VersionArgs, need.VersionPattern, need.HelpArgs, help)
	a, ok := p.answers[key]
	if !ok {
		a.found, a.err = p.probe(ctx, as, need, help)
		if p.answers == nil {
			p.answers = map[string]answer{}
		}
		p.answers[key] = a
	}
	return a.found, a.err
}

func (p *Prober) probe(ctx context.Context, as account, need payload.Need, help bool) (found payload.Found, err error) {
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
		r, err := spawn.Run(ctx, spawn.Command{
			Path: need.Binary, Args: args, Env: spawn.Environ(as.env...), Credential: as.credential, Timeout: left, Limit: probeLimit,
		})
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
