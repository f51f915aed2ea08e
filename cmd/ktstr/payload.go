package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/ktstr/ktstr/core"
)

func (a *app) payloadCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "payload",
		Short: "List and show what can be run",
	}
	group(c)
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

// listed is one row of `payload list -o json`.
type listed struct {
	Name      string `json:"name"`
	Summary   string `json:"summary"`
	Binary    string `json:"binary"`
	Extractor string `json:"extractor"`
	Source    string `json:"source"`
	Problem   string `json:"problem,omitempty"` // why the file cannot be read; only Name and Source are known then
}

func (a *app) listPayloads(f format) error {
	all, bad, err := a.catalog(false).Payloads()
	if err != nil {
		return err
	}
	rows := make([]listed, 0, len(all)+len(bad))
	for _, p := range all {
		rows = append(rows, listed{Name: p.Name, Summary: p.Summary, Binary: p.Binary, Extractor: cmp.Or(p.Extractor, "json"), Source: p.Source})
	}
	for _, b := range bad {
		rows = append(rows, listed{Name: b.Name, Source: b.Path, Problem: b.Err.Error()})
	}
	if f == formatJSON {
		err = a.printJSON(rows)
	} else {
		t := tableTo(a.stdout)
		for _, r := range rows {
			text := firstSentence(r.Summary)
			if r.Problem != "" {
				text = "not ready: " + r.Problem
			}
			fmt.Fprintf(t, "%s\t%s\t%s\n", line(cmp.Or(r.Name, "-")), line(r.Source), line(text))
		}
		err = t.Flush()
	}
	if err == nil && len(bad) > 0 {
		return ending(core.ExitUsage)
	}
	return err
}

func firstSentence(text string) string {
	if i := strings.Index(text, ". "); i >= 0 {
		return text[:i+1]
	}
	return text
}

func (a *app) showPayload(ctx context.Context, name string, f format) error {
	p, err := a.catalog(false).Payload(ctx, name)
	if err != nil {
		return err
	}
	text, err := p.MarshalYAML()
	if err != nil {
		return err
	}
	if f == formatJSON {
		document, err := yaml.YAMLToJSON(text)
		if err != nil {
			return err
		}
		return a.writeJSON(document)
	}
	fmt.Fprintf(a.stdout, "# from %s\n%s", printable(p.Source), printable(string(text)))
	return nil
}
