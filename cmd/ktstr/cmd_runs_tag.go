package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"al.essio.dev/pkg/shellescape"
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
  ktstr runs tag v1.4 ./runs            # every bundle in a directory
  ktstr runs tag --remove v1.4 v1.4     # remove it from all runs that have it`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 2 {
				return errors.New("runs tag: want a TAG and RUNS: a tag, set or bundle of ktstr runs list, or a path")
			}
			return nil
		},
		ValidArgsFunction: a.completeRuns,
		RunE:              func(_ *cobra.Command, args []string) error { return a.tagRuns(args[0], args[1:], out, remove) },
	}
	outFlag(c.Flags(), &out)
	c.Flags().BoolVar(&remove, "remove", false, "remove the tag")
	return c
}

// tagRuns adds a tag to runs, or removes it. A tag belongs to the directory that holds the
// bundles, so runs in different directories have separate tags.
func (a *app) tagRuns(tag string, args []string, out string, remove bool) error {
	if err := runs.ValidTag(tag); err != nil {
		return err
	}
	here, err := storeDir(out)
	if err != nil {
		return err
	}
	names := map[string][]string{} // of bundles, by directory
	for _, arg := range args {
		list, err := runs.NamedAny(runs.Open(here), arg)
		if err != nil {
			return err
		}
		for _, r := range list {
			if r.Dir == "" {
				return fmt.Errorf("%s: it is a file of records, which cannot have a tag: want a bundle or a directory of bundles", arg)
			}
			bundle, err := filepath.EvalSymlinks(r.Dir)
			if err != nil {
				return err
			}
			if bundle, err = filepath.Abs(bundle); err != nil {
				return err
			}
			dir := filepath.Dir(bundle)
			names[dir] = append(names[dir], filepath.Base(bundle))
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(names)) {
		change := runs.Open(dir).Tag
		if remove {
			change = runs.Open(dir).Untag
		}
		if err := change(tag, names[dir]...); err != nil {
			return err
		}
		if !sameDir(dir, here) {
			fmt.Fprintf(a.stderr, "%s is a tag in %s: find it with --out %s\n", tag, line(dir), line(shellescape.Quote(dir)))
		}
	}
	return nil
}

func sameDir(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}
