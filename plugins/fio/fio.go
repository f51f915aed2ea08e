// Package fio turns what fio(1) prints into metrics: JSON and json+ documents,
// terse lines and normal text, of fio 2 and 3, from a local run or a client.
// Names and units are those of docs/fio.md; values are as printed.
package fio

import (
	"errors"
	"fmt"

	"github.com/ktstr/ktstr"
)

// New returns the extractor for fio.
func New() ktstr.Extractor {
	return ktstr.Parser{
		Description: ktstr.Description{
			Name:    "fio",
			Version: "1",
			Tools:   []ktstr.Tool{{Name: "fio", Versions: append([]string(nil), proven...)}},
			Hints:   hints(),
		},
		Parse: parse,
	}
}

func parse(out ktstr.Output) (ktstr.Extraction, error) {
	var e emitter
	reports, _ := jsonReports(out.Data)
	chosen, ok := choose(reports)
	if !ok {
		e.notes.add(ktstr.NotMyFormat, 0, "no report of fio in the text")
		return e.extraction(), nil
	}
	e.several(reports, chosen)
	r := &reports[chosen]
	if d, ok := r.version.check(r.line); ok {
		e.notes.addAll(d)
	}
	e.report(r)
	last := &reports[len(reports)-1]
	e.unfinished(last, chosen == len(reports)-1)
	if out.Truncated && last.complete {
		e.notes.add(ktstr.Truncated, 0, "the capture stopped at its cap; reports behind it were not seen")
	}
	if len(e.metrics) == 0 {
		e.notes.add(ktstr.NoMetrics, r.line, "the %s report of fio holds no measurement", r.format)
	}
	return e.extraction(), nil
}

// choose returns the report that counts: the last complete one, or else the
// last of all, of which whole jobs count.
func choose(reports []report) (int, bool) {
	for i := len(reports) - 1; i >= 0; i-- {
		if reports[i].complete {
			return i, true
		}
	}
	return len(reports) - 1, len(reports) > 0
}

// several says which of several reports counts.
func (e *emitter) several(reports []report, chosen int) {
	if len(reports) > 1 {
		e.notes.add(ktstr.SeveralReports, reports[chosen].line, "the text holds %d reports of fio; number %d, the last complete one, counts",
			len(reports), chosen+1)
	}
}

// unfinished says what is wrong with a report that does not come to its end.
func (e *emitter) unfinished(r *report, counts bool) {
	if r.complete {
		return
	}
	what := "it does not count"
	if counts {
		what = fmt.Sprintf("what was complete counts: %d jobs", len(r.jobs))
	}
	if errors.Is(r.err, errCut) {
		e.notes.add(ktstr.Truncated, r.errLine, "the %s report that starts in line %d is cut off; %s", r.format, r.line, what)
		return
	}
	e.notes.add(ktstr.Malformed, r.errLine, "the %s report that starts in line %d cannot be read to its end: %v; %s", r.format, r.line, r.err, what)
}

// extraction hands over what was collected.
func (e *emitter) extraction() ktstr.Extraction {
	x := ktstr.Extraction{Metrics: e.metrics, Diagnostics: e.notes.list}
	if e.notes.dropped > 0 {
		x.Diagnostics = append(x.Diagnostics, ktstr.Diagnostic{
			Code: ktstr.TooMany, Message: fmt.Sprintf("%d further diagnostics are not shown", e.notes.dropped),
		})
	}
	return x
}

// hints says what the names mean. Each metric brings its own unit and
// polarity; these are for whoever wants to know before a run.
func hints() []ktstr.Hint {
	list := []ktstr.Hint{
		{Name: "*.*.iops", Unit: "iops", Polarity: ktstr.Higher, Headline: true},
		{Name: "*.*.bw", Unit: "B/s", Polarity: ktstr.Higher, Headline: true},
		{Name: "*.*.iops.mean", Unit: "iops", Polarity: ktstr.Higher},
		{Name: "*.*.bw.mean", Unit: "KiB/s", Polarity: ktstr.Higher},
	}
	for _, name := range []string{"min", "max", "mean", "p*"} {
		for _, family := range []string{"slat", "clat", "lat"} {
			list = append(list, ktstr.Hint{Name: "*.*." + family + "." + name, Unit: "ns", Polarity: ktstr.Lower})
		}
	}
	return append(list,
		ktstr.Hint{Name: "*.*.clat.p99", Unit: "ns", Polarity: ktstr.Lower, Headline: true},
		ktstr.Hint{Name: "*.sync.lat.p99", Unit: "ns", Polarity: ktstr.Lower, Headline: true},
		ktstr.Hint{Name: "*.steadystate.bw_mean", Unit: "B/s", Polarity: ktstr.Higher},
		ktstr.Hint{Name: "*.steadystate.iops_mean", Unit: "iops", Polarity: ktstr.Higher},
	)
}
