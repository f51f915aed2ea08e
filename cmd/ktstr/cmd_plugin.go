package main

import (
	"github.com/spf13/cobra"

	"github.com/ktstr/ktstr/extractors/plugin/store"
)

func (a *app) pluginCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "plugin",
		Short: "List, install, check and write plugins (extractors in a process of their own)",
	}
	requireSubcommand(c)
	var list, describe format
	listCommand := &cobra.Command{
		Use:   "list",
		Short: "List the extractors: built-in ones and plugins",
		Long: `List the built-in extractors, the installed plugins, and the plugins that a
` + store.LockFile + ` names but that are not installed.`,
		Args: arguments(""),
		RunE: func(*cobra.Command, []string) error {
			return a.listExtractors(list)
		},
	}
	outputFlag(listCommand.Flags(), &list)
	describeCommand := &cobra.Command{
		Use:               "describe EXTRACTOR",
		Short:             "Show the options of an extractor and the units of its metrics",
		Args:              arguments("an EXTRACTOR of ktstr plugin list"),
		ValidArgsFunction: a.completeExtractors,
		RunE: func(c *cobra.Command, args []string) error {
			return a.describeExtractor(c.Context(), args[0], describe)
		},
	}
	outputFlag(describeCommand.Flags(), &describe)
	c.AddCommand(listCommand, describeCommand, a.installCommand(), a.removeCommand(), a.lockCommand(),
		a.pluginNewCommand(), a.pluginVerifyCommand())
	return c
}
