package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ktstr/ktstr/internal/bundle"
	"github.com/ktstr/ktstr/internal/runs"
)

func (a *app) runsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "runs",
		Short: "Find, show, tag and delete the runs that were kept",
	}
	requireSubcommand(c)
	c.AddCommand(a.runsListCommand(), a.runsShowCommand(), a.runsPathCommand(), a.runsTagCommand(), a.runsPruneCommand())
	return c
}

// filterFlags are the flags that choose runs.
type filterFlags struct {
	runs.Filter
	since, until moment
}

func (o *filterFlags) add(f *pflag.FlagSet) {
	f.StringVar(&o.Payload, "payload", "", "runs of the payload `NAME`")
	f.StringVar(&o.Filter.Tag, "tag", "", "runs with the tag `NAME`")
	f.StringVar(&o.Set, "set", "", "runs of the set `NAME`")
	f.StringVar(&o.Commit, "commit", "", "runs in a working directory at the git commit `HASH`, or its first digits")
	f.StringVar(&o.Host, "host", "", "runs on the host `NAME`")
	f.Var(&o.since, "since", "runs that began at or after `TIME`: 2026-11-23, RFC 3339, or how long ago (36h, 14d)")
	f.Var(&o.until, "until", "runs that began at or before `TIME`")
}

func (o *filterFlags) filter() runs.Filter {
	o.Since, o.Until = time.Time(o.since), time.Time(o.until)
	return o.Filter
}

// moment is a point in time: a date, RFC 3339, or a duration before now.
type moment time.Time

func (m *moment) String() string {
	if time.Time(*m).IsZero() {
		return ""
	}
	return time.Time(*m).Format(time.RFC3339)
}

func (m *moment) Type() string { return "TIME" }

func (m *moment) Set(text string) error {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			*m = moment(t)
			return nil
		}
	}
	var days int
	if n, err := fmt.Sscanf(text, "%dd", &days); n == 1 && err == nil && fmt.Sprintf("%dd", days) == text && days >= 0 {
		*m = moment(time.Now().AddDate(0, 0, -days))
		return nil
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		*m = moment(time.Now().Add(-d))
		return nil
	}
	return errors.New("want 2026-11-23, 2026-11-23T15:04:05Z, or how long ago, such as 36h or 14d")
}

// oneOrMore wants names of runs.
func oneOrMore(command string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return fmt.Errorf("runs %s: want a tag, a set or a bundle of ktstr runs list, or a path", command)
		}
		return nil
	}
}

// outFlag is --out of the commands that read bundles.
func outFlag(f *pflag.FlagSet, out *string) {
	f.StringVar(out, "out", "", "the bundles are below `DIR` (default $XDG_STATE_HOME/ktstr/runs)")
}

func openStore(out string) (runs.Store, error) {
	if out == "" {
		root, err := bundle.DefaultRoot()
		if err != nil {
			return nil, err
		}
		out = root
	}
	return runs.Open(out), nil
}
