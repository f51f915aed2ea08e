// Package fio turns the output of fio(1) into metrics: JSON and json+ documents,
// terse lines and normal text, of fio 2 and 3, from a local run or a client.
//
// A metric is called JOB.OP.STAT, as in rd.read.iops or rd.write.clat.p99_9, or
// JOB.cpu.usr, disk.vda.util and so on. Value and unit are as printed. Of
// several reports of one run, the last complete one counts. Of several formats,
// JSON comes before terse and terse before normal, because it has more digits.
// Several runs in one text are several sets of jobs.
package fio

import (
	"embed"
	"errors"
	"fmt"
	"strings"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/jsonscan"
	"github.com/ktstr/ktstr/internal/text"
)

//go:embed payloads/*.yaml
var payloads embed.FS

// New returns the extractor for fio.
func New() ktstr.Extractor {
	return ktstr.Parser{
		Description: ktstr.Description{
			Name:     "fio",
			Summary:  "fio reads and writes files and disks, and measures rate and latency.",
			Version:  "1.0.0",
			Tools:    []ktstr.Tool{{Name: "fio", Versions: append([]string(nil), proven...)}},
			Hints:    hints(),
			Payloads: ktstr.PayloadFiles(payloads),
		},
		Parse: parse,
	}
}

func parse(out ktstr.Output) (ktstr.Extraction, error) {
	out.Data = text.WithoutColour(out.Data)
	var e emitter
	banners := bannerLines(out.Data)
	documents, spans := jsonReports(out.Data, banners, out.Argv)
	terse, normal, around := textReports(out.Data, spans, banners, out.Argv)
	if around.columns > 0 {
		e.notes.add(ktstr.Malformed, around.columns, "two outputs stand side by side, and which number is of which cannot be told: want each output by itself")
		return e.extraction(), nil
	}
	around.started = len(banners) > 0
	list := invocations([numFormats]series{documents, terse, normal}, banners)
	if len(list) == 0 {
		around.explain(&e, out)
		return e.extraction(), nil
	}
	e.several(list)
	for _, in := range list {
		for _, r := range in.runs {
			if r != nil {
				e.unfinished(r.last, r.last == in.chosen)
			}
		}
	}
	e.versions(list)
	e.headless(&around)
	if around.signal != "" {
		e.notes.add(ktstr.Interrupted, around.signalLine, "fio was stopped before its end (%s); the numbers are of a shorter run", printable(around.signal))
	}
	for _, in := range list {
		e.report(in.chosen)
	}
	around.unshown(&e, list, out.ExitCode)
	e.nameMetrics()
	if out.Truncated {
		e.notes.add(ktstr.Truncated, 0, "the capture stopped at its cap; what fio printed behind it was not seen")
	}
	if len(e.metrics) == 0 {
		last := list[len(list)-1].chosen
		e.notes.add(ktstr.NoMetrics, last.line, "the %s report of fio holds no measurement", formatNames[last.format])
		if out.ExitCode != nil && *out.ExitCode > 0 && around.signal == "" {
			e.notes.add(ktstr.ToolFailed, 0, "fio ended with exit code %d", *out.ExitCode)
		}
	}
	return e.extraction(), nil
}

// several says which reports count if the text has more than one.
func (e *emitter) several(list []*invocation) {
	if len(list) > 1 {
		e.notes.add(ktstr.SeveralReports, list[1].chosen.line, "the text holds %d runs of fio: the jobs of all count, and a name that occurs again ends with ~2, ~3 and so on", len(list))
	}
	for _, in := range list {
		total := 0
		var what []string
		for format, r := range in.runs {
			if r != nil {
				what = append(what, fmt.Sprintf("%d %s", r.count, formatNames[format]))
				total += r.count
			}
		}
		if total < 2 {
			continue
		}
		which, where := "last", "the text holds"
		if in.chosen.complete {
			which = "last complete"
		}
		if len(list) > 1 {
			where = "one run has"
		}
		e.notes.add(ktstr.SeveralReports, in.chosen.line, "%s %d reports of fio (%s); the %s %s one counts, which starts in line %d",
			where, total, strings.Join(what, ", "), which, formatNames[in.chosen.format], in.chosen.line)
	}
}

// versions says which versions of fio were not tried.
func (e *emitter) versions(list []*invocation) {
	said := map[string]bool{}
	for _, in := range list {
		if d, ok := in.chosen.version.check(in.chosen.line); ok && !said[d.Message] {
			said[d.Message] = true
			e.notes.addAll(d)
		}
	}
}

// headless says that the first line of a report is missing.
func (e *emitter) headless(s *surroundings) {
	if s.headless > 0 {
		e.notes.add(ktstr.Malformed, s.headless, "the first line of a %s report is missing; what was found of it was left out", s.headlessKind)
	}
}

// unfinished adds the diagnostic for a report without its end.
func (e *emitter) unfinished(r *report, counts bool) {
	if r.complete {
		return
	}
	what := "it does not count"
	if counts {
		what = fmt.Sprintf("what was complete counts: %d jobs", len(r.jobs))
	}
	if errors.Is(r.err, jsonscan.ErrTruncated) {
		e.notes.add(ktstr.Truncated, r.errLine, "the %s report that starts in line %d is cut off; %s", formatNames[r.format], r.line, what)
		return
	}
	e.notes.add(ktstr.Malformed, r.errLine, "the %s report that starts in line %d cannot be read to its end: %v; %s", formatNames[r.format], r.line, r.err, what)
}

// extraction returns the metrics and diagnostics.
func (e *emitter) extraction() ktstr.Extraction {
	x := ktstr.Extraction{Metrics: e.metrics, Diagnostics: e.notes.list}
	if e.notes.dropped > 0 {
		x.Diagnostics = append(x.Diagnostics, ktstr.Diagnostic{
			Code: ktstr.TooMany, Message: fmt.Sprintf("%d further diagnostics are not shown", e.notes.dropped),
		})
	}
	return x
}

// hints gives the meaning of names before a run. Each metric brings its own
// unit and polarity.
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
