package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ktstr/ktstr/internal/runs"
)

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
