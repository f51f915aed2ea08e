package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ktstr/ktstr/extractors/plugin/store"
)

func (a *app) removeCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "remove NAME",
		Short:             "Remove an installed plugin and its payloads",
		Args:              arguments("the NAME of an installed plugin"),
		ValidArgsFunction: a.completeInstalled,
		RunE: func(_ *cobra.Command, args []string) error {
			plugins, err := store.DefaultStore()
			if err != nil {
				return err
			}
			p, err := plugins.Remove(args[0])
			if err != nil {
				return fmt.Errorf("plugin remove: %w", err)
			}
			fmt.Fprintf(a.stdout, "removed %s %s\n", p.Description.Name, line(p.Description.Version))
			return nil
		},
	}
}
