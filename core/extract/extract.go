// Package extract runs an extractor on the streams of one run. It gives the streams
// to the extractor in order, checks and limits the answer, and fills in units and
// polarities from hints. The result is a list of metrics and a status.
package extract

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/ktstr/ktstr"
)

// Status tells whether an extraction succeeded. The zero value is not a status.
type Status string

// The statuses.
const (
	OK    Status = "ok"
	None  Status = "none"  // the extractor found no finite value, and its Description promises metrics
	Error Status = "error" // the extractor failed, or reported that the tool failed
)

// A Result is the outcome of one extraction.
type Result struct {
	Extractor   string // Description.Name
	Version     string // Description.Version
	Status      Status
	Error       string         // the reason for status error; empty for the others
	Metrics     []ktstr.Metric // in the order of the streams, then of the text
	Headlines   []int          // indexes into Metrics of the headlines, ascending
	Diagnostics []ktstr.Diagnostic
	Looked      []ktstr.Stream // the streams that the extractor was given, in order
}

// Run gives streams to x and resolves the metrics with sources of hints, which
// override those of x. The first source has the highest precedence: the user, then the
// payload. The streams are stdout, then stderr, then
// the payload's files.
//
// x gets the first stream. It gets the next stream that is not empty only while no
// metric was found. For example, it gets stderr if stdout was prose. An x whose
// Description has AllStreams gets each stream, and if several streams give the same
// name, the first one counts.
//
// Run returns no error: an error or a panic of x is in the Result. It changes the
// slices that x returns.
func Run(ctx context.Context, x ktstr.Extractor, streams []ktstr.Output, hints ...[]ktstr.Hint) Result {
	return Find(ctx, x, streams).Resolve(hints...)
}

// Found is the answer of an extractor to the streams of one run, before hints give
// units and polarities to the metrics.
type Found struct {
	Description ktstr.Description
	Metrics     []ktstr.Metric // with the extractor's own units and polarities
	Hints       []ktstr.Hint   // that came with the metrics, in the order of the streams
	result      Result         // without Metrics and Headlines
}

// Find gives streams to x as Run does.
func Find(ctx context.Context, x ktstr.Extractor, streams []ktstr.Output) Found {
	var f Found
	r := &f.result
	if err := guard(func() error { f.Description = x.Describe(); return nil }); err != nil {
		r.fail("describe: " + err.Error())
		return f
	}
	r.Extractor, r.Version = valid(f.Description.Name), valid(f.Description.Version)
	for i, out := range streams {
		if i > 0 && (len(out.Data) == 0 || len(f.Metrics) > 0 && !f.Description.AllStreams) {
			continue
		}
		r.Looked = append(r.Looked, out.Stream)
		var e ktstr.Extraction
		err := guard(func() (err error) { e, err = x.Extract(ctx, out); return err })
		if err != nil {
			r.fail(fmt.Sprintf("%s: %s", out.Stream, valid(err.Error())))
			// Metrics that come with an error cannot be trusted. The diagnostics may
			// explain the error.
			e.Metrics, e.Hints = nil, nil
		}
		c := clean(&e, out.Stream)
		for _, d := range e.Diagnostics {
			if d.Code == ktstr.ToolFailed {
				r.fail(d.Message)
				break
			}
		}
		f.Metrics = merge(f.Metrics, e.Metrics)
		f.Hints = append(f.Hints, e.Hints...)
		r.Diagnostics = append(append(r.Diagnostics, e.Diagnostics...), c...)
	}
	f.dropEmptyHanded(streams)
	return f
}

// Sources returns the sources of hints that apply to f, the one with the highest
// precedence first: the given ones, the extractor about this text, the extractor about
// every text.
func (f Found) Sources(hints ...[]ktstr.Hint) [][]ktstr.Hint {
	return append(slices.Clone(hints), f.Hints, f.Description.Hints)
}

// Resolve resolves f.Metrics with sources of hints and with those of the extractor. It
// changes f.Metrics.
func (f Found) Resolve(hints ...[]ktstr.Hint) Result {
	r := f.result
	r.Metrics = f.Metrics
	var mismatched []ktstr.Diagnostic
	r.Headlines, mismatched = Resolve(r.Metrics, f.Sources(hints...)...)
	r.Diagnostics = append(r.Diagnostics, mismatched...)
	switch {
	case r.Error != "":
		r.Status = Error
	case !measured(r.Metrics) && !f.Description.NoMetrics:
		r.Status = None
		if len(r.Diagnostics) == 0 {
			r.Diagnostics = append(r.Diagnostics, ktstr.Diagnostic{Code: ktstr.NoMetrics, Message: "no metric was found in " + list(r.Looked)})
		}
	default:
		r.Status = OK
	}
	return r
}

// measured reports whether a metric has a finite value. A NaN is no measurement.
func measured(metrics []ktstr.Metric) bool {
	for i := range metrics {
		if finite(metrics[i].Value) {
			return true
		}
	}
	return false
}

// fail records the reason for status error, unless there is one already.
func (r *Result) fail(cause string) {
	if r.Error == "" {
		r.Error = cause
		if cause == "" {
			r.Error = "the extractor gives no reason"
		}
	}
}

// dropEmptyHanded removes diagnostics about a stream without metrics if another
// stream had metrics, or if the stream is empty and another one is not. For example,
// it removes not-my-format of an empty stdout if the report is on stderr.
func (f *Found) dropEmptyHanded(streams []ktstr.Output) {
	with := map[ktstr.Stream]bool{}
	for i := range f.Metrics {
		if i == 0 || f.Metrics[i].Stream != f.Metrics[i-1].Stream {
			with[f.Metrics[i].Stream] = true
		}
	}
	empty := map[ktstr.Stream]bool{}
	full := false
	for _, out := range streams {
		empty[out.Stream] = len(out.Data) == 0
		full = full || len(out.Data) > 0
	}
	kept := f.result.Diagnostics[:0]
	for _, d := range f.result.Diagnostics {
		if d.Code == ktstr.NotMyFormat || d.Code == ktstr.NoMetrics {
			if !with[d.Stream] && len(with) > 0 || empty[d.Stream] && full {
				continue
			}
		}
		kept = append(kept, d)
	}
	f.result.Diagnostics = kept
}

// merge appends the metrics of more whose names are not in have. It keeps names
// that occur several times in more.
func merge(have, more []ktstr.Metric) []ktstr.Metric {
	if len(have) == 0 {
		return more
	}
	if len(more) == 0 {
		return have
	}
	names := make(map[string]struct{}, len(have))
	for i := range have {
		names[have[i].Name] = struct{}{}
	}
	for _, m := range more {
		if _, taken := names[m.Name]; !taken {
			have = append(have, m)
		}
	}
	return have
}

// guard calls f and turns a panic into an error.
func guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the extractor panicked: %s", valid(fmt.Sprint(p)))
		}
	}()
	return f()
}

// list joins the names of streams for a message.
func list(streams []ktstr.Stream) string {
	if len(streams) == 0 {
		return "no stream"
	}
	words := make([]string, len(streams))
	for i, s := range streams {
		words[i] = string(s)
	}
	return strings.Join(words, ", ")
}
