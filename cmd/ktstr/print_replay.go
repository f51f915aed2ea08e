package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/internal/catalog"
	"github.com/ktstr/ktstr/internal/replay"
	"github.com/ktstr/ktstr/internal/runs"
)

// replay extracts the metrics of the runs o.replay again and prints the changes. A run
// for which this fails does not stop the others.
func (a *app) replay(ctx context.Context, o extractOptions) error {
	store, err := openStore(o.out)
	if err != nil {
		return err
	}
	list, err := runs.NamedAny(store, o.replay)
	if err != nil {
		return err
	}
	for _, run := range list {
		if run.Dir == "" {
			return fmt.Errorf("%s: it is a file of records without raw output: want a tag, set, bundle or directory of bundles", o.replay)
		}
	}
	extractors := catalog.Pool{Catalog: a.catalog(false)}
	defer extractors.Close()
	document := replay.Document{Schema: replay.Schema, Runs: []replay.Run{}}
	status, failed := core.ExitPass, 0
	writer := ""
	if o.write {
		defer surviveReader()()
		writer = version()
	}
	for _, run := range list {
		r, err := replay.One(ctx, &extractors, run, writer)
		if err != nil {
			failed++
		}
		switch {
		case errors.As(err, new(*replay.WriteError)):
			status = worstStatus(status, core.ExitRun)
		case err != nil, r.Extraction.Status != extract.OK:
			status = worstStatus(status, core.ExitExtraction)
		}
		document.Runs = append(document.Runs, r)
		if o.output == formatText {
			a.printReplayed(r)
			if r.Extraction.Status != "" {
				a.printProblems(core.Record{Extraction: core.ExtractionOf(r.Extraction)}, true, "")
			}
		}
	}
	if o.output == formatJSON {
		if err := a.printJSON(document); err != nil {
			return outputError(err)
		}
	}
	if failed > 0 {
		return &exitError{status, fmt.Errorf("extract --replay %s: failed for %d of %s", o.replay, failed, count(len(list), "run"))}
	}
	return exitWith(status)
}

func (a *app) printReplayed(r replay.Run) {
	if r.Error != "" {
		fmt.Fprintf(a.stdout, "%s: %s %s\n", line(r.Run), styleOf(a.stdout).bad("failed:"), line(r.Error))
	}
	if r.Now == (core.Version{}) {
		return
	}
	fmt.Fprintf(a.stdout, "%s: recorded by %s, now %s: ", line(r.Run), line(r.Recorded.String()), line(r.Now.String()))
	if len(r.Changes) == 0 {
		fmt.Fprintln(a.stdout, "no metric changed")
	} else {
		fmt.Fprintf(a.stdout, "%s changed\n", count(len(r.Changes), "metric"))
	}
	for _, c := range r.Changes {
		fmt.Fprintf(a.stdout, "  %s: %s, now %s\n", line(c.Metric), line(metricText(c.Was)), line(metricText(c.Now)))
	}
	if r.Written != "" {
		fmt.Fprintf(a.stdout, "  written: %s\n", r.Written)
	}
}

// metricText returns the fields of a metric that a replay compares, or "none". For
// example: "1250.5 us (lower, stdout)".
func metricText(m *ktstr.Metric) string {
	if m == nil {
		return "none"
	}
	return strings.Join(strings.Fields(fmt.Sprintf("%v %s (%v, %s)", m.Value, m.Unit, m.Polarity, m.Stream)), " ")
}
