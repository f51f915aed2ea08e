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

// pruneOptions are the flags of `ktstr runs prune`.
type pruneOptions struct {
	filter filterFlags
	out    string
	keep   int
	yes    bool
	tagged bool
}

func (a *app) runsPruneCommand() *cobra.Command {
	var o pruneOptions
	c := &cobra.Command{
		Use:   "prune [flags]",
		Short: "Delete runs; without --yes, only list them",
		Long: `Delete the runs that the flags select. Without --yes, list them and delete nothing.
Runs with a tag are kept, unless --tag selects them or --tagged is given.`,
		Example: `  ktstr runs prune --until 30d          # list the runs older than 30 days
  ktstr runs prune --until 30d --yes    # delete them
  ktstr runs prune --payload noise --keep 10 --yes`,
		Args: arguments(""),
		RunE: func(c *cobra.Command, _ []string) error {
			if o.filter.filter() == (runs.Filter{}) && !c.Flags().Changed("keep") {
				return errors.New("runs prune: no flag selects runs: want --until, --payload, --keep or another one")
			}
			return a.pruneRuns(o)
		},
	}
	f := c.Flags()
	o.filter.add(f)
	outFlag(f, &o.out)
	f.IntVar(&o.keep, "keep", 0, "keep the newest `N` of the selected runs, such as 10")
	f.BoolVar(&o.yes, "yes", false, "delete the runs")
	f.BoolVar(&o.tagged, "tagged", false, "also select runs with a tag")
	return c
}

func (a *app) pruneRuns(o pruneOptions) error {
	if o.keep < 0 {
		return fmt.Errorf("--keep %d: want 0 or more", o.keep)
	}
	store, err := openStore(o.out)
	if err != nil {
		return err
	}
	filter := o.filter.filter()
	list, err := store.List(filter)
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(r runs.Run) bool {
		return r.Err != nil || len(r.Tags) > 0 && filter.Tag == "" && !o.tagged
	})
	list = list[:max(0, len(list)-o.keep)]
	if !o.yes {
		if err := a.printRunList(list, formatText); err != nil {
			return outputError(err)
		}
		fmt.Fprintf(a.stderr, "%s would be deleted. To delete: add --yes\n", count(len(list), "run"))
		return nil
	}
	defer surviveReader()()
	for _, r := range list {
		err := store.Remove(r.Name)
		if errors.Is(err, fs.ErrNotExist) { // another prune has deleted it
			continue
		}
		if err != nil {
			return &exitError{core.ExitRun, err}
		}
		fmt.Fprintf(a.stdout, "deleted %s\n", line(r.Name))
	}
	swept, err := store.Sweep()
	for _, name := range swept {
		fmt.Fprintf(a.stdout, "deleted the rest of %s, from an interrupted prune\n", line(name))
	}
	if err != nil {
		return &exitError{core.ExitRun, fmt.Errorf("the rest of an interrupted prune could not be deleted: %w", err)}
	}
	return nil
}
