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

// compareOptions are the flags that say how runs are compared.
type compareOptions struct {
	minEffect percent
	alpha     float64
	metrics   []string
	strict    bool
}

// compareFlags adds those flags; `ktstr run --baseline` has them, too.
func compareFlags(f *pflag.FlagSet, o *compareOptions) {
	f.Var(&o.minEffect, "min-effect", "the least change that is a difference, such as 5% (default 2%; a payload can say so for each metric)")
	f.Float64Var(&o.alpha, "alpha", compare.DefaultAlpha, "the greatest `PROBABILITY` of one or more false alarms in a comparison")
	f.StringArrayVar(&o.metrics, "metric", nil, "decide on the metric `NAME`, or the pattern of names, in place of the headlines (repeatable)")
	f.BoolVar(&o.strict, "strict", false, "exit status 5 if any metric that decides has too few runs to tell (without it: if all have)")
}

// check refuses what cannot be meant.
func (o compareOptions) check() error {
	if !(o.alpha > 0 && o.alpha < 1) {
		return fmt.Errorf("--alpha %v: want a probability between 0 and 1", o.alpha)
	}
	return nil
}

// comparison returns the comparison that the flags ask for, of all metrics or of
// those that decide.
func (o compareOptions) comparison(all bool) runs.Comparison {
	c := runs.Comparison{Alpha: o.alpha, Metrics: o.metrics, All: all}
	if o.minEffect.set {
		c.MinEffect = &o.minEffect.value
	}
	return c
}

// percent is a flag such as 5%, with or without the sign.
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

func (a *app) compareCommand() *cobra.Command {
	var o struct {
		compareOptions
		out     string
		all     bool
		output  format
		exports exports
	}
	c := &cobra.Command{
		Use:   "compare A B",
		Short: "Compare two sets of runs; exit status 1 on a regression",
		Long: `Compare the runs B with the runs A, metric by metric. A and B are tags, sets or
bundles (see ktstr runs list), or paths, with a / in them: of a bundle, of a
directory of bundles, or of a file of records (json or jsonl).

The verdict of a metric is better, worse, ~ (no difference shown), changed
(nobody said which way is better), missing (on one side only, or no run has what
--metric asks for), or too few (no result of so many runs could tell). A
difference is called where the Mann-Whitney U-test is significant, corrected for
the number of metrics, and the medians differ by more than --min-effect.

The headline metrics decide. Exit status: 1 if anything that decides is worse or
missing; 5 if there are too few runs to judge any of it, with --strict to judge
all of it; else 0.`,
		Example: `  ktstr run fio-randread --repeat 10 --tag before
  ktstr run fio-randread --repeat 10 --tag after
  ktstr compare before after`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return fmt.Errorf("compare: %s: want two, A and B: tags, sets or bundles of ktstr runs list, or paths", count(len(args), "argument"))
			}
			return nil
		},
		ValidArgsFunction: a.completeRuns,
		RunE: func(_ *cobra.Command, args []string) error {
			if err := errors.Join(o.check(), o.exports.check()); err != nil {
				return err
			}
			store, err := openStore(o.out)
			if err != nil {
				return err
			}
			before, err := runs.Named(store, args[0])
			if err != nil {
				return err
			}
			after, err := runs.Named(store, args[1])
			if err != nil {
				return err
			}
			r := o.comparison(o.all || o.output == formatJSON || len(o.exports) > 0).Compare(args[0], before, args[1], after)
			return a.together(
				a.printReport(r, o.output, o.all, o.exports.toStdout()),
				a.writeExports(o.exports, export.Source{Runs: before, Other: after, Report: &r}),
				ending(r.ExitStatus(o.strict)),
			)
		},
	}
	f := c.Flags()
	compareFlags(f, &o.compareOptions)
	f.BoolVar(&o.all, "all", false, "show the metrics that do not decide, too")
	outFlag(f, &o.out)
	outputFlag(f, &o.output)
	exportFlag(f, &o.exports)
	return c
}

// printReport prints a comparison on stdout, unless something else goes there.
func (a *app) printReport(r compare.Report, f format, all, taken bool) error {
	if taken {
		return nil
	}
	var err error
	if f == formatJSON {
		err = a.printJSON(r)
	} else {
		_, err = fmt.Fprint(a.stdout, reportTable(a.stdout, r, all))
	}
	return notPrinted(err)
}

// reportTable is a comparison as it is printed on w.
func reportTable(w io.Writer, r compare.Report, all bool) string {
	return compare.Table{Width: terminal(w), Color: bool(styleOf(w)), All: all}.Format(r)
}
