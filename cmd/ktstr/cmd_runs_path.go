package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/ktstr/ktstr/internal/runs"
)

func (a *app) runsPathCommand() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use:               "path RUNS",
		Short:             "Print the bundle directories of runs, one per line",
		Example:           `  less "$(ktstr runs path main)"/stdout`,
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
						return fmt.Errorf("%s: it is a file of records, which have no bundle directory", arg)
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
