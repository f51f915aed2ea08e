package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/internal/runs"
)

// exclusiveOptions are the flags of `ktstr run` about other runs on the host.
type exclusiveOptions struct {
	exclusive bool
	wait      time.Duration
}

func exclusiveFlags(f *pflag.FlagSet, o *exclusiveOptions) {
	f.BoolVar(&o.exclusive, "exclusive", false, "have the host to yourself: exit with 3 if another run with --exclusive goes on, see docs/exclusive.md")
	f.DurationVar(&o.wait, "wait", 0, "with --exclusive, wait for the other run for at most `DURATION`, such as 10m")
}

// check returns an error for a wait that cannot have an effect.
func (o exclusiveOptions) check(given func(flag string) bool) error {
	switch {
	case !given("wait"):
	case !o.exclusive && !given("on"):
		return errors.New("--wait: goes with --exclusive")
	case o.wait <= 0:
		return fmt.Errorf("--wait %v: want a duration above 0, or leave the flag out", o.wait)
	}
	return nil
}

// printOverlap prints on stderr which other runs overlapped an exclusive run. It comes
// with --quiet, too, because it changes the meaning of the numbers.
func (a *app) printOverlap(r core.Record) {
	if len(r.Overlapped) == 0 {
		return
	}
	const some = 3
	var names []string
	for _, o := range r.Overlapped[:min(some, len(r.Overlapped))] {
		names = append(names, overlapText(o))
	}
	if more := len(r.Overlapped) - some; more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	fmt.Fprintf(a.stderr, "other runs on this host overlapped this run: %s\n", line(strings.Join(names, ", ")))
}

// exclusiveText returns how many of the runs had the host to themselves, and how many of
// these were overlapped by which other runs. Both are empty if no run was exclusive.
func exclusiveText(list []runs.Run) (exclusive, overlapped []string) {
	alone, disturbed := 0, 0
	var names []string
	for _, r := range list {
		if !r.Record.Exclusive {
			continue
		}
		alone++
		if len(r.Record.Overlapped) > 0 {
			disturbed++
		}
		for _, o := range r.Record.Overlapped {
			if name := overlapText(o); !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	if alone > 0 {
		exclusive = []string{fmt.Sprintf("%d of %s", alone, count(len(list), "run"))}
	}
	if disturbed > 0 {
		overlapped = append([]string{fmt.Sprintf("%d of %s", disturbed, count(len(list), "run"))}, names...)
	}
	return exclusive, overlapped
}

// overlapText names another run, for example "fio-randread of alice (pid 123)".
func overlapText(o core.Overlap) string {
	text := o.Payload
	if text == "" {
		text = "a run"
	}
	if o.User != "" {
		text += " of " + o.User
	}
	if o.Pid != 0 {
		text += fmt.Sprintf(" (pid %d)", o.Pid)
	}
	return text
}
