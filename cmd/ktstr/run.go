package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/internal/bundle"
)

// runOptions are the flags of `ktstr run`.
type runOptions struct {
	extractor       string
	checks          []string
	noDefaultArgs   bool
	noDefaultChecks bool
	timeout         time.Duration
	grace           time.Duration
	maxCapture      size
	out             string
	scratch         string
	cgroup          string
	noCgroup        bool
	options         []string
	output          format
	quiet           bool
	all             bool
	series          seriesOptions
}

func (a *app) runCommand() *cobra.Command {
	var o runOptions
	c := &cobra.Command{
		Use:   "run PAYLOAD... [flags] [-- ARGS...]",
		Short: "Run a benchmark, judge it and keep a record",
		Long: `Run a benchmark, extract its metrics, evaluate checks on them and keep a bundle:
a directory with the record, the raw output and the payload as it was resolved.

PAYLOAD is the name of a payload (see ktstr payload list), or a path to a binary
(with a / in it); --extractor then says how its output is read. ARGS are
appended to the payload's own.

A check is NAME >= NUM[UNIT], NAME <= NUM[UNIT], NAME in [LO, HI], exists NAME,
or exit == N, such as --check 'rd.read.clat.p99 <= 2ms'.

--repeat and --for make several runs, kept together as a set, which ktstr
compare takes. Several payloads with --interleave, or several --variant, run in
turns (ABBA), so that drift of the host does not look like a difference.`,
		Example: `  ktstr run noise
  ktstr run fio-randread --check 'randread.read.iops >= 10000'
  ktstr run ./mybench --extractor json --timeout 1m -- --threads 4
  ktstr run fio-randread --repeat 10 --tag main
  ktstr run fio-randread --repeat 10 --baseline main
  ktstr run fio-randread --repeat 10 --variant base=--bs=4k --variant new=--bs=8k`,
		Args:              payloadArgs,
		ValidArgsFunction: a.completePayloads,
		RunE: func(c *cobra.Command, args []string) error {
			before := c.ArgsLenAtDash()
			if before < 0 {
				before = len(args)
			}
			if c.Flags().Changed("timeout") && o.timeout <= 0 {
				return fmt.Errorf("--timeout %v: want a duration above 0, or the flag left out", o.timeout)
			}
			if err := o.series.check(c.Flags().Changed, before); err != nil {
				return err
			}
			return a.run(c.Context(), args[:before], args[before:], o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.extractor, "extractor", "", "read the output with the extractor `NAME` (default: the payload's; json for a path)")
	f.StringArrayVar(&o.checks, "check", nil, "add the check `EXPR` (repeatable)")
	f.BoolVar(&o.noDefaultArgs, "no-default-args", false, "leave the payload's own args out")
	f.BoolVar(&o.noDefaultChecks, "no-default-checks", false, "leave the payload's own checks out")
	f.DurationVar(&o.timeout, "timeout", 0, "kill the payload after `DURATION`, such as 90s (default: the payload's)")
	f.DurationVar(&o.grace, "grace", 5*time.Second, "after Ctrl-C, give the payload `DURATION` to print what it has")
	f.Var(&o.maxCapture, "max-capture", "keep at most `SIZE` of each stream, such as 64MiB (default 16MiB)")
	f.StringVar(&o.out, "out", "", "keep the bundle below `DIR` (default $XDG_STATE_HOME/ktstr/runs)")
	f.StringVar(&o.scratch, "scratch", "", "make scratch directories in `DIR` (default: the working directory)")
	f.StringVar(&o.cgroup, "cgroup", "", "run in a fresh leaf of the cgroup `NAME`, relative to ktstr's own")
	f.BoolVar(&o.noCgroup, "no-cgroup", false, "run in ktstr's own cgroup")
	f.StringArrayVar(&o.options, "option", nil, "set the extractor's option `NAME=VALUE` (repeatable)")
	documentsFlag(f, &o.options)
	outputFlag(f, &o.output)
	f.BoolVar(&o.quiet, "quiet", false, "print nothing on stderr but errors, and what headline is lost")
	f.BoolVar(&o.all, "all", false, "print all metrics, not only the headlines")
	seriesFlags(f, &o.series)
	c.MarkFlagsMutuallyExclusive("cgroup", "no-cgroup")
	c.RegisterFlagCompletionFunc("baseline", a.completeRuns)
	c.RegisterFlagCompletionFunc("extractor", func(c *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
		return a.completeExtractors(c, nil, word)
	})
	return c
}

// payloadArgs wants one PAYLOAD before --, or with --interleave several.
func payloadArgs(c *cobra.Command, args []string) error {
	interleave, _ := c.Flags().GetBool("interleave")
	before := c.ArgsLenAtDash()
	if before < 0 {
		before = len(args)
	}
	switch {
	case before == 0:
		return errors.New("run: want a PAYLOAD: a name of `ktstr payload list`, or a path to a binary")
	case before > 1 && !interleave:
		return fmt.Errorf("run %s: unexpected %q: args for the payload come after --; several payloads run against each other with --interleave", args[0], args[1])
	}
	return nil
}

// stopping are the signals by which a person or the system asks ktstr to stop.
// SIGQUIT (Ctrl-\) is one, as a payload must not outlive it.
var stopping = []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT}

// catchStops makes requests to stop wait in a.stops for the run at hand, or for
// the next one where there is none at the moment.
func (a *app) catchStops() (done func()) {
	a.stops = make(chan os.Signal, 2)
	for _, s := range stopping {
		if !signal.Ignored(s) { // as under nohup, whose runs outlive the terminal
			signal.Notify(a.stops, s)
		}
	}
	return func() { signal.Stop(a.stops) }
}

// untilStopped is ctx until somebody asks ktstr to stop; the request then goes on
// waiting in a.stops. done ends that, and the context with it.
func (a *app) untilStopped(parent context.Context) (ctx context.Context, done func()) {
	ctx, cancel := context.WithCancel(parent)
	over, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-over:
		case s := <-a.stops:
			cancel()
			select {
			case a.stops <- s:
			default: // others came meanwhile, which say the same
			}
		}
	}()
	return ctx, func() {
		close(over)
		<-ended
		cancel()
	}
}

// runOnce runs one payload in the foreground: with a live line on a terminal,
// and Ctrl-C passed on as a request to stop, the second time as a kill.
func (a *app) runOnce(ctx context.Context, side *side, sink core.Sink, quiet bool) (core.Result, error) {
	select {
	case s := <-a.stops:
		return core.Result{}, &exitError{core.ExitInterrupted, fmt.Errorf("%v: payload %s was not started", s, side.spec.Payload.Name)}
	default:
	}
	h, err := side.prepared.Start(ctx, sink)
	if err != nil {
		return core.Result{}, err
	}
	ended := make(chan struct{})
	watched := make(chan os.Signal, 1)
	go func() { watched <- a.watch(h, side.spec, ended, quiet) }()
	r, err := h.Wait()
	close(ended)
	if s := <-watched; s != nil && err == nil && !r.Interrupted {
		// The payload had ended by itself; the request is for what comes next.
		select {
		case a.stops <- s:
		default:
		}
	}
	if err != nil {
		err = brokenOff{err}
	}
	return r, err
}

// brokenOff is why a run that had been started has no result.
type brokenOff struct{ error }

func (b brokenOff) Unwrap() error { return b.error }

func (o runOptions) root() (string, error) {
	if o.out != "" {
		return o.out, nil
	}
	return bundle.DefaultRoot()
}

// notice prints on stderr what a person should know while a run goes on.
func (a *app) notice(quiet bool) func(string) {
	return func(text string) {
		if !quiet {
			fmt.Fprintf(a.stderr, "ktstr: %s\n", printable(text))
		}
	}
}

// parseOptions reads NAME=VALUE pairs.
func parseOptions(pairs []string) (map[string]string, error) {
	options := map[string]string{}
	for _, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("--option %s: want NAME=VALUE", pair)
		}
		options[name] = value
	}
	return options, nil
}
