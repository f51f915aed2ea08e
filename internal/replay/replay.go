// Package replay extracts the metrics of kept runs again, with the extractors of
// today, and compares them with the recorded ones.
package replay

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/internal/bundle"
	"github.com/ktstr/ktstr/internal/catalog"
	"github.com/ktstr/ktstr/internal/runs"
)

// Schema names the version of Document's JSON.
const Schema = "ktstr.replay/v1"

// Document is what `ktstr extract --replay -o json` prints.
type Document struct {
	Schema string `json:"schema"`
	Runs   []Run  `json:"runs"`
}

// Run is one run that was extracted again. After an error, the fields that were not
// reached are empty.
type Run struct {
	Run      string       `json:"run"`
	Bundle   string       `json:"bundle"`
	Recorded core.Version `json:"recorded"`
	Now      core.Version `json:"now"`
	Changes  []Change     `json:"changes"`
	Written  string       `json:"written,omitempty"` // path of the new record
	Error    string       `json:"error,omitempty"`

	// Extraction is what the extractor gives today. Its status is empty if it was not
	// reached.
	Extraction extract.Result `json:"-"`
}

// Change is one metric that is not as it was recorded.
type Change struct {
	Metric string        `json:"metric"`
	Was    *ktstr.Metric `json:"was"` // nil: the metric is new
	Now    *ktstr.Metric `json:"now"` // nil: the metric is gone
}

// WriteError says that a new record could not be written.
type WriteError struct{ Err error }

func (e *WriteError) Error() string { return e.Err.Error() }
func (e *WriteError) Unwrap() error { return e.Err }

// One extracts the metrics of one run again. If version is not empty, it also writes
// the new record next to the old one, whose notice names that version of ktstr. With
// an error it returns as much as it could do. The error is a *WriteError if only the
// writing failed.
func One(ctx context.Context, extractors *catalog.Pool, run runs.Run, version string) (Run, error) {
	r := Run{Run: run.Name, Bundle: run.Dir, Changes: []Change{}}
	err := r.replay(ctx, extractors, run, version)
	if err != nil {
		r.Error = err.Error()
	}
	return r, err
}

func (r *Run) replay(ctx context.Context, extractors *catalog.Pool, run runs.Run, version string) error {
	if run.Err != nil {
		return run.Err
	}
	b, err := bundle.Load(run.Dir)
	r.Recorded = core.VersionOf(b.Record.Extraction) // as far as the record could be read
	if err != nil {
		return err
	}
	p := b.Payload
	p.Extractor = r.Recorded.Extractor
	x, err := extractors.StartOf(ctx, p)
	if err != nil {
		return fmt.Errorf("%s: %w", run.Dir, err)
	}
	r.Extraction = extract.Run(ctx, extract.Captured(x), b.Streams, b.Record.Hints, b.Payload.MetricHints())
	r.Now, r.Changes = core.VersionOf(core.ExtractionOf(r.Extraction)), changes(b.Record.Printed(), r.Extraction.Metrics)
	if version == "" {
		return nil
	}
	if r.Written, err = b.Add(record(b, x, r.Extraction, version)); err != nil {
		return &WriteError{err}
	}
	return nil
}

// record returns the record of a run with the extraction found in the place of its
// own.
func record(b bundle.Bundle, x ktstr.Extractor, found extract.Result, version string) core.Record {
	r := b.Record
	r.Details = nil
	r.SetExtraction(found, b.Record.Measured(), b.Payload)
	var stderr []byte
	for _, s := range b.Streams {
		// The values of the payload's secrets are not known here, so a message must not
		// quote stderr, which could contain them.
		if s.Stream == ktstr.Stderr && !b.Payload.HasSecrets() {
			stderr = s.Data
		}
	}
	notice := fmt.Sprintf("metrics extracted again at %s by ktstr %s; record.json has those of the run", time.Now().UTC().Format(time.RFC3339), version)
	r.Notices = append(r.Notices[:len(r.Notices):len(r.Notices)], notice)
	r.Judge(b.Payload, stderr, found.Looked, x.Describe().Hints)
	return r
}

// changes pairs metrics by name, the n-th metric of a name with the n-th.
func changes(was, now []ktstr.Metric) []Change {
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
	list := []Change{}
	for _, k := range before {
		if m := fresh[k]; m == nil || !Same(*old[k], *m) {
			list = append(list, Change{k.name, old[k], m})
		}
	}
	for _, k := range after {
		if old[k] == nil {
			list = append(list, Change{k.name, nil, fresh[k]})
		}
	}
	return list
}

// Same reports whether two metrics are equal but for the line in which they were
// found. NaN equals NaN.
func Same(a, b ktstr.Metric) bool {
	a.Line, b.Line = 0, 0
	if math.IsNaN(a.Value) && math.IsNaN(b.Value) {
		a.Value, b.Value = 0, 0
	}
	return a == b
}
