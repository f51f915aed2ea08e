package check_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/check"
)

func parse(t testing.TB, texts ...string) []check.Check {
	t.Helper()
	checks := make([]check.Check, len(texts))
	for i, text := range texts {
		c, err := check.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		checks[i] = c
	}
	return checks
}

// messages returns the verdict's details, one per line.
func messages(v check.Verdict) string {
	var lines []string
	for _, d := range v.Details {
		lines = append(lines, d.Kind+" | "+d.Check+" | "+d.Metric+" | "+d.Message)
	}
	if v.Pass != (len(lines) == 0) {
		lines = append(lines, fmt.Sprint("pass is ", v.Pass))
	}
	return strings.Join(lines, "\n")
}

// C34: each metric check is judged on its own, in order. Bounds are inclusive.
// C35: of several metrics with the same name, the first one counts.
func TestMetricChecks(t *testing.T) {
	metrics := []ktstr.Metric{
		{Name: "p99", Value: 2000, Unit: "us"},
		{Name: "p50", Value: 0.3, Unit: "ms"},
		{Name: "iops", Value: 1234567.5, Unit: "iops"},
		{Name: "plain", Value: 5},
		{Name: "zero", Value: 0},
		{Name: "minus.zero", Value: math.Copysign(0, -1)},
		{Name: "nan", Value: math.NaN(), Unit: "us"},
		{Name: "inf", Value: math.Inf(1)},
		{Name: "p99", Value: 9999, Unit: "us"},
	}
	hints := map[string]string{"p99": "ms", "p50": "us"}
	run := func(want string, texts ...string) {
		t.Helper()
		got := messages(check.Evaluate(parse(t, texts...), check.Input{
			Metrics: metrics, Searched: []ktstr.Stream{ktstr.Stdout, ktstr.Stderr},
			HintUnit: func(name string) string { return hints[name] },
		}))
		if got != want {
			t.Errorf("%q: got\n%s\nwant\n%s", texts, got, want)
		}
	}
	run("")
	run("", "p99 <= 2ms", "p99 >= 2000us", "p99 in [2ms, 2ms]", "p99 <= 0.002s")
	run("", "p50 <= 300us", "p50 >= 300us", "p50 >= 0.3ms", "p50 in [300, 300]")
	run("", "p99 <= 2", "p99 >= 2") // no unit: the hinted one, ms
	run("", "exists zero", "exists minus.zero", "zero in [0, 0]", "minus.zero >= 0", "minus.zero <= 0", "exists nan")
	run("", "inf >= 5")
	run("above | inf <= 5 | inf | metric 'inf' is +Inf: want <= 5", "inf <= 5")
	run("above | p99 <= 1.999ms | p99 | metric 'p99' is 2000 us: want <= 1.999ms", "p99 <= 1.999ms")
	run("above | p99 <= 1 | p99 | metric 'p99' is 2000 us: want <= 1 in ms", "p99 <= 1")
	run("below | iops >= 2000kiops | iops | metric 'iops' is 1234567.5 iops: want >= 2000kiops", "iops >= 2000kiops")
	run("below | plain in [6, 7] | plain | metric 'plain' is 5: want in [6, 7]", "plain in [6, 7]")
	run("above | plain in [3, 4] | plain | metric 'plain' is 5: want in [3, 4]", "plain in [3, 4]")
	run("unit | plain <= 9ms | plain | metric 'plain' is 5, without a unit: want <= 9ms; leave the unit off the bound, or give the metric one with a hint", "plain <= 9ms")
	run(`unit | p99 <= 9KiB | p99 | metric 'p99' is 2000 us: want <= 9KiB, and "us" cannot be converted to "KiB"`, "p99 <= 9KiB")
	run("nan | nan >= 0 | nan | metric 'nan' is NaN us (not a number): want >= 0\n"+
		"nan | nan <= 0 | nan | metric 'nan' is NaN us (not a number): want <= 0\n"+
		"nan | nan in [0, 1] | nan | metric 'nan' is NaN us (not a number): want in [0, 1]",
		"nan >= 0", "plain >= 0", "nan <= 0", "nan in [0, 1]")
	run("missing | exists p98 | p98 | metric 'p98' not found in payload output (looked in stdout, stderr; 9 metrics there); did you mean p99?\n"+
		"missing | quite.other >= 0 | quite.other | metric 'quite.other' not found in payload output (looked in stdout, stderr; 9 metrics there)",
		"exists p98", "quite.other >= 0")
	// The same check twice fails twice.
	run("above | plain <= 4 | plain | metric 'plain' is 5: want <= 4\n"+
		"above | plain <= 4 | plain | metric 'plain' is 5: want <= 4", "plain <= 4", "plain <= 4")
}

// C34
func TestHintedUnitThatDoesNotConvertIsIgnored(t *testing.T) {
	v := check.Evaluate(parse(t, "a <= 5"), check.Input{
		Metrics: []ktstr.Metric{{Name: "a", Value: 5, Unit: "us"}}, HintUnit: func(string) string { return "KiB" },
	})
	if !v.Pass {
		t.Errorf("got %s, want a pass in the printed unit", messages(v))
	}
}

// C33
func TestFailedExitCodeHidesTheOtherChecks(t *testing.T) {
	run := func(want string, in check.Input, texts ...string) {
		t.Helper()
		v := check.Evaluate(parse(t, texts...), in)
		if got := messages(v); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
		if v.ExitCodeFailed() != (want != "") {
			t.Errorf("ExitCodeFailed is %v", v.ExitCodeFailed())
		}
	}
	run("", check.Input{ExitCode: 0}, "exit == 0")
	run("", check.Input{ExitCode: -1, Signal: "SIGKILL"}, "exit == -1")
	run("exit-code | exit == 0 |  | exit code 3: want 0", check.Input{ExitCode: 3, Stderr: []byte(" \n")}, "missing >= 1", "exit == 0", "exit == 1")
	run("exit-code | exit == 0 |  | exit code -1 (SIGSEGV): want 0; stderr ends with:\nboom", check.Input{ExitCode: -1, Signal: "SIGSEGV", Stderr: []byte("boom\n")}, "exit == 0")
	if (check.Verdict{}).ExitCodeFailed() {
		t.Error("the zero Verdict has an exit-code failure")
	}
}

// C33: "..." precedes the end of stderr if it was cut, and the cut is never in the
// middle of a character.
func TestExitMessageEndsWithTheTailOfStderr(t *testing.T) {
	long := strings.Repeat("x", 5000)
	for _, text := range []string{
		"", "short", strings.Repeat("x", 1024), strings.Repeat("x", 1025), long, strings.Repeat("é", 2000), "x" + strings.Repeat("é", 2000),
		strings.Repeat("漢", 700), "ab" + strings.Repeat("漢", 1700), strings.Repeat("😀", 1000), "abc" + strings.Repeat("😀", 1000),
		strings.Repeat("\xff", 5000), strings.Repeat("\x80", 2000), strings.Repeat("a\xff", 2500), "tail\n" + strings.Repeat(" ", 3000),
	} {
		v := check.Evaluate([]check.Check{check.ExitEquals(0)}, check.Input{ExitCode: 1, Stderr: []byte(text)})
		_, got, _ := strings.Cut(v.Details[0].Message, "; stderr ends with:\n")
		body, cut := strings.CutPrefix(got, "...")
		if !utf8.ValidString(got) || len(body) > 1024 {
			t.Errorf("Tail(%.20q…): %d bytes, valid %v", text, len(body), utf8.ValidString(got))
		}
		if cut && len(text) <= 1024 {
			t.Errorf("Tail(%.20q…) = %.20q… is cut", text, got)
		}
		if utf8.ValidString(text) {
			if !strings.HasSuffix(strings.TrimSpace(text), body) || strings.Contains(body, "\uFFFD") {
				t.Errorf("Tail(%.20q…) = %.20q…: not its end", text, got)
			}
			if len(text) > 1024+3 && strings.TrimSpace(text) == text && (!cut || len(body) < 1024-3) {
				t.Errorf("Tail(%.20q…): %d bytes, cut %v; want about 1024", text, len(body), cut)
			}
		}
	}
}

// White space at the end of stderr is not part of its last KiB. Only text that is left out counts as cut.
func TestTailOfStderrIsCutOnlyIfTextIsLeftOut(t *testing.T) {
	for size, want := range map[int]string{2048: "end", 2049: "...end"} {
		stderr := strings.Repeat(" ", size-3) + "end"
		v := check.Evaluate([]check.Check{check.ExitEquals(0)}, check.Input{ExitCode: 1, Stderr: []byte(stderr)})
		if _, got, _ := strings.Cut(v.Details[0].Message, "; stderr ends with:\n"); got != want {
			t.Errorf("%d bytes: got %q, want %q", size, got, want)
		}
	}
}

// C33: the cut can fall behind the first, the second or the third byte of a character.
func TestTailOfStderrBeginsWithAWholeCharacter(t *testing.T) {
	for _, end := range []string{"a", "aa", "aaa", "aaaa"} {
		stderr := strings.Repeat("😀", 1000) + end
		v := check.Evaluate([]check.Check{check.ExitEquals(0)}, check.Input{ExitCode: 1, Stderr: []byte(stderr)})
		want := "exit code 1: want 0; stderr ends with:\n..." + strings.Repeat("😀", 255) + end
		if got := v.Details[0].Message; got != want {
			t.Errorf("%q: got %q, want %q", end, got, want)
		}
	}
}

// C37
func TestBoundsGiveOneDetailPerViolation(t *testing.T) {
	lo, hi := 0.0, 10.0
	metrics := []ktstr.Metric{{Name: "a", Value: -1, Unit: "us"}, {Name: "b", Value: 0}, {Name: "c", Value: 11}, {Name: "d", Value: math.NaN()}}
	v := check.Evaluate(parse(t, "a <= -2"), check.Input{Metrics: metrics, Bounds: check.Bounds{MinMetrics: 5, Min: &lo, Max: &hi}})
	want := `above | a <= -2 | a | metric 'a' is -1 us: want <= -2
too-few |  |  | 4 metrics: want at least 5 (the payload's bounds)
below |  | a | metric 'a' is -1 us: want >= 0 (the payload's bounds)
above |  | c | metric 'c' is 11: want <= 10 (the payload's bounds)
nan |  | d | metric 'd' is NaN (not a number): want >= 0 and <= 10 (the payload's bounds)`
	if got := messages(v); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for bounds, want := range map[check.Bounds]string{
		{Min: &lo}:      "nan |  | d | metric 'd' is NaN (not a number): want >= 0 (the payload's bounds)",
		{Max: &hi}:      "nan |  | d | metric 'd' is NaN (not a number): want <= 10 (the payload's bounds)",
		{MinMetrics: 1}: "",
		{MinMetrics: 2}: "too-few |  |  | 1 metric: want at least 2 (the payload's bounds)",
	} {
		if got := messages(check.Evaluate(nil, check.Input{Metrics: metrics[3:], Bounds: bounds})); got != want {
			t.Errorf("%+v: got %s, want %s", bounds, got, want)
		}
	}
	// C38: the numbers of the run itself are outside the bounds.
	own := []ktstr.Metric{{Name: "a", Value: 1}, {Name: "run.wall", Value: 99, Stream: ktstr.RunStream}}
	want = "too-few |  |  | 1 metric: want at least 2 (the payload's bounds)"
	if got := messages(check.Evaluate(nil, check.Input{Metrics: own, Bounds: check.Bounds{MinMetrics: 2, Max: &hi}})); got != want {
		t.Errorf("with a metric of the run itself: got %s, want %s", got, want)
	}
	if v := check.Evaluate(nil, check.Input{}); !v.Pass {
		t.Errorf("no check and no bound: %s", messages(v))
	}
}

func TestZeroCheckFails(t *testing.T) {
	v := check.Evaluate(make([]check.Check, 1), check.Input{Metrics: []ktstr.Metric{{}}})
	if got, want := messages(v), "invalid |  |  | check: empty: want METRIC OP VALUE"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// C34
func TestPreflightRefusesUnitsThatDoNotConvert(t *testing.T) {
	hint := func(name string) string { return map[string]string{"p99": "us"}[name] }
	if err := check.Preflight(parse(t, "p99 <= 2ms", "p99 <= 3", "other <= 3KiB", "exit == 0", "exists p99"), hint); err != nil {
		t.Error(err)
	}
	err := check.Preflight(parse(t, "p99 <= 2KiB"), hint)
	if want := `check "p99 <= 2KiB": unit "KiB": want one that converts to "us", the unit of p99`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if err := check.Preflight(parse(t, "p99 <= 2KiB"), nil); err != nil {
		t.Errorf("without hints: %v", err)
	}
}

// C8
func TestMessagesAreUTF8(t *testing.T) {
	c, err := check.Exists("a\xff")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range check.Evaluate([]check.Check{c}, check.Input{Metrics: []ktstr.Metric{{Name: "b\xfe"}}}).Details {
		if !utf8.ValidString(d.Message) || !utf8.ValidString(d.Metric) || !utf8.ValidString(d.Check) {
			t.Errorf("%q is not UTF-8", d)
		}
	}
}

func TestOutcomesListHeldAndEqualChecks(t *testing.T) {
	metrics := []ktstr.Metric{{Name: "a", Value: 5}}
	least := check.Bounds{MinMetrics: 2}
	test := func(code int, texts, want []string) {
		t.Helper()
		checks := parse(t, texts...)
		var got []string
		for i, o := range check.Evaluate(checks, check.Input{Metrics: metrics, ExitCode: code, Bounds: least}).Outcomes(checks) {
			if o.Check != checks[i].String() {
				t.Errorf("check %d is %q, want %q", i, o.Check, checks[i])
			}
			got = append(got, o.Status)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%v: got %v, want %v", texts, got, want)
		}
	}
	test(0, nil, nil)
	test(0, []string{"exit == 0", "a >= 5", "a >= 6", "exists b", "a >= 6", "a >= 5"}, []string{"held", "held", "failed", "failed", "failed", "held"})
	test(1, []string{"a >= 5", "exit == 1", "exit == 0", "a >= 6", "exit == 2"}, []string{"skipped", "held", "failed", "skipped", "skipped"})
}

func BenchmarkEvaluate(b *testing.B) {
	metrics := make([]ktstr.Metric, 10_000)
	for i := range metrics {
		metrics[i] = ktstr.Metric{Name: fmt.Sprintf("jobs.%d.read.clat_ns.percentile.%d", i%100, i), Value: float64(i), Unit: "ns"}
	}
	texts := make([]string, 1000)
	for i := range texts {
		texts[i] = fmt.Sprintf("%s <= 1s", metrics[i*10].Name)
	}
	checks := parse(b, texts...)
	for b.Loop() {
		if v := check.Evaluate(checks, check.Input{Metrics: metrics}); !v.Pass {
			b.Fatal(messages(v))
		}
	}
}

// A suggestion compares a name with all names, so only the first eight get one.
func TestSuggestionsAreLimited(t *testing.T) {
	texts := make([]string, 12)
	for i := range texts {
		texts[i] = fmt.Sprintf("exists latency.p9%c", 'a'+i)
	}
	v := check.Evaluate(parse(t, texts...), check.Input{Metrics: []ktstr.Metric{{Name: "latency.p99"}}})
	if len(v.Details) != len(texts) {
		t.Fatalf("%d details, want one for each missing metric", len(v.Details))
	}
	for i, d := range v.Details {
		if got, want := strings.Contains(d.Message, "did you mean latency.p99?"), i < 8; got != want {
			t.Errorf("detail %d suggests a name: %v, want %v: %s", i, got, want, d.Message)
		}
	}
}
