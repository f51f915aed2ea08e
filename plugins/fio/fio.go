// Package fio turns what fio(1) prints into metrics: JSON and json+ documents,
// terse lines and normal text, of fio 2 and 3, from a local run or a client.
//
// A metric is called JOB.OP.STAT, as in rd.read.iops or rd.write.clat.p99_9, or
// JOB.cpu.usr, disk.vda.util and so on; value and unit are as printed. Of
// several reports in one text, the last complete one counts, and of several
// formats JSON before terse before normal, by the digits that they print.
package fio

import (
	"embed"
	"errors"
	"fmt"
	"strings"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/jsonscan"
)

//go:embed payloads/*.yaml
var payloads embed.FS

// New returns the extractor for fio.
func New() ktstr.Extractor {
	return ktstr.Parser{
		Description: ktstr.Description{
			Name:     "fio",
			Version:  "1.0.0",
			Tools:    []ktstr.Tool{{Name: "fio", Versions: append([]string(nil), proven...)}},
			Hints:    hints(),
			Payloads: ktstr.PayloadFiles(payloads),
		},
		Parse: parse,
	}
}

func parse(out ktstr.Output) (ktstr.Extraction, error) {
	var e emitter
	documents, spans := jsonReports(out.Data)
	terse, normal, around := textReports(out.Data, spans, out.Argv)
	r, ok := e.choose(documents, terse, normal)
	if !ok {
		around.explain(&e, out)
		return e.extraction(), nil
	}
	if d, ok := r.version.check(r.line); ok {
		e.notes.addAll(d)
	}
	e.headless(&around)
	if around.signal != "" {
		e.notes.add(ktstr.Interrupted, around.signalLine, "fio was stopped before its end (%s); the numbers are of a shorter run", printable(around.signal))
	}
	e.report(r)
	if out.Truncated {
		e.notes.add(ktstr.Truncated, 0, "the capture stopped at its cap; what fio printed behind it was not seen")
	}
	if len(e.metrics) == 0 {
		e.notes.add(ktstr.NoMetrics, r.line, "the %s report of fio holds no measurement", r.format)
		if out.ExitCode != nil && *out.ExitCode > 0 && around.signal == "" {
			e.notes.add(ktstr.ToolFailed, 0, "fio ended with exit code %d", *out.ExitCode)
		}
	}
	return e.extraction(), nil
}

// choose returns the report that counts. Of several formats it is the one that
// prints the most digits, and of several reports the last complete one. Where
// none is complete, the whole jobs of the last one count.
func (e *emitter) choose(formats ...series) (*report, bool) {
	var chosen *report
	first := func(of func(s series) *report) {
		for _, s := range formats {
			if r := of(s); chosen == nil && r != nil {
				chosen = r
			}
		}
	}
	first(func(s series) *report { return s.complete })
	first(func(s series) *report {
		if s.last == nil || len(s.last.jobs) == 0 {
			return nil
		}
		return s.last
	})
	first(func(s series) *report { return s.last })
	if chosen == nil {
		return nil, false
	}
	total := 0
	var what []string
	for _, s := range formats {
		if s.count > 0 {
			what = append(what, fmt.Sprintf("%d %s", s.count, s.last.format))
			total += s.count
		}
	}
	if total > 1 {
		which := "last"
		if chosen.complete {
			which = "last complete"
		}
		e.notes.add(ktstr.SeveralReports, chosen.line, "the text holds %d reports of fio (%s); the %s %s one counts, which starts in line %d",
			total, strings.Join(what, ", "), which, chosen.format, chosen.line)
	}
	for _, s := range formats {
		if s.count > 0 {
			e.unfinished(s.last, s.last == chosen)
		}
	}
	return chosen, true
}

// headless says that the first line of a report is missing.
func (e *emitter) headless(s *surroundings) {
	if s.headless > 0 {
		e.notes.add(ktstr.Malformed, s.headless, "the first line of a %s report is missing; what was found of it was left out", s.headlessKind)
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
	if errors.Is(r.err, jsonscan.ErrTruncated) {
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
