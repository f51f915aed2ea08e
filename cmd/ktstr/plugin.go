package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ktstr/ktstr/internal/wire"
)

func (a *app) pluginCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "plugin",
		Short: "List, describe and install what reads a benchmark's output",
	}
	group(c)
	var list, describe format
	listCommand := &cobra.Command{
		Use:   "list",
		Short: "List the extractors, built in and plugins",
		Args:  arguments(""),
		RunE: func(*cobra.Command, []string) error {
			return a.listExtractors(list)
		},
	}
	outputFlag(listCommand.Flags(), &list)
	describeCommand := &cobra.Command{
		Use:               "describe EXTRACTOR",
		Short:             "Say what an extractor reads, and what its metrics mean",
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

func (a *app) listExtractors(f format) error {
	all, err := a.catalog(false).Extractors()
	if err != nil {
		return err
	}
	if f == formatJSON {
		return a.printJSON(all)
	}
	t := tableTo(a.stdout)
	for _, s := range all {
		note := s.Path
		if s.Hidden != "" {
			note += " (hidden by the one that is " + s.Hidden + ")"
		}
		if s.Problem != "" {
			note += " (refused, see ktstr plugin describe " + s.Name + ")"
		}
		version := s.Version
		if version == "" {
			version = "-"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", line(s.Name), line(version), s.From, line(strings.TrimSpace(note)))
	}
	return t.Flush()
}

func (a *app) describeExtractor(ctx context.Context, name string, f format) error {
	s, err := a.catalog(false).Extractor(name)
	if err != nil {
		return err
	}
	kind, d := s.Interface(), s.Description
	if d == nil {
		x, err := a.catalog(false).Start(ctx, name)
		if err != nil {
			return err
		}
		defer x.Close()
		known := x.Describe()
		kind, d = x.Interface(), &known
	}
	kind = cmp.Or(kind, wire.GRPC)
	if f == formatJSON {
		return a.writeJSON(wire.DescriptionJSON(*d, kind))
	}
	reads := "stdout, else stderr, else the payload's files"
	if d.AllStreams {
		reads = "all streams"
	}
	var payloads []string
	for _, p := range d.Payloads {
		payloads = append(payloads, p.Name)
	}
	t := tableTo(a.stdout)
	row := func(key string, words ...string) {
		if text := strings.Join(words, ", "); text != "" {
			fmt.Fprintf(t, "%s\t%s\n", key, line(text))
		}
	}
	row("name", d.Name)
	row("version", d.Version)
	row("from", strings.TrimSpace(s.From+" "+s.Path))
	for _, tool := range d.Tools {
		row("proven on "+tool.Name, tool.Versions...)
	}
	row("reads", reads)
	row("payloads", payloads...)
	for _, o := range d.Options {
		row("option "+o.Name, strings.TrimSpace(strings.Join(o.Values, "|")+" "+o.Summary))
	}
	for _, h := range d.Hints {
		headline := ""
		if h.Headline {
			headline = "headline"
		}
		words := []string{}
		for _, w := range []string{h.Unit, arrow(h.Polarity), headline} {
			if w != "" {
				words = append(words, w)
			}
		}
		row("metric "+h.Name, words...)
	}
	return t.Flush()
}
