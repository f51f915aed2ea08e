package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/internal/bundle"
	"github.com/ktstr/ktstr/internal/compare"
	"github.com/ktstr/ktstr/internal/export"
	"github.com/ktstr/ktstr/internal/runs"
	"github.com/ktstr/ktstr/internal/text"
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

// exports is --export FORMAT=FILE.
type exports []struct{ format, path string }

func exportFlag(f *pflag.FlagSet, e *exports) {
	f.Var(e, "export", "write it as FORMAT to FILE, - for stdout; FORMAT is one of "+strings.Join(export.Formats(), ", ")+" (repeatable)")
}

func (e *exports) String() string { return "" }
func (e *exports) Type() string   { return "FORMAT=FILE" }
func (e *exports) Set(text string) error {
	name, path, ok := strings.Cut(text, "=")
	if !ok || name == "" || path == "" {
		return errors.New("want FORMAT=FILE, such as csv=runs.csv")
	}
	for _, known := range export.Formats() {
		if name == known {
			*e = append(*e, struct{ format, path string }{name, path})
			return nil
		}
	}
	return fmt.Errorf("format %q: want one of %s", name, strings.Join(export.Formats(), ", "))
}

// check refuses what could only fail after everything has run.
func (e exports) check() error {
	stdout := 0
	for i, x := range e {
		for _, y := range e[:i] {
			if x.path != "-" && sameFile(x.path, y.path) {
				return fmt.Errorf("--export %s=%s: %s goes to the same file: want another", x.format, x.path, y.format)
			}
		}
		if x.path == "-" {
			if stdout++; stdout > 1 {
				return errors.New("--export: two formats on stdout: want one")
			}
			continue
		}
		if info, err := os.Stat(x.path); err == nil && info.IsDir() {
			return fmt.Errorf("--export %s=%s: it is a directory: want a file", x.format, x.path)
		}
		if _, err := os.Stat(filepath.Dir(x.path)); err != nil {
			return fmt.Errorf("--export %s=%s: %w", x.format, x.path, err)
		}
	}
	return nil
}

// sameFile reports whether one path would overwrite the other. A device keeps
// nothing.
func sameFile(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	switch {
	case errA == nil && errB == nil:
		return infoA.Mode().IsRegular() && os.SameFile(infoA, infoB)
	case errA == nil || errB == nil:
		return false
	}
	// Neither is there yet.
	dirA, errA := os.Stat(filepath.Dir(a))
	dirB, errB := os.Stat(filepath.Dir(b))
	return filepath.Base(a) == filepath.Base(b) && errA == nil && errB == nil && os.SameFile(dirA, dirB)
}

// toStdout reports whether an export takes the place of what is printed.
func (e exports) toStdout() bool {
	for _, x := range e {
		if x.path == "-" {
			return true
		}
	}
	return false
}

// writeExports writes all that can be written.
func (a *app) writeExports(e exports, s export.Source) error {
	var failed []error
	for _, x := range e {
		if err := a.writeExport(x.format, x.path, s); err != nil {
			failed = append(failed, &exitError{core.ExitRun, fmt.Errorf("--export %s=%s: %w", x.format, x.path, err)})
		}
	}
	return a.together(failed...)
}

func (a *app) writeExport(format, path string, s export.Source) error {
	if path == "-" {
		return a.printExport(format, s)
	}
	// Without waiting: a named pipe that nobody reads is an error.
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_NONBLOCK, 0o666)
	if errors.Is(err, unix.ENXIO) {
		return errors.New("a named pipe that nobody reads: want its reader started first")
	}
	if err != nil {
		return err
	}
	return errors.Join(export.Write(f, format, s), f.Close())
}

// printExport writes an export to stdout: to a program as it is, to a terminal
// as safely as everything else. JSON can say the same either way.
func (a *app) printExport(format string, s export.Source) error {
	var b bytes.Buffer
	if err := export.Write(&b, format, s); err != nil {
		return err
	}
	out := b.Bytes()
	switch {
	case strings.HasPrefix(format, "json"):
		out = text.EscapeJSON(out)
	case terminal(a.stdout) > 0:
		out = []byte(text.Printable(b.String()))
	}
	_, err := a.stdout.Write(out)
	return err
}

func (a *app) completeRuns(_ *cobra.Command, _ []string, begin string) ([]string, cobra.ShellCompDirective) {
	if strings.Contains(begin, "/") {
		return nil, cobra.ShellCompDirectiveDefault
	}
	store, err := openStore("")
	if err != nil {
		return nil, cobra.ShellCompDirectiveDefault
	}
	list, err := store.List(runs.Filter{})
	if err != nil {
		return nil, cobra.ShellCompDirectiveDefault
	}
	seen := map[string]bool{}
	var names []string
	for _, r := range list {
		for _, name := range append(append([]string{}, r.Tags...), r.Record.Labels[runs.LabelSet], r.Name) {
			if name != "" && !seen[name] {
				seen[name] = true
				names = append(names, name)
			}
		}
	}
	return names, cobra.ShellCompDirectiveDefault
}
