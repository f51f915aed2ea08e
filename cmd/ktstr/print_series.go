package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/core/unit"
	"github.com/ktstr/ktstr/internal/compare"
	"github.com/ktstr/ktstr/internal/export"
	"github.com/ktstr/ktstr/internal/fleet"
	"github.com/ktstr/ktstr/internal/runs"
	"github.com/ktstr/ktstr/internal/series"
)

// seriesView prints the progress and the result of a series.
type seriesView struct {
	*series.Series
	app      *app
	o        runOptions
	baseline []runs.Run
	engine   string         // of --on; empty: the runs are made here
	hosts    []fleet.Result // of --on
}

// limitText returns the timeout of the side's runs and its source, for example
// "1m0s (--timeout)", or "".
func limitText(s *series.Side) string {
	switch {
	case s.Spec.Timeout != 0:
		return fmt.Sprintf("%v (--timeout)", s.Spec.Timeout)
	case s.Spec.Payload.Timeout != 0:
		return fmt.Sprintf("%v (the payload's timeout)", s.Spec.Payload.Timeout)
	}
	return ""
}

// printProblemsOnce prints the problems of the last run of a side on stderr. Messages that
// an earlier run had, too, are not repeated.
func (s *seriesView) printProblemsOnce(side *series.Side, r core.Record) {
	if r.ExitStatus() != core.ExitPass && !failedAlike(side, r) {
		s.app.printProblems(r, s.o.quiet, limitText(side))
	} else {
		s.app.printOverlap(r)
		for _, d := range r.Extraction.Diagnostics {
			if changesMeaning(d) && !wasPrinted(side, d) {
				fmt.Fprintf(s.app.stderr, "%s\n", line(export.DiagnosticText(d)))
			}
		}
	}
}

// printEnded prints the result of one run of a series on stderr. The client of a fleet prints
// the problems, because it has the bundle in the end.
func (s *seriesView) printEnded(side *series.Side, r core.Record) {
	if s.app.placed == nil {
		s.printProblemsOnce(side, r)
	}
	if s.o.quiet {
		return
	}
	of := ""
	if n := s.Rounds(); n > 0 {
		of = fmt.Sprintf(" of %d", n)
	}
	verdict := r.Verdict
	if r.Interrupted {
		verdict = "interrupted"
	}
	fmt.Fprintf(s.app.stderr, "%s: run %d%s: %s%s\n", line(side.Name), len(side.Kept), of, verdict, line(headlineText(r)))
}

// failedAlike reports whether an earlier run of the side failed with the same messages.
func failedAlike(s *series.Side, r core.Record) bool {
	same := func(a, b check.Detail) bool { return a.Message == b.Message }
	return len(r.Details) > 0 && slices.ContainsFunc(s.Kept[:len(s.Kept)-1], func(k runs.Run) bool {
		e := k.Record
		return e.TimedOut == r.TimedOut && e.Interrupted == r.Interrupted &&
			e.Extraction.Status == r.Extraction.Status && e.Extraction.Error == r.Extraction.Error &&
			slices.EqualFunc(e.Details, r.Details, same)
	})
}

// wasPrinted reports whether an earlier run of the side had the same diagnostic.
func wasPrinted(s *series.Side, d ktstr.Diagnostic) bool {
	return slices.ContainsFunc(s.Kept[:len(s.Kept)-1], func(k runs.Run) bool {
		return slices.ContainsFunc(k.Record.Extraction.Diagnostics, func(e ktstr.Diagnostic) bool {
			return e.Code == d.Code && e.Message == d.Message
		})
	})
}

// printRepeated prints the number of runs that had each message. The result on stdout has
// it, too, so this is for exports to stdout.
func (s *seriesView) printRepeated() {
	for _, side := range s.Sides {
		ended, _ := runs.Uninterrupted(side.Kept)
		for _, f := range export.Failures(ended) {
			if len(f.Runs) > 1 {
				fmt.Fprintf(s.app.stderr, "%s: failed: %d of %d runs: %s\n", line(side.Name), len(f.Runs), len(ended), printable(f.Message))
			}
		}
	}
}

func headlineText(r core.Record) string {
	text := ""
	for i, m := range headlines(r.Metrics, r.Headlines) {
		if i == 3 {
			return text + "  …"
		}
		text += "  " + m.Name + " " + unit.Scale(m.Value, m.Unit)
	}
	return text
}

// showProgress shows the progress line on the terminal. A nil Progress removes it.
func (s *seriesView) showProgress(p *series.Progress) {
	fmt.Fprint(s.app.stderr, "\r\x1b[K")
	if p == nil {
		return
	}
	text := []rune(s.progressLine(p))
	if columns := terminal(s.app.stderr); len(text) >= columns { // a wrapped line could not be erased
		text = text[:max(0, columns-1)]
	}
	fmt.Fprint(s.app.stderr, string(text))
	s.app.lineShown.Store(true)
}

// progressLine returns the headlines so far, which come first because a narrow terminal
// truncates the line, and the progress. For example: "fio  read.iops 5000 ±12  run 2 of 3
// 1s  (limit 1m30s)  4s left".
func (s *seriesView) progressLine(p *series.Progress) string {
	text := p.Side.Spec.Payload.Name + s.headlinesSoFar()
	if !s.Alone() {
		text += fmt.Sprintf("  run %d", p.Run)
		if p.Of > 0 {
			text += fmt.Sprintf(" of %d", p.Of)
		}
	}
	text += "  " + elapsedText(p.Elapsed, p.Timeout)
	if !s.Alone() && p.Left >= 0 {
		text += fmt.Sprintf("  %v left", p.Left.Round(time.Second))
	}
	return line(text)
}

// elapsedText returns the time since the start of the run, and the timeout, for example
// "1s  (limit 1m30s)".
func elapsedText(elapsed, timeout time.Duration) string {
	text := elapsed.Round(time.Second).String()
	if timeout > 0 {
		text += fmt.Sprintf("  (limit %v)", timeout)
	}
	return text
}

// headlinesSoFar returns the median and the spread of two headlines of each side.
func (s *seriesView) headlinesSoFar() string {
	text := ""
	for _, side := range s.Sides {
		text += headlinesOf(runs.Side("", side.Kept))
	}
	return text
}

// headlinesOf returns the median and the spread of two headlines of a side.
func headlinesOf(side compare.Side) (text string) {
	shown := 0
	for _, row := range compare.Compare(compare.Side{}, side, compare.Options{}).Rows {
		if row.Shown && row.B.N > 0 && shown < 2 {
			shown++
			text += fmt.Sprintf("  %s %s", row.Metric, unit.Scale(row.B.Median, row.Unit))
			if row.B.N > 1 {
				text += " ±" + unit.Scale(row.B.Spread, row.Unit)
			}
		}
	}
	return text
}

// source returns what is exported.
func (s *seriesView) source(reports []compare.Report) export.Source {
	width := max(len(s.Payloads), len(s.Variants))
	var sides [][2][]runs.Run
	if len(reports) > 0 {
		sides = s.compared()
	}
	return export.Source{
		Runs: s.Runs(), Wanted: s.Rounds() * width * max(1, len(s.hosts)), Set: !s.Alone() || s.o.series.baseline != "",
		Comparisons: reports, Sides: sides,
	}
}

// compared returns the runs of both sides of each of the reports, in their order.
func (s *seriesView) compared() (pairs [][2][]runs.Run) {
	first := s.base()
	if s.baseline != nil {
		pairs = append(pairs, [2][]runs.Run{s.baseline, first.Kept})
	}
	for _, other := range s.Sides {
		if other != first {
			pairs = append(pairs, [2][]runs.Run{first.Kept, other.Kept})
		}
	}
	return pairs
}

// base returns the side that the others are compared with: the one that --base names, or
// the first.
func (s *seriesView) base() *series.Side {
	for _, side := range s.Sides {
		if side.Name == s.o.series.base {
			return side
		}
	}
	return s.Sides[0]
}

// noRun ends a series in which no run has a result. The exports give the reason and
// overwrite older files, so that an old report does not look current. After a usage error
// they stay as they are, because nothing ran.
func (s *seriesView) noRun(err error) error {
	var none *series.NoResult
	if !errors.As(err, &none) {
		return err
	}
	var failed error
	if s.o.output == formatJSON && !s.o.series.exports.toStdout() {
		failed = outputError(s.printDocument(nil))
	}
	return s.app.joinErrors(exitOf(none), failed, s.app.writeExports(s.o.series.exports, s.source(nil)))
}

// exitOf returns err, which ended a series, with its exit status.
func exitOf(err error) error {
	var none *series.NoResult
	switch {
	case err == nil:
		return nil
	case errors.As(err, &none) && none.Interrupted:
		return &exitError{core.ExitInterrupted, err}
	}
	return &exitError{core.ExitRun, err}
}

// print prints the runs and returns the error that the command ends with. err is the
// error that ended the series early, or nil.
func (s *seriesView) print(err error) error {
	if s.Alone() {
		return s.printAlone()
	}
	reports := s.reports()
	var failed error
	if !s.o.series.exports.toStdout() {
		failed = outputError(s.printAll(reports))
	} else {
		s.printRepeated()
	}
	if !s.o.quiet && s.app.placed == nil {
		for _, side := range s.Sides {
			fmt.Fprintf(s.app.stderr, "set: %s\n", side.Set)
		}
	}
	if s.o.calibrate && failed == nil {
		failed = outputError(s.printCalibration())
	}
	return s.app.joinErrors(exitOf(err), failed, s.finish(reports))
}

// printAlone prints a single run, which has no set.
func (s *seriesView) printAlone() error {
	side := s.Sides[0]
	r := side.Kept[0].Record
	reports := s.reports()
	var err error
	switch {
	case s.o.series.exports.toStdout():
		s.app.printProblems(r, s.o.quiet, limitText(side))
	case len(reports) > 0 && s.o.output == formatJSON:
		err = s.printDocument(reports)
		s.app.printProblems(r, s.o.quiet, limitText(side))
	default:
		err = s.app.printRun(r, s.o, limitText(side))
		if err == nil {
			err = s.printReports(reports)
		}
	}
	return s.app.joinErrors(outputError(err), s.finish(reports))
}

// reports returns the comparison with the baseline, if there is one, or the comparisons of
// the base, which is the side that --base names or the first, with each other side.
func (s *seriesView) reports() []compare.Report {
	var reports []compare.Report
	first := s.base()
	statistics := s.o.series.statistics
	if s.o.series.until {
		statistics.alpha = s.o.series.looks()[s.o.series.look(len(first.Kept))].Alpha
	}
	c := statistics.comparison(s.o.all || s.o.output == formatJSON || s.o.series.exports.any())
	if s.baseline != nil {
		c = s.app.calibrated(c, first.Kept)
		reports = append(reports, c.Compare(s.o.series.baseline, s.baseline, "this run", first.Kept))
	}
	if len(s.Variants) > 0 {
		c.Compared = []string{"arguments"}
	}
	for _, other := range s.Sides {
		if other == first {
			continue
		}
		reports = append(reports, s.app.calibrated(c, slices.Concat(first.Kept, other.Kept)).Compare(first.Name, first.Kept, other.Name, other.Kept))
	}
	if s.o.series.until {
		s.noteLook(reports)
	}
	return reports
}

func (s *seriesView) printAll(reports []compare.Report) error {
	if s.o.output == formatJSON {
		return s.printDocument(reports)
	}
	if s.hosts != nil {
		if err := s.printHosts(); err != nil {
			return err
		}
		fmt.Fprintln(s.app.stdout)
	}
	for _, side := range s.Sides {
		if len(s.Sides) > 1 {
			fmt.Fprintf(s.app.stdout, "%s\n", line(side.Name))
		}
		if err := s.app.printSet(side.Kept, s.Rounds()*max(1, len(s.hosts)), s.o.all); err != nil {
			return err
		}
	}
	if err := s.printReports(reports); err != nil || s.hosts == nil {
		return err
	}
	return s.printCount()
}

func (s *seriesView) printDocument(reports []compare.Report) error {
	return s.app.printJSON(export.Document(s.source(reports)))
}

func (s *seriesView) printReports(reports []compare.Report) error {
	for _, r := range reports {
		fmt.Fprintln(s.app.stdout)
		if err := s.app.printReport(r, formatText, s.o.all); err != nil {
			return err
		}
	}
	return nil
}

// status returns the worst exit status of the runs.
func (s *seriesView) status() int {
	status := core.ExitPass
	for _, side := range s.Sides {
		for _, r := range side.Kept {
			status = worstStatus(status, r.Record.ExitStatus())
		}
	}
	return status
}

// finish writes the exports and returns the exit status: the worst of the runs and of the
// comparisons.
func (s *seriesView) finish(reports []compare.Report) error {
	status := core.ExitPass
	for _, r := range reports {
		status = worstStatus(status, r.ExitStatus(s.o.series.statistics.strict || s.o.series.until))
	}
	if s.o.series.exports.toStdout() && (!s.o.quiet || status != core.ExitPass) {
		for _, r := range reports {
			fmt.Fprint(s.app.stderr, reportTable(s.app.stderr, r, s.o.all))
		}
	}
	return s.app.joinErrors(
		s.app.writeExports(s.o.series.exports, s.source(reports)),
		exitWith(worstStatus(s.status(), status)),
	)
}
