package core_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/core/payload"
	"github.com/ktstr/ktstr/internal/testenv"
	"github.com/ktstr/ktstr/spawn"
)

func TestMain(m *testing.M) {
	testenv.DefaultSignals() // a shell cannot trap a signal that it inherits as ignored, for example under nohup
	os.Exit(m.Run())
}

// script is a payload that runs a shell script.
func script(t *testing.T, text string) payload.Payload {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bench")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return payload.Payload{Name: "bench", Binary: path}
}

// words is an extractor of lines "NAME VALUE".
var words = ktstr.Parser{
	Description: ktstr.Description{Name: "words", Version: "1"},
	Parse: func(out ktstr.Output) (ktstr.Extraction, error) {
		var e ktstr.Extraction
		for i, line := range strings.Split(string(out.Data), "\n") {
			var m ktstr.Metric
			if n, _ := fmt.Sscanf(line, "%s %g", &m.Name, &m.Value); n == 2 {
				m.Line = i + 1
				e.Metrics = append(e.Metrics, m)
			}
		}
		return e, nil
	},
}

func parse(t *testing.T, texts ...string) []check.Check {
	t.Helper()
	var checks []check.Check
	for _, text := range texts {
		c, err := check.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		checks = append(checks, c)
	}
	return checks
}

// C2
func TestSpecComposesArgsAndChecks(t *testing.T) {
	p := script(t, `echo "$*" 1; echo args $#`)
	p.Args = []string{"a", "b"}
	p.Checks = parse(t, "exit == 0")
	run := func(s core.Spec, wantArgs []string, wantChecks int) {
		t.Helper()
		s.Extractor = words
		r, err := core.Run(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Argv[1:]; !reflect.DeepEqual(append([]string{}, got...), append([]string{}, wantArgs...)) {
			t.Errorf("args: got %q, want %q", got, wantArgs)
		}
		if got := len(r.Definition.Checks); got != wantChecks {
			t.Errorf("checks: got %d, want %d", got, wantChecks)
		}
	}
	s := core.Spec{Payload: p}
	run(s, []string{"a", "b"}, 1)
	s.AddArgs("c")
	s.AddChecks(parse(t, "exists args")...)
	run(s, []string{"a", "b", "c"}, 2)
	s.ClearArgs()
	s.ClearChecks()
	run(s, nil, 0)
	s.AddArgs("d", "e")
	s.AddChecks(parse(t, "args >= 2")...)
	run(s, []string{"d", "e"}, 1)
	if len(p.Args) != 2 || len(p.Checks) != 1 {
		t.Errorf("the payload was changed: %q %v", p.Args, p.Checks)
	}

	s.Timeout, s.Cgroup = 3*time.Second, "left"
	want := `run of bench: 2 args, 1 checks, cgroup "left", timeout 3s`
	for _, got := range []string{s.String(), fmt.Sprint(s), fmt.Sprintf("%+v", s), fmt.Sprintf("%#v", s)} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// C3
func TestSchedulerPayloadsAreRefused(t *testing.T) {
	s := core.Spec{Payload: payload.Payload{Name: "scx_mine", Kind: payload.Scheduler, Binary: "true"}, Extractor: words}
	_, runErr := core.Run(t.Context(), s)
	_, startErr := core.Start(t.Context(), s)
	for operation, err := range map[string]error{"run": runErr, "start": startErr} {
		var usage *core.UsageError
		if !errors.As(err, &usage) || !strings.HasPrefix(err.Error(), operation) ||
			!strings.Contains(err.Error(), "scx_mine") || !strings.Contains(err.Error(), "launched by the framework") {
			t.Errorf("%s: %v", operation, err)
		}
	}
}

// A payload made in code is held to what a payload file is held to: its names
// become paths.
func TestInvalidPayloadsAreRefused(t *testing.T) {
	check := func(p payload.Payload, want string) {
		t.Helper()
		s := core.Spec{Payload: p, Extractor: words}
		_, err := core.Run(t.Context(), s)
		var usage *core.UsageError
		if !errors.As(err, &usage) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want a usage error with %q", err, want)
		}
		if _, prepareErr := core.Prepare(t.Context(), s); prepareErr == nil || "run "+prepareErr.Error() != err.Error() {
			t.Errorf("Prepare: got %v, want %v without its first word", prepareErr, err)
		}
	}
	check(payload.Payload{Name: "../bench", Binary: "/bin/true"}, `name: "../bench": want`)
	check(payload.Payload{Name: "bench"}, "binary: empty")
	check(payload.Payload{Name: "bench", Binary: "/bin/true", Outputs: []payload.OutputFile{{Name: "../../out", Path: "out"}}}, `outputs[0].name: "../../out": want`)
	check(payload.Payload{Name: "bench", Binary: "/bin/true", Outputs: []payload.OutputFile{{Name: "out", Path: "../out"}}}, `outputs[0].path: "../out": want`)
}

// C4
func TestFlagAllowlist(t *testing.T) {
	p := script(t, `echo iops 1`)
	run := func(flags []string, args ...string) error {
		p.Flags = flags
		_, err := core.Run(t.Context(), core.Spec{Payload: p, Extractor: words, Args: args})
		return err
	}
	for _, arg := range []string{"--iodept", "--iodept=4"} {
		err := run([]string{"--iodepth", "--size"}, "--size=1", arg)
		if err == nil || !strings.Contains(err.Error(), `--iodept`) || !strings.Contains(err.Error(), "--iodepth") {
			t.Errorf("%s: %v; want the flag and the nearest known one", arg, err)
		}
	}
	if err := run([]string{"--iodepth"}, "--iodepth=4", "-x", "plain"); err != nil {
		t.Error(err)
	}
	if err := run(nil, "--anything"); err != nil {
		t.Error(err)
	}
}

// C7 C24 C25 C30
func TestRunExtractsFromOneStream(t *testing.T) {
	get := func(text string) core.Result {
		t.Helper()
		r, err := core.Run(t.Context(), core.Spec{Payload: script(t, text), Extractor: words})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	r := get(`echo iops 5; echo lat 7 >&2`)
	if want := []ktstr.Metric{{Name: "iops", Value: 5, Stream: ktstr.Stdout, Line: 1}}; !reflect.DeepEqual(r.Printed(), want) {
		t.Errorf("got %+v, want %+v", r.Printed(), want)
	}
	r = get(`echo only prose; echo lat 7 >&2`)
	if want := []ktstr.Metric{{Name: "lat", Value: 7, Stream: ktstr.Stderr, Line: 1}}; !reflect.DeepEqual(r.Printed(), want) {
		t.Errorf("got %+v, want %+v", r.Printed(), want)
	}
	if got := r.Capture["stdout"]; got != (core.Seen{Bytes: 11, Complete: true}) {
		t.Errorf("capture of stdout: %+v", got)
	}
}

// C9 C33 C35
func TestFailedRunsAreResults(t *testing.T) {
	run := func(text string, checks ...string) core.Result {
		t.Helper()
		r, err := core.Run(t.Context(), core.Spec{Payload: script(t, text), Extractor: words, Checks: parse(t, checks...)})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	want := func(r core.Result, status int, text string) {
		t.Helper()
		err := r.Err()
		if got := r.ExitStatus(); got != status || (status == 0) != (r.Verdict == core.Pass) || (status == 0) != (err == nil) {
			t.Errorf("exit status %d, verdict %s, error %v; want status %d", got, r.Verdict, err, status)
		}
		if status != 0 && !strings.Contains(err.Error(), text) {
			t.Errorf("error %q: want %q in it", err, text)
		}
	}
	want(run(`echo iops 5`, "exit == 0", "iops >= 5"), core.ExitPass, "")
	want(run(`echo iops 5`, "iops >= 6"), core.ExitCheck, "iops")
	want(run(`echo iops 5; exit 3`, "exit == 0", "iops >= 6"), core.ExitCheck, "exit code 3")
	want(run(`echo iops 5; kill -ILL $$`, "exit == 0"), core.ExitCheck, "SIGILL")
	want(run(`echo iops 5; kill -ILL $$`), core.ExitRun, "SIGILL")
	want(run(`echo iops 5; kill -ILL $$`, "exit == -1"), core.ExitPass, "")
	want(run(`echo prose`, "exit == 0"), core.ExitExtraction, "words")
	outcomes := func(r core.Result, want ...check.Outcome) {
		t.Helper()
		if r.Checks == nil || !slices.Equal(r.Checks, want) {
			t.Errorf("checks %+v, want %+v", r.Checks, want)
		}
	}
	outcomes(run(`echo iops 5`))
	outcomes(run(`echo iops 5`, "exit == 0", "iops >= 6"), check.Outcome{Check: "exit == 0", Status: check.Held}, check.Outcome{Check: "iops >= 6", Status: check.Failed})
	outcomes(run(`echo iops 5; kill -ILL $$`, "iops >= 5"), check.Outcome{Check: "iops >= 5", Status: check.Held})
	want(run(`echo prose; exit 1`, "exit == 0"), core.ExitCheck, "exit code 1")
	want(run(`echo prose`, "exists iops"), core.ExitExtraction, "words")

	if r := run(`echo iops 5; exit 3`, "exit == 0", "iops >= 6"); len(r.Details) != 1 || r.ExitCode != 3 {
		t.Errorf("details %+v, exit code %d; want one detail and 3", r.Details, r.ExitCode)
	}
	if m, ok := run(`echo iops 5; echo iops 6`).Metric("iops"); !ok || m.Value != 5 {
		t.Errorf("Metric(iops) = %+v, %v; want the first", m, ok)
	}
}

// C14
func TestTimeoutKeepsWhatWasPrinted(t *testing.T) {
	p := script(t, `echo iops 5; exec sleep 1000`)
	p.Timeout = 300 * time.Millisecond
	r, err := core.Run(t.Context(), core.Spec{Payload: p, Extractor: words})
	if err != nil {
		t.Fatal(err)
	}
	timeout := core.Record{TimedOut: true, Duration: 89987230001}
	if err := timeout.Err(); !strings.Contains(err.Error(), "timed out after 1m29.987s\n") {
		t.Errorf("%v: want milliseconds", err)
	}
	timeout.Timeout = core.Seconds(90 * time.Second)
	if err := timeout.Err(); !strings.Contains(err.Error(), "killed at the timeout of 1m30s\n") {
		t.Errorf("%v: want the timeout", err)
	}
	if m, ok := r.Metric("iops"); !ok || m.Value != 5 || !r.TimedOut || r.ExitCode != -1 || r.ExitStatus() != core.ExitRun {
		t.Errorf("metric %+v, timed out %v, exit code %d, status %d", m, r.TimedOut, r.ExitCode, r.ExitStatus())
	}
	if err := r.Err(); err == nil || !strings.Contains(err.Error(), "killed at the timeout of 300ms") {
		t.Errorf("Err() = %v; want that it timed out", err)
	}
}

// C15
func TestHandle(t *testing.T) {
	start := func(text string) *core.Handle {
		t.Helper()
		h, err := core.Start(t.Context(), core.Spec{Payload: script(t, text), Extractor: words})
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	taken := func(h *core.Handle) {
		t.Helper()
		_, _, tryErr := h.TryWait()
		_, waitErr := h.Wait()
		_, killErr := h.Kill()
		for _, err := range []error{tryErr, waitErr, killErr} {
			if err == nil || !strings.Contains(err.Error(), "bench") {
				t.Errorf("after the result was taken: %v; want an error that names the payload", err)
			}
		}
		if h.Pid() != 0 {
			t.Errorf("pid %d after the end; want 0", h.Pid())
		}
		if err := h.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}

	h := start(`echo iops 5`)
	if h.Name() != "bench" {
		t.Errorf("name %q; want bench", h.Name())
	}
	if r, err := h.Wait(); err != nil || len(r.Printed()) != 1 {
		t.Errorf("Wait: %+v, %v", r.Printed(), err)
	}
	taken(h)

	dir := t.TempDir()
	fifo := filepath.Join(dir, "go")
	h = start(`echo iops 5; mkfifo ` + fifo + `; read x < ` + fifo + `; exec sleep 1000`)
	if _, done, err := h.TryWait(); done || err != nil {
		t.Errorf("TryWait while it runs: %v, %v", done, err)
	}
	if h.Pid() <= 0 {
		t.Errorf("pid %d while it runs", h.Pid())
	}
	release(t, fifo)
	r, err := h.Kill()
	if m, ok := r.Metric("iops"); err != nil || !ok || m.Value != 5 || r.Interrupted || r.TimedOut || r.EndedBy != "kill" || r.ExitStatus() != core.ExitPass {
		t.Errorf("Kill: %+v, %v", r.Record, err)
	}
	taken(h)

	h = start(`echo iops 5`)
	for {
		r, done, err := h.TryWait()
		if err != nil {
			t.Fatal(err)
		}
		if done {
			if len(r.Printed()) != 1 {
				t.Errorf("TryWait: %+v", r.Printed())
			}
			break
		}
		runtime.Gosched()
	}
	taken(h)
}

// A time box is no timeout: it ends a load that runs for ever, and the checks decide.
func TestTimeBoxIsJudgedByTheChecks(t *testing.T) { // C14
	check := func(want int, checks ...string) {
		t.Helper()
		p := script(t, `trap 'echo iops 5; exit 7' INT; mkfifo "$0.fifo"; while :; do read x < "$0.fifo"; done`)
		var r core.Result
		for p.StopAfter = time.Second; p.StopAfter < time.Minute && r.ExitCode != 7; p.StopAfter *= 4 { // the trap is set late on a busy machine
			os.Remove(p.Binary + ".fifo")
			var err error
			if r, err = core.Run(t.Context(), core.Spec{Payload: p, Extractor: words, Checks: parse(t, checks...)}); err != nil {
				t.Fatal(err)
			}
		}
		if r.ExitStatus() != want || r.ExitCode != 7 || r.EndedBy != "stop-after" || r.TimedOut || r.Interrupted || len(r.Printed()) != 1 {
			t.Errorf("%q: got status %d, %+v; want status %d", checks, r.ExitStatus(), r.Record, want)
		}
	}
	check(core.ExitPass, "exit == 7", "iops >= 5")
	check(core.ExitCheck, "exit == 0")
	check(core.ExitCheck, "iops >= 6")
}

// If the extraction finds nothing, the message names the processes that were killed
// after the payload's end: the missing output may be theirs.
func TestMessageNamesTheKilledProcess(t *testing.T) { // C12
	r, err := core.Run(t.Context(), core.Spec{Payload: script(t, `sleep 1000 & echo only prose`), Extractor: words})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Killed) != 1 || r.Killed[0].Name != "sleep" && r.Killed[0].Name != "bench" { // bench: not yet executed
		t.Fatalf("killed %+v; want the sleep", r.Killed)
	}
	name := fmt.Sprintf("%s (pid %d)", r.Killed[0].Name, r.Killed[0].Pid)
	if err := r.Err(); err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "leftovers: wait") {
		t.Errorf("got %v; want %s named, and the remedy", err, name)
	}
}

// A run that its caller killed is judged by its checks alone.
func TestChecksJudgeAKilledRun(t *testing.T) { // C14 C15
	check := func(want int, checks ...string) {
		t.Helper()
		fifo := filepath.Join(t.TempDir(), "go")
		h, err := core.Start(t.Context(), core.Spec{
			Payload: script(t, `echo iops 5; mkfifo `+fifo+`; read x < `+fifo+`; exec sleep 1000`), Extractor: words, Checks: parse(t, checks...),
		})
		if err != nil {
			t.Fatal(err)
		}
		release(t, fifo)
		r, err := h.Kill()
		if err != nil || r.ExitStatus() != want || r.ExitCode != -1 || r.EndedBy != "kill" {
			t.Errorf("%q: got status %d, exit code %d, ended by %q, %v; want status %d", checks, r.ExitStatus(), r.ExitCode, r.EndedBy, err, want)
		}
	}
	check(core.ExitPass, "exit == -1")
	check(core.ExitPass)
	check(core.ExitCheck, "exit == 0")
	check(core.ExitCheck, "iops >= 6")
}

// An output that cannot be read to its end costs nothing that was read before: the
// Result, with its bundle, comes with the error.
func TestFailedDrainLosesNothing(t *testing.T) { // C14
	p := script(t, `echo iops 5; exec sleep 1000`)
	p.Timeout = time.Second
	kept := &memorySink{}
	h, err := core.Start(t.Context(), core.Spec{Payload: p, Extractor: words, Grace: 100 * time.Millisecond, Sinks: []core.Sink{kept}})
	if err != nil {
		t.Fatal(err)
	}
	// This process, which must not be killed, holds the payload's stdout.
	held, err := os.OpenFile(fmt.Sprintf("/proc/%d/fd/1", h.Pid()), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	r, err := h.Wait()
	if err == nil || !strings.HasPrefix(err.Error(), "payload "+p.Name+": ") || !strings.Contains(err.Error(), "timed out after 1s") {
		t.Errorf("got %v; want an error that names the payload and the timeout", err)
	}
	if m, ok := r.Metric("iops"); !ok || m.Value != 5 || r.Verdict != core.Fail || r.ExitStatus() != core.ExitRun || r.Capture["stdout"].Complete {
		t.Errorf("got %+v; want the metric, and a run that failed", r.Record)
	}
	if kept.raw != 1 || kept.emitted != 1 {
		t.Errorf("the sink got %d raw outputs and %d records; want 1 and 1", kept.raw, kept.emitted)
	}
}

// memorySink counts its calls.
type memorySink struct{ raw, emitted int }

func (s *memorySink) Raw(*core.Result) error  { s.raw++; return nil }
func (s *memorySink) Emit(*core.Result) error { s.emitted++; return nil }

// Printing a handle or a result shows no environment.
func TestPrintingShowsNoEnvironment(t *testing.T) { // C2
	fifo := filepath.Join(t.TempDir(), "go")
	p := script(t, `mkfifo `+fifo+`; read x < `+fifo+`; echo iops 5`)
	p.Env = map[string]string{"API_TOKEN": "hunter2"}
	p.Checks = parse(t, "iops >= 5")
	prepared, err := core.Prepare(t.Context(), core.Spec{Payload: p, Extractor: words})
	if err != nil {
		t.Fatal(err)
	}
	h, err := prepared.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	before := fmt.Sprint(h)
	release(t, fifo)
	r, err := h.Wait()
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{h, *h, prepared, *prepared, r, &r} {
		for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
			if got := fmt.Sprintf(format, v); strings.Contains(got, "hunter2") || strings.Contains(got, "API_TOKEN") {
				t.Errorf("%s of %T: %s", format, v, got)
			}
		}
	}
	for got, want := range map[string]string{
		before:        "payload bench: running, 1 checks",
		fmt.Sprint(h): "payload bench: ended, 1 checks",
		fmt.Sprint(r): "result of bench: pass, exit code 0, 1 metrics",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// release lets a script go on that reads from fifo, which it makes itself.
func release(t *testing.T, fifo string) {
	t.Helper()
	for {
		f, err := os.OpenFile(fifo, os.O_WRONLY, 0)
		if errors.Is(err, os.ErrNotExist) {
			runtime.Gosched()
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		f.WriteString("\n")
		f.Close()
		return
	}
}

// C15
func TestOneResultForManyCallers(t *testing.T) {
	h, err := core.Start(t.Context(), core.Spec{Payload: script(t, `echo iops 5; exec sleep 1000`), Extractor: words})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	results, refusals := 0, 0
	var callers sync.WaitGroup
	for i := range 8 {
		callers.Go(func() {
			end := h.Wait
			if i%2 == 0 {
				end = h.Kill
			}
			_, err := end()
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				results++
			} else {
				refusals++
			}
		})
	}
	callers.Wait()
	if results != 1 || refusals != 7 {
		t.Errorf("%d results and %d refusals; want 1 and 7", results, refusals)
	}
}

// C15
func TestCancelledContextEndsTheRun(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	fifo := filepath.Join(t.TempDir(), "go")
	h, err := core.Start(ctx, core.Spec{Payload: script(t, `echo iops 5; mkfifo `+fifo+`; read x < `+fifo+`; exec sleep 1000`), Extractor: words})
	if err != nil {
		t.Fatal(err)
	}
	release(t, fifo)
	cancel()
	r, err := h.Wait()
	if m, ok := r.Metric("iops"); err != nil || !ok || m.Value != 5 || r.ExitStatus() != core.ExitInterrupted {
		t.Errorf("metrics %+v, status %d, %v; want what was printed, and interrupted", r.Metrics, r.ExitStatus(), err)
	}
}

// C15
func TestClosedHandleKillsAndWarns(t *testing.T) {
	var said []string
	h, err := core.Start(t.Context(), core.Spec{
		Payload: script(t, `exec sleep 1000`), Extractor: words,
		Notice: func(text string) { said = append(said, text) },
	})
	if err != nil {
		t.Fatal(err)
	}
	pid := h.Pid()
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if len(said) != 1 || !strings.Contains(said[0], "bench") || !strings.Contains(said[0], "lost") {
		t.Errorf("said %q; want that the metrics are lost", said)
	}
	if _, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); err == nil {
		t.Errorf("process %d is still there", pid)
	}
}

// C17
func TestSpawnErrorsAreNoResults(t *testing.T) {
	for binary, want := range map[string]string{"./not/there": "./not/there", "ktstr-no-such-binary": "PATH"} {
		_, err := core.Run(t.Context(), core.Spec{Payload: payload.Payload{Name: "bench", Binary: binary}, Extractor: words})
		var usage *core.UsageError
		if err == nil || errors.As(err, &usage) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want an error of the run that says %s", binary, err, want)
		}
	}
}

// C29
func TestBadExtractorsCostTheirMetricsOnly(t *testing.T) {
	for name, parse := range map[string]func(ktstr.Output) (ktstr.Extraction, error){
		"errs":   func(ktstr.Output) (ktstr.Extraction, error) { return ktstr.Extraction{}, errors.New("no idea") },
		"panics": func(ktstr.Output) (ktstr.Extraction, error) { panic("no idea") },
	} {
		r, err := core.Run(t.Context(), core.Spec{
			Payload:   script(t, `echo iops 5`),
			Extractor: ktstr.Parser{Description: ktstr.Description{Name: name}, Parse: parse},
		})
		if err != nil {
			t.Fatal(err)
		}
		if r.Extraction.Status != extract.Error || !strings.Contains(r.Extraction.Error, "no idea") || r.ExitStatus() != core.ExitExtraction {
			t.Errorf("%s: %+v, status %d", name, r.Extraction, r.ExitStatus())
		}
		if string(r.Streams[0].Data) != "iops 5\n" {
			t.Errorf("%s: raw output %q was not kept", name, r.Streams[0].Data)
		}
	}
}

// frozen is an extractor that counts its freezes.
type frozen struct {
	ktstr.Extractor
	log []string
}

func (f *frozen) Freeze() (func() (spawn.Usage, error), error) {
	f.log = append(f.log, "freeze")
	return func() (spawn.Usage, error) {
		f.log = append(f.log, "thaw")
		return spawn.Usage{}, nil
	}, nil
}

func (f *frozen) Extract(ctx context.Context, out ktstr.Output) (ktstr.Extraction, error) {
	f.log = append(f.log, "extract")
	return f.Extractor.Extract(ctx, out)
}

func TestExtractorIsFrozenWhileThePayloadRuns(t *testing.T) {
	x := &frozen{Extractor: words}
	r, err := core.Run(t.Context(), core.Spec{Payload: script(t, `echo iops 5`), Extractor: x})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"freeze", "thaw", "extract"}; !reflect.DeepEqual(x.log, want) || r.Frozen == nil {
		t.Errorf("got %q and %v, want %q and its cost", x.log, r.Frozen, want)
	}
	x.log = nil
	core.Run(t.Context(), core.Spec{Payload: payload.Payload{Name: "bench", Binary: "./not/there"}, Extractor: x})
	if want := []string{"freeze", "thaw"}; !reflect.DeepEqual(x.log, want) {
		t.Errorf("after a run that could not start: got %q, want %q", x.log, want)
	}
}

// sink counts what it is given.
type sink struct {
	raw, emitted []core.Record
	rawErr, err  error
}

func (s *sink) Raw(r *core.Result) error { s.raw = append(s.raw, r.Record); return s.rawErr }
func (s *sink) Emit(r *core.Result) error {
	s.emitted = append(s.emitted, r.Record)
	return s.err
}

// C35 C36
func TestSinksGetEachRecordOnce(t *testing.T) {
	a, b := &sink{}, &sink{}
	var last int64 = -1
	for range 3 {
		r, err := core.Run(t.Context(), core.Spec{Payload: script(t, `echo iops 5`), Extractor: words, Sinks: []core.Sink{a, b}})
		if err != nil {
			t.Fatal(err)
		}
		if last >= 0 && r.Index != last+1 {
			t.Errorf("index %d after %d", r.Index, last)
		}
		last = r.Index
	}
	for _, s := range []*sink{a, b} {
		if len(s.raw) != 3 || len(s.emitted) != 3 {
			t.Errorf("%d raw and %d records; want 3 of each", len(s.raw), len(s.emitted))
		}
		if len(s.raw[0].Metrics) != 0 || len(s.emitted[0].Printed()) != 1 {
			t.Errorf("metrics: %d before extraction, %d after; want 0 and 1", len(s.raw[0].Metrics), len(s.emitted[0].Printed()))
		}
	}
	for _, s := range []*sink{{rawErr: errors.New("disk full")}, {err: errors.New("disk full")}} {
		r, err := core.Run(t.Context(), core.Spec{Payload: script(t, `echo iops 5`), Extractor: words, Sinks: []core.Sink{s}})
		if err != nil {
			t.Fatal(err)
		}
		if r.ExitStatus() != core.ExitRun || r.Verdict != core.Fail || len(r.Printed()) != 1 || !strings.Contains(r.Err().Error(), "disk full") {
			t.Errorf("status %d, verdict %s, %d metrics, %v", r.ExitStatus(), r.Verdict, len(r.Printed()), r.Err())
		}
	}
}

// half is a sink that has kept the run and could not do all.
type half struct{ sink }

func (h *half) Raw(r *core.Result) error {
	r.Bundle = "/kept"
	return h.sink.Raw(r)
}

// C36: a sink whose Raw has kept something gets the record, which says so.
func TestSinkThatHalfFails(t *testing.T) {
	h, gone := &half{sink{rawErr: errors.New("not on the disk")}}, &sink{rawErr: errors.New("disk full")}
	r, err := core.Run(t.Context(), core.Spec{Payload: script(t, `echo iops 5`), Extractor: words, Sinks: []core.Sink{h, gone}})
	if err != nil {
		t.Fatal(err)
	}
	if len(h.emitted) != 1 || len(h.emitted[0].Details) != 2 || h.emitted[0].Bundle != "/kept" || len(gone.emitted) != 0 {
		t.Errorf("emitted %+v and %+v", h.emitted, gone.emitted)
	}
	if r.Bundle != "/kept" || r.ExitStatus() != core.ExitRun {
		t.Errorf("bundle %q, status %d", r.Bundle, r.ExitStatus())
	}
}

// C36
func TestRecordRoundTrips(t *testing.T) {
	p := script(t, `echo iops 5; echo lat 7e-9; exit 3`)
	p.Outputs = []payload.OutputFile{{Name: "out", Path: "out.txt"}}
	r, err := core.Run(t.Context(), core.Spec{Payload: p, Extractor: words, Checks: parse(t, "exit == 0"), Scratch: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	want := r.Record
	want.Start = want.Start.Round(0) // JSON has no monotonic clock
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got core.Record
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if string(again) != string(text) || !got.Start.Equal(want.Start) {
		t.Errorf("got %s, want %s", again, text)
	}
	for _, field := range []string{`"headlines":[]`, `"details":[{`} {
		if !strings.Contains(string(text), field) {
			t.Errorf("%s: want %s in it", text, field)
		}
	}
	for _, d := range []time.Duration{0, 1, -1, time.Second, 90*time.Minute + 1, -1 << 63, 1<<63 - 1} {
		text, err := json.Marshal(core.Seconds(d))
		if err != nil {
			t.Fatal(err)
		}
		var got core.Seconds
		if err := json.Unmarshal(text, &got); err != nil || time.Duration(got) != d {
			t.Errorf("%s: got %d, %v; want %d", text, got, err, d)
		}
	}
}

// fill gives every field below v a value that is not zero.
func fill(v reflect.Value) {
	if v.Type() == reflect.TypeFor[time.Time]() {
		v.Set(reflect.ValueOf(time.Unix(1, 2).UTC()))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString("higher") // also a polarity
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Float64:
		v.SetFloat(math.Inf(-1))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Map:
		value := reflect.New(v.Type().Elem()).Elem()
		fill(value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("k"), value)
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	}
}

// C36: no field is lost, and docs/record.md has each.
func TestEveryFieldRoundTripsAndIsDocumented(t *testing.T) {
	var want, got core.Record
	fill(reflect.ValueOf(&want).Elem())
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	page, err := os.ReadFile("../docs/record.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`"([a-z_0-9]+)":`).FindAllSubmatch(text, -1) {
		if name := string(m[1]); name != "k" && !regexp.MustCompile(`\b`+name+`\b`).Match(page) {
			t.Errorf("docs/record.md does not say what %s is", name)
		}
	}
	for _, kind := range []string{check.ExitCode, check.Missing, check.NotANumber, check.Below, check.Above, check.WrongUnit, check.TooFew, check.Invalid, "signal", "not-kept"} {
		if !strings.Contains(string(page), "`"+kind+"`") {
			t.Errorf("docs/record.md does not say what a detail of the kind %s is", kind)
		}
	}
	empty, err := json.Marshal(core.Record{Cgroup: &core.Cgroup{}, Plugin: &core.Plugin{}})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(empty), `"checks"`) {
		t.Errorf("%s: checks that nobody evaluated are not those of a run that had none", empty)
	}
	for _, list := range []string{`"argv":[]`, `"controllers":[]`, `"sandbox":[]`} {
		if !strings.Contains(string(empty), list) {
			t.Errorf("%s: want %s in it", empty, list)
		}
	}
}

// C1
func TestOutputFilesAreStreams(t *testing.T) {
	parent := t.TempDir()
	p := script(t, `echo "file iops 5" >&2; echo iops 5 > "$1"; ln -s /etc/passwd "$2"; pwd > "$3"`)
	p.Args = []string{"{outputs.good}", "{outputs.link}", "{scratch}/where"}
	p.Dir = payload.DirScratch
	p.Outputs = []payload.OutputFile{{Name: "good", Path: "good.txt"}, {Name: "link", Path: "link.txt"}, {Name: "none", Path: "none.txt"}}
	r, err := core.Run(t.Context(), core.Spec{Payload: p, Extractor: words, Scratch: parent})
	if err != nil {
		t.Fatal(err)
	}
	if m, ok := r.Metric("iops"); !ok || m.Stream != ktstr.FileStream("good") {
		t.Errorf("metrics %+v; want iops from file:good", r.Metrics)
	}
	if len(r.Streams) != 3 || len(r.Notices) != 2 {
		t.Errorf("%d streams, notices %q; want stdout, stderr and good, and why not the others", len(r.Streams), r.Notices)
	}
	if got, want := r.Capture["file:good"], (core.Seen{Bytes: 7, Complete: true}); got != want {
		t.Errorf("seen of the file %+v, want %+v", got, want)
	}
	if r.Scratch == nil || filepath.Dir(r.Scratch.Dir) != parent || r.Scratch.Filesystem == "" {
		t.Errorf("scratch %+v; want it below %s", r.Scratch, parent)
	}
	if left, _ := os.ReadDir(parent); len(left) != 0 {
		t.Errorf("%s still has %v", parent, left)
	}
}

// What a payload puts in the place of its directories is not followed out of
// the scratch directory, and nothing else is removed for it.
func TestScratchIsLeftByNoLink(t *testing.T) {
	for _, replace := range []string{
		`ln -s "$2" sub`,
		`cd /; rm -r "$1"; ln -s "$3" "$1"`,
		`cd /; mv "$1" "$1.away"; ln -s "$3" "$1"; rm -r "$1.away"`,
		`cd /; rm -r "$1"; echo iops 5 > "$1"`,
	} {
		parent, outside := t.TempDir(), t.TempDir()
		secret := filepath.Join(outside, "sub", "report")
		if err := os.MkdirAll(filepath.Dir(secret), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(secret, []byte("iops 5\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		p := script(t, replace)
		p.Args = []string{"{scratch}", filepath.Dir(secret), outside}
		p.Dir = payload.DirScratch
		p.Outputs = []payload.OutputFile{{Name: "report", Path: "sub/report"}}
		r, err := core.Run(t.Context(), core.Spec{Payload: p, Extractor: words, Scratch: parent})
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Printed()) != 0 || len(r.Notices) != 1 {
			t.Errorf("%s: metrics %v, notices %q; want none, and that the file was not read", replace, r.Printed(), r.Notices)
		}
		if left, _ := os.ReadDir(parent); len(left) != 0 {
			t.Errorf("%s: %s still has %v", replace, parent, left)
		}
		if _, err := os.Stat(secret); err != nil {
			t.Errorf("%s: %v", replace, err)
		}
	}
}

// C6
func TestEnvironment(t *testing.T) {
	t.Setenv("LC_ALL", "de_DE.UTF-8")
	t.Setenv("KTSTR_TEST_INHERITED", "1")
	p := script(t, `echo "$LC_ALL$KTSTR_TEST_INHERITED$MINE" 1; test -z "$(cat)" && echo empty 1`)
	p.Env = map[string]string{"MINE": "yes"}
	r, err := core.Run(t.Context(), core.Spec{Payload: p, Extractor: words})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"C1yes", "empty"} {
		if _, ok := r.Metric(name); !ok {
			t.Errorf("metrics %+v: want %s", r.Metrics, name)
		}
	}
}

// C37
func TestBounds(t *testing.T) {
	p := script(t, `echo iops 5; echo lat -7`)
	zero := 0.0
	p.Bounds = check.Bounds{MinMetrics: 3, Min: &zero}
	r, err := core.Run(t.Context(), core.Spec{Payload: p, Extractor: words})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Details) != 2 || r.ExitStatus() != core.ExitCheck {
		t.Errorf("details %+v, status %d; want too few metrics and one below", r.Details, r.ExitStatus())
	}
}

func TestRecordOfARunThatWasNotStarted(t *testing.T) {
	r := core.Record{Payload: "p", NotStarted: "could not be started: no such file"}
	if r.ExitStatus() != core.ExitRun || r.Err() == nil || r.Err().Error() != "payload p: could not be started: no such file" {
		t.Errorf("status %d, %v; want %d and the cause", r.ExitStatus(), r.Err(), core.ExitRun)
	}
	if r.Interrupted = true; r.ExitStatus() != core.ExitInterrupted {
		t.Errorf("interrupted before: status %d, want %d", r.ExitStatus(), core.ExitInterrupted)
	}
}
