// Package extract turns the streams of one run into resolved metrics and a
// status: it walks the streams in order, gives each to the extractor, distrusts
// what comes back, and fills in units and polarities from hints.
package extract

import (
	"context"
	"fmt"
	"strings"

	"github.com/ktstr/ktstr"
)

// Status says whether extraction did what it should. The zero value is no status.
type Status string

// The statuses.
const (
	OK    Status = "ok"
	None  Status = "none"  // it should have given metrics and gave none
	Error Status = "error" // the extractor failed, or says that the tool did
)

// Result is what one run's streams gave.
type Result struct {
	Extractor   string // Description.Name
	Version     string // Description.Version
	Status      Status
	Error       string         // the cause of status error; else empty
	Metrics     []ktstr.Metric // in the order of streams, then of the text
	Headlines   []int          // indexes into Metrics of those that a hint marks as headline, ascending
	Diagnostics []ktstr.Diagnostic
	Looked      []ktstr.Stream // the streams that the extractor was given, in order
}

// Run gives streams (stdout, then stderr, then the payload's files, in order)
// to x and resolves what it finds with hints, which are the payload's and
// precede the extractor's own.
//
// The first stream is extracted first, and the next one that is not empty only
// if no metric was found so far, unless x describes itself as wanting all
// streams: then each is extracted by itself, and of a name that several give
// the first stream's counts. Run never fails: an error or a panic of x is the
// Result's. It owns, and changes, the slices that x returns.
func Run(ctx context.Context, x ktstr.Extractor, streams []ktstr.Output, hints []ktstr.Hint) Result {
	var r Result
	var desc ktstr.Description
	if err := guard(func() error { desc = x.Describe(); return nil }); err != nil {
		r.fail("describe: " + err.Error())
		r.Status = Error
		return r
	}
	r.Extractor, r.Version = text(desc.Name), text(desc.Version)

	var found []ktstr.Hint // what the extractor said about this text, in the order of streams
	for i, out := range streams {
		if i > 0 && (len(out.Data) == 0 || len(r.Metrics) > 0 && !desc.AllStreams) {
			continue
		}
		r.Looked = append(r.Looked, out.Stream)
		var e ktstr.Extraction
		err := guard(func() (err error) { e, err = x.Extract(ctx, out); return err })
		if err != nil {
			r.fail(fmt.Sprintf("%s: %s", out.Stream, text(err.Error())))
			// What came with an error cannot be trusted; why it failed can be read.
			e.Metrics, e.Hints = nil, nil
		}
		c := clean(&e, out.Stream)
		for _, d := range e.Diagnostics {
			if d.Code == ktstr.ToolFailed {
				r.fail(d.Message)
				break
			}
		}
		r.Metrics = merge(r.Metrics, e.Metrics)
		found = append(found, e.Hints...)
		r.Diagnostics = append(append(r.Diagnostics, e.Diagnostics...), c...)
	}

	r.dropEmptyHanded(streams)
	var odd []ktstr.Diagnostic
	r.Headlines, odd = Resolve(r.Metrics, hints, found, desc.Hints)
	r.Diagnostics = append(r.Diagnostics, odd...)
	switch {
	case r.Error != "":
		r.Status = Error
	case len(r.Metrics) == 0 && !desc.NoMetrics:
		r.Status = None
		if len(r.Diagnostics) == 0 {
			r.Diagnostics = append(r.Diagnostics, ktstr.Diagnostic{Code: ktstr.NoMetrics, Message: "no metric was found in " + list(r.Looked)})
		}
	default:
		r.Status = OK
	}
	return r
}

// fail records the first cause of status error.
func (r *Result) fail(cause string) {
	if r.Error == "" {
		r.Error = cause
		if cause == "" {
			r.Error = "the extractor gives no reason"
		}
	}
}

// dropEmptyHanded removes the complaint that a stream holds nothing to extract
// where another stream did, or where the stream is empty and others are not.
func (r *Result) dropEmptyHanded(streams []ktstr.Output) {
	with := map[ktstr.Stream]bool{}
	for i := range r.Metrics {
		if i == 0 || r.Metrics[i].Stream != r.Metrics[i-1].Stream {
			with[r.Metrics[i].Stream] = true
		}
	}
	empty := map[ktstr.Stream]bool{}
	full := false
	for _, out := range streams {
		empty[out.Stream] = len(out.Data) == 0
		full = full || len(out.Data) > 0
	}
	kept := r.Diagnostics[:0]
	for _, d := range r.Diagnostics {
		if d.Code == ktstr.NotMyFormat || d.Code == ktstr.NoMetrics {
			if !with[d.Stream] && len(with) > 0 || empty[d.Stream] && full {
				continue
			}
		}
		kept = append(kept, d)
	}
	r.Diagnostics = kept
}

// merge appends those of more whose names have does not hold. Names that more
// itself repeats stay repeated.
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

// guard calls f and makes an error of a panic.
func guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the extractor panicked: %s", text(fmt.Sprint(p)))
		}
	}()
	return f()
}

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
