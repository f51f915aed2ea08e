package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/shlex"
	"github.com/spf13/pflag"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/core/payload"
	"github.com/ktstr/ktstr/core/unit"
	"github.com/ktstr/ktstr/internal/bundle"
	"github.com/ktstr/ktstr/internal/catalog"
	"github.com/ktstr/ktstr/internal/compare"
	"github.com/ktstr/ktstr/internal/export"
	"github.com/ktstr/ktstr/internal/runs"
)

// seriesOptions are the flags of `ktstr run` about several runs.
type seriesOptions struct {
	repeat     int
	duration   time.Duration
	interleave bool
	variants   []string
	tag        string
	baseline   string
	compare    compareOptions
	exports    exports
}

func seriesFlags(f *pflag.FlagSet, o *seriesOptions) {
	f.IntVar(&o.repeat, "repeat", 0, "make `N` runs of each payload or variant (default 1; with --for: as many as fit)")
	f.DurationVar(&o.duration, "for", 0, "make runs until `DURATION` has passed, such as 5m")
	f.BoolVar(&o.interleave, "interleave", false, "run several payloads in turns, and compare them")
	f.StringArrayVar(&o.variants, "variant", nil, "run the payload with more args, `NAME='ARGS'`, in turns with other variants, and compare them (repeatable)")
	f.StringVar(&o.tag, "tag", "", "give the runs the tag `NAME`")
	f.StringVar(&o.baseline, "baseline", "", "compare with the runs `NAME` (a tag, a set, a bundle, or a path); exit status 1 on a regression")
	compareFlags(f, &o.compare)
	exportFlag(f, &o.exports)
}

// check refuses what cannot be meant, and flags that cannot take effect on so
// many payloads. given says whether a flag was.
func (o seriesOptions) check(given func(flag string) bool, payloads int) error {
	compares := o.baseline != "" || payloads+len(o.variants) > 1
	switch {
	case given("repeat") && o.repeat < 1:
		return fmt.Errorf("--repeat %d: want 1 or more", o.repeat)
	case given("for") && o.duration <= 0:
		return fmt.Errorf("--for %v: want a duration above 0", o.duration)
	case len(o.variants) > 0 && payloads > 1:
		return errors.New("--variant: goes with one payload: want either several payloads or several variants of one")
	case len(o.variants) == 1:
		return fmt.Errorf("--variant %s: want two or more to run against each other", o.variants[0])
	case o.interleave && payloads == 1 && len(o.variants) == 0:
		return errors.New("--interleave: want two or more payloads, or --variant")
	case o.baseline != "" && payloads+len(o.variants) > 1:
		return errors.New("--baseline: goes with one payload; several that run in turns are compared with each other")
	case o.compare.strict && o.baseline == "":
		return errors.New("--strict: is about the exit status of a comparison with --baseline: want that, or leave it out")
	}
	for _, flag := range []string{"metric", "min-effect", "alpha"} {
		if given(flag) && !compares {
			return fmt.Errorf("--%s: is about comparing, and nothing is compared: want --baseline, --interleave or --variant, or leave it out", flag)
		}
	}
	return nil
}

// side is one of the payloads or variants that a series runs.
type side struct {
	name     string // the variant's, else the payload's
	set      string
	spec     core.Spec
	prepared *core.Prepared
	kept     []runs.Run
}

// limit is the timeout that the side's runs have, and where it comes from; empty:
// they have none.
func (s *side) limit() string {
	switch {
	case s.spec.Timeout != 0:
		return fmt.Sprintf("%v (--timeout)", s.spec.Timeout)
	case s.spec.Payload.Timeout != 0:
		return fmt.Sprintf("%v (the payload's timeout)", s.spec.Payload.Timeout)
	}
	return ""
}

// series is one `ktstr run`: one run, or several.
type series struct {
	app      *app
	o        runOptions
	width    int // sides that are wanted
	sides    []*side
	root     string
	store    runs.Store
	baseline []runs.Run
	started  time.Time
	begun    int        // runs that were begun
	lost     []runs.Run // of those wanted, what could not be run to its end
	status   int        // the worst so far
}

// run does what `ktstr run` was asked for: everything that can be wrong is
// looked at before anything runs.
func (a *app) run(ctx context.Context, names, args []string, o runOptions) error {
	defer a.catchStops()()
	s := &series{app: a, o: o, width: max(len(names), len(o.series.variants))}
	preparing, prepared := a.untilStopped(ctx)
	done, err := s.prepare(preparing, names, args)
	defer done()
	var bad *side
	if err == nil {
		if _, err := s.store.Sweep(); err != nil && !isPath(err, s.root) { // of which the first bundle tells
			a.notice(o.quiet)("what a prune left half-way could not be deleted: " + err.Error())
		}
		defer a.guardRuns(o.quiet)()
		bad, err = s.ask(preparing)
	}
	prepared()
	select {
	case stop := <-a.stops:
		err = fmt.Errorf("%v: nothing was started", stop)
		first := &side{spec: core.Spec{Payload: payload.Payload{Name: strings.Join(names, " ")}}}
		if len(s.sides) > 0 {
			first = s.sides[0]
		}
		return s.lose(first, &exitError{core.ExitInterrupted, err})
	default:
	}
	if usage := (*core.UsageError)(nil); bad != nil && !errors.As(err, &usage) { // its program is too old
		return s.lose(bad, &exitError{core.ExitRun, err})
	}
	if err != nil {
		return err
	}
	if s.alone() {
		return s.single(ctx)
	}
	return s.several(ctx)
}

// rounds is how many runs each side makes; 0: as many as fit the time.
func (s *series) rounds() int {
	if s.o.series.repeat == 0 && s.o.series.duration == 0 {
		return 1
	}
	return s.o.series.repeat
}

// alone reports whether there is one run only.
func (s *series) alone() bool { return s.width == 1 && s.rounds() == 1 }

func (s *series) prepare(ctx context.Context, names, args []string) (done func(), err error) {
	var closers []func()
	done = func() {
		for _, c := range closers {
			c()
		}
	}
	o := s.o.series
	if o.tag != "" {
		if err := runs.ValidTag(o.tag); err != nil {
			return done, err
		}
	}
	if err := o.exports.check(); err != nil {
		return done, err
	}
	if err := o.compare.check(); err != nil {
		return done, err
	}
	var checks []check.Check
	for _, text := range s.o.checks {
		c, err := check.Parse(text)
		if err != nil {
			return done, err
		}
		checks = append(checks, c)
	}
	options, err := parseOptions(s.o.options)
	if err != nil {
		return done, err
	}
	if s.root, err = s.o.root(); err != nil {
		return done, err
	}
	s.store = runs.Open(s.root)
	if o.baseline != "" {
		if s.baseline, err = findRuns(s.store, o.baseline); err != nil {
			if errors.As(err, new(*runs.UnknownError)) && runs.ValidTag(o.baseline) == nil {
				err = fmt.Errorf("%w; runs become one by --tag %s", err, o.baseline)
			}
			return done, fmt.Errorf("--baseline %s: %w", o.baseline, err)
		}
	}
	labels := workingCopy(ctx)
	labels[runs.LabelVersion] = version()
	c := s.app.catalog(s.o.quiet)
	extractors := &catalog.Pool{Catalog: c}
	closers = append(closers, extractors.Close)
	for _, name := range names {
		p, err := c.Payload(ctx, name)
		if err != nil {
			return done, err
		}
		p.Extractor = cmp.Or(s.o.extractor, p.Extractor, "json")
		x, err := extractors.Start(ctx, p.Extractor)
		if err != nil {
			return done, err
		}
		base := core.Spec{
			Payload: p.Payload, Program: p.Program, Extractor: x.Extractor, Plugin: x.Plugin,
			Args: args, NoDefaultArgs: s.o.noDefaultArgs,
			Checks: checks, NoDefaultChecks: s.o.noDefaultChecks,
			Options: options, Timeout: s.o.timeout, Grace: s.o.grace, Limit: int64(s.o.maxCapture),
			Scratch: s.o.scratch, Cgroup: s.o.cgroup, NoCgroup: s.o.noCgroup,
			Notice: s.app.notice(s.o.quiet),
			Labels: map[string]string{runs.LabelDefinition: digest(p.Payload)},
		}
		for key, value := range labels {
			base.Labels[key] = value
		}
		if len(o.variants) == 0 {
			s.sides = append(s.sides, &side{name: p.Name, spec: base})
		}
		for _, text := range o.variants {
			variant, err := parseVariant(base, text)
			if err != nil {
				return done, err
			}
			s.sides = append(s.sides, variant)
		}
	}
	if s.baseline != nil {
		name := s.sides[0].spec.Payload.Name
		s.baseline = slices.DeleteFunc(s.baseline, func(r runs.Run) bool { return r.Record.Payload != name })
		if len(s.baseline) == 0 {
			err := fmt.Errorf("--baseline %s: no run of %s in it", o.baseline, name)
			if runs.ValidTag(o.baseline) == nil {
				err = fmt.Errorf("%w; runs become part of it by --tag %s", err, o.baseline)
			}
			return done, err
		}
		// This run is of no variant; its like are those that are not, either.
		like := slices.DeleteFunc(slices.Clone(s.baseline), func(r runs.Run) bool { return runs.Variant(r.Record) != "" })
		if len(like) > 0 {
			s.baseline = like
		}
	}
	s.nameSets()
	return done, nil
}

// ask prepares each side: a mistake in the second must be found before the first
// runs, and a request to stop can still end it. With an error, it returns the side
// that cannot be prepared.
func (s *series) ask(ctx context.Context) (*side, error) {
	var prober core.Prober
	told := map[string]bool{}
	for _, side := range s.sides {
		var err error
		if side.prepared, err = prober.Prepare(ctx, side.spec); err != nil {
			return side, err
		}
		if note := side.prepared.Note(); note != "" && !s.alone() && !told[note] { // the notes of a single run say it
			told[note] = true
			s.app.notice(s.o.quiet)(note)
		}
	}
	return nil, nil
}

// parseVariant reads NAME='ARGS', the args quoted as in a shell.
func parseVariant(base core.Spec, text string) (*side, error) {
	name, quoted, ok := strings.Cut(text, "=")
	if !ok || !payload.ValidName(name) {
		return nil, fmt.Errorf("--variant %s: want NAME='ARGS', NAME of [a-z][a-z0-9-]*", text)
	}
	args, err := shlex.Split(quoted)
	if err != nil {
		return nil, fmt.Errorf("--variant %s: %w: want ARGS quoted as in a shell", text, err)
	}
	v := &side{name: name, spec: base}
	v.spec.Args = append(append([]string{}, base.Args...), args...)
	v.spec.Labels = map[string]string{}
	for key, value := range base.Labels {
		v.spec.Labels[key] = value
	}
	return v, nil
}

// nameSets gives each side the name under which its runs are found again.
func (s *series) nameSets() {
	if s.alone() {
		return
	}
	var unique [3]byte
	rand.Read(unique[:]) // never fails
	stem := time.Now().UTC().Format("set-20060102T150405Z-") + hex.EncodeToString(unique[:])
	seen := map[string]int{}
	for _, side := range s.sides {
		if seen[side.name]++; seen[side.name] > 1 {
			side.name = fmt.Sprintf("%s-%d", side.name, seen[side.name])
		}
		side.set = stem + "." + side.name
		side.spec.Labels[runs.LabelSet] = side.set
		if len(s.sides) > 1 {
			side.spec.Labels[runs.LabelVariant] = side.name
		}
	}
}

// one makes one run of a side and keeps it. What it returns as an error ends
// the series.
func (s *series) one(ctx context.Context, side *side) (core.Record, error) {
	sink, err := bundle.Create(s.root)
	if err != nil {
		if s.begun > 0 {
			err = &exitError{core.ExitRun, err}
		}
		return core.Record{}, err
	}
	defer sink.Close()
	s.begun++
	r, err := s.app.runOnce(ctx, side, sink, s.o.quiet)
	var usage *core.UsageError
	var stopped *exitError
	switch {
	case errors.As(err, &stopped), errors.As(err, &usage) && s.begun == 1: // a mistake is one before anything ran
		return r.Record, err
	case err != nil:
		return r.Record, &exitError{core.ExitRun, withInstall(side.spec.Payload, err)}
	}
	if s.o.series.tag != "" && r.Bundle != "" {
		if err := s.store.Tag(s.o.series.tag, filepath.Base(r.Bundle)); err != nil {
			r.NotKept(fmt.Errorf("--tag %s: %w", s.o.series.tag, err))
		}
	}
	kept := runs.Run{Name: filepath.Base(r.Bundle), Dir: r.Bundle, Record: r.Record}
	if r.Bundle == "" {
		kept.Name = ""
	}
	side.kept = append(side.kept, kept)
	s.status = worse(s.status, r.ExitStatus())
	return r.Record, nil
}

// note puts a run that ended in an error among the lost ones, so that reports
// are not green for want of it. A mistake in the usage is none of a run.
func (s *series) note(side *side, err error) bool {
	var exit *exitError
	if !errors.As(err, &exit) || exit.err == nil {
		return false
	}
	text := "could not be started: " + exit.err.Error()
	if errors.As(err, new(brokenOff)) {
		text = exit.err.Error()
	}
	if n := s.rounds(); !s.alone() && n > 0 {
		text = fmt.Sprintf("run %d of %d: %s", len(side.kept)+1, n, text)
	} else if !s.alone() {
		text = fmt.Sprintf("run %d: %s", len(side.kept)+1, text)
	}
	r := core.Record{
		Schema: core.Schema, Payload: side.spec.Payload.Name, Start: time.Now(), ExitCode: -1,
		Interrupted: exit.status == core.ExitInterrupted, Verdict: core.Fail,
		Capture:    map[string]core.Seen{},
		NotStarted: strings.ToValidUTF8(text, "\uFFFD"), Host: core.ThisHost(), Labels: side.spec.Labels,
		Extraction: core.Extraction{Status: extract.Error, Extractor: side.spec.Payload.Extractor, Error: "not done: there was no run"},
	}
	s.lost = append(s.lost, runs.Run{Record: r})
	return true
}

// lose ends what has no run at all: the reports that were asked for say why, in
// the place of older ones.
func (s *series) lose(side *side, err error) error {
	if !s.note(side, err) {
		return err
	}
	var printed error
	if s.o.output == formatJSON && !s.o.series.exports.toStdout() {
		printed = notPrinted(s.printDocument(nil))
	}
	return s.app.together(err, printed, s.app.writeExports(s.o.series.exports, s.source(nil)))
}

// source is what is exported.
func (s *series) source(reports []compare.Report) export.Source {
	return export.Source{
		Runs: s.all(), Wanted: s.rounds() * s.width, Set: !s.alone() || s.o.series.baseline != "",
		Comparisons: reports, Gate: s.baseline != nil && len(reports) > 0,
	}
}

// single makes one run and prints it.
func (s *series) single(ctx context.Context) error {
	side := s.sides[0]
	r, err := s.one(ctx, side)
	if err != nil {
		return s.lose(side, err)
	}
	quietly := s.o.series.exports.toStdout()
	reports := s.reports()
	switch {
	case quietly:
		s.app.explain(r, s.o.quiet, side.limit())
	case len(reports) > 0 && s.o.output == formatJSON:
		err = s.printDocument(reports)
		s.app.explain(r, s.o.quiet, side.limit())
	default:
		err = s.app.printRun(r, s.o, side.limit())
		if err == nil {
			err = s.printReports(reports)
		}
	}
	return s.app.together(notPrinted(err), s.finish(reports))
}

// several makes runs in turns until all are made, or the time is over, or
// somebody interrupts; a failed run is one of them.
func (s *series) several(ctx context.Context) error {
	s.started = time.Now()
	s.app.progress = s.progress
	defer func() { s.app.progress = nil }()
	var ended error
	for round := 0; s.rounds() == 0 || round < s.rounds(); round++ {
		if d := s.o.series.duration; round > 0 && d > 0 && time.Since(s.started) >= d {
			break
		}
		order := compare.Order(len(s.sides), 2)[round%2*len(s.sides):][:len(s.sides)]
		for _, i := range order {
			r, err := s.one(ctx, s.sides[i])
			if err != nil {
				if len(s.all()) == 0 {
					return s.lose(s.sides[i], err)
				}
				s.note(s.sides[i], err)
				ended = err
				break
			}
			s.tell(s.sides[i], r)
			if r.Interrupted {
				ended = &exitError{status: core.ExitInterrupted}
				break
			}
		}
		if ended != nil {
			break
		}
	}
	reports := s.reports()
	var lost error
	if !s.o.series.exports.toStdout() {
		lost = notPrinted(s.print(reports))
	} else {
		s.again()
	}
	if !s.o.quiet {
		for _, side := range s.sides {
			fmt.Fprintf(s.app.stderr, "set: %s\n", side.set)
		}
	}
	return s.app.together(ended, lost, s.finish(reports))
}

// tell says on stderr how a run of a series ended.
func (s *series) tell(side *side, r core.Record) {
	if r.ExitStatus() != core.ExitPass && !side.failedLike(r) {
		s.app.explain(r, s.o.quiet, side.limit())
	} else {
		for _, d := range r.Extraction.Diagnostics {
			if d.Code == ktstr.MissingHeadline && !side.said(d) {
				fmt.Fprintf(s.app.stderr, "%s\n", line(export.DiagnosticText(d)))
			}
		}
	}
	if s.o.quiet {
		return
	}
	of := ""
	if n := s.rounds(); n > 0 {
		of = fmt.Sprintf(" of %d", n)
	}
	verdict := r.Verdict
	if r.Interrupted {
		verdict = "interrupted"
	}
	fmt.Fprintf(s.app.stderr, "%s: run %d%s: %s%s\n", line(side.name), len(side.kept), of, verdict, line(headlineText(r)))
}

// failedLike reports whether an earlier run of the side failed with just the
// same messages: they were said.
func (s *side) failedLike(r core.Record) bool {
	same := func(a, b check.Detail) bool { return a.Message == b.Message }
	return len(r.Details) > 0 && slices.ContainsFunc(s.kept[:len(s.kept)-1], func(k runs.Run) bool {
		e := k.Record
		return e.TimedOut == r.TimedOut && e.Interrupted == r.Interrupted &&
			e.Extraction.Status == r.Extraction.Status && e.Extraction.Error == r.Extraction.Error &&
			slices.EqualFunc(e.Details, r.Details, same)
	})
}

// said reports whether an earlier run of the side had the same to say.
func (s *side) said(d ktstr.Diagnostic) bool {
	return slices.ContainsFunc(s.kept[:len(s.kept)-1], func(k runs.Run) bool {
		return slices.ContainsFunc(k.Record.Extraction.Diagnostics, func(e ktstr.Diagnostic) bool {
			return e.Code == d.Code && e.Message == d.Message
		})
	})
}

// again says how often a message was not repeated, where stdout does not say it.
func (s *series) again() {
	for _, side := range s.sides {
		ended, _ := uninterrupted(side.kept)
		for _, f := range export.Failures(ended) {
			if len(f.Runs) > 1 {
				fmt.Fprintf(s.app.stderr, "%s: failed: %d of %d runs: %s\n", line(side.name), len(f.Runs), len(ended), printable(f.Message))
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

// progress is what the live line says of the series: which run this is, what
// is left, and the headline so far. It is called while a run goes on, and reads
// only what changes between runs.
func (s *series) progress(now time.Time) string {
	made := 0
	for _, side := range s.sides {
		made += len(side.kept)
	}
	text := fmt.Sprintf("  run %d", made+1)
	left := time.Duration(-1)
	if n := s.rounds() * len(s.sides); n > 0 {
		text += fmt.Sprintf(" of %d", n)
		if made > 0 {
			each := s.lastEnd().Sub(s.started) / time.Duration(made)
			left = time.Duration(n-made)*each - now.Sub(s.lastEnd())
		}
	}
	if d := s.o.series.duration; d > 0 && (left < 0 || d-now.Sub(s.started) < left) {
		left = d - now.Sub(s.started)
	}
	if left >= 0 {
		text += fmt.Sprintf(", %v left", left.Round(time.Second))
	}
	for _, side := range s.sides {
		report := compare.Compare(compare.Side{}, runs.Side("", side.kept), compare.Options{})
		shown := 0
		for _, row := range report.Rows {
			if row.Decides && row.B.N > 0 && shown < 2 {
				shown++
				text += fmt.Sprintf("  %s %s", row.Metric, unit.Scale(row.B.Median, row.Unit))
				if row.B.N > 1 {
					text += " ±" + unit.Scale(row.B.Spread, row.Unit)
				}
			}
		}
	}
	return line(text)
}

func (s *series) lastEnd() time.Time {
	last := s.started
	for _, side := range s.sides {
		for _, r := range side.kept {
			if end := r.Record.Start.Add(time.Duration(r.Record.Duration)); end.After(last) {
				last = end
			}
		}
	}
	return last
}

// reports are the comparisons that were asked for: with the baseline, or of
// the other sides with the first.
func (s *series) reports() []compare.Report {
	var reports []compare.Report
	first, all := s.sides[0], s.o.all || s.o.output == formatJSON || len(s.o.series.exports) > 0
	if s.baseline != nil {
		reports = append(reports, s.o.series.compare.compare(s.o.series.baseline, s.baseline, "this run", first.kept, all))
	}
	options := s.o.series.compare
	if len(s.o.series.variants) > 0 {
		options.compared = []string{"arguments"}
	}
	for _, other := range s.sides[1:] {
		reports = append(reports, options.compare(first.name, first.kept, other.name, other.kept, all))
	}
	return reports
}

// all are the runs of every side, and last what is lost of them.
func (s *series) all() []runs.Run {
	var list []runs.Run
	for _, side := range s.sides {
		list = append(list, side.kept...)
	}
	return append(list, s.lost...)
}

func (s *series) print(reports []compare.Report) error {
	if s.o.output == formatJSON {
		return s.printDocument(reports)
	}
	for _, side := range s.sides {
		if len(s.sides) > 1 {
			fmt.Fprintf(s.app.stdout, "%s\n", line(side.name))
		}
		if err := s.app.printSet(side.kept, s.rounds(), s.o.all); err != nil {
			return err
		}
	}
	return s.printReports(reports)
}

func (s *series) printDocument(reports []compare.Report) error {
	return s.app.printJSON(export.Document(s.source(reports)))
}

func (s *series) printReports(reports []compare.Report) error {
	for _, r := range reports {
		fmt.Fprintln(s.app.stdout)
		if err := s.app.printReport(r, formatText, s.o.all, false); err != nil {
			return err
		}
	}
	return nil
}

// finish writes the exports and gives the exit status: of the runs, and with a
// baseline also of the comparison.
func (s *series) finish(reports []compare.Report) error {
	gate := s.baseline != nil && len(reports) > 0
	status := core.ExitPass
	if gate {
		status = reports[0].ExitStatus(s.o.series.compare.strict)
	}
	if s.o.series.exports.toStdout() && (!s.o.quiet || status != core.ExitPass) {
		for _, r := range reports {
			fmt.Fprint(s.app.stderr, reportTable(s.app.stderr, r, s.o.all))
		}
	}
	return s.app.together(
		s.app.writeExports(s.o.series.exports, s.source(reports)),
		ending(worse(s.status, status)),
	)
}

// digest tells one version of a payload from another.
func digest(p payload.Payload) string {
	text, err := p.MarshalYAML()
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6])
}

// gitTimeout bounds how long the working directory's repository is asked.
const gitTimeout = 5 * time.Second

// workingCopy is the git commit of the working directory and whether it has
// changes; nothing where there is no repository or no git.
func workingCopy(ctx context.Context) map[string]string {
	labels := map[string]string{}
	ctx, cancel := context.WithTimeout(ctx, gitTimeout)
	defer cancel()
	git := func(args ...string) *exec.Cmd {
		// A repository's own configuration must not make a query execute
		// programs.
		c := exec.CommandContext(ctx, "git", append([]string{"-c", "core.fsmonitor=false"}, args...)...)
		c.Env = append(os.Environ(), "GIT_OPTIONAL_LOCKS=0")
		return c
	}
	out, err := git("rev-parse", "--verify", "HEAD").Output()
	if err != nil {
		return labels
	}
	labels[runs.LabelCommit] = strings.TrimSpace(string(out))
	if out, err := git("status", "--porcelain", "--untracked-files=no").Output(); err == nil && len(out) > 0 {
		labels[runs.LabelDirty] = "true"
	}
	return labels
}
