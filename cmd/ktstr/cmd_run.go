package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/internal/bundle"
	"github.com/ktstr/ktstr/internal/runs"
	"github.com/ktstr/ktstr/internal/series"
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

// seriesOptions are the flags of `ktstr run` about several runs.
type seriesOptions struct {
	repeat     int
	duration   time.Duration
	interleave bool
	variants   []string
	tag        string
	baseline   string
	compare    compareOptions
	exports    exports
}

func seriesFlags(f *pflag.FlagSet, o *seriesOptions) {
	f.IntVar(&o.repeat, "repeat", 0, "make `N` runs of each payload or variant (default 1; with --for: as many as fit)")
	f.DurationVar(&o.duration, "for", 0, "make runs until `DURATION` has passed, such as 5m")
	f.BoolVar(&o.interleave, "interleave", false, "run several payloads in turns, and compare them")
	f.StringArrayVar(&o.variants, "variant", nil, "run the payload with more args, `NAME='ARGS'`, in turns with other variants, and compare them (repeatable)")
	f.StringVar(&o.tag, "tag", "", "give the runs the tag `NAME`")
	f.StringVar(&o.baseline, "baseline", "", "compare with the runs `NAME` (a tag, a set, a bundle, or a path); exit status 1 on a regression")
	compareFlags(f, &o.compare)
	exportFlag(f, &o.exports)
}

// check refuses what cannot be meant, and flags that cannot take effect on so
// many payloads. given says whether a flag was.
func (o seriesOptions) check(given func(flag string) bool, payloads int) error {
	compares := o.baseline != "" || payloads+len(o.variants) > 1
	switch {
	case given("repeat") && o.repeat < 1:
		return fmt.Errorf("--repeat %d: want 1 or more", o.repeat)
	case given("for") && o.duration <= 0:
		return fmt.Errorf("--for %v: want a duration above 0", o.duration)
	case len(o.variants) > 0 && payloads > 1:
		return errors.New("--variant: goes with one payload: want either several payloads or several variants of one")
	case len(o.variants) == 1:
		return fmt.Errorf("--variant %s: want two or more to run against each other", o.variants[0])
	case o.interleave && payloads == 1 && len(o.variants) == 0:
		return errors.New("--interleave: want two or more payloads, or --variant")
	case o.baseline != "" && payloads+len(o.variants) > 1:
		return errors.New("--baseline: goes with one payload; several that run in turns are compared with each other")
	case o.compare.strict && o.baseline == "":
		return errors.New("--strict: is about the exit status of a comparison with --baseline: want that, or leave it out")
	}
	for _, flag := range []string{"metric", "min-effect", "alpha"} {
		if given(flag) && !compares {
			return fmt.Errorf("--%s: is about comparing, and nothing is compared: want --baseline, --interleave or --variant, or leave it out", flag)
		}
	}
	return nil
}

// run does the work of `ktstr run`. It looks for every mistake before anything runs.
func (a *app) run(ctx context.Context, names, args []string, o runOptions) error {
	request, baseline, err := o.request(names, args)
	if err != nil {
		return err
	}
	stops := series.CatchStops()
	defer stops.Close()
	preparing, prepared := stops.Until(ctx)
	s, err := series.New(preparing, a.catalog(o.quiet), request)
	defer s.Close()
	view := &seriesView{app: a, o: o, Series: s}
	s.Stops, s.Notice = stops, a.notice(o.quiet)
	if err == nil {
		view.baseline, err = o.alike(baseline, s)
	}
	if err == nil {
		defer a.guardRuns(o.quiet)()
		err = s.Prepare(preparing)
	}
	prepared()
	if stop := stops.Take(); stop != nil {
		return view.noRun(s.Interrupt(fmt.Errorf("%v: nothing was started", stop)))
	}
	if err != nil {
		return view.noRun(err)
	}
	if !s.Alone() {
		s.Ended = view.tell
	}
	if !o.quiet && steerable(a.stderr) {
		s.Progress = view.live
	}
	if err = s.Run(ctx); err != nil && len(s.Runs()) == len(s.Lost) {
		return view.noRun(err)
	}
	return view.print(err)
}

// request returns the runs that the flags ask for, and the runs of --baseline.
func (o runOptions) request(names, args []string) (series.Request, []runs.Run, error) {
	r := series.Request{
		Payloads: names, Variants: o.series.variants, Extractor: o.extractor,
		Repeat: o.series.repeat, For: o.series.duration, Tag: o.series.tag, Version: version(),
	}
	if r.Tag != "" {
		if err := runs.ValidTag(r.Tag); err != nil {
			return r, nil, err
		}
	}
	if err := o.series.exports.check(); err != nil {
		return r, nil, err
	}
	if err := o.series.compare.check(); err != nil {
		return r, nil, err
	}
	var checks []check.Check
	for _, text := range o.checks {
		c, err := check.Parse(text)
		if err != nil {
			return r, nil, err
		}
		checks = append(checks, c)
	}
	options, err := parseOptions(o.options)
	if err != nil {
		return r, nil, err
	}
	if r.Root = o.out; r.Root == "" {
		if r.Root, err = bundle.DefaultRoot(); err != nil {
			return r, nil, err
		}
	}
	r.Spec = core.Spec{
		Args: args, NoDefaultArgs: o.noDefaultArgs,
		Checks: checks, NoDefaultChecks: o.noDefaultChecks,
		Options: options, Timeout: o.timeout, Grace: o.grace, Limit: int64(o.maxCapture),
		Scratch: o.scratch, Cgroup: o.cgroup, NoCgroup: o.noCgroup,
	}
	name := o.series.baseline
	if name == "" {
		return r, nil, nil
	}
	baseline, err := runs.Named(runs.Open(r.Root), name)
	if errors.As(err, new(*runs.UnknownError)) && runs.ValidTag(name) == nil {
		err = fmt.Errorf("%w; runs become one by --tag %s", err, name)
	}
	if err != nil {
		return r, nil, fmt.Errorf("--baseline %s: %w", name, err)
	}
	return r, baseline, nil
}

// alike returns the runs of the baseline with which the runs of s are compared.
func (o runOptions) alike(baseline []runs.Run, s *series.Series) ([]runs.Run, error) {
	if o.series.baseline == "" {
		return nil, nil
	}
	payload := s.Sides[0].Spec.Payload.Name
	alike := runs.Baseline(baseline, payload)
	if len(alike) > 0 {
		return alike, nil
	}
	err := fmt.Errorf("--baseline %s: no run of %s in it", o.series.baseline, payload)
	if runs.ValidTag(o.series.baseline) == nil {
		err = fmt.Errorf("%w; runs become part of it by --tag %s", err, o.series.baseline)
	}
	return nil, err
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
