package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"al.essio.dev/pkg/shellescape"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/core/instrument/counters"
	"github.com/ktstr/ktstr/internal/bundle"
	"github.com/ktstr/ktstr/internal/runs"
	"github.com/ktstr/ktstr/internal/series"
)

// runOptions are the arguments and flags of `ktstr run`.
type runOptions struct {
	payloads        []string
	args            []string // after --
	extractor       string
	checks          []string
	noDefaultArgs   bool
	noDefaultChecks bool
	timeout         time.Duration
	stopAfter       time.Duration
	grace           time.Duration
	maxCapture      size
	out             string
	scratch         string
	env             []string
	cwd             string
	user            string
	cgroup          string
	noCgroup        bool
	counters        counterList
	options         extractorOptions
	match           matchOptions
	hints           hintOptions
	output          format
	quiet           bool
	all             bool
	series          seriesOptions
	host            exclusiveOptions
	fleet           fleetOptions
	emit            emitOptions
	calibrate       bool // of ktstr calibrate
}

func (a *app) runCommand() *cobra.Command {
	var o runOptions
	c := &cobra.Command{
		Use:   "run PAYLOAD... [flags] [-- ARGS...]",
		Short: "Run a benchmark, check its metrics and keep a record",
		Long: `Run a benchmark, extract its metrics, evaluate checks on them and keep a bundle: a
directory with the record, the raw output and the payload file.

PAYLOAD is a name of ktstr payload list, or a path with a / in it, such as
./mybench. The output of a path is read as JSON, by --extractor, or by --match for
numbers on lines of text. ARGS are appended to the arguments of the payload.

A check is one of NAME >= NUM[UNIT], NAME <= NUM[UNIT], NAME in [LO, HI],
exists NAME and exit == N. For example: --check 'read.clat.p99 <= 2ms'.

--repeat and --for make several runs, which are kept as a set for ktstr compare.
Several payloads with --interleave, or several --variant, run in turns (A B B A),
so that a slow change of the host affects all of them equally.`,
		Example: `  ktstr run noise
  ktstr run fio-randread --check 'randread.read.iops >= 10000'
  ktstr run ./mybench --extractor json --timeout 1m -- --threads 4
  ktstr run ./mybench --match 'Throughput: {throughput} {unit}' --higher throughput
  ktstr run fio-randread --repeat 10 --tag main
  ktstr run fio-randread --repeat 10 --baseline main
  ktstr run fio-randread --repeat 10 --variant base=--bs=4k --variant new=--bs=8k`,
		Args:              payloadArgs,
		ValidArgsFunction: a.completePayloads,
		RunE: func(c *cobra.Command, args []string) error {
			o.payloads, o.args = splitAtDash(c, args)
			if o.fleet.resume != "" {
				return a.resume(c, o)
			}
			if o.fleet.on != "" {
				o.fleet.hostArgs = o.argsOnHost(c.Flags())
			}
			if err := o.emit.check(c, o); err != nil {
				return err
			}
			if err := o.check(c.Flags().Changed); err != nil {
				return err
			}
			return a.run(c.Context(), o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.extractor, "extractor", "", "read the output with the extractor `NAME`, such as fio (default: the payload's, json for a path)")
	f.StringArrayVar(&o.checks, "check", nil, "add the check `EXPR`, such as 'iops >= 1000' (repeatable)")
	f.BoolVar(&o.noDefaultArgs, "no-default-args", false, "leave out the payload's own arguments")
	f.BoolVar(&o.noDefaultChecks, "no-default-checks", false, "leave out the payload's own checks")
	f.DurationVar(&o.stopAfter, "stop-after", 0, "end a payload that runs for ever: SIGINT after `DURATION`, such as 30s, then SIGKILL after --grace; the checks decide (default: the payload's)")
	f.DurationVar(&o.timeout, "timeout", 0, "kill the payload after `DURATION`, such as 90s (default: the payload's)")
	f.DurationVar(&o.grace, "grace", 5*time.Second, "after Ctrl-C, wait `DURATION` for the payload to end, then kill it")
	f.Var(&o.maxCapture, "max-capture", "keep at most `SIZE` of each stream, such as 64MiB (default 16MiB)")
	f.StringVar(&o.out, "out", "", "keep the bundle in `DIR`, such as ./runs (default $XDG_STATE_HOME/ktstr/runs)")
	f.StringVar(&o.scratch, "scratch", "", "make scratch directories in `DIR`, such as /mnt/nvme (default: the working directory)")
	f.StringArrayVar(&o.env, "env", nil, "set the variable `NAME=VALUE` for the payload, such as MODE=fast; its value is kept secret (repeatable)")
	f.StringVar(&o.cwd, "cwd", "", "run the payload in the directory `DIR`, such as ./linux (default: the payload's, or the working directory)")
	f.StringVar(&o.user, "user", "", "run the payload as the user `NAME`, such as nobody; ktstr itself may need root (default: the payload's, or you)")
	f.StringVar(&o.cgroup, "cgroup", "", "run in a new child of the cgroup `NAME`, such as bench, below ktstr's own cgroup")
	f.BoolVar(&o.noCgroup, "no-cgroup", false, "run in ktstr's own cgroup (default: a new one, where the host allows it)")
	f.Var(&o.counters, "counters", "count events of the kernel, and of the processor all or those of `LIST`, such as --counters=cycles,instructions")
	f.Lookup("counters").NoOptDefVal = counters.All
	optionFlags(f, &o.options)
	matchFlags(f, &o.match)
	hintFlags(f, &o.hints)
	outputFlag(f, &o.output)
	f.BoolVar(&o.quiet, "quiet", false, "print nothing on stderr except errors and warnings that change the meaning of a result, such as missing-headline")
	f.BoolVar(&o.all, "all", false, "print all metrics (default: the headlines, if there are any)")
	seriesFlags(f, &o.series)
	exclusiveFlags(f, &o.host)
	fleetFlags(f, &o.fleet)
	emitFlags(f, &o.emit)
	c.MarkFlagsMutuallyExclusive("cgroup", "no-cgroup")
	c.RegisterFlagCompletionFunc("baseline", a.completeRuns)
	c.RegisterFlagCompletionFunc("export", completeExport)
	c.RegisterFlagCompletionFunc("extractor", func(c *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
		return a.completeExtractors(c, nil, word)
	})
	return c
}

// payloadArgs accepts one PAYLOAD before --, or several with --interleave.
func payloadArgs(c *cobra.Command, args []string) error {
	interleave, _ := c.Flags().GetBool("interleave")
	resume, _ := c.Flags().GetString("resume")
	payloads, rest := splitAtDash(c, args)
	for _, word := range payloads {
		// A LIST without = is a PAYLOAD for the flag library.
		if c.Flags().Changed("counters") && new(counterList).Set(word) == nil {
			return fmt.Errorf("unexpected argument %q. The LIST of --counters comes after =: --counters=%[1]s", word)
		}
	}
	switch {
	case resume != "" && len(args) > 0:
		return fmt.Errorf("unexpected argument %q. --resume goes on with the payload of its set", args[0])
	case resume != "":
	case len(payloads) == 0:
		return errors.New("run: want a PAYLOAD: a name of ktstr payload list, or a path such as ./mybench")
	case len(payloads) > 1 && !interleave:
		command := append([]string{"run", payloads[0], "--"}, append(payloads[1:], rest...)...)
		return fmt.Errorf("unexpected argument %q. Arguments for the payload come after --: ktstr %s", payloads[1], shellescape.QuoteCommand(command))
	}
	return nil
}

// splitAtDash returns the arguments before and after --.
func splitAtDash(c *cobra.Command, args []string) (before, after []string) {
	n := c.ArgsLenAtDash()
	if n < 0 {
		n = len(args)
	}
	return args[:n:n], args[n:]
}

// seriesOptions are the flags of `ktstr run` about several runs.
type seriesOptions struct {
	repeat     int
	duration   time.Duration
	interleave bool
	variants   []string
	tags       []string
	baseline   string
	base       string
	last       int
	until      bool // decided
	maxRuns    int
	maxTime    time.Duration
	statistics statisticsOptions
	exports    exports
}

func seriesFlags(f *pflag.FlagSet, o *seriesOptions) {
	f.IntVar(&o.repeat, "repeat", 0, "make `N` runs of each payload or variant (default 1, or with --for as many as fit)")
	f.DurationVar(&o.duration, "for", 0, "start no further run after `DURATION`, such as 5m")
	f.BoolVar(&o.interleave, "interleave", false, "run several payloads in turns and compare them")
	f.StringArrayVar(&o.variants, "variant", nil, "run the payload with additional arguments, `NAME='ARGS'`, in turns with other variants, and compare them (repeatable)")
	f.StringArrayVar(&o.tags, "tag", nil, "give the runs the tag `NAME`, such as main (repeatable)")
	f.StringVar(&o.baseline, "baseline", "", "compare with the runs `NAME` (a tag, set, bundle or path); exit status 1 on a regression")
	f.BoolVar(&o.until, "until-decided", false, "make runs until the comparison passes or fails; looks at 5, 10, 20 … runs a side, which spend --alpha together")
	f.IntVar(&o.maxRuns, "max-runs", 40, "with --until-decided, make at most `N` runs of each payload or variant")
	f.DurationVar(&o.maxTime, "max-time", 0, "with --until-decided, start no further run after `DURATION`, such as 30m")
	f.Bool("bisect", false, "for git bisect run: exit with 0 and 1 as usual, and with 125 (skip this commit) in all other cases")
	f.IntVar(&o.last, "last", 0, "compare with the last `N` sets of --baseline, such as 10 (default: all)")
	f.StringVar(&o.base, "base", "", "compare the other variants or payloads with `NAME`, such as old (default: the first); exit status 1 on a regression")
	statisticsFlags(f, &o.statistics)
	exportFlag(f, &o.exports)
}

// check returns an error for a flag that cannot have an effect, for example --interleave
// with one payload. given reports whether a flag was given.
func (o runOptions) check(given func(flag string) bool) error {
	s := o.series
	sides := len(o.payloads) + len(s.variants)
	switch {
	case given("stop-after") && o.stopAfter <= 0:
		return fmt.Errorf("--stop-after %v: want a duration above 0, or leave the flag out", o.stopAfter)
	case given("timeout") && o.timeout <= 0:
		return fmt.Errorf("--timeout %v: want a duration above 0, or leave the flag out", o.timeout)
	case given("repeat") && s.repeat < 1:
		return fmt.Errorf("--repeat %d: want 1 or more", s.repeat)
	case given("for") && s.duration <= 0:
		return fmt.Errorf("--for %v: want a duration above 0", s.duration)
	case len(s.variants) > 0 && len(o.payloads) > 1:
		return errors.New("--variant: goes with one payload: want either several payloads or several variants of one")
	case len(s.variants) == 1:
		return fmt.Errorf("--variant %s: want two or more variants, which are compared with each other", s.variants[0])
	case s.interleave && sides == 1:
		return errors.New("--interleave: want two or more payloads, or --variant")
	case s.baseline != "" && sides > 1:
		return errors.New("--baseline: goes with one payload: several payloads or variants are compared with each other")
	case s.until && s.baseline == "" && sides == 1:
		return errors.New("--until-decided: goes with a comparison: want --baseline, --interleave or --variant")
	case s.until && (given("repeat") || given("for")):
		return errors.New("--until-decided: chooses the number of runs: want --max-runs and --max-time in the place of --repeat and --for")
	case !s.until && (given("max-runs") || given("max-time")):
		return errors.New("--max-runs, --max-time: go with --until-decided")
	case s.until && s.maxRuns < 4:
		return fmt.Errorf("--max-runs %d: want 4 or more", s.maxRuns)
	case given("max-time") && s.maxTime <= 0:
		return fmt.Errorf("--max-time %v: want a duration above 0", s.maxTime)
	case given("last") && s.last < 1:
		return fmt.Errorf("--last %d: want 1 or more", s.last)
	case given("last") && s.baseline == "":
		return errors.New("--last: counts the sets of --baseline: want --baseline, or leave --last out")
	case s.base != "" && s.baseline != "":
		return errors.New("--base: names one of several variants or payloads, and --baseline earlier runs: want one of the two")
	}
	if err := errors.Join(o.host.check(given), o.fleet.check(o)); err != nil {
		return err
	}
	for _, flag := range []string{"metric", "min-effect", "margin", "alpha", "strict", "base"} {
		if given(flag) && s.baseline == "" && sides == 1 {
			return fmt.Errorf("--%s: goes with a comparison: want --baseline, --interleave or --variant, or leave --%[1]s out", flag)
		}
	}
	return nil
}

// run makes the runs, prints them and returns the error that the command ends with. It
// finds every usage error before anything runs.
func (a *app) run(ctx context.Context, o runOptions) error {
	request, baseline, err := o.request()
	if err != nil {
		return err
	}
	defer surviveReader()()
	a.place(&request, o)
	stops := a.stops
	if stops == nil {
		stops = series.CatchStops()
		defer stops.Close()
	}
	preparing, prepared := stops.Until(ctx)
	s := series.New(a.catalog(o.quiet), request)
	defer s.Close()
	view := &seriesView{app: a, o: o, Series: s}
	s.Stops, s.Notice = stops, a.notice(o.quiet)
	if err = s.Find(preparing); err == nil {
		view.baseline, err = o.runsOfBaseline(baseline, s)
		view.baseline = runs.WithHints(view.baseline, request.Spec.Hints)
	}
	if err == nil {
		err = o.checkBase(s)
	}
	if err == nil && o.emit.format != "" {
		prepared()
		return a.emitManifest(view)
	}
	if err == nil && o.fleet.on != "" {
		prepared()
		return a.runOnHosts(ctx, view, stops)
	}
	if err == nil {
		defer a.guardRuns(o.quiet)()
		err = s.Prepare(preparing)
	}
	if err == nil {
		err = s.Lock(preparing)
	}
	prepared()
	if stop := stops.Take(); stop != nil {
		return view.noRun(s.Interrupt(fmt.Errorf("%v: nothing was started", stop)))
	}
	if err != nil {
		return view.noRun(err)
	}
	if !s.Alone() {
		s.Ended = view.printEnded
	}
	if o.series.until {
		s.Enough = view.enough
	}
	if !o.quiet && steerable(a.stderr) {
		s.Progress = view.showProgress
	}
	if err = s.Run(ctx); err != nil && len(s.Runs()) == len(s.Lost) {
		return view.noRun(err)
	}
	return view.print(err)
}

// request returns the request for the runs, and the runs of --baseline.
func (o runOptions) request() (series.Request, []runs.Run, error) {
	r := series.Request{
		Payloads: o.payloads, Variants: o.series.variants, Extractor: o.extractor,
		Repeat: o.series.repeat, For: o.series.duration, Tags: o.series.tags, Version: version(),
		Exclusive: o.host.exclusive, Wait: o.host.wait,
	}
	if o.series.until {
		r.Repeat, r.For = o.series.maxRuns, o.series.maxTime
	}
	for _, tag := range r.Tags {
		if err := runs.ValidTag(tag); err != nil {
			return r, nil, fmt.Errorf("--tag: %w", err)
		}
	}
	if err := o.series.exports.check(); err != nil {
		return r, nil, err
	}
	if err := o.series.statistics.check(); err != nil {
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
	options, err := o.options.parse()
	if err != nil {
		return r, nil, err
	}
	if err := o.match.checkExtractor(o.extractor); err != nil {
		return r, nil, err
	}
	if r.Table, err = o.match.table(); err != nil {
		return r, nil, err
	}
	hints, err := o.hints.hints()
	if err != nil {
		return r, nil, err
	}
	env, err := environment(o.env)
	if err != nil {
		return r, nil, err
	}
	if o.cwd != "" {
		if o.cwd, err = filepath.Abs(o.cwd); err != nil {
			return r, nil, fmt.Errorf("--cwd: %w", err)
		}
	}
	if r.Root = o.out; r.Root == "" {
		if r.Root, err = bundle.DefaultRoot(); err != nil {
			return r, nil, err
		}
	}
	r.Spec = core.Spec{
		Args: o.args, NoDefaultArgs: o.noDefaultArgs, Env: env, Dir: o.cwd, User: o.user,
		Checks: checks, NoDefaultChecks: o.noDefaultChecks,
		Hints: hints, Options: options, Timeout: o.timeout, StopAfter: o.stopAfter, Grace: o.grace, Limit: int64(o.maxCapture),
		Scratch: o.scratch, Cgroup: o.cgroup, NoCgroup: o.noCgroup, Counters: o.counters,
	}
	name := o.series.baseline
	if name == "" {
		return r, nil, nil
	}
	baseline, err := runs.Named(runs.Open(r.Root), name)
	if errors.As(err, new(*runs.UnknownError)) && runs.ValidTag(name) == nil {
		err = addSentence(err, "To make it: ktstr run … --tag "+name)
	}
	if err != nil {
		return r, nil, fmt.Errorf("--baseline %s: %w", name, err)
	}
	return r, baseline, nil
}

// environment returns the variables of --env by name. The errors do not show a value.
func environment(pairs []string) (map[string]string, error) {
	env := map[string]string{}
	for i, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("--env number %d: want NAME=VALUE, such as --env MODE=fast", i+1)
		}
		if _, given := env[name]; given {
			return nil, fmt.Errorf("--env %s: the variable was given twice: want it once", name)
		}
		env[name] = value
	}
	return env, nil
}

// checkBase returns an error if --base names none of the sides of s.
func (o runOptions) checkBase(s *series.Series) error {
	base := o.series.base
	var names []string
	for _, side := range s.Sides {
		names = append(names, side.Name)
	}
	if base == "" || slices.Contains(names, base) {
		return nil
	}
	return fmt.Errorf("--base %s: want one of %s", base, strings.Join(names, ", "))
}

// runsOfBaseline returns the runs of the baseline that have the payload of s.
func (o runOptions) runsOfBaseline(baseline []runs.Run, s *series.Series) ([]runs.Run, error) {
	if o.series.baseline == "" {
		return nil, nil
	}
	payload := s.Sides[0].Spec.Payload.Name
	if found := runs.Last(runs.Baseline(baseline, payload), o.series.last); len(found) > 0 {
		return found, nil
	}
	err := fmt.Errorf("--baseline %s: it has no run of %s", o.series.baseline, payload)
	if runs.ValidTag(o.series.baseline) == nil {
		err = addSentence(err, fmt.Sprintf("To add one: ktstr run %s --tag %s", o.payloads[0], o.series.baseline))
	}
	return nil, err
}
