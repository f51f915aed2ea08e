package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"al.essio.dev/pkg/shellescape"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/core/instrument/counters"
	"github.com/ktstr/ktstr/core/unit"
	"github.com/ktstr/ktstr/extractors/lines"
	"github.com/ktstr/ktstr/internal/export"
	"github.com/ktstr/ktstr/internal/plainjson"
)

// printRun prints the result of a run on stdout, and its problems on stderr.
func (a *app) printRun(r core.Record, o runOptions, limit string) error {
	var err error
	if o.output == formatJSON {
		err = a.printJSON(r)
	} else {
		err = a.printRunText(r, o.all)
	}
	a.printProblems(r, o.quiet, limit)
	return err
}

func (a *app) printJSON(v any) error {
	text, err := plainjson.MarshalIndent(v, " ")
	if err != nil {
		return err
	}
	return a.writeJSON(text)
}

func (a *app) printRunText(r core.Record, all bool) error {
	metrics := r.Printed()
	shown := headlines(r.Metrics, r.Headlines)
	if len(shown) > len(headlines(metrics, r.Headlines)) {
		metrics = r.Metrics // the headlines include metrics of the run itself
	}
	switch {
	case all:
		shown = r.Metrics
	case len(shown) == 0:
		shown = metrics
	}
	if !all {
		counts := counted(r.Metrics)
		shown = append(slices.Clip(shown), counts...)
		if len(metrics) < len(r.Metrics) {
			metrics = append(slices.Clip(metrics), counts...)
		}
	}
	if err := printMetrics(a.stdout, shown); err != nil {
		return err
	}
	s := styleOf(a.stdout)
	verdict := s.good(r.Verdict)
	if r.Verdict != core.Pass {
		verdict = s.bad(r.Verdict)
	}
	more := ""
	if hidden := len(metrics) - len(shown); hidden > 0 {
		more = s.dim(fmt.Sprintf(" (%d more: --all, or -o json)", hidden))
	}
	result := "  " + count(len(metrics), "metric") + more
	if checks := checksText(r); checks != "" {
		result = "  " + checks + result
	}
	if r.Extraction.Status == extract.None && len(r.Printed()) == 0 && !slices.ContainsFunc(r.Details, endDetail) {
		result = ": no number could be read from its output"
	}
	_, err := fmt.Fprintf(a.stdout, "%s  %s  %s%s\n%s", verdict, line(r.Payload), time.Duration(r.Duration).Round(time.Millisecond), result, judgement(r))
	return err
}

// judgement returns what a run of the payload noise says about this host, or "".
func judgement(r core.Record) string {
	shows, ok := r.Metric("work.shows")
	took, known := r.Metric("work.time")
	if r.Payload != "noise" || !ok || !known {
		return ""
	}
	return fmt.Sprintf("this host can show changes of about %s of a CPU-bound loop of %s, with 5 runs a side; for other work: ktstr calibrate PAYLOAD\n",
		percentText(shows.Value), unit.Scale(took.Value, "ns"))
}

// checksText returns how many checks of the runs held, for example "2 of 3 checks held".
// It is empty for records of old versions, which do not list the checks.
func checksText(list ...core.Record) string {
	held, all, known := 0, 0, false
	for _, r := range list {
		known = known || r.Checks != nil
		all += len(r.Checks)
		for _, o := range r.Checks {
			if o.Status == check.Held {
				held++
			}
		}
	}
	switch {
	case !known:
		return ""
	case all == 0:
		return "no checks"
	}
	return fmt.Sprintf("%d of %s held", held, count(all, "check"))
}

// headlines returns the metrics with those names.
func headlines(metrics []ktstr.Metric, names []string) []ktstr.Metric {
	wanted := map[string]bool{}
	for _, name := range names {
		wanted[name] = true
	}
	var picked []ktstr.Metric
	for _, m := range metrics {
		if wanted[m.Name] {
			picked = append(picked, m)
		}
	}
	return picked
}

// counted returns the metrics of --counters. They are shown, because the user has asked
// for them.
func counted(metrics []ktstr.Metric) []ktstr.Metric {
	return slices.DeleteFunc(slices.Clone(metrics), func(m ktstr.Metric) bool {
		return m.Stream != ktstr.RunStream || !strings.HasPrefix(m.Name, counters.Prefix)
	})
}

// arrow returns the polarity as text, for example "lower is better", or "".
func arrow(p ktstr.Polarity) string {
	switch p {
	case ktstr.Higher:
		return "higher is better"
	case ktstr.Lower:
		return "lower is better"
	}
	if v, ok := p.Target(); ok {
		return fmt.Sprintf("near %v is better", v)
	}
	return ""
}

func printMetrics(w io.Writer, metrics []ktstr.Metric) error {
	// Not tabwriter: for a document with 100,000 numbers it takes ten times as long as the
	// extraction.
	type row struct{ name, value string }
	rows := make([]row, len(metrics))
	names, values := 0, 0
	for i := range metrics {
		rows[i] = row{line(metrics[i].Name), line(unit.Scale(metrics[i].Value, metrics[i].Unit))}
		names = max(names, utf8.RuneCountInString(rows[i].name))
		values = max(values, utf8.RuneCountInString(rows[i].value))
	}
	b := bufio.NewWriter(w)
	cell := func(text string, width int) {
		b.WriteString(text)
		for range width - utf8.RuneCountInString(text) + 2 {
			b.WriteByte(' ')
		}
	}
	for i, r := range rows {
		cell(r.name, names)
		cell(r.value, values)
		b.WriteString(arrow(metrics[i].Polarity))
		b.WriteByte('\n')
	}
	return b.Flush()
}

// printProblems prints on stderr the notices, the diagnostics and the failed checks of a
// run, and the place of its raw output. limit is the timeout and its source, for example
// "1m0s (--timeout)", or "". With quiet it prints errors, and only those diagnostics that
// change the meaning of a result.
func (a *app) printProblems(r core.Record, quiet bool, limit string) {
	s := styleOf(a.stderr)
	say := func(format string, args ...any) {
		fmt.Fprintf(a.stderr, "%s\n", printable(fmt.Sprintf(format, args...)))
	}
	for _, n := range r.Notices {
		if !quiet {
			say("note: %s", n)
		}
	}
	a.printOverlap(r)
	if r.Interrupted {
		say("interrupted after %v", time.Duration(r.Duration).Round(time.Millisecond))
	}
	if r.TimedOut {
		say("timed out after %s and was killed. Its output until then was read", limit)
	}
	// The exit code comes first because it explains a missing output.
	fail := func(d check.Detail) {
		fmt.Fprintf(a.stderr, "%s %s\n", s.bad("failed:"), printable(d.Message))
	}
	for _, d := range r.Details {
		if endDetail(d) && !r.Interrupted {
			fail(d)
		}
	}
	advise := r.Extraction.Status == extract.None && r.Extraction.Extractor == "json" && r.Payload != "" &&
		!slices.ContainsFunc(r.Details, endDetail) && !r.TimedOut && !r.Interrupted
	for _, d := range export.Diagnostics(r) {
		if advise && d.Code == ktstr.NotMyFormat {
			continue // the advice has it
		}
		if !quiet || r.Extraction.Status != extract.OK || changesMeaning(d) {
			say("%s", line(export.DiagnosticText(d)))
		}
	}
	switch r.Extraction.Status {
	case extract.Error:
		say("extraction failed: %s: %s", r.Extraction.Extractor, r.Extraction.Error)
	case extract.None:
		next := ""
		if r.Extraction.Extractor == "json" && r.Payload == "" {
			next = ". For another format: ktstr extract NAME (see ktstr plugin list)"
		}
		if advise {
			a.adviseOnText(r)
		} else {
			say("extraction: %s found no metric in the output%s", r.Extraction.Extractor, next)
		}
	}
	for _, d := range r.Details {
		if !endDetail(d) {
			fail(d)
		}
	}
	if r.Bundle == "" {
		return
	}
	if r.ExitStatus() == core.ExitPass {
		if !quiet {
			say("bundle: %s", r.Bundle)
		}
		return
	}
	say("raw output: %s", filepath.Join(r.Bundle, string(ktstr.Stdout)))
	say("            %s", filepath.Join(r.Bundle, string(ktstr.Stderr)))
	say("repeat the extraction: ktstr extract %s", shellescape.Quote(r.Bundle))
}

// adviseOnText prints on stderr how to measure a payload whose output the extractor json
// cannot read: with patterns for the lines that have numbers, or in another way.
func (a *app) adviseOnText(r core.Record) {
	reason := "its output has no number"
	for _, d := range r.Extraction.Diagnostics {
		if d.Code == ktstr.NotMyFormat {
			reason = d.Message
			break
		}
	}
	fmt.Fprintf(a.stderr, "extraction: json found no metric in the output: %s\n", line(reason))
	w := tableTo(a.stderr)
	var flags []string
	for _, stream := range []ktstr.Stream{ktstr.Stdout, ktstr.Stderr} {
		const most = 3
		if flags == nil && r.Bundle != "" {
			for _, pattern := range lines.Suggest(beginningOf(filepath.Join(r.Bundle, string(stream))), most) {
				flags = append(flags, "--match "+shellescape.Quote(pattern))
			}
		}
	}
	if flags == nil {
		flags = []string{"--match 'Throughput: {throughput} {unit}', for example"}
	}
	fmt.Fprintf(w, "  numbers on lines of text:\t%s\n", line(strings.Join(flags, " ")))
	fmt.Fprintf(w, "  only the run itself:\t--extractor exit-code\n")
	fmt.Fprintf(w, "  another format:\t--extractor NAME (see ktstr plugin list), or write a plugin (ktstr plugin new)\n")
	w.Flush()
}

// beginningOf returns the first bytes of a file, which are none if it cannot be read.
func beginningOf(name string) []byte {
	f, err := os.Open(name)
	if err != nil {
		return nil
	}
	defer f.Close()
	text, _ := io.ReadAll(io.LimitReader(f, 64<<10))
	return text
}

// endDetail reports whether a detail is about the exit code or the signal of the payload.
func endDetail(d check.Detail) bool { return d.Kind == check.ExitCode || d.Kind == "signal" }

// changesMeaning reports whether a diagnostic is printed under --quiet: without it the
// reader misunderstands the result. For example, the metrics of a run without its
// headline look complete.
func changesMeaning(d ktstr.Diagnostic) bool {
	return d.Code == ktstr.MissingHeadline || d.Code == ktstr.IgnoredOption
}
