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
		Short: "List, show, tag and delete kept runs",
	}
	requireSubcommand(c)
	c.AddCommand(a.runsListCommand(), a.runsShowCommand(), a.runsPathCommand(), a.runsTagCommand(), a.runsPruneCommand())
	return c
}

// filterFlags are the flags that select runs. A flag that is not given selects all.
type filterFlags struct {
	runs.Filter
	since, until moment
}

func (o *filterFlags) add(f *pflag.FlagSet) {
	f.StringVar(&o.Payload, "payload", "", "select runs of the payload `NAME`, such as noise")
	f.StringVar(&o.Filter.Tag, "tag", "", "select runs with the tag `NAME`, such as main")
	f.StringVar(&o.Set, "set", "", "select runs of the set `NAME`")
	f.StringVar(&o.Commit, "commit", "", "select runs made in a work tree at the git commit `HASH`, which may be abbreviated, such as 5e587e2")
	f.StringVar(&o.Host, "host", "", "select runs on the host `NAME`")
	f.Var(&o.since, "since", "select runs that began at or after `TIME`: a date (2026-11-23), RFC 3339, or an age (36h, 14d)")
	f.Var(&o.until, "until", "select runs that began at or before `TIME`, such as 30d")
}

func (o *filterFlags) filter() runs.Filter {
	o.Since, o.Until = time.Time(o.since), time.Time(o.until)
	return o.Filter
}

// moment is the value of a flag such as 2026-11-23, 2026-11-23T15:04:05Z or 36h (ago). Its
// zero value is a flag that was not given.
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
	return errors.New("want a date such as 2026-11-23, a time such as 2026-11-23T15:04:05Z, or an age such as 36h or 14d")
}

// oneOrMore accepts one or more names of runs.
func oneOrMore(command string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return fmt.Errorf("runs %s: want a tag, set or bundle of ktstr runs list, or a path", command)
		}
		return nil
	}
}

// outFlag adds --out to a command that reads bundles.
func outFlag(f *pflag.FlagSet, out *string) {
	f.StringVar(out, "out", "", "read the bundles in `DIR`, such as ./runs (default $XDG_STATE_HOME/ktstr/runs)")
}

// openStore returns the runs below --out, or below its default.
func openStore(out string) (runs.Store, error) {
	dir, err := storeDir(out)
	return runs.Open(dir), err
}

func storeDir(out string) (string, error) {
	if out != "" {
		return out, nil
	}
	return bundle.DefaultRoot()
}
