package main

import (
	"cmp"
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
	"github.com/ktstr/ktstr/core/bundle"
	"github.com/ktstr/ktstr/core/check"
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
}

func (a *app) runCommand() *cobra.Command {
	var o runOptions
	c := &cobra.Command{
		Use:   "run PAYLOAD [flags] [-- ARGS...]",
		Short: "Run a benchmark, judge it and keep a record",
		Long: `Run a benchmark, extract its metrics, evaluate checks on them and keep a bundle:
a directory with the record, the raw output and the payload as it was resolved.

PAYLOAD is the name of a payload (see ktstr payload list), or a path to a binary
(with a / in it); --extractor then says how its output is read. ARGS are
appended to the payload's own.

A check is NAME >= NUM[UNIT], NAME <= NUM[UNIT], NAME in [LO, HI], exists NAME,
or exit == N, such as --check 'rd.read.clat.p99 <= 2ms'.`,
		Example: `  ktstr run noise
  ktstr run fio-randread --check 'randread.read.iops >= 10000'
  ktstr run ./mybench --extractor json --timeout 1m -- --threads 4`,
		Args:              payloadArgs,
		ValidArgsFunction: a.completePayloads,
		RunE: func(c *cobra.Command, args []string) error {
			return a.run(c.Context(), args[0], args[1:], o)
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
	f.BoolVar(&o.quiet, "quiet", false, "print nothing on stderr but errors")
	f.BoolVar(&o.all, "all", false, "print all metrics, not only the headlines")
	c.MarkFlagsMutuallyExclusive("cgroup", "no-cgroup")
	c.RegisterFlagCompletionFunc("extractor", func(c *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
		return a.completeExtractors(c, nil, word)
	})
	return c
}

// payloadArgs wants one PAYLOAD before --.
func payloadArgs(c *cobra.Command, args []string) error {
	if before := c.ArgsLenAtDash(); len(args) == 0 || before == 0 {
		return errors.New("ktstr run: want a PAYLOAD: a name of `ktstr payload list`, or a path to a binary")
	} else if before > 1 || before < 0 && len(args) > 1 {
		return fmt.Errorf("ktstr run %s: unexpected %q: args for the payload come after --", args[0], args[1])
	}
	return nil
}

func (a *app) run(ctx context.Context, name string, args []string, o runOptions) error {
	var checks []check.Check
	for _, text := range o.checks {
		c, err := check.Parse(text)
		if err != nil {
			return err
		}
		checks = append(checks, c)
	}
	options, err := parseOptions(o.options)
	if err != nil {
		return err
	}
	p, program, err := a.findPayload(name)
	if err != nil {
		return err
	}
	p.Extractor = cmp.Or(o.extractor, p.Extractor, "json")
	root, err := o.root()
	if err != nil {
		return err
	}
	x, plugin, done, err := a.startExtractor(ctx, p.Extractor)
	if err != nil {
		return err
	}
	defer done()
	sink, err := bundle.Create(root)
	if err != nil {
		return err
	}
	defer sink.Close()

	spec := core.Spec{
		Payload: p, Program: program, Extractor: x, Plugin: plugin,
		Args: args, NoDefaultArgs: o.noDefaultArgs,
		Checks: checks, NoDefaultChecks: o.noDefaultChecks,
		Options: options, Timeout: o.timeout, Grace: o.grace, Limit: int64(o.maxCapture),
		Scratch: o.scratch, Cgroup: o.cgroup, NoCgroup: o.noCgroup,
		Sinks:  []core.Sink{sink},
		Notice: a.notice(o.quiet),
	}
	r, err := a.runOnce(ctx, spec, o.quiet)
	var usage *core.UsageError
	switch {
	case errors.As(err, &usage):
		return err
	case err != nil:
		if o.output == formatJSON {
			a.printFailure(p.Name, err)
		}
		return &exitError{core.ExitRun, withInstall(p, err)}
	}
	if err := a.printRun(r.Record, o); err != nil {
		return &exitError{core.ExitRun, fmt.Errorf("standard output: %w", err)}
	}
	if status := r.ExitStatus(); status != core.ExitPass {
		return &exitError{status: status}
	}
	return nil
}

// runOnce runs one payload in the foreground: with a live line on a terminal,
// and Ctrl-C passed on as a request to stop, the second time as a kill.
func (a *app) runOnce(ctx context.Context, spec core.Spec, quiet bool) (core.Result, error) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	h, err := core.Start(ctx, spec)
	if err != nil {
		return core.Result{}, err
	}
	ended := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		a.watch(h, spec, signals, ended, quiet)
	}()
	r, err := h.Wait()
	close(ended)
	<-watched
	return r, err
}

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
