package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ktstr/ktstr/internal/compare"
	"github.com/ktstr/ktstr/internal/export"
	"github.com/ktstr/ktstr/internal/runs"
)

// compareOptions are the flags of `ktstr compare`.
type compareOptions struct {
	statisticsOptions
	hints   hintOptions
	last    int
	out     string
	all     bool
	by      string
	output  format
	exports exports
}

func (a *app) compareCommand() *cobra.Command {
	var o compareOptions
	c := &cobra.Command{
		Use:   "compare A B",
		Short: "Compare two groups of runs; exit status 1 on a regression",
		Long: `Compare the runs B with the runs A, metric by metric. A and B are tags, sets or
bundles (see ktstr runs list). They can also be paths, with a / in them: of a
bundle, of a directory of bundles, or of a file of records (json or jsonl).

The verdict of a metric is one of:
  better, worse  the medians differ, see below
  same           a change of the margin is excluded in both directions
  no loss        a loss of the margin is excluded
  unclear        neither of these: the runs leave the question open
  changed        the medians differ, and the metric has no polarity
  missing        only one side has the metric, or no run has a --metric
  too few        this number of runs cannot show a difference

If both sides have runs on the same hosts, B is compared with A on each host, and
each host counts once. --by host shows the hosts.

The medians differ if the Mann-Whitney U test is significant (corrected for the
number of metrics) and the difference exceeds --min-effect.

The headline metrics with a polarity decide the exit status, or those of --metric:
  0  passed: every metric is better, same or no loss, or unclear or too few
     without a margin of the payload or of --margin
  1  failed: a metric is worse or missing
  5  open: a metric is unclear or too few and has such a margin (with --strict:
     any margin), changed, or nothing could be judged`,
		Example: `  ktstr run fio-randread --repeat 10 --tag before
  ktstr run fio-randread --repeat 10 --tag after
  ktstr compare before after`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return fmt.Errorf("compare: %s: want two, A and B: a tag, set or bundle of ktstr runs list, or a path", count(len(args), "argument"))
			}
			return nil
		},
		ValidArgsFunction: a.completeRuns,
		RunE: func(c *cobra.Command, args []string) error {
			if c.Flags().Changed("last") && o.last < 1 {
				return fmt.Errorf("--last %d: want 1 or more", o.last)
			}
			return a.compare(args[0], args[1], o)
		},
	}
	f := c.Flags()
	statisticsFlags(f, &o.statisticsOptions)
	hintFlags(f, &o.hints)
	f.IntVar(&o.last, "last", 0, "compare with the last `N` sets of A, such as 10 (default: all)")
	f.BoolVar(&o.all, "all", false, "also show the metrics that do not decide")
	byFlag(f, &o.by, "also show the change on each host, and which host is odd: --by host")
	outFlag(f, &o.out)
	outputFlag(f, &o.output)
	exportFlag(f, &o.exports)
	c.RegisterFlagCompletionFunc("export", completeExport)
	return c
}

func (a *app) compare(nameA, nameB string, o compareOptions) error {
	if err := errors.Join(o.check(), o.exports.check(), checkBy(o.by)); err != nil {
		return err
	}
	hints, err := o.hints.hints()
	if err != nil {
		return err
	}
	store, err := openStore(o.out)
	if err != nil {
		return err
	}
	before, err := runs.Named(store, nameA)
	if err != nil {
		return err
	}
	after, err := runs.Named(store, nameB)
	if err != nil {
		return err
	}
	before = runs.Last(before, o.last)
	before, after = runs.WithHints(before, hints), runs.WithHints(after, hints)
	c := a.calibrated(o.comparison(o.all || o.output == formatJSON || o.exports.any()), after)
	r := c.Compare(nameA, before, nameB, after)
	before, _ = runs.Distinct(before)
	after, _ = runs.Distinct(after)
	var printed error
	if !o.exports.toStdout() {
		printed = a.printReport(r, o.output, o.all)
		if o.by != "" && o.output != formatJSON && printed == nil {
			_, err := fmt.Fprint(a.stdout, tableFor(a.stdout, o.all).ByHost(r))
			printed = outputError(err)
		}
	}
	return a.joinErrors(
		printed,
		a.writeExports(o.exports, export.Source{Runs: before, Other: after, Report: &r}),
		exitWith(r.ExitStatus(o.strict)),
	)
}

// printReport prints a comparison on stdout.
func (a *app) printReport(r compare.Report, f format, all bool) error {
	if f == formatJSON {
		return outputError(a.printJSON(r))
	}
	_, err := fmt.Fprint(a.stdout, reportTable(a.stdout, r, all))
	return outputError(err)
}

// reportTable returns a comparison as it is printed on w.
func reportTable(w io.Writer, r compare.Report, all bool) string {
	return tableFor(w, all).Format(r)
}

func tableFor(w io.Writer, all bool) compare.Table {
	return compare.Table{Width: terminal(w), Color: bool(styleOf(w)), All: all}
}

func byFlag(f *pflag.FlagSet, by *string, usage string) { f.StringVar(by, "by", "", usage) }

// checkBy checks the value of --by.
func checkBy(by string) error {
	if by != "" && by != "host" {
		return fmt.Errorf("--by %q: want host", by)
	}
	return nil
}

// statisticsOptions are the flags that both `ktstr compare` and `ktstr run --baseline`
// have.
type statisticsOptions struct {
	minEffect percent
	margin    percent
	alpha     float64
	metrics   []string
	strict    bool
}

func statisticsFlags(f *pflag.FlagSet, o *statisticsOptions) {
	verdictFlags(f, o)
	f.BoolVar(&o.strict, "strict", false, "exit with 5 if any metric that decides is unclear or has too few runs")
}

// verdictFlags are those of statisticsFlags that change a verdict.
func verdictFlags(f *pflag.FlagSet, o *statisticsOptions) {
	f.Var(&o.minEffect, "min-effect", "ignore a change of less than `PERCENT`, such as 5% (default 2%, or the metric's own value in the payload)")
	f.Var(&o.margin, "margin", "pass only if a loss of `PERCENT` is excluded, such as 5%, or else exit with 5 (default the metric's own value in the payload, or 5% without the exit status 5)")
	f.Float64Var(&o.alpha, "alpha", compare.DefaultAlpha, "chance `P` of a false alarm in one comparison, and of a pass at a loss of the margin, such as 0.01")
	f.StringArrayVar(&o.metrics, "metric", nil, "let the metric `NAME` decide, such as read.iops or 'read.*', in place of the headlines (repeatable)")
}

func (o statisticsOptions) check() error {
	if !(o.alpha > 0 && o.alpha < 1) {
		return fmt.Errorf("--alpha %v: want a probability between 0 and 1, such as 0.05", o.alpha)
	}
	if o.margin.set && o.margin.value == 0 {
		return errors.New("--margin 0%: no number of runs excludes every loss: want a percentage above 0, such as 5%")
	}
	return nil
}

// comparison returns the comparison that the flags ask for. With all it includes the
// metrics that do not decide.
func (o statisticsOptions) comparison(all bool) runs.Comparison {
	c := runs.Comparison{Alpha: o.alpha, Metrics: o.metrics, All: all}
	if o.minEffect.set {
		c.MinEffect = &o.minEffect.value
	}
	if o.margin.set {
		c.Margin = &o.margin.value
	}
	return c
}

// percent is the value of a flag such as 5% or 5. Its zero value is a flag that was not
// given.
type percent struct {
	value float64
	set   bool
}

func (p *percent) String() string {
	if !p.set {
		return ""
	}
	return strconv.FormatFloat(p.value, 'g', -1, 64) + "%"
}

func (p *percent) Type() string { return "PERCENT" }

func (p *percent) Set(text string) error {
	v, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(text, "%")), 64)
	if err != nil || !(v >= 0 && v < 1e6) {
		return errors.New("want a percentage of 0 or more, such as 5%")
	}
	p.value, p.set = v, true
	return nil
}
