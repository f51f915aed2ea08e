package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/unit"
	"github.com/ktstr/ktstr/internal/compare"
	"github.com/ktstr/ktstr/internal/export"
	"github.com/ktstr/ktstr/internal/runs"
)

// filterFlags are the flags that choose runs.
type filterFlags struct {
	runs.Filter
	since, until moment
}

func (o *filterFlags) add(f *pflag.FlagSet) {
	f.StringVar(&o.Payload, "payload", "", "runs of the payload `NAME`")
	f.StringVar(&o.Filter.Tag, "tag", "", "runs with the tag `NAME`")
	f.StringVar(&o.Set, "set", "", "runs of the set `NAME`")
	f.StringVar(&o.Commit, "commit", "", "runs in a working directory at the git commit `HASH`, or its first digits")
	f.StringVar(&o.Host, "host", "", "runs on the host `NAME`")
	f.Var(&o.since, "since", "runs that began at or after `TIME`: 2026-11-23, RFC 3339, or how long ago (36h, 14d)")
	f.Var(&o.until, "until", "runs that began at or before `TIME`")
}

func (o *filterFlags) filter() runs.Filter {
	o.Since, o.Until = time.Time(o.since), time.Time(o.until)
	return o.Filter
}

// moment is a point in time: a date, RFC 3339, or a duration before now.
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
	return errors.New("want 2026-11-23, 2026-11-23T15:04:05Z, or how long ago, such as 36h or 14d")
}

func (a *app) runsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "runs",
		Short: "Find, show, tag and delete the runs that were kept",
	}
	group(c)
	c.AddCommand(a.runsListCommand(), a.runsShowCommand(), a.runsPathCommand(), a.runsTagCommand(), a.runsPruneCommand())
	return c
}

// listedRun is a run in `ktstr runs list -o json`.
type listedRun struct {
	Name     string       `json:"name"`
	Bundle   string       `json:"bundle"`
	Payload  string       `json:"payload"`
	Start    time.Time    `json:"start"`
	Duration core.Seconds `json:"duration"`
	Verdict  string       `json:"verdict"`
	Set      string       `json:"set"`
	Variant  string       `json:"variant"`
	Commit   string       `json:"commit"`
	Host     string       `json:"host"`
	Tags     []string     `json:"tags"`
	Error    string       `json:"error,omitempty"` // why the bundle cannot be read
}

func listRuns(list []runs.Run) []listedRun {
	rows := []listedRun{}
	for _, r := range list {
		rec := r.Record
		row := listedRun{
			Name: r.Name, Bundle: r.Dir, Payload: rec.Payload, Start: rec.Start, Duration: rec.Duration, Verdict: rec.Verdict,
			Set: rec.Labels[runs.LabelSet], Variant: rec.Labels[runs.LabelVariant], Commit: rec.Labels[runs.LabelCommit], Host: rec.Host.Name,
			Tags: append([]string{}, r.Tags...),
		}
		if r.Err != nil {
			row.Error, row.Verdict = r.Err.Error(), "unreadable"
		}
		rows = append(rows, row)
	}
	return rows
}

func (a *app) printRunList(list []runs.Run, f format) error {
	if f == formatJSON {
		return a.printJSON(listRuns(list))
	}
	t := tableTo(a.stdout)
	for _, r := range listRuns(list) {
		commit := r.Commit[:min(12, len(r.Commit))]
		fmt.Fprintln(t, strings.TrimRight(printable(strings.Join([]string{r.Name, r.Verdict, r.Set, commit, strings.Join(r.Tags, ",")}, "\t")), "\t"))
	}
	return t.Flush()
}

func (a *app) runsListCommand() *cobra.Command {
	var filter filterFlags
	var out string
	var output format
	c := &cobra.Command{
		Use:   "list",
		Short: "List runs, the oldest first: name, verdict, set, commit, tags",
		Args:  arguments(""),
		RunE: func(*cobra.Command, []string) error {
			store, err := openStore(out)
			if err != nil {
				return err
			}
			list, err := store.List(filter.filter())
			if err != nil {
				return err
			}
			return notPrinted(a.printRunList(list, output))
		},
	}
	filter.add(c.Flags())
	outFlag(c.Flags(), &out)
	outputFlag(c.Flags(), &output)
	return c
}

// oneOrMore wants names of runs.
func oneOrMore(command string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return fmt.Errorf("runs %s: want a tag, a set or a bundle of ktstr runs list, or a path", command)
		}
		return nil
	}
}

func (a *app) runsShowCommand() *cobra.Command {
	var out string
	var output format
	var all bool
	var exports exports
	c := &cobra.Command{
		Use:   "show RUNS...",
		Short: "Show runs: the medians of their metrics, and what failed",
		Long: `Show one run: its metrics, what became of each check, what was executed, where,
how it ended, and what ktstr and the kernel counted meanwhile. Or several
together: the median and the spread (half the distance between the quartiles) of
each metric over the runs that ended well, what failed, and what the runs have in
common. -o json prints the records. --export writes them for other tools.`,
		Example: `  ktstr runs show nightly --export csv=nightly.csv --export junit=nightly.xml
  ktstr runs show before --export benchfmt=before.txt`,
		Args:              oneOrMore("show"),
		ValidArgsFunction: a.completeRuns,
		RunE: func(_ *cobra.Command, args []string) error {
			if err := exports.check(); err != nil {
				return err
			}
			store, err := openStore(out)
			if err != nil {
				return err
			}
			var list []runs.Run
			for _, arg := range args {
				found, err := runs.Named(store, arg)
				if err != nil {
					return err
				}
				list = append(list, found...)
			}
			var lost error
			if !exports.toStdout() {
				lost = notPrinted(a.showRuns(list, output, all))
			}
			return a.together(lost, a.writeExports(exports, export.Source{Runs: list}))
		},
	}
	outFlag(c.Flags(), &out)
	outputFlag(c.Flags(), &output)
	exportFlag(c.Flags(), &exports)
	c.Flags().BoolVar(&all, "all", false, "show all metrics, not only the headlines")
	return c
}

func (a *app) showRuns(list []runs.Run, output format, all bool) error {
	if output == formatJSON {
		if len(list) == 1 {
			return a.printJSON(list[0].Record)
		}
		return a.printJSON(export.SetOf(list))
	}
	if len(list) == 1 {
		if err := a.printRunText(list[0].Record, all); err != nil {
			return err
		}
		for _, f := range export.Failures(list) {
			fmt.Fprintf(a.stdout, "failed: %s\n", printable(f.Message))
		}
		fmt.Fprintln(a.stdout)
		return a.printDetails(list[0])
	}
	groups := export.ByTitle(list)
	for i, group := range groups {
		if i > 0 {
			fmt.Fprintln(a.stdout)
		}
		if len(groups) > 1 {
			fmt.Fprintf(a.stdout, "%s\n", printable(export.Title(group[0].Record)))
		}
		if err := a.printSet(group, 0, all); err != nil {
			return err
		}
		fmt.Fprintln(a.stdout)
		if err := a.printFacts(group); err != nil {
			return err
		}
	}
	return nil
}

// printSet prints several runs together; wanted is how many there should have
// been, 0 where nobody said. Interrupted ones are counted alone.
func (a *app) printSet(list []runs.Run, wanted int, all bool) error {
	list, interrupted := runs.Uninterrupted(list)
	report := compare.Compare(compare.Side{}, runs.Side("", list), compare.Options{})
	w := bufio.NewWriter(a.stdout)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	hidden := 0
	for _, row := range report.Rows {
		if !row.Decides && !all {
			hidden++
			continue
		}
		text := row.Note
		if row.B.N > 0 {
			text = summaryText(row.B, row.Unit)
		}
		fmt.Fprintf(t, "%s\t%s\tn=%d\t%s\n", line(row.Metric), line(text), row.B.N, arrow(row.Polarity))
	}
	t.Flush()
	s := styleOf(a.stdout)
	for _, f := range export.Failures(list) {
		who := cmp.Or(f.Runs[0].Name, fmt.Sprintf("run %d", 1+f.At))
		if len(f.Runs) > 1 {
			who = fmt.Sprintf("%d of %s", len(f.Runs), count(len(list), "run"))
		}
		fmt.Fprintf(w, "%s %s: %s\n", s.bad("failed:"), printable(who), printable(f.Message))
	}
	verdict := s.good(core.Pass)
	failed := 0
	for _, r := range list {
		if r.Record.Verdict != core.Pass {
			failed++
			verdict = s.bad(core.Fail)
		}
	}
	more := ""
	if hidden > 0 {
		more = s.dim(fmt.Sprintf("  (%s: --all, or -o json)", count(hidden, "more metric")))
	}
	made := count(len(list), "run")
	if len(list) < wanted {
		made = fmt.Sprintf("%d of %s", len(list), count(wanted, "run"))
		verdict = s.bad(core.Fail)
	}
	stopped := ""
	if interrupted > 0 {
		stopped = fmt.Sprintf(", %d interrupted, left out", interrupted)
		verdict = s.bad(core.Fail)
	}
	checks := checksText(export.SetOf(list).Runs...)
	if checks != "" {
		checks = "  " + checks
	}
	fmt.Fprintf(w, "%s  %s, %d failed%s%s%s\n", verdict, made, failed, stopped, checks, more)
	return w.Flush()
}

// summaryText is the median of some runs and, of more than one, the spread:
// "1250.5 ±0 ops/s". The median has as many decimals as the spread, but no more
// digits than its value has in the unit that it was measured in; where nothing
// is spread it has all of those.
func summaryText(s compare.Sample, u string) string {
	best := unit.Best(s.Median, u)
	median, err := unit.Convert(s.Median, u, best)
	spread, errSpread := unit.Convert(s.Spread, u, best)
	if err != nil || errSpread != nil {
		median, spread, best = s.Median, s.Spread, u
	}
	text := unit.Digits(median)
	digits, _ := scientific(s.Median)
	if strings.Contains(text, "e") {
		if spread == 0 {
			text = strconv.FormatFloat(median, 'g', max(4, digits), 64) // 4: as unit.Digits
		}
	} else {
		_, exponent := scientific(median)
		decimals := digits - 1 - exponent
		if spread != 0 {
			decimals = min(decimals, decimalsOf(unit.Digits(spread)))
		}
		if decimals > decimalsOf(text) {
			text = strconv.FormatFloat(median, 'f', decimals, 64)
		}
	}
	if s.N > 1 {
		text += " ±" + unit.Digits(spread)
	}
	return strings.TrimSpace(text + " " + best)
}

// scientific is how many digits v has at least, so that it is no other number,
// and the power of ten of the first.
func scientific(v float64) (digits, exponent int) {
	mantissa, power, _ := strings.Cut(strconv.FormatFloat(math.Abs(v), 'e', -1, 64), "e")
	exponent, _ = strconv.Atoi(power)
	return len(strings.Replace(mantissa, ".", "", 1)), exponent
}

// decimalsOf is how many digits a number has behind its point when it is
// written without an exponent.
func decimalsOf(number string) int {
	v, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return 0
	}
	digits, exponent := scientific(v)
	return max(0, digits-1-exponent)
}

func (a *app) runsPathCommand() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use:               "path RUNS",
		Short:             "Print the directories of runs, one a line",
		Args:              oneOrMore("path"),
		ValidArgsFunction: a.completeRuns,
		RunE: func(_ *cobra.Command, args []string) error {
			store, err := openStore(out)
			if err != nil {
				return err
			}
			for _, arg := range args {
				list, err := runs.NamedAny(store, arg)
				if err != nil {
					return err
				}
				for _, r := range list {
					if r.Dir == "" {
						return fmt.Errorf("%s: records in a file have no directory", arg)
					}
					path, err := filepath.Abs(r.Dir)
					if err != nil {
						return err
					}
					fmt.Fprintln(a.stdout, path)
				}
			}
			return nil
		},
	}
	outFlag(c.Flags(), &out)
	return c
}

func (a *app) runsTagCommand() *cobra.Command {
	var out string
	var remove bool
	c := &cobra.Command{
		Use:   "tag TAG RUNS...",
		Short: "Give runs a tag, or with --remove take it off",
		Long: `Give runs a tag. A tag names all runs that have it, for compare, show and
run --baseline; a run can have several. Runs with a tag are not pruned.`,
		Example: `  ktstr runs tag v1.4 20261123T191500Z-noise-1b2c3d4e
  ktstr runs tag --remove v1.4 v1.4     # take it off all that have it`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 2 {
				return errors.New("runs tag: want a TAG, and the runs that get it: a tag, a set or a bundle of ktstr runs list")
			}
			return nil
		},
		ValidArgsFunction: a.completeRuns,
		RunE: func(_ *cobra.Command, args []string) error {
			store, err := openStore(out)
			if err != nil {
				return err
			}
			tag := args[0]
			if err := runs.ValidTag(tag); err != nil {
				return err
			}
			var names []string
			for _, arg := range args[1:] {
				if strings.Contains(arg, "/") {
					name := filepath.Base(arg)
					list, err := runs.NamedAny(store, name)
					if err != nil {
						return err
					}
					if here := list[0].Dir; list[0].Name != name || !sameDir(here, arg) {
						return fmt.Errorf("run %s: not a bundle of these runs: want one in %s", arg, filepath.Dir(here))
					}
					names = append(names, name)
					continue
				}
				list, err := runs.NamedAny(store, arg)
				if err != nil {
					return err
				}
				for _, r := range list {
					names = append(names, r.Name)
				}
			}
			change := store.Tag
			if remove {
				change = store.Untag
			}
			return change(tag, names...)
		},
	}
	outFlag(c.Flags(), &out)
	c.Flags().BoolVar(&remove, "remove", false, "take the tag off")
	return c
}

func sameDir(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

func (a *app) runsPruneCommand() *cobra.Command {
	var filter filterFlags
	var out string
	var keep int
	var yes, tagged bool
	c := &cobra.Command{
		Use:   "prune [flags]",
		Short: "Delete runs; says what it would delete, and does it with --yes",
		Long: `Delete the runs that the flags choose. Without --yes nothing is deleted: the
runs are listed. Runs with a tag stay, unless --tag chooses them or --tagged
says so.`,
		Example: `  ktstr runs prune --until 30d          # what would go
  ktstr runs prune --until 30d --yes    # delete it
  ktstr runs prune --payload noise --keep 10 --yes`,
		Args: arguments(""),
		RunE: func(c *cobra.Command, _ []string) error {
			chosen := filter.filter()
			if chosen == (runs.Filter{}) && !c.Flags().Changed("keep") {
				return errors.New("runs prune: nothing says what to delete: want --until, --payload, --keep or another flag that chooses runs")
			}
			if keep < 0 {
				return fmt.Errorf("--keep %d: want 0 or more", keep)
			}
			store, err := openStore(out)
			if err != nil {
				return err
			}
			list, err := store.List(chosen)
			if err != nil {
				return err
			}
			list = slices.DeleteFunc(list, func(r runs.Run) bool {
				return r.Err != nil || len(r.Tags) > 0 && chosen.Tag == "" && !tagged
			})
			list = list[:max(0, len(list)-keep)]
			if !yes {
				if err := a.printRunList(list, formatText); err != nil {
					return notPrinted(err)
				}
				fmt.Fprintf(a.stderr, "%s would be deleted; do it with --yes\n", count(len(list), "run"))
				return nil
			}
			for _, r := range list {
				err := store.Remove(r.Name)
				if errors.Is(err, fs.ErrNotExist) { // another prune was first
					continue
				}
				if err != nil {
					return &exitError{core.ExitRun, err}
				}
				fmt.Fprintf(a.stdout, "deleted %s\n", line(r.Name))
			}
			swept, err := store.Sweep()
			for _, name := range swept {
				fmt.Fprintf(a.stdout, "deleted the rest of %s, which a prune left half-way\n", line(name))
			}
			if err != nil {
				return &exitError{core.ExitRun, fmt.Errorf("what a prune left half-way could not be deleted: %w", err)}
			}
			return nil
		},
	}
	filter.add(c.Flags())
	outFlag(c.Flags(), &out)
	c.Flags().IntVar(&keep, "keep", 0, "keep the newest `N` of those chosen")
	c.Flags().BoolVar(&yes, "yes", false, "delete them")
	c.Flags().BoolVar(&tagged, "tagged", false, "runs with a tag, too")
	return c
}
