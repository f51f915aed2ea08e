package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/internal/bundle"
	"github.com/ktstr/ktstr/internal/catalog"
	"github.com/ktstr/ktstr/internal/runs"
)

// replaySchema names the version of what `ktstr extract --replay -o json` prints.
const replaySchema = "ktstr.replay/v1"

type (
	replayDocument struct {
		Schema string     `json:"schema"`
		Runs   []replayed `json:"runs"`
	}
	// replayed is one run extracted again.
	replayed struct {
		Run      string       `json:"run"`
		Bundle   string       `json:"bundle"`
		Recorded core.Version `json:"recorded"`
		Now      core.Version `json:"now"`
		Changes  []change     `json:"changes"`
		Written  string       `json:"written,omitempty"` // the new record, with --write
		Error    string       `json:"error,omitempty"`   // why it could not be done; then what was not reached is empty
	}
	// change is one metric that came out differently.
	change struct {
		Metric string        `json:"metric"`
		Was    *ktstr.Metric `json:"was"` // null: it is new
		Now    *ktstr.Metric `json:"now"` // null: it is gone
	}
)

// replay extracts the metrics of kept runs again, with today's extractors. A run
// of which that cannot be done is reported, and costs no other one.
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
			return fmt.Errorf("%s: records without bundles: want runs whose raw output was kept", o.replay)
		}
	}
	extractors := catalog.Pool{Catalog: a.catalog(false)}
	defer extractors.Close()
	document := replayDocument{Schema: replaySchema, Runs: []replayed{}}
	status, failed := core.ExitPass, 0
	for _, run := range list {
		r, found, err := a.replayOne(ctx, &extractors, run, o.write)
		if err != nil {
			r.Error = err.Error()
			failed++
		}
		switch exit := (*exitError)(nil); {
		case errors.As(err, &exit):
			status = worse(status, exit.status)
		case err != nil, found.Status != extract.OK:
			status = worse(status, core.ExitExtraction)
		}
		document.Runs = append(document.Runs, r)
		if o.output == formatText {
			a.printReplayed(r)
			if found.Status != "" {
				a.explain(core.Record{Extraction: core.ExtractionOf(found)}, true, "")
			}
		}
	}
	if o.output == formatJSON {
		if err := a.printJSON(document); err != nil {
			return notPrinted(err)
		}
	}
	if failed > 0 {
		return &exitError{status, fmt.Errorf("extract --replay %s: failed for %d of %s", o.replay, failed, count(len(list), "run"))}
	}
	return ending(status)
}

// replayOne extracts the metrics of one run again. With an error, what it could
// not do is missing from what it returns.
func (a *app) replayOne(ctx context.Context, extractors *catalog.Pool, run runs.Run, write bool) (r replayed, found extract.Result, err error) {
	r = replayed{Run: run.Name, Bundle: run.Dir, Changes: []change{}}
	if run.Err != nil {
		return r, found, run.Err
	}
	b, err := bundle.Load(run.Dir)
	r.Recorded = core.VersionOf(b.Record.Extraction) // as far as it could be read
	if err != nil {
		return r, found, err
	}
	x, err := extractors.Start(ctx, r.Recorded.Extractor)
	if err != nil {
		return r, found, fmt.Errorf("%s: %w", run.Dir, err)
	}
	found = extract.Run(ctx, x, b.Streams, b.Payload.MetricHints())
	r.Now, r.Changes = core.VersionOf(core.ExtractionOf(found)), changes(b.Record.Metrics, found.Metrics)
	if write {
		if r.Written, err = b.Add(again(b, x, found)); err != nil {
			return r, found, &exitError{core.ExitRun, err}
		}
	}
	return r, found, nil
}

// again is the record of a run as it would be if its extraction were this one.
func again(b bundle.Bundle, x ktstr.Extractor, found extract.Result) core.Record {
	r := b.Record
	r.Extraction, r.Metrics, r.Headlines, r.Details = core.ExtractionOf(found), found.Metrics, nil, nil
	for _, i := range found.Headlines {
		r.Headlines = append(r.Headlines, found.Metrics[i].Name)
	}
	var stderr []byte
	for _, s := range b.Streams {
		if s.Stream == ktstr.Stderr {
			stderr = s.Data
		}
	}
	r.Notices = append(r.Notices[:len(r.Notices):len(r.Notices)], fmt.Sprintf("metrics extracted again at %s by ktstr %s; record.json has those of the run", time.Now().UTC().Format(time.RFC3339), version()))
	r.Judge(b.Payload, stderr, found.Looked, x.Describe().Hints)
	return r
}

// changes pairs metrics by name, the n-th of a name with the n-th.
func changes(was, now []ktstr.Metric) []change {
	type key struct {
		name string
		n    int
	}
	index := func(metrics []ktstr.Metric) (keys []key, by map[key]*ktstr.Metric) {
		count := map[string]int{}
		by = map[key]*ktstr.Metric{}
		for i := range metrics {
			k := key{metrics[i].Name, count[metrics[i].Name]}
			count[k.name]++
			keys, by[k] = append(keys, k), &metrics[i]
		}
		return keys, by
	}
	before, old := index(was)
	after, fresh := index(now)
	list := []change{}
	for _, k := range before {
		if m := fresh[k]; m == nil || !sameMetric(*old[k], *m) {
			list = append(list, change{k.name, old[k], m})
		}
	}
	for _, k := range after {
		if old[k] == nil {
			list = append(list, change{k.name, nil, fresh[k]})
		}
	}
	return list
}

func sameMetric(a, b ktstr.Metric) bool {
	a.Line, b.Line = 0, 0 // where a number was found is no part of it
	if math.IsNaN(a.Value) && math.IsNaN(b.Value) {
		a.Value, b.Value = 0, 0
	}
	return a == b
}

func (a *app) printReplayed(r replayed) {
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
		fmt.Fprintf(a.stdout, "  %s: %s, now %s\n", line(c.Metric), line(whole(c.Was)), line(whole(c.Now)))
	}
	if r.Written != "" {
		fmt.Fprintf(a.stdout, "  written: %s\n", r.Written)
	}
}

// whole is all of a metric that can change.
func whole(m *ktstr.Metric) string {
	if m == nil {
		return "none"
	}
	return strings.Join(strings.Fields(fmt.Sprintf("%v %s (%v, %s)", m.Value, m.Unit, m.Polarity, m.Stream)), " ")
}
