package main

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/bundle"
	"github.com/ktstr/ktstr/core/extract"
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
	}
	// change is one metric that came out differently.
	change struct {
		Metric string        `json:"metric"`
		Was    *ktstr.Metric `json:"was"` // null: it is new
		Now    *ktstr.Metric `json:"now"` // null: it is gone
	}
)

// replay extracts the metrics of kept runs again, with today's extractors.
func (a *app) replay(ctx context.Context, o extractOptions) error {
	store, err := openStore(o.out)
	if err != nil {
		return err
	}
	list, err := findRuns(store, o.replay)
	if err != nil {
		return err
	}
	started := map[string]ktstr.Extractor{}
	document := replayDocument{Schema: replaySchema, Runs: []replayed{}}
	status := core.ExitPass
	for _, run := range list {
		if run.Dir == "" {
			return fmt.Errorf("%s: records without bundles: want runs whose raw output was kept", o.replay)
		}
		b, err := bundle.Load(run.Dir)
		if err != nil {
			return err
		}
		name := b.Record.Extraction.Extractor
		x, ok := started[name]
		if !ok {
			extractor, _, done, err := a.startExtractor(ctx, name)
			if err != nil {
				return err
			}
			defer done()
			x, started[name] = extractor, extractor
		}
		found := extract.Run(ctx, x, b.Streams, b.Payload.MetricHints())
		r := replayed{
			Run: run.Name, Bundle: run.Dir,
			Recorded: core.VersionOf(b.Record.Extraction), Now: core.VersionOf(core.ExtractionOf(found)),
			Changes: changes(b.Record.Metrics, found.Metrics),
		}
		if o.write {
			if r.Written, err = b.Add(again(b, x, found)); err != nil {
				return &exitError{core.ExitRun, err}
			}
		}
		if found.Status != extract.OK {
			status = core.ExitExtraction
		}
		document.Runs = append(document.Runs, r)
		if o.output == formatText {
			a.printReplayed(r)
			a.explain(core.Record{Extraction: core.ExtractionOf(found)}, true)
		}
	}
	if o.output == formatJSON {
		if err := a.printJSON(document); err != nil {
			return &exitError{core.ExitRun, err}
		}
	}
	if status != core.ExitPass {
		return &exitError{status: status}
	}
	return nil
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
	fmt.Fprintf(a.stdout, "%s: recorded by %s, now %s: ", line(r.Run), line(r.Recorded.String()), line(r.Now.String()))
	if len(r.Changes) == 0 {
		fmt.Fprintln(a.stdout, "no metric changed")
	} else {
		fmt.Fprintf(a.stdout, "%d metrics changed\n", len(r.Changes))
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
