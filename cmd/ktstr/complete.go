package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/ktstr/ktstr/extractors/plugin/store"
	"github.com/ktstr/ktstr/internal/runs"
)

func (a *app) completeInstalled(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var names []string
	if plugins, err := store.DefaultStore(); err == nil {
		if installed, err := plugins.Installed(); err == nil {
			for _, p := range installed.Plugins {
				names = append(names, p.Description.Name)
			}
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) completeExtractors(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	all, err := a.catalog(true).Extractors()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	var names []string
	for _, s := range all {
		if s.Hidden == "" {
			names = append(names, s.Name)
		}
	}
	return names, cobra.ShellCompDirectiveDefault
}

func (a *app) completeExtractorsAndRuns(c *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	names, directive := a.completeExtractors(c, args, word)
	if len(args) == 0 {
		more, _ := a.completeRuns(c, args, word)
		names = append(names, more...)
	}
	return names, directive
}

func (a *app) completePayloads(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	all, _, err := a.catalog(true).Payloads()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	var names []string
	for _, p := range all {
		names = append(names, p.Name)
	}
	return names, cobra.ShellCompDirectiveDefault
}

func (a *app) completeRuns(_ *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
	if strings.Contains(word, "/") {
		return nil, cobra.ShellCompDirectiveDefault
	}
	store, err := openStore("")
	if err != nil {
		return nil, cobra.ShellCompDirectiveDefault
	}
	list, err := store.List(runs.Filter{})
	if err != nil {
		return nil, cobra.ShellCompDirectiveDefault
	}
	seen := map[string]bool{}
	var names []string
	for _, r := range list {
		for _, name := range append(append([]string{}, r.Tags...), r.Record.Labels[runs.LabelSet], r.Name) {
			if name != "" && !seen[name] {
				seen[name] = true
				names = append(names, name)
			}
		}
	}
	return names, cobra.ShellCompDirectiveDefault
}
