package extract

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ktstr/ktstr"
)

// script is an extractor that reads lines "metric NAME", "code CODE", "err" and "panic".
type script ktstr.Description

func (s script) Describe() ktstr.Description { return ktstr.Description(s) }

func (s script) Extract(_ context.Context, out ktstr.Output) (e ktstr.Extraction, err error) {
	for i, line := range strings.Split(string(out.Data), "\n") {
		word, rest, _ := strings.Cut(line, " ")
		switch word {
		case "metric":
			e.Metrics = append(e.Metrics, ktstr.Metric{Name: rest, Value: float64(len(out.Data)), Line: i + 1})
		case "nan":
			e.Metrics = append(e.Metrics, ktstr.Metric{Name: rest, Value: math.NaN()})
		case "inf":
			e.Metrics = append(e.Metrics, ktstr.Metric{Name: rest, Value: math.Inf(-1)})
		case "code":
			e.Diagnostics = append(e.Diagnostics, ktstr.Diagnostic{Code: ktstr.Code(rest), Message: "said so", Line: i + 1})
		case "headline":
			e.Hints = append(e.Hints, ktstr.Hint{Name: rest, Headline: true})
		case "err":
			err = errors.New("no luck \xff")
		case "panic":
			panic(rest)
		}
	}
	return e, err
}

func streams(texts ...string) (outs []ktstr.Output) {
	names := []ktstr.Stream{ktstr.Stdout, ktstr.Stderr, ktstr.FileStream("a"), ktstr.FileStream("b")}
	for i, text := range texts {
		outs = append(outs, ktstr.Output{Stream: names[i], Data: []byte(text)})
	}
	return outs
}

func render(r Result) string {
	var b strings.Builder
	b.WriteString(string(r.Status))
	if r.Error != "" {
		b.WriteString(" (" + r.Error + ")")
	}
	for _, m := range r.Metrics {
		b.WriteString(" " + string(m.Stream) + "/" + m.Name)
	}
	for _, d := range r.Diagnostics {
		b.WriteString(" " + string(d.Stream) + "!" + string(d.Code))
	}
	return b.String()
}

// C24 C25 C26 C29
func TestRun(t *testing.T) {
	one := script{Name: "one"}
	all := script{Name: "all", AllStreams: true}
	silent := script{Name: "silent", NoMetrics: true}
	for _, c := range []struct {
		what string
		x    script
		in   []string
		want string
	}{
		{"stdout counts alone", one, []string{"metric a", "metric b"}, "ok stdout/a"},
		{"stderr if stdout is empty", one, []string{"", "metric b"}, "ok stderr/b"},
		{"stderr if stdout is prose", one, []string{"prose\ncode not-my-format", "metric b"}, "ok stderr/b"},
		{"files in their order", one, []string{"x", "y", "z", "metric d"}, "ok file:b/d"},
		{"the first file ends it", one, []string{"", "", "metric c", "metric d"}, "ok file:a/c"},
		{"nothing anywhere", one, []string{"x", "y"}, "none !no-metrics"},
		{"nothing printed", one, []string{"", ""}, "none !no-metrics"},
		{"the extractor's own reason suffices", one, []string{"code not-my-format", ""}, "none stdout!not-my-format"},
		{"no metrics by design", silent, []string{"x", "y"}, "ok"},
		{"all streams", all, []string{"metric a", "metric b", "", "metric d"}, "ok stdout/a stderr/b file:b/d"},
		{"of one name the first stream's", all, []string{"metric a", "metric a\nmetric b", "metric b\nmetric c"}, "ok stdout/a stderr/b file:a/c"},
		{"a stream repeats itself", all, []string{"metric a\nmetric a", "metric b\nmetric b\nmetric a"}, "ok stdout/a stdout/a stderr/b stderr/b"},
		{"one stream of all is of another format", all, []string{"code not-my-format", "metric b\ncode truncated"}, "ok stderr/b stderr!truncated"},
		{"the tool failed", one, []string{"metric a\ncode tool-failed"}, "error (said so) stdout/a stdout!tool-failed"},
		{"an error falls back and stays an error", one, []string{"metric a\nerr", "metric b"}, "error (stdout: no luck \uFFFD) stderr/b"},
		{"a panic is an error", one, []string{"panic x\xff", ""}, "error (stdout: the extractor panicked: x\uFFFD)"},
		{"an error without metrics by design", silent, []string{"err"}, "error (stdout: no luck \uFFFD)"},
		{"values that are not finite stay", one, []string{"nan a\nmetric b\ninf c"}, "ok stdout/a stdout/b stdout/c stdout!not-finite"},
		{"only values that are not finite", one, []string{"nan a", "metric b"}, "none stdout/a stdout!not-finite"},
		{"another stream has a finite value", all, []string{"nan a", "metric b"}, "ok stdout/a stderr/b stdout!not-finite"},
		{"not finite without metrics by design", silent, []string{"nan a"}, "ok stdout/a stdout!not-finite"},
		{"not UTF-8", one, []string{"metric a\xffb\ncode x\xff"}, "ok stdout/a\uFFFDb stdout!x\uFFFD stdout!invalid-text"},
		{"the longest name", one, []string{"metric " + strings.Repeat("x", maxName)}, "ok stdout/" + strings.Repeat("x", maxName)},
		{"an absurd name", one, []string{"metric " + strings.Repeat("x", maxName+1) + "\nmetric b"}, "ok stdout/b stdout!too-many"},
	} {
		if got := render(Run(context.Background(), c.x, streams(c.in...), nil)); got != c.want {
			t.Errorf("%s: got %s, want %s", c.what, got, c.want)
		}
	}
}

// C24: the extractor sees each stream's bytes as they are, one stream a call, with what is known of the run.
func TestRunGivesRawStreams(t *testing.T) {
	code := 3
	ins := streams("a\xff\x00", "b")
	ins[0].Truncated, ins[0].ExitCode, ins[0].Argv, ins[0].Options = true, &code, []string{"x"}, map[string]string{"k": "v"}
	var got []ktstr.Output
	x := ktstr.Parser{Parse: func(out ktstr.Output) (ktstr.Extraction, error) {
		got = append(got, out)
		return ktstr.Extraction{}, nil
	}}
	r := Run(context.Background(), x, ins, nil)
	if !reflect.DeepEqual(got, ins) {
		t.Errorf("got %v, want %v", got, ins)
	}
	if want := []ktstr.Stream{ktstr.Stdout, ktstr.Stderr}; !reflect.DeepEqual(r.Looked, want) {
		t.Errorf("looked in %v, want %v", r.Looked, want)
	}
	x.Description = ktstr.Description{Name: "n\xff", Version: "1\xff"}
	r = Run(context.Background(), x, ins, nil)
	if r.Extractor != "n\uFFFD" || r.Version != "1\uFFFD" {
		t.Errorf("extractor %q %q, want n\uFFFD 1\uFFFD", r.Extractor, r.Version)
	}
	// An empty stdout was looked in, too.
	if r = Run(context.Background(), x, streams("", "b", ""), nil); !reflect.DeepEqual(r.Looked, []ktstr.Stream{ktstr.Stdout, ktstr.Stderr}) {
		t.Errorf("looked in %v, want stdout and stderr", r.Looked)
	}
}

// What the extractor says about an empty stream does not explain the other ones.
func TestRunDropsTheReasonsOfEmptyStreams(t *testing.T) {
	x := ktstr.Parser{Parse: func(out ktstr.Output) (e ktstr.Extraction, err error) {
		e.Diagnostics = []ktstr.Diagnostic{{Code: ktstr.NotMyFormat}}
		return e, nil
	}}
	for _, c := range []struct {
		in   []string
		want string
	}{
		{[]string{"", "y"}, "none stderr!not-my-format"},
		{[]string{"x", "y"}, "none stdout!not-my-format stderr!not-my-format"},
		{[]string{""}, "none stdout!not-my-format"},
	} {
		if got := render(Run(context.Background(), x, streams(c.in...), nil)); got != c.want {
			t.Errorf("%q: got %s, want %s", c.in, got, c.want)
		}
	}
}

// A message about several metrics names the first of them and their number.
func TestDiagnosticsNameTheFirstOfSeveral(t *testing.T) {
	r := Run(context.Background(), script{Name: "one"}, streams("nan a\nnan b\nmetric c"), nil)
	if len(r.Diagnostics) != 1 || !strings.Contains(r.Diagnostics[0].Message, `"a"`) || strings.Contains(r.Diagnostics[0].Message, `"b"`) ||
		!strings.Contains(r.Diagnostics[0].Message, "not a finite number") {
		t.Errorf("got %v, want one about a and another metric", r.Diagnostics)
	}
	// As many diagnostics as are kept need no message about more of them.
	x := ktstr.Parser{Parse: func(out ktstr.Output) (e ktstr.Extraction, err error) {
		e.Diagnostics = make([]ktstr.Diagnostic, maxDiagnostics)
		return e, nil
	}}
	if r := Run(context.Background(), x, streams("x"), nil); slices.ContainsFunc(r.Diagnostics, func(d ktstr.Diagnostic) bool { return d.Code == ktstr.TooMany }) {
		t.Error("a diagnostic says that others were left out, and none was")
	}
}

// C29
func TestRunSurvivesHostileExtractors(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if r := Run(ctx, ktstr.Parser{Parse: func(ktstr.Output) (ktstr.Extraction, error) { panic("called") }}, streams("x"), nil); r.Status != Error {
		t.Errorf("cancelled: status %q, want error", r.Status)
	}
	if r := Run(context.Background(), nil, streams("x"), nil); r.Status != Error {
		t.Errorf("nil extractor: status %q, want error", r.Status)
	}
	flood := ktstr.Parser{Parse: func(ktstr.Output) (e ktstr.Extraction, err error) {
		e.Metrics = []ktstr.Metric{{Name: "m", Polarity: "target=nan", Line: -4, Stream: "elsewhere"}}
		e.Hints = []ktstr.Hint{{Name: "m", Polarity: "upwards"}, {Name: "m", Unit: strings.Repeat("u", maxUnit+1)}}
		e.Diagnostics = make([]ktstr.Diagnostic, maxDiagnostics+7)
		e.Diagnostics[0].Message = strings.Repeat("é", maxMessage)
		return e, nil
	}}
	for polarity, want := range map[ktstr.Polarity]string{
		ktstr.Lower: "", ktstr.SetUnknown: "", "target=5": "", "upwards": `malformed 1 metric ("m") had an invalid polarity: want higher, lower, target=NUMBER or unknown; taken as unknown`,
	} {
		hinted := ktstr.Parser{Parse: func(ktstr.Output) (e ktstr.Extraction, err error) {
			e.Metrics, e.Hints = []ktstr.Metric{{Name: "m"}}, []ktstr.Hint{{Name: "m", Polarity: polarity}}
			return e, nil
		}}
		got := ""
		for _, d := range Run(context.Background(), hinted, streams("x"), nil).Diagnostics {
			got += string(d.Code) + " " + d.Message
		}
		if got != want {
			t.Errorf("hint with polarity %s: %q, want %q", polarity, got, want)
		}
	}
	longest := ktstr.Parser{Parse: func(ktstr.Output) (e ktstr.Extraction, err error) {
		unit := strings.Repeat("u", maxUnit)
		e.Metrics, e.Hints = []ktstr.Metric{{Name: "m", Unit: unit}}, []ktstr.Hint{{Name: strings.Repeat("x", maxName), Unit: unit}, {Name: "h\xff"}}
		return e, nil
	}}
	if d := Run(context.Background(), longest, streams("x"), nil).Diagnostics; len(d) != 1 || d[0].Code != ktstr.InvalidText || !strings.Contains(d[0].Message, "h\uFFFD") {
		t.Errorf("the longest name and units, and a hint that is not UTF-8: %+v, want one diagnostic about the last", d)
	}
	r := Run(context.Background(), flood, streams("x"), nil)
	if want := []ktstr.Metric{{Name: "m", Stream: ktstr.Stdout}}; !reflect.DeepEqual(r.Metrics, want) {
		t.Errorf("got %v, want %v", r.Metrics, want)
	}
	if n := len(r.Diagnostics); n != maxDiagnostics+3 {
		t.Errorf("%d diagnostics, want %d and three about polarities, sizes and their number", n, maxDiagnostics)
	}
	if n := len(r.Diagnostics[0].Message); n > maxMessage+6 {
		t.Errorf("a message of %d bytes was kept", n)
	}
	if !json.Valid(r.AppendJSON(nil)) {
		t.Error("the document is not JSON")
	}
}

func TestAppendJSON(t *testing.T) {
	check := func(r Result, want string) {
		t.Helper()
		if got := string(r.AppendJSON(nil)); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	check(Result{Extractor: "x", Version: "1", Status: None}, `{"extractor":"x","version":"1","status":"none","metrics":[],"diagnostics":[]}`)
	check(Result{Extractor: "x", Version: "1", Status: Error, Error: "a \"b\"",
		Metrics:     []ktstr.Metric{{Name: "m", Value: 1.5, Unit: "us", Polarity: ktstr.Lower, Stream: ktstr.Stderr, Line: 3}, {Name: "n"}},
		Diagnostics: []ktstr.Diagnostic{{Code: ktstr.ToolFailed, Message: "no", Stream: ktstr.Stderr, Line: 1}}},
		`{"extractor":"x","version":"1","status":"error","error":"a \"b\"","metrics":[`+
			`{"name":"m","value":1.5,"unit":"us","polarity":"lower","stream":"stderr","line":3},{"name":"n","value":0,"unit":"","polarity":"unknown","stream":""}],`+
			`"diagnostics":[{"code":"tool-failed","message":"no","stream":"stderr","line":1}]}`)
}

func TestWriteJSON(t *testing.T) {
	r := Result{Extractor: "x", Status: OK}
	for i := range 10000 {
		r.Metrics = append(r.Metrics, ktstr.Metric{Name: strings.Repeat("é", i%100), Value: float64(i) / 3, Line: i})
	}
	var pieces [][]byte
	if err := r.WriteJSON(writer(func(p []byte) (int, error) {
		pieces = append(pieces, slices.Clone(p))
		if !utf8.Valid(p) {
			t.Errorf("a piece ends within a character")
		}
		return len(p), nil
	})); err != nil {
		t.Fatal(err)
	}
	if got, want := bytes.Join(pieces, nil), r.AppendJSON(nil); !bytes.Equal(got, want) || len(pieces) < 2 {
		t.Errorf("%d pieces of %d bytes, want %d bytes", len(pieces), len(got), len(want))
	}
	full := errors.New("full")
	if err := r.WriteJSON(writer(func([]byte) (int, error) { return 0, full })); err != full {
		t.Errorf("got %v, want the writer's error", err)
	}
	once := full
	if err := r.WriteJSON(writer(func(p []byte) (int, error) { err := once; once = nil; return len(p), err })); err != full {
		t.Errorf("a writer that fails once: got %v, want its error", err)
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }
