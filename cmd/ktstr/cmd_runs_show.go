package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ktstr/ktstr/internal/compare"
	"github.com/ktstr/ktstr/internal/export"
	"github.com/ktstr/ktstr/internal/runs"
)

// showOptions are the flags of `ktstr runs show`.
type showOptions struct {
	out     string
	output  format
	all     bool
	by      string
	exports exports
}

func (a *app) runsShowCommand() *cobra.Command {
	var o showOptions
	c := &cobra.Command{
		Use:   "show RUNS...",
		Short: "Show the metrics of runs, the failures and the host",
		Long: `Show one run: its metrics, the result of each check, the command line, the host, the
exit code, and the CPU time and context switches of the payload and of ktstr.

Or show several runs together: the median and the spread of each metric (half the
interquartile range) over the runs that succeeded, the failures, and the facts
that the runs have in common, such as the kernel. -o json prints the records.
--by host shows each metric on each host, and which host is odd.
--export writes them for other tools.`,
		Example: `  ktstr runs show nightly
  ktstr runs show nightly --export csv=nightly.csv --export junit=nightly.xml
  ktstr runs show before --export benchfmt=before.txt
  ktstr runs show nightly --by host`,
		Args:              oneOrMore("show"),
		ValidArgsFunction: a.completeRuns,
		RunE:              func(_ *cobra.Command, args []string) error { return a.showRuns(args, o) },
	}
	outFlag(c.Flags(), &o.out)
	outputFlag(c.Flags(), &o.output)
	exportFlag(c.Flags(), &o.exports)
	c.RegisterFlagCompletionFunc("export", completeExport)
	byFlag(c.Flags(), &o.by, "show each metric on each host, and which host is odd: --by host")
	c.Flags().BoolVar(&o.all, "all", false, "show all metrics (default: the headlines, if there are any)")
	return c
}

func (a *app) showRuns(names []string, o showOptions) error {
	if err := errors.Join(o.exports.check(), checkBy(o.by)); err != nil {
		return err
	}
	store, err := openStore(o.out)
	if err != nil {
		return err
	}
	var list []runs.Run
	for _, name := range names {
		found, err := runs.Named(store, name)
		if err != nil {
			return err
		}
		list = append(list, found...)
	}
	list, _ = runs.Distinct(list)
	var failed error
	if !o.exports.toStdout() {
		show := a.printRuns
		if o.by != "" {
			show = a.printHosts
		}
		failed = outputError(show(list, o.output, o.all))
	}
	return a.joinErrors(failed, a.writeExports(o.exports, export.Source{Runs: list}))
}

func (a *app) printRuns(list []runs.Run, output format, all bool) error {
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

// printHosts prints each metric on each host.
func (a *app) printHosts(list []runs.Run, output format, all bool) error {
	type group struct {
		Payload string              `json:"payload"`
		Variant string              `json:"variant,omitempty"`
		Metrics []compare.HostTable `json:"metrics"`
	}
	var groups []group
	list, interrupted := runs.Uninterrupted(list)
	for i, same := range export.ByTitle(list) {
		first := same[0].Record
		_, side, t := runs.Sides("", nil, "", same)
		o := compare.Options{MinEffects: t.MinEffects, OnlyShown: !all && output != formatJSON}
		g := group{first.Payload, runs.Variant(first), compare.Hosts(side, o)}
		if groups = append(groups, g); output == formatJSON {
			continue
		}
		if i > 0 {
			fmt.Fprintln(a.stdout)
		}
		fmt.Fprintf(a.stdout, "%s\n\n%s", printable(export.Title(first)), tableFor(a.stdout, all).Hosts(g.Metrics))
		if len(g.Metrics) == 0 {
			fmt.Fprintf(a.stdout, "no successful run has a metric: %s\n", count(len(same), "failed run"))
		}
	}
	if output == formatJSON {
		return a.printJSON(struct {
			Schema string  `json:"schema"`
			Groups []group `json:"groups"`
		}{"ktstr.hosts/v1", groups})
	}
	if interrupted > 0 {
		fmt.Fprintf(a.stdout, "%d interrupted, left out\n", interrupted)
	}
	return nil
}
