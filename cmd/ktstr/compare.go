package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/internal/bundle"
	"github.com/ktstr/ktstr/internal/compare"
	"github.com/ktstr/ktstr/internal/export"
	"github.com/ktstr/ktstr/internal/nearest"
	"github.com/ktstr/ktstr/internal/runs"
	"github.com/ktstr/ktstr/internal/text"
)

// compareOptions are the flags that say how runs are compared.
type compareOptions struct {
	minEffect percent
	alpha     float64
	metrics   []string
	strict    bool
	compared  []string // no flag: compare.Options.Compared
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

// ofAnyPayload goes before a metric's name where there are several payloads, or
// variants.
const ofAnyPayload = "*/"

// compare compares the runs b with the runs a: all metrics, or those that decide.
func (o compareOptions) compare(nameA string, a []runs.Run, nameB string, b []runs.Run, all bool) compare.Report {
	a, interruptedA := uninterrupted(a)
	b, interruptedB := uninterrupted(b)
	sideA, sideB, effects := runs.Sides(nameA, a, nameB, b)
	sideA.Interrupted, sideB.Interrupted = interruptedA, interruptedB
	options := compare.Options{Alpha: o.alpha, MinEffects: effects, OnlyDeciding: !all, Compared: o.compared}
	if o.minEffect.set {
		options.MinEffect = &o.minEffect.value
		options.MinEffects = nil // what a person asks for goes before what a payload says
	}
	for _, pattern := range o.metrics {
		options.Select = append(options.Select, pattern, ofAnyPayload+pattern)
	}
	var absent []string
	options.Absent, absent = o.unmatched(sideA, sideB)
	r := compare.Compare(sideA, sideB, options)
	r.Notes = append(r.Notes, absent...)
	split := runs.SplitByVariant(a, b)
	for _, note := range slices.Concat(pooled(nameA, a, split), pooled(nameB, b, split)) {
		if !slices.Contains(r.Notes, note) {
			r.Notes = append(r.Notes, note)
		}
	}
	if note := common(a, b); note != "" {
		r.Notes = append(r.Notes, note)
	}
	return r
}

// pooled says where runs of one side are not alike and yet their numbers are
// taken for those of one: of several variants, unless they are split, or with
// several command lines.
func pooled(name string, list []runs.Run, split map[string]bool) []string {
	var notes, payloads []string
	variants := map[string][]string{} // by payload
	arguments := map[string][]string{}
	add := func(m map[string][]string, key, value string) {
		if !slices.Contains(m[key], value) {
			m[key] = append(m[key], value)
		}
	}
	for _, r := range list {
		if r.Record.NotStarted != "" {
			continue
		}
		p, variant := r.Record.Payload, cmp.Or(runs.Variant(r.Record), "none")
		if !slices.Contains(payloads, p) {
			payloads = append(payloads, p)
		}
		add(variants, p, variant)
		group := p
		if split[p] {
			group += " " + variant
		}
		add(arguments, group, runs.Arguments(r.Record))
	}
	for _, p := range payloads {
		v := variants[p]
		if len(v) > 1 && !split[p] {
			notes = append(notes, fmt.Sprintf("%s: runs of %s of %d variants (%s) are pooled; each has a set of its own to compare, see ktstr runs list",
				name, p, len(v), strings.Join(v, ", ")))
			continue
		}
		groups := []string{p}
		if split[p] {
			groups = nil
			for _, variant := range v {
				groups = append(groups, p+" "+variant)
			}
		}
		for _, g := range groups {
			if n := len(arguments[g]); n > 1 {
				notes = append(notes, fmt.Sprintf("%s: runs of %s with %d different command lines are pooled; see ktstr runs show", name, g, n))
			}
		}
	}
	return notes
}

// common says which runs are on both sides; "" where none is. A bundle's name
// is unique, also where it is a copy, or a record in a file.
func common(a, b []runs.Run) string {
	names := func(list []runs.Run) map[string]bool {
		set := map[string]bool{}
		for _, r := range list {
			if r.Name != "" {
				set[r.Name] = true
			}
		}
		return set
	}
	inA, inB := names(a), names(b)
	both := 0
	for name := range inA {
		if inB[name] {
			both++
		}
	}
	switch {
	case both == 0:
		return ""
	case both == len(a) && both == len(b):
		return "A and B are the same runs"
	case both == 1:
		return "1 run is in both A and B"
	}
	return fmt.Sprintf("%d runs are in both A and B", both)
}

// unmatched is what --metric asks for and no run has, and for each a note with
// the nearest name that there is.
func (o compareOptions) unmatched(sides ...compare.Side) (absent, notes []string) {
	if len(o.metrics) == 0 {
		return nil, nil
	}
	known := compare.Names(sides...)
	for _, pattern := range o.metrics {
		if slices.Contains(absent, pattern) || slices.ContainsFunc(known, func(name string) bool {
			return extract.Match(pattern, name) || extract.Match(ofAnyPayload+pattern, name)
		}) {
			continue
		}
		note := fmt.Sprintf("--metric %s: no run that ended well has it", pattern)
		if near := nearest.Of(pattern, known); near != "" {
			note += fmt.Sprintf("; did you mean %s?", near)
		} else if len(known) > 0 {
			const some = 5
			note += "; there is " + strings.Join(known[:min(some, len(known))], ", ")
			if len(known) > some {
				note += fmt.Sprintf(" and %d more", len(known)-some)
			}
		}
		absent, notes = append(absent, pattern), append(notes, note)
	}
	return absent, notes
}

// uninterrupted are the runs that nobody stopped, and how many were stopped:
// that says nothing about what they ran.
func uninterrupted(list []runs.Run) (left []runs.Run, interrupted int) {
	left = slices.DeleteFunc(slices.Clone(list), func(r runs.Run) bool { return r.Record.Interrupted })
	return left, len(list) - len(left)
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
			before, err := findRuns(store, args[0])
			if err != nil {
				return err
			}
			after, err := findRuns(store, args[1])
			if err != nil {
				return err
			}
			r := o.compare(args[0], before, args[1], after, o.all || o.output == formatJSON || len(o.exports) > 0)
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

// findRuns reads the runs that an argument means: a path where it has a /, else
// a name.
func findRuns(store runs.Store, arg string) ([]runs.Run, error) {
	if strings.Contains(arg, "/") {
		return runs.Load(arg)
	}
	list, err := store.Find(arg)
	var unreadable *runs.UnreadableError
	if err != nil && !errors.As(err, &unreadable) {
		if _, statErr := os.Stat(arg); statErr == nil {
			return nil, fmt.Errorf("%w; for the path write ./%s", err, arg)
		}
		return nil, err
	}
	return list, err
}

// findAnyRuns is findRuns for what does not need to read all of them.
func findAnyRuns(store runs.Store, arg string) ([]runs.Run, error) {
	list, err := findRuns(store, arg)
	if unreadable := (*runs.UnreadableError)(nil); errors.As(err, &unreadable) {
		return list, nil
	}
	return list, err
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
