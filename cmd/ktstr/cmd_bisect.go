package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"al.essio.dev/pkg/shellescape"
	"github.com/google/shlex"
	"github.com/spf13/cobra"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/internal/bisect"
	"github.com/ktstr/ktstr/internal/bundle"
	"github.com/ktstr/ktstr/internal/compare"
	"github.com/ktstr/ktstr/internal/export"
	"github.com/ktstr/ktstr/internal/runs"
	"github.com/ktstr/ktstr/internal/series"
	"github.com/ktstr/ktstr/internal/text"
	"github.com/ktstr/ktstr/spawn"
)

// bisectOptions are the arguments and flags of `ktstr bisect`.
type bisectOptions struct {
	runOptions
	good, bad, build string
}

func (a *app) bisectCommand() *cobra.Command {
	o := bisectOptions{runOptions: runOptions{output: formatText, grace: spawn.DefaultGrace}}
	o.series.until = true
	c := &cobra.Command{
		Use:   "bisect --good REV --bad REV [--build CMD] PAYLOAD [flags] [-- ARGS...]",
		Short: "Find the commit that made a benchmark worse",
		Long: `Find the first commit after --good that is worse, with git bisect, in the repository of
the working directory. The working tree, the index and a git bisect of your own stay as
they are: ktstr works in two worktrees, which it removes at the end.

The good revision is built once. Each commit that git chooses is built and runs in turns
with the good revision (A B B A) until it is decided, as with ktstr run --until-decided.
All steps together spend --alpha. The first step is the bad revision itself.

A commit is skipped if its build or its benchmark fails, or if its runs leave the question
open. CMD is split into words as in a shell, but no shell runs it. A PAYLOAD with a / in
it, such as ./mybench, is a file of the commit. Files that git ignores stay from commit to
commit, so that a build does not begin from nothing.

After Ctrl-C, the same command continues.

Exit status: 0 the commit was found, 2 usage error, 3 the good or the bad revision does not
build or run, 5 not decided: the answer names the commits that are left.`,
		Example: `  ktstr bisect --good v1.4 --bad main --build 'make -j8' ./bench --higher throughput
  ktstr bisect --good HEAD~20 --bad HEAD ./bench.sh --lower latency --margin 3% -- --quick`,
		ValidArgsFunction: a.completePayloads,
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.check(c.Flags().Changed); err != nil {
				return err
			}
			return a.bisect(c.Context(), o)
		},
	}
	c.Args = func(c *cobra.Command, args []string) error {
		if o.payloads, o.args = splitAtDash(c, args); len(o.payloads) != 1 {
			return errors.New("bisect: want one PAYLOAD: a name of ktstr payload list, or a path such as ./mybench")
		}
		return nil
	}
	f := c.Flags()
	f.StringVar(&o.good, "good", "", "compare with the revision `REV`, such as v1.4")
	f.StringVar(&o.bad, "bad", "", "the revision `REV` is worse, such as HEAD")
	f.StringVar(&o.build, "build", "", "build each commit with `CMD`, such as 'make -j8'")
	f.StringVar(&o.extractor, "extractor", "", "read the output with the extractor `NAME`, such as fio (default: the payload's, json for a path)")
	f.StringVar(&o.out, "out", "", "keep the bundles in `DIR`, such as ./runs (default $XDG_STATE_HOME/ktstr/runs)")
	f.DurationVar(&o.timeout, "timeout", 0, "kill the payload after `DURATION`, such as 90s, and skip the commit (default: the payload's)")
	f.IntVar(&o.series.maxRuns, "max-runs", 40, "make at most `N` runs of each commit")
	f.BoolVar(&o.quiet, "quiet", false, "print nothing on stderr except errors and warnings that change the meaning of a result")
	matchFlags(f, &o.match)
	hintFlags(f, &o.hints)
	verdictFlags(f, &o.series.statistics)
	return c
}

// check returns an error for a mistake that needs no repository to be found.
func (o bisectOptions) check(given func(flag string) bool) error {
	switch {
	case o.good == "" || o.bad == "":
		return errors.New("bisect: want --good REV and --bad REV, such as --good v1.4 --bad HEAD")
	case o.series.maxRuns < 4:
		return fmt.Errorf("--max-runs %d: want 4 or more", o.series.maxRuns)
	case given("timeout") && o.timeout <= 0:
		return fmt.Errorf("--timeout %v: want a duration above 0, or leave the flag out", o.timeout)
	}
	return nil
}

// relative reports whether the payload is a file of the commit under test.
func (o bisectOptions) relative() bool {
	return strings.Contains(o.payloads[0], "/") && !filepath.IsAbs(o.payloads[0])
}

// bisection judges the commits of a bisect.
type bisection struct {
	*bisect.Bisect
	app     *app
	o       bisectOptions
	request series.Request
	build   []string // the command line; empty: nothing to build
	stops   *series.Stops
}

// bisect finds the first bad commit and prints it.
func (a *app) bisect(ctx context.Context, o bisectOptions) (err error) {
	x := bisection{app: a, o: o}
	if x.request, _, err = o.request(); err != nil {
		return err
	}
	if x.build, err = shlex.Split(o.build); err != nil {
		return fmt.Errorf("--build %s: %w: want a command line quoted as in a shell", o.build, err)
	}
	state, err := bundle.StateDir()
	if err != nil {
		return err
	}
	defer surviveReader()()
	x.stops = series.CatchStops()
	defer x.stops.Close()
	what := []any{o.payloads, o.args, x.build, o.extractor, o.timeout, o.series.maxRuns, o.match.match, o.match.matchRE, x.request.Spec.Hints, o.series.statistics.alpha, o.series.statistics.metrics, o.series.statistics.minEffect.String(), o.series.statistics.margin.String()}
	key, err := json.Marshal(what)
	if err != nil {
		return err
	}
	if x.Bisect, err = bisect.Open(ctx, filepath.Join(state, "bisect"), o.good, o.bad, string(key)); err != nil {
		return err
	}
	err = x.find(ctx)
	if closing := x.Close(); closing != nil {
		err = a.joinErrors(err, &exitError{core.ExitRun, closing})
	}
	return err
}

// find builds the good revision, judges commits until the first bad one is known, and prints
// the answer.
func (x *bisection) find(ctx context.Context) error {
	if x.o.relative() {
		if x.Built = x.o.payloads[0]; !x.Inside(x.Built) {
			return fmt.Errorf("%s: it is outside of the repository: want an absolute path, or a path inside it", x.Built)
		}
	}
	notice := x.app.notice(x.o.quiet)
	if n := len(x.Judged); n > 0 {
		notice(fmt.Sprintf("an interrupted bisect goes on after %s: %s has them", text.Count(n, "step"), x.State))
	} else {
		notice(fmt.Sprintf("%s after %s", text.Count(x.Between, "commit"), x.Good))
	}
	defer x.app.guardRuns(x.o.quiet)()
	if err := x.Prepare(ctx); err != nil {
		return &exitError{core.ExitRun, err}
	}
	reason, err := x.make(ctx, x.GoodDir)
	if err != nil {
		return err
	}
	if reason != "" {
		return &exitError{core.ExitRun, fmt.Errorf("--good %s: %s: want a revision that builds", x.Good, reason)}
	}
	answer, err := x.Run(ctx, x.o.series.statistics.alpha, func(step bisect.Step) (bisect.Judgement, error) {
		notice(fmt.Sprintf("step %d of about %d: %s", step.Number, step.Number+step.Left, step.Commit))
		j, err := x.judge(ctx, step)
		if err == nil {
			notice(strings.TrimSuffix(fmt.Sprintf("step %d: %s: %s", step.Number, j.Verdict, j.Reason), ": "))
		}
		return j, err
	})
	var notBad *bisect.NotBadError
	var exit *exitError
	switch {
	case errors.As(err, &notBad):
		fmt.Fprint(x.app.stdout, notBad.Text)
		return &exitError{core.ExitTooFew, err}
	case errors.As(err, &exit):
		return err
	case err != nil:
		return &exitError{core.ExitRun, err}
	}
	return x.print(answer)
}

// print prints the commit with the measured difference, or the commits that are left.
func (x *bisection) print(answer bisect.Answer) error {
	var b strings.Builder
	status := core.ExitPass
	if first := answer.First; first != nil {
		fmt.Fprintf(&b, "first bad commit: %s %s\ncompared with the good revision %s\n\n%s", first.Commit.Hash, line(first.Commit.Subject), line(x.Good.String()), first.Text)
	} else {
		status = core.ExitTooFew
		fmt.Fprintf(&b, "not decided: the first bad commit is one of these. All but the newest of them were skipped:\n")
		for _, c := range answer.Candidates {
			fmt.Fprintf(&b, "  %s %s\n", c.Hash, line(c.Subject))
		}
	}
	if len(answer.Skipped) > 0 {
		fmt.Fprintf(&b, "\nskipped:\n")
		for _, j := range answer.Skipped {
			fmt.Fprintf(&b, "  %s: %s\n", line(j.Commit.String()), line(j.Reason))
		}
	}
	if _, err := fmt.Fprint(x.app.stdout, b.String()); err != nil {
		return outputError(err)
	}
	return exitWith(status)
}

// judge builds the commit of a step and compares it with the good revision. The error ends the
// bisect: it was interrupted, or the fault is not in the commit.
func (x *bisection) judge(ctx context.Context, step bisect.Step) (j bisect.Judgement, err error) {
	skip := func(reason string) (bisect.Judgement, error) {
		if step.Number == 1 {
			return j, &exitError{core.ExitRun, fmt.Errorf("--bad %s: %s: want a revision whose benchmark runs", step.Commit, reason)}
		}
		j.Verdict, j.Reason = bisect.Skipped, reason
		return j, nil
	}
	if reason, err := x.make(ctx, x.Dir); err != nil || reason != "" {
		if err != nil {
			return j, err
		}
		return skip(reason)
	}
	o := x.o.runOptions
	o.series.statistics.alpha = step.Alpha
	s, reason, err := x.runs(ctx, o, step)
	if s != nil {
		defer s.Close()
		if len(s.Sides[1].Kept) >= 4 { // after the first look
			j.Spent = step.Alpha
		}
	}
	if err != nil || reason != "" {
		if err != nil {
			return j, err
		}
		return skip(reason)
	}
	report := s.reports()[0]
	for _, row := range report.Rows {
		if row.Decides && row.Verdict == compare.Missing {
			return skip(fmt.Sprintf("metric %s: %s", row.Metric, row.Note))
		}
	}
	j.Text = reportTable(x.app.stdout, report, false)
	switch {
	case report.ExitStatus(true) == core.ExitCheck:
		j.Verdict = bisect.Bad
	case report.Decided():
		j.Verdict = bisect.Good
	default:
		j.Verdict, j.Reason = bisect.Skipped, "not decided: "+report.Summary()
	}
	return j, nil
}

// runs makes the runs of a step. reason says why the commit is broken.
func (x *bisection) runs(ctx context.Context, o runOptions, step bisect.Step) (view *seriesView, reason string, err error) {
	request := x.request
	request.Payloads = []string{o.payloads[0], o.payloads[0]}
	if x.o.relative() {
		request.Payloads = []string{filepath.Join(x.GoodDir, o.payloads[0]), filepath.Join(x.Dir, o.payloads[0])}
	}
	preparing, prepared := x.stops.Until(ctx)
	s := series.New(x.app.catalog(o.quiet), request)
	s.Stops, s.Notice = x.stops, x.app.notice(o.quiet)
	view = &seriesView{app: x.app, o: o, Series: s}
	if err = s.Find(preparing); err == nil {
		for i, commit := range []bisect.Commit{x.Good, step.Commit} {
			side := s.Sides[i]
			side.Name, side.Spec.Dir = commit.Hash[:12], []string{x.GoodDir, x.Dir}[i]
			side.Spec.Labels[runs.LabelCommit], side.Spec.Labels[runs.LabelCommitTime] = commit.Hash, commit.Time
			side.Spec.Labels[runs.LabelVariant] = side.Name
			delete(side.Spec.Labels, runs.LabelDirty)
			if x.o.relative() { // the definitions differ only in the path of the worktree
				delete(side.Spec.Labels, runs.LabelDefinition)
			}
		}
		err = s.Prepare(preparing)
	}
	prepared()
	if err == nil {
		s.Enough = func(rounds int) bool {
			return failure(s.Sides[0]) != "" || failure(s.Sides[1]) != "" || view.enough(rounds)
		}
		if !o.quiet && steerable(x.app.stderr) {
			s.Progress = view.showProgress
		}
		err = s.Run(ctx)
	}
	if err := x.interrupted(s); err != nil {
		return view, "", err
	}
	var none *series.NoResult
	switch {
	case errors.As(err, &none) && none.Side == s.Sides[1] && (errors.As(err, new(*spawn.StartError)) || len(s.Runs()) == len(s.Lost)):
		return view, err.Error(), nil
	case errors.As(err, &none) && none.Side == s.Sides[0]:
		return view, "", &exitError{core.ExitRun, fmt.Errorf("--good %s: %w", x.Good, err)}
	case errors.As(err, &none):
		return view, "", &exitError{core.ExitRun, err}
	case err != nil:
		return view, "", err
	}
	for _, side := range s.Sides {
		if slices.ContainsFunc(side.Kept, func(r runs.Run) bool { return r.Dir == "" }) {
			return view, "", &exitError{core.ExitRun, fmt.Errorf("a run of %s was not kept: %s", side.Name, failure(side))}
		}
	}
	if reason := failure(s.Sides[0]); reason != "" {
		return view, "", &exitError{core.ExitRun, fmt.Errorf("--good %s: %s: want a revision whose benchmark runs", x.Good, reason)}
	}
	return view, failure(s.Sides[1]), nil
}

// failure returns the reason why a run of a side has no metrics that can be compared, or "".
func failure(side *series.Side) string {
	for _, r := range side.Kept {
		if !runs.Broken(r.Record) && r.Dir != "" {
			continue
		}
		for _, f := range export.Failures([]runs.Run{r}) {
			return f.Message
		}
		return "a run has no metrics"
	}
	return ""
}

// interrupted returns an error if the user asked ktstr to stop, also during the runs of s.
func (x *bisection) interrupted(s *series.Series) error {
	stop := x.stops.Take() != nil
	if s != nil {
		for _, r := range s.Runs() {
			stop = stop || r.Record.Interrupted
		}
	}
	if !stop {
		return nil
	}
	return &exitError{core.ExitInterrupted, fmt.Errorf("interrupted after %s. The same command continues", text.Count(len(x.Judged), "step"))}
}

// make executes the build in a directory. reason says why it failed.
func (x *bisection) make(ctx context.Context, dir string) (reason string, err error) {
	if err := x.interrupted(nil); err != nil {
		return "", err
	}
	if _, err := os.Stat(dir); err != nil {
		return "the working directory is not in this commit", nil
	}
	if len(x.build) == 0 {
		return "", nil
	}
	program := x.build[0]
	if strings.Contains(program, "/") && !filepath.IsAbs(program) { // for spawn it would be relative to our own directory
		program = filepath.Join(dir, program)
	}
	p, err := spawn.Start(ctx, spawn.Command{Path: program, Args: x.build[1:], Dir: dir})
	if err != nil {
		return "the build could not be started: " + err.Error(), nil
	}
	waiting, done := x.stops.Until(ctx)
	select {
	case <-p.Done():
	case <-waiting.Done():
		p.Interrupt()
	}
	r, err := p.Wait()
	defer r.Release()
	done()
	if err := x.interrupted(nil); err != nil {
		return "", err
	}
	if err != nil {
		return "", &exitError{core.ExitRun, fmt.Errorf("build: %w", err)}
	}
	if r.ExitCode == 0 {
		return "", nil
	}
	reason = fmt.Sprintf("the build failed: %s: exit status %d", shellescape.QuoteCommand(x.build), r.ExitCode)
	if r.Signal != "" {
		reason = fmt.Sprintf("the build failed: %s: %s", shellescape.QuoteCommand(x.build), r.Signal)
	}
	for _, out := range [][]byte{r.Stderr.Data, r.Stdout.Data} {
		if last := strings.TrimSpace(string(out)); last != "" {
			return reason + ": " + last[strings.LastIndexByte(last, '\n')+1:], nil
		}
	}
	return reason, nil
}
