package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ktstr/ktstr/internal/export"
	"github.com/ktstr/ktstr/internal/runs"
)

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
				lost = outputError(a.showRuns(list, output, all))
			}
			return a.joinErrors(lost, a.writeExports(exports, export.Source{Runs: list}))
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
