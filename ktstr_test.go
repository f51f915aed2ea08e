package ktstr_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"slices"
	"testing"

	"github.com/ktstr/ktstr"
)

// C32
func TestPolarityText(t *testing.T) {
	check := func(text string, want ktstr.Polarity, wantText string) {
		t.Helper()
		got, err := ktstr.ParsePolarity(text)
		if err != nil || got != want || got.String() != wantText {
			t.Errorf("ParsePolarity(%q) = %q (%s), %v; want %q (%s)", text, got, got, err, want, wantText)
		}
	}
	target, err := ktstr.Target(2.5)
	if err != nil {
		t.Fatal(err)
	}
	check("", ktstr.Unknown, "unknown")
	check("unknown", ktstr.Unknown, "unknown")
	check("higher", ktstr.Higher, "higher")
	check("lower", ktstr.Lower, "lower")
	check("target=2.50", target, "target=2.5")
	for _, bad := range []string{"up", "target=", "target=NaN", "target=+Inf", "Higher"} {
		if got, err := ktstr.ParsePolarity(bad); err == nil {
			t.Errorf("ParsePolarity(%q) = %q: want an error", bad, got)
		}
	}
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if got, err := ktstr.Target(v); err == nil {
			t.Errorf("Target(%v) = %q: want an error", v, got)
		}
	}
	if v, ok := target.Target(); v != 2.5 || !ok {
		t.Errorf("Target() = %v, %v; want 2.5, true", v, ok)
	}
	if _, ok := ktstr.Higher.Target(); ok {
		t.Error("higher has a target")
	}
}

// C36
func TestMetricRoundTripsThroughJSON(t *testing.T) {
	target, _ := ktstr.Target(-0.125)
	for _, want := range []ktstr.Metric{
		{},
		{Name: "rd.read.clat.p99_9", Value: 264192, Unit: "ns", Polarity: ktstr.Lower, Stream: ktstr.Stdout, Line: 7},
		{Name: "quotes \" and \\ and <&> and \u2028 and \x01", Value: -1.5e-9, Unit: "µs", Polarity: target, Stream: ktstr.FileStream("yaml")},
		{Name: "tiny", Value: math.SmallestNonzeroFloat64},
		{Name: "huge", Value: math.MaxFloat64},
		{Name: "third", Value: 1.0 / 3},
		{Name: "big", Value: 1 << 53},
		{Name: "minus zero", Value: math.Copysign(0, -1)},
		{Name: "inf", Value: math.Inf(1)},
		{Name: "-inf", Value: math.Inf(-1)},
	} {
		text, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got ktstr.Metric
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if got != want || math.Signbit(got.Value) != math.Signbit(want.Value) {
			t.Errorf("%s: got %+v, want %+v", text, got, want)
		}
	}
	text, _ := json.Marshal(ktstr.Metric{Value: math.NaN()})
	var got ktstr.Metric
	if err := json.Unmarshal(text, &got); err != nil || !math.IsNaN(got.Value) {
		t.Errorf("%s: got %v, %v; want NaN", text, got.Value, err)
	}
	for _, bad := range []string{`{"value":"12"}`, `{"value":null}`, `{}`, `{"value":1,"polarity":"up"}`} {
		if err := json.Unmarshal([]byte(bad), &got); err == nil {
			t.Errorf("%s: want an error", bad)
		}
	}
}

// But for the escapes that are for web pages.
func TestNamesAreWrittenAsEncodingJSONDoes(t *testing.T) {
	for c := range 256 {
		name := "a" + string([]byte{byte(c)}) + "z"
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(name); err != nil {
			t.Fatal(err)
		}
		want := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
		got := ktstr.Metric{Name: name}.AppendJSON(nil)
		if !bytes.HasPrefix(got, slices.Concat([]byte(`{"name":`), want, []byte{','})) {
			t.Errorf("byte %#x: got %s, want %s", c, got, want)
		}
	}
}

func TestDiagnosticRoundTripsThroughJSON(t *testing.T) {
	want := ktstr.Diagnostic{Code: ktstr.Truncated, Message: "cut in line 7", Stream: ktstr.Stderr, Line: 7}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got ktstr.Diagnostic
	if err := json.Unmarshal(text, &got); err != nil || got != want {
		t.Errorf("%s: got %+v, %v; want %+v", text, got, err, want)
	}
}

func TestParserIsAnExtractor(t *testing.T) {
	want := ktstr.Extraction{Metrics: []ktstr.Metric{{Name: "bytes", Value: 3}}}
	p := ktstr.Parser{
		Description: ktstr.Description{Name: "count"},
		Parse: func(out ktstr.Output) (ktstr.Extraction, error) {
			return ktstr.Extraction{Metrics: []ktstr.Metric{{Name: "bytes", Value: float64(len(out.Data))}}}, nil
		},
	}
	got, err := p.Extract(context.Background(), ktstr.Output{Data: []byte("abc")})
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	done, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := p.Extract(done, ktstr.Output{}); !errors.Is(err, context.Canceled) {
		t.Errorf("after cancel: %v; want context.Canceled", err)
	}
	if _, err := (ktstr.Parser{}).Extract(context.Background(), ktstr.Output{}); err == nil {
		t.Error("a Parser without Parse extracted")
	}
}

func TestOwnsPayload(t *testing.T) {
	for _, c := range []struct {
		extractor, payload string
		want               bool
	}{
		{"fio", "fio", true},
		{"fio", "fio-randread", true},
		{"fio", "fiox", false},
		{"fio", "noise", false},
		{"fio", "", false},
		{"stressng", "stress-ng-cpu", true},
		{"stressng", "stress-ngx", false},
		{"stress-ng", "stressng", true},
		{"", "", false},
		{"", "fio", false},
	} {
		if got := ktstr.OwnsPayload(c.extractor, c.payload); got != c.want {
			t.Errorf("OwnsPayload(%q, %q) = %v, want %v", c.extractor, c.payload, got, c.want)
		}
	}
}
