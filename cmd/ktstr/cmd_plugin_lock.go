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
		Short: "Write " + store.LockFile + ", the list of plugins that runs may use here",
		Long: `Write the installed plugins (or only NAME...) with their versions and hashes to
` + store.LockFile + ` in the working directory. In this directory and below it, ktstr then
refuses other plugins and other builds of these plugins. Extractors inside ktstr
need no entry.

A lock does not apply in another git work tree or filesystem below it. A lock
that other users can write applies in its own directory only. Entries for other
platforms stay in the file if the version is the same.`,
		Example: `  ktstr plugin lock
  git add ` + store.LockFile,
		ValidArgsFunction: a.completeInstalled,
		RunE: func(_ *cobra.Command, args []string) error {
			return a.lockPlugins(args)
		},
	}
}

func (a *app) lockPlugins(names []string) error {
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
				return fmt.Errorf("plugin lock: plugin %q is not installed: run ktstr plugin install FILE", name)
			}
			chosen = append(chosen, p)
		}
	} else {
		// Without names the lock becomes the list of the installed plugins.
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
		a.notice(false)(fmt.Sprintf("the new %s replaces %s here and below", store.LockFile, before.Path))
	}
	return nil
}
