package core

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/ktstr/ktstr/core/payload"
	"github.com/ktstr/ktstr/spawn"
)

// probeTimeout and probeLimit bound what a program may do when it is asked for
// its version and its options. The time is for both, and generous: a wrong
// answer chooses the wrong variant.
const (
	probeTimeout = 10 * time.Second
	probeLimit   = 1 << 20 // bytes of each stream
)

// Probe asks an installed program for its version, and for its options where
// help is set. The error says that it could not be executed, or that ctx has
// ended, which ends the program as well; one that does not tell gives empty
// texts, and one that does not end in time is killed, and Found says so.
func Probe(ctx context.Context, need payload.Need, help bool) (payload.Found, error) {
	return probe(ctx, need, help, probeTimeout)
}

func probe(ctx context.Context, need payload.Need, help bool, within time.Duration) (found payload.Found, err error) {
	deadline := time.Now().Add(within)
	ask := func(args []string, otherwise, key string) (string, error) {
		if len(args) == 0 {
			args = []string{otherwise}
		}
		// A timeout of 0 would be none.
		left := max(time.Until(deadline), 1)
		r, err := spawn.Run(ctx, spawn.Command{Path: need.Binary, Args: args, Timeout: left, Limit: probeLimit})
		switch {
		case err != nil:
			return "", err
		case r.Cause == spawn.CauseCancel:
			return "", fmt.Errorf("%s: stopped while it was asked what it can do: %w", need.Binary, ctx.Err())
		case r.Cause == spawn.CauseTimeout:
			found.Problem = fmt.Sprintf("%s %s: killed: it had not ended after %v: want %s in the payload's needs that end", need.Binary, strings.Join(args, " "), within, key)
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

// Asked is s with what its payload's program told, so that several runs of it
// ask once. It refuses first what Run would refuse without having asked. A
// program that is not there leaves s as it is; the run says what to do then.
func Asked(ctx context.Context, s Spec) (Spec, error) { return asked(ctx, s, "run") }

func asked(ctx context.Context, s Spec, operation string) (Spec, error) {
	if err := s.validate(); err != nil {
		return s, &UsageError{fmt.Errorf("%s %w", operation, err)}
	}
	if s.Found != nil || len(s.Payload.Needs) == 0 {
		return s, nil
	}
	found, err := Probe(ctx, s.Payload.Needs[0], s.Payload.AsksHelp())
	switch {
	case err == nil:
		s.Found = &found
	case ctx.Err() != nil:
		return s, fmt.Errorf("%s payload %s: %w", operation, s.Payload.Name, err)
	}
	return s, nil
}
