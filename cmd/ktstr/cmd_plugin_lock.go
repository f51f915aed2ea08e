package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/extractors/plugin/store"
)

func (a *app) lockCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "lock [NAME...]",
		Short: "Write " + store.LockFile + ": the only plugins that runs here may use",
		Long: `Write the installed plugins (or those of the NAMEs) with their versions and hashes
to ` + store.LockFile + ` in the working directory. While it is there, ktstr refuses every
other plugin here and in the directories below (to the root of a git work tree, and
not beyond the filesystem), and every other build of these; those inside ktstr itself are
not concerned. A lock that other users can write counts in its own directory
only. What it says of other platforms is kept where the version is the
same.`,
		ValidArgsFunction: a.completeInstalled,
		RunE: func(_ *cobra.Command, args []string) error {
			return a.lock(args)
		},
	}
}

func (a *app) lock(names []string) error {
	plugins, err := store.DefaultStore()
	if err != nil {
		return err
	}
	installed, err := plugins.Installed()
	if err != nil {
		return err
	}
	before := store.FindLock(".")
	lock, err := store.ReadLock(store.LockFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	chosen := installed.Plugins
	if len(names) > 0 {
		chosen = nil
		for _, name := range names {
			p, ok := installed.Find(name)
			if !ok {
				return fmt.Errorf("plugin lock: plugin %q is not installed: run ktstr plugin install", name)
			}
			chosen = append(chosen, p)
		}
	} else {
		// The whole lock is written anew; what is not installed any more goes.
		for i := len(lock.Plugins) - 1; i >= 0; i-- {
			if _, ok := installed.Find(lock.Plugins[i].Description.Name); !ok {
				lock.Drop(lock.Plugins[i].Description.Name)
			}
		}
	}
	for _, p := range chosen {
		lock.Merge(p)
	}
	if err := lock.Write(store.LockFile); err != nil {
		return &exitError{core.ExitRun, fmt.Errorf("plugin lock: %w", err)}
	}
	for _, p := range lock.Plugins {
		fmt.Fprintf(a.stdout, "locked %s %s\n", p.Description.Name, line(p.Description.Version))
	}
	if filepath.IsAbs(before.Path) {
		a.notice(false)(fmt.Sprintf("here and below, the new %s counts in the place of %s", store.LockFile, before.Path))
	}
	return nil
}
