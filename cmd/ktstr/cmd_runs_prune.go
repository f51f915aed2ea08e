package main

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/spf13/cobra"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/internal/runs"
)

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
					return outputError(err)
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
