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
		Short: "Add a tag to runs, or remove it",
		Long: `Add TAG to runs, or remove it from them. compare, runs show and run --baseline take a
tag as the name of all runs that have it. A run can have several tags. runs prune
keeps runs with a tag.`,
		Example: `  ktstr runs tag v1.4 20261123T191500Z-noise-1b2c3d4e
  ktstr runs tag --remove v1.4 v1.4     # remove it from all runs that have it`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 2 {
				return errors.New("runs tag: want a TAG and RUNS: a tag, set or bundle of ktstr runs list, or a path")
			}
			return nil
		},
		ValidArgsFunction: a.completeRuns,
		RunE:              func(_ *cobra.Command, args []string) error { return tagRuns(args[0], args[1:], out, remove) },
	}
	outFlag(c.Flags(), &out)
	c.Flags().BoolVar(&remove, "remove", false, "remove the tag")
	return c
}

func tagRuns(tag string, args []string, out string, remove bool) error {
	store, err := openStore(out)
	if err != nil {
		return err
	}
	if err := runs.ValidTag(tag); err != nil {
		return err
	}
	var names []string
	for _, arg := range args {
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
	if remove {
		return store.Untag(tag, names...)
	}
	return store.Tag(tag, names...)
}

func sameDir(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}
