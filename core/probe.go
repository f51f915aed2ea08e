package core

import (
	"context"
	"time"

	"github.com/ktstr/ktstr/core/payload"
	"github.com/ktstr/ktstr/spawn"
)

// probeTimeout and probeLimit bound what a program may do when it is asked for
// its version.
const (
	probeTimeout = 10 * time.Second
	probeLimit   = 1 << 20 // bytes of each stream
)

// Probe asks an installed program for its version, and for its options where
// help is set. The error says that it could not be executed; a program that
// does not tell gives empty texts.
func Probe(ctx context.Context, need payload.Need, help bool) (payload.Found, error) {
	ask := func(args []string, otherwise string) (string, error) {
		if len(args) == 0 {
			args = []string{otherwise}
		}
		r, err := spawn.Run(ctx, spawn.Command{Path: need.Binary, Args: args, Timeout: probeTimeout, Limit: probeLimit})
		if err != nil {
			return "", err
		}
		return string(r.Stdout.Data) + "\n" + string(r.Stderr.Data), nil
	}
	var found payload.Found
	text, err := ask(need.VersionArgs, "--version")
	if err != nil {
		return found, err
	}
	found.Version = need.VersionIn(text)
	if help {
		found.Help, err = ask(need.HelpArgs, "--help")
	}
	return found, err
}

// adapt resolves what of p depends on the installed program: its variants. A
// program that is not there leaves p as it is; the spawn says what to do then.
func adapt(ctx context.Context, p payload.Payload) (adapted payload.Payload, tool, note string, err error) {
	if len(p.Needs) == 0 {
		return p, "", "", nil
	}
	found, err := Probe(ctx, p.Needs[0], p.AsksHelp())
	if err != nil {
		return p, "", "", nil
	}
	adapted, note, err = payload.Resolve(p, found)
	return adapted, found.Version, note, err
}
