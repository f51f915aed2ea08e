package core_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/core/payload"
	"github.com/ktstr/ktstr/extractors"
)

// parser returns an extractor that gives e for every output.
func parser(e ktstr.Extraction) ktstr.Extractor {
	return ktstr.Parser{
		Description: ktstr.Description{Name: "made-up", Version: "1"},
		Parse:       func(ktstr.Output) (ktstr.Extraction, error) { return e, nil },
	}
}

// measure runs /bin/true with the changes that set makes.
func measure(t *testing.T, x ktstr.Extractor, set func(*core.Spec)) core.Result {
	t.Helper()
	s := core.Spec{Payload: payload.Payload{Name: "true", Binary: "/bin/true"}, Extractor: x}
	if set != nil {
		set(&s)
	}
	r, err := core.Run(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var iops = ktstr.Extraction{Metrics: []ktstr.Metric{{Name: "iops", Value: 5}}}

func TestEveryRunHasItsOwnNumbers(t *testing.T) { // C38
	for _, x := range []ktstr.Extractor{extractors.ExitCode(), parser(iops), parser(ktstr.Extraction{})} {
		r := measure(t, x, nil)
		for _, want := range []ktstr.Metric{
			{Name: "run.wall", Unit: "s", Polarity: ktstr.Lower},
			{Name: "run.user", Unit: "s", Polarity: ktstr.Lower},
			{Name: "run.system", Unit: "s", Polarity: ktstr.Lower},
			{Name: "run.cpu", Unit: "s", Polarity: ktstr.Lower},
			{Name: "run.ctx_voluntary"},
			{Name: "run.ctx_involuntary"},
			{Name: "run.faults_major"},
		} {
			got, ok := r.Metric(want.Name)
			want.Stream, want.Value = ktstr.RunStream, got.Value
			if !ok || got != want {
				t.Errorf("%s: got %+v, %v; want %+v", x.Describe().Name, got, ok, want)
			}
		}
		if m, _ := r.Metric("run.wall"); m.Value <= 0 || m.Value != time.Duration(time.Duration(r.Duration)).Seconds() {
			t.Errorf("run.wall is %v, want the duration %v", m.Value, time.Duration(r.Duration))
		}
	}
}

func TestOwnNumbersAreHeadlinesOnlyByDesign(t *testing.T) { // C38
	headlines := func(x ktstr.Extractor, hints ...ktstr.Hint) string {
		r := measure(t, x, func(s *core.Spec) {
			for _, h := range hints {
				s.Payload.Hints = append(s.Payload.Hints, payload.Hint{Hint: h})
			}
		})
		return strings.TrimSuffix(strings.Join(r.Headlines, " "), " run.max_rss")
	}
	for name, c := range map[string]struct{ got, want string }{
		"exit-code":      {headlines(extractors.ExitCode()), "run.wall run.cpu"},
		"metrics":        {headlines(parser(iops)), ""},
		"no metric":      {headlines(parser(ktstr.Extraction{})), ""},
		"a hint by name": {headlines(parser(iops), ktstr.Hint{Name: "run.user", Headline: true}), "run.user"},
		"a pattern":      {headlines(parser(iops), ktstr.Hint{Name: "run.*", Headline: true}), ""},
	} {
		if c.got != c.want {
			t.Errorf("%s: headlines %q, want %q", name, c.got, c.want)
		}
	}
}

func TestOwnNumbersAreOutsideOfPatternsAndBounds(t *testing.T) { // C31, C37, C38
	zero := 0.0
	r := measure(t, parser(iops), func(s *core.Spec) {
		s.Payload.Hints = []payload.Hint{
			{Hint: ktstr.Hint{Name: "run.*", Unit: "ms", Polarity: ktstr.Higher}},
			{Hint: ktstr.Hint{Name: "run.ctx_voluntary", Polarity: ktstr.Lower}},
		}
		s.Payload.Bounds = check.Bounds{MinMetrics: 2, Max: &zero}
	})
	if m, _ := r.Metric("run.wall"); m.Polarity != ktstr.Lower || m.Unit != "s" {
		t.Errorf("a pattern changed %+v", m)
	}
	if m, _ := r.Metric("run.ctx_voluntary"); m.Polarity != ktstr.Lower {
		t.Errorf("a hint by name does not apply to %+v", m)
	}
	var got []string
	for _, d := range r.Details {
		got = append(got, d.Message)
	}
	want := "1 metric: want at least 2 (the payload's bounds)|metric 'iops' is 5: want <= 0 (the payload's bounds)"
	if strings.Join(got, "|") != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestOwnNumbersAreNoMeasurementOfThePayload(t *testing.T) { // C38
	r := measure(t, parser(ktstr.Extraction{}), func(s *core.Spec) {
		s.Payload.Checks = []check.Check{must(check.Exists("run.wall"))}
	})
	if r.Extraction.Status != extract.None || r.Verdict != core.Fail || r.ExitStatus() != core.ExitExtraction {
		t.Errorf("status %s, verdict %s, exit status %d; want none, fail, 4", r.Extraction.Status, r.Verdict, r.ExitStatus())
	}
	if len(r.Checks) != 1 || r.Checks[0].Status != check.Held {
		t.Errorf("checks %+v, want the check held", r.Checks)
	}
}

func TestTheMetricOfThePayloadKeepsTheName(t *testing.T) { // C38
	r := measure(t, parser(ktstr.Extraction{Metrics: []ktstr.Metric{{Name: "run.wall", Value: 7, Unit: "ms"}}}), func(s *core.Spec) {
		s.Payload.Checks = []check.Check{must(check.Parse("run.wall <= 7"))}
	})
	n := 0
	for _, m := range r.Metrics {
		if m.Name == "run.wall" {
			n++
		}
	}
	if m, _ := r.Metric("run.wall"); n != 1 || m.Value != 7 || m.Stream != ktstr.Stdout || r.Verdict != core.Pass {
		t.Errorf("%d metrics run.wall, the first %+v, %s %+v; want one of stdout, pass", n, m, r.Verdict, r.Details)
	}
	var found bool
	for _, d := range r.Extraction.Diagnostics {
		found = found || d.Code == ktstr.Duplicate && strings.HasSuffix(d.Message, ": run.wall")
	}
	if !found {
		t.Errorf("diagnostics %+v, want one about run.wall", r.Extraction.Diagnostics)
	}
}

func TestChecksOfOwnNumbers(t *testing.T) { // C34, C38
	for text, want := range map[string]string{
		"run.wall <= 3600s":   "",
		"run.wall <= 3600000": "", // seconds
		"run.cpu >= 3600s":    "metric 'run.cpu' is ",
		"run.max_rss >= 1B":   "metric 'run.max_rss' not found: run.max_rss left out: ",
	} {
		r := measure(t, extractors.ExitCode(), func(s *core.Spec) { s.Payload.Checks = []check.Check{must(check.Parse(text))} })
		got := ""
		for _, d := range r.Details {
			got += d.Message
		}
		if (want == "") != (got == "") || !strings.HasPrefix(got, want) {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
	_, err := core.Prepare(t.Context(), core.Spec{
		Payload:   payload.Payload{Name: "true", Binary: "/bin/true", Checks: []check.Check{must(check.Parse("run.wall <= 2KiB"))}},
		Extractor: extractors.ExitCode(),
	})
	if err == nil || !strings.Contains(err.Error(), `"s", the unit of run.wall`) {
		t.Errorf("a check with the wrong unit: %v, want an error before the run", err)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestCountersAreCountedOnRequest(t *testing.T) { // C39
	const name = "perf.task_clock"
	for where, set := range map[string]func(*core.Spec){
		"nowhere":     nil,
		"spec":        func(s *core.Spec) { s.Counters = []string{"cycles"} },
		"payload":     func(s *core.Spec) { s.Payload.Counters = []string{"all"} },
		"spec, empty": func(s *core.Spec) { s.Payload.Counters, s.Counters = []string{"all"}, []string{} },
	} {
		r := measure(t, extractors.ExitCode(), set)
		m, ok := r.Metric(name)
		refused := strings.Contains(strings.Join(messages(r), "|"), name)
		if want := where == "spec" || where == "payload"; ok != want && !refused {
			t.Errorf("%s: got %+v, %v; want it %v", where, m, ok, want)
		}
		if ok && (m.Unit != "ns" || m.Polarity != ktstr.Lower || m.Stream != ktstr.RunStream || m.Value <= 0) {
			t.Errorf("%s: %+v", where, m)
		}
	}
	_, err := core.Prepare(t.Context(), core.Spec{Payload: payload.Payload{Name: "true", Binary: "/bin/true"}, Extractor: extractors.ExitCode(), Counters: []string{"cycels"}})
	if usage := (*core.UsageError)(nil); !errors.As(err, &usage) || !strings.Contains(err.Error(), "Did you mean cycles?") {
		t.Errorf("unknown counter: %v, want an error before the run", err)
	}
	r := measure(t, extractors.ExitCode(), func(s *core.Spec) { s.Payload.Checks = []check.Check{must(check.Exists(name))} })
	if len(r.Details) != 1 || !strings.HasSuffix(r.Details[0].Message, "is counted only with --counters, or with the key counters of a payload file") {
		t.Errorf("a check without --counters: %+v", r.Details)
	}
}

// messages returns the messages of the diagnostics.
func messages(r core.Result) (list []string) {
	for _, d := range r.Extraction.Diagnostics {
		list = append(list, d.Message)
	}
	return list
}
