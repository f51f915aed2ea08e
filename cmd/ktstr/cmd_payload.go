package main

import (
	"github.com/spf13/cobra"
)

func (a *app) payloadCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "payload",
		Short: "List and show the benchmarks that ktstr can run",
	}
	requireSubcommand(c)
	var list, show format
	listCommand := &cobra.Command{
		Use:   "list",
		Short: "List the payloads, and which are ready to run",
		Long: `List the payloads with the source of each: stock, a payload file or a plugin.

A payload is ready if its programs and its extractor are installed. Otherwise its
row names what it needs, for example "needs fio". ktstr doctor also checks the
versions, and prints the commands that install the programs. The exit status is 2
if a payload file cannot be read. Its row gives the reason.`,
		Args: arguments(""),
		RunE: func(*cobra.Command, []string) error {
			return a.listPayloads(list)
		},
	}
	outputFlag(listCommand.Flags(), &list)
	showCommand := &cobra.Command{
		Use:               "show PAYLOAD",
		Short:             "Show the command line, the metrics and the checks of a payload",
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
