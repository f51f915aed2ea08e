package main

import (
	"github.com/spf13/cobra"
)

func (a *app) payloadCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "payload",
		Short: "List and show what can be run",
	}
	requireSubcommand(c)
	var list, show format
	listCommand := &cobra.Command{
		Use:   "list",
		Short: "List the payloads, and where each comes from",
		Long: `List the payloads, and where each comes from. The exit status is 2 when a payload
file cannot be read; its row says why.`,
		Args: arguments(""),
		RunE: func(*cobra.Command, []string) error {
			return a.listPayloads(list)
		},
	}
	outputFlag(listCommand.Flags(), &list)
	showCommand := &cobra.Command{
		Use:               "show PAYLOAD",
		Short:             "Show what a payload measures, runs and checks",
		Args:              arguments("a PAYLOAD of ktstr payload list"),
		ValidArgsFunction: a.completePayloads,
		RunE: func(c *cobra.Command, args []string) error {
			return a.showPayload(c.Context(), args[0], show)
		},
	}
	outputFlag(showCommand.Flags(), &show)
	c.AddCommand(listCommand, showCommand)
	return c
}
