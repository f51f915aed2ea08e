package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/internal/runs"
)

// listedRun is one run in `ktstr runs list -o json`.
type listedRun struct {
	Name     string       `json:"name"`
	Bundle   string       `json:"bundle"`
	Payload  string       `json:"payload"`
	Start    time.Time    `json:"start"`
	Duration core.Seconds `json:"duration"`
	Verdict  string       `json:"verdict"`
	Set      string       `json:"set"`
	Variant  string       `json:"variant"`
	Commit   string       `json:"commit"`
	Host     string       `json:"host"`
	Tags     []string     `json:"tags"`
	Error    string       `json:"error,omitempty"` // the reason if the bundle cannot be read
}

func listRuns(list []runs.Run) []listedRun {
	rows := []listedRun{}
	for _, r := range list {
		rec := r.Record
		row := listedRun{
			Name: r.Name, Bundle: r.Dir, Payload: rec.Payload, Start: rec.Start, Duration: rec.Duration, Verdict: rec.Verdict,
			Set: rec.Labels[runs.LabelSet], Variant: rec.Labels[runs.LabelVariant], Commit: rec.Labels[runs.LabelCommit], Host: runs.Host(rec),
			Tags: append([]string{}, r.Tags...),
		}
		if r.Err != nil {
			row.Error, row.Verdict = r.Err.Error(), "unreadable"
		}
		rows = append(rows, row)
	}
	return rows
}

func (a *app) printRunList(list []runs.Run, f format) error {
	if f == formatJSON {
		return a.printJSON(listRuns(list))
	}
	t := tableTo(a.stdout)
	for _, r := range listRuns(list) {
		commit := r.Commit[:min(12, len(r.Commit))]
		fmt.Fprintln(t, strings.TrimRight(printable(strings.Join([]string{r.Name, r.Verdict, r.Set, commit, strings.Join(r.Tags, ",")}, "\t")), "\t"))
	}
	return t.Flush()
}

func (a *app) runsListCommand() *cobra.Command {
	var filter filterFlags
	var out string
	var output format
	c := &cobra.Command{
		Use:   "list",
		Short: "List runs, the oldest first: name, verdict, set, commit, tags",
		Example: `  ktstr runs list --payload noise --since 14d
  ktstr runs list --tag main`,
		Args: arguments(""),
		RunE: func(*cobra.Command, []string) error {
			store, err := openStore(out)
			if err != nil {
				return err
			}
			list, err := store.List(filter.filter())
			if err != nil {
				return err
			}
			return outputError(a.printRunList(list, output))
		},
	}
	filter.add(c.Flags())
	outFlag(c.Flags(), &out)
	outputFlag(c.Flags(), &output)
	return c
}
