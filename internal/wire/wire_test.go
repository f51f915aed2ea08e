package wire

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/ktstr/ktstr"
)

// TestGenerated regenerates the protocol's code and finds no difference. It
// needs protoc and the module proxy.
func TestGenerated(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.Command("./generate.sh", dir).CombinedOutput(); err != nil {
		t.Fatalf("generate.sh: %v\n%s", err, out)
	}
	for _, name := range []string{"plugin.pb.go", "plugin_grpc.pb.go"} {
		want, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		// Another protoc is no difference; its version is a comment.
		if unversioned(got) != unversioned(want) {
			t.Errorf("%s is not what generate.sh makes of plugin.proto: run it", name)
		}
	}
}

func unversioned(code []byte) string {
	var b strings.Builder
	for line := range strings.Lines(string(code)) {
		if !strings.Contains(line, "protoc  ") {
			b.WriteString(line)
		}
	}
	return b.String()
}

var full = ktstr.Description{
	Name: "sysbench", Version: "1.2.0-rc.1+x", AllStreams: true, NoMetrics: true,
	Tools:    []ktstr.Tool{{Name: "sysbench", Versions: []string{"1.0", "1.1"}}, {Name: "other"}},
	Hints:    []ktstr.Hint{{Name: "cpu.*", Unit: "ops/s", Polarity: ktstr.Higher, Headline: true}, {Name: "t", Polarity: "target=2.5"}},
	Payloads: []ktstr.PayloadFile{{Name: "sysbench", YAML: []byte("name: sysbench\n")}, {Name: "sysbench-cpu", YAML: []byte("# ü\n")}},
	Summary:  "counts",
	Options:  []ktstr.Option{{Name: "report", Values: []string{"last", "first"}, Summary: "which"}, {Name: "any"}},
}

func TestDescription(t *testing.T) {
	b, err := proto.Marshal(FromDescription(full))
	if err != nil {
		t.Fatal(err)
	}
	var m Description
	if err := proto.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	if got, err := ToDescription(&m); err != nil || !reflect.DeepEqual(got, full) {
		t.Errorf("protobuf: got %+v, %v", got, err)
	}
	for _, i := range []Interface{GRPC, Script} {
		got, gotI, err := ParseDescription(DescriptionJSON(full, i))
		if err != nil || gotI != i || !reflect.DeepEqual(got, full) {
			t.Errorf("JSON: got %+v, %q, %v", got, gotI, err)
		}
	}
	got, i, err := ParseDescription([]byte(`{"name": "x", "version": "1", "newer": {}}`))
	if err != nil || i != Script || got.Name != "x" {
		t.Errorf("least JSON: got %+v, %q, %v", got, i, err)
	}
}

func TestBadDescription(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`{"name": "X", "version": "1"}`, `plugin name "X": want a lower-case letter`},
		{`{"name": "", "version": "1"}`, `plugin name "": want`},
		{`{"name": "../x", "version": "1"}`, `plugin name "../x"`},
		{`{"name": "x"}`, "the version is empty"},
		{`{"name": "x", "version": "../../1"}`, `version "../../1": want`},
		{`{"name": "x", "version": "1/2"}`, `version "1/2": want`},
		{`{"name": "x", "version": "1", "hints": [{"name": "a", "polarity": "up"}]}`, `hint "a": polarity "up": want higher`},
		{`{"name": "x", "version": "1", "hints": [{"unit": "a"}]}`, "a hint has no name"},
		{`{"name": "x", "version": "1", "payloads": [{"name": "fio"}]}`, `payload "fio": want "x" or a name that starts with "x-"`},
		{`{"name": "x", "version": "1", "payloads": [{"name": "x"}, {"name": "x"}]}`, "there twice"},
		{`{"name": "x", "version": "1", "options": [{"name": ""}]}`, `option ""`},
		{`{"name": "x", "version": "1", "tools": [{}]}`, "a tool has no name"},
		{`{"name": "x", "version": "1", "interface": "soap"}`, `interface "soap": want "grpc" or "script"`},
		{`{"name": "x", "version": "1"} trailing`, "nothing behind it"},
		{`usage: x FILE`, "want one JSON object"},
		{`{"name": "x", "version": 1}`, "want one JSON object"},
	} {
		if _, _, err := ParseDescription([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got error %v, want one with %q", c.text, err, c.want)
		}
	}
}

func TestOutput(t *testing.T) {
	code := -1
	for _, out := range []ktstr.Output{
		{},
		{Stream: "file:a b", Truncated: true, ExitCode: &code, Argv: []string{"a", "\xff", ""}, Options: map[string]string{"o": "v"}},
	} {
		b, err := proto.Marshal(FromOutput(out))
		if err != nil {
			t.Fatal(err)
		}
		var h Header
		if err := proto.Unmarshal(b, &h); err != nil {
			t.Fatal(err)
		}
		if got := ToOutput(&h); !reflect.DeepEqual(got, out) {
			t.Errorf("got %+v, want %+v", got, out)
		}
	}
}

func TestExtraction(t *testing.T) {
	var x ktstr.Extraction
	for i := range 100_000 {
		x.Metrics = append(x.Metrics, ktstr.Metric{Name: strings.Repeat("n", i%100+1), Value: float64(i) / 3, Unit: "us", Polarity: ktstr.Lower, Line: i})
		if i%10 == 0 {
			x.Hints = append(x.Hints, ktstr.Hint{Name: "h", Unit: strings.Repeat("u", 200), Polarity: "target=1"})
			x.Diagnostics = append(x.Diagnostics, ktstr.Diagnostic{Code: ktstr.Malformed, Message: strings.Repeat("m", 300), Line: i})
		}
	}
	for _, x := range []ktstr.Extraction{{}, x} {
		var a Answer
		parts := 0
		err := SendExtraction(x, func(part *ExtractResponse) error {
			b, err := proto.Marshal(part)
			if err != nil {
				return err
			}
			if len(b) > MaxPart {
				t.Errorf("a part has %d bytes", len(b))
			}
			var m ExtractResponse
			if err := proto.Unmarshal(b, &m); err != nil {
				return err
			}
			parts++
			return a.Add(&m, len(b))
		})
		if err != nil || !reflect.DeepEqual(a.Extraction(), x) {
			t.Errorf("%d metrics in %d parts differ: %v", len(x.Metrics), parts, err)
		}
		if len(x.Metrics) > 0 && parts < 2 {
			t.Errorf("%d metrics in %d part: want several", len(x.Metrics), parts)
		}
	}
}

// C29
func TestAnswerRefuses(t *testing.T) {
	long := strings.Repeat("x", MaxName+1)
	for _, c := range []struct {
		part *ExtractResponse
		want string
	}{
		{&ExtractResponse{Metrics: []*Metric{{Value: 1}}}, "no name"},
		{&ExtractResponse{Metrics: []*Metric{{Name: long}}}, "want at most"},
		{&ExtractResponse{Metrics: []*Metric{{Name: "a", Unit: long}}}, "want at most"},
		{&ExtractResponse{Metrics: []*Metric{{Name: "a", Polarity: "up"}}}, `metric "a": polarity "up"`},
		{&ExtractResponse{Hints: []*Hint{{Name: "a", Polarity: "up"}}}, `hint "a": polarity "up"`},
		{&ExtractResponse{Hints: []*Hint{{Unit: "us"}}}, "a hint has no name"},
		{&ExtractResponse{Diagnostics: []*Diagnostic{{Message: "m"}}}, "no code"},
		{&ExtractResponse{Diagnostics: []*Diagnostic{{Code: "c", Message: strings.Repeat("m", MaxMessage+1)}}}, "want at most"},
	} {
		var a Answer
		if err := a.Add(c.part, 10); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+.100v: got error %v, want one with %q", c.part, err, c.want)
		}
	}
	var a Answer
	if err := a.Add(&ExtractResponse{}, MaxAnswer+1); err == nil {
		t.Error("an answer beyond the limit is taken")
	}
	a = Answer{}
	a.x.Metrics = make([]ktstr.Metric, MaxMetrics)
	if err := a.Add(&ExtractResponse{Metrics: []*Metric{{Name: "a"}}}, 10); err == nil {
		t.Error("one metric too many is taken")
	}
	if err := a.AddLine([]byte(`{"metric": "a", "value": 1}`)); err == nil {
		t.Error("one metric too many is taken as a line")
	}
}

// C29: a value that is not finite costs no other metric, however it is written;
// core/extract leaves out the one.
func TestNotFinite(t *testing.T) {
	var a Answer
	if err := a.Add(&ExtractResponse{Metrics: []*Metric{{Name: "a", Value: math.NaN()}, {Name: "b", Value: math.Inf(1)}, {Name: "c", Value: 1}}}, 10); err != nil {
		t.Error(err)
	}
	for _, line := range []string{
		`{"metric": "d", "value": "NaN"}`,
		`{"metric": "e: NaN, \" -Infinity", "unit": "Infinity", "value": NaN}`,
		`{"metric": "f", "value":-Infinity}`,
		`{"metric": "g", "value" : Infinity , "line": 3}`,
		`{"metric": "h", "value": 1e999}`,
		`{"metric": "i", "value": -1e99999999999999999999}`,
		`{"metric": "j", "value": 1e-999}`,
		`{"metric": "k", "value": "Infinity"}`,
		`{"metric": "l", "value": "-Infinity"}`,
		`{"metric": "m", "value": "-Inf"}`,
	} {
		if err := a.AddLine([]byte(line)); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
	want := "[{a NaN   0} {b +Inf   0} {c 1   0} {d NaN   0} {e: NaN, \" -Infinity NaN Infinity  0} {f -Inf   0} {g +Inf   3} {h +Inf   0} {i -Inf   0} {j 0   0} {k +Inf   0} {l -Inf   0} {m -Inf   0}]"
	type short struct {
		name  string
		value float64
		unit  string
		p     ktstr.Polarity
		line  int
	}
	var got []short
	for _, m := range a.Extraction().Metrics {
		p := m.Polarity
		if p == ktstr.Unknown {
			p = ""
		}
		got = append(got, short{m.Name, m.Value, m.Unit, p, m.Line})
	}
	if fmt.Sprint(got) != want {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestLines(t *testing.T) {
	var a Answer
	for _, line := range []string{
		`{"metric": "lat.avg", "value": 1.5e-3, "unit": "ms", "polarity": "lower", "line": 7}`,
		``,
		" \t\r",
		`{"metric": "n", "value": -0, "later": true}`,
		`{"hint": "lat.*", "unit": "ms", "polarity": "target=2", "headline": true}`,
		`{"diagnostic": "truncated", "message": "stops", "line": 9}`,
	} {
		if err := a.AddLine([]byte(line)); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
	want := ktstr.Extraction{
		Metrics:     []ktstr.Metric{{Name: "lat.avg", Value: 1.5e-3, Unit: "ms", Polarity: ktstr.Lower, Line: 7}, {Name: "n"}},
		Hints:       []ktstr.Hint{{Name: "lat.*", Unit: "ms", Polarity: "target=2", Headline: true}},
		Diagnostics: []ktstr.Diagnostic{{Code: ktstr.Truncated, Message: "stops", Line: 9}},
	}
	if !reflect.DeepEqual(a.Extraction(), want) {
		t.Errorf("got %+v, want %+v", a.Extraction(), want)
	}
	for _, c := range []struct{ line, want string }{
		{`{"metric": "a", "value": nan}`, "want a JSON object"},
		{`{"metric": "a", "value": +Infinity}`, "want a JSON object"},
		{`{"metric": "a", "value": NaN`, "want a JSON object"},
		{`{"metric": NaN, "value": 1}`, "want a JSON object"},
		{`{"metric": "a", "value": 1, "unit": NaN}`, "want a JSON object"},
		{`{"metric": "\"value\": NaN", "value": 1, "unit": Infinity}`, "want a JSON object"},
		{`{"metric": "a", "value": 1, "line": NaN}`, "want a JSON object"},
		{`{"metric": "a", "value": 1, "line": 1e999}`, "want a JSON object"},
		{`{"metric": "a"}`, "no value"},
		{`{"metric": "a", "value": "12"}`, `: value "12": want a number, or NaN, Infinity, -Infinity`},
		{`{"metric": "a", "value": 1, "hint": "b"}`, "one of metric, hint"},
		{`{"value": 1}`, "one of metric, hint"},
		{`12`, "want a JSON object"},
		{`{"metric": "a", "value": 1, "polarity": "up"}`, `"up": want`},
		{`{"metric": "a", "value": 1, "line": -1}`, "line is -1"},
		{`{"error": "no such version"}`, "no such version"},
		{"lat: 5\x1b[2J", `\x1b`},
	} {
		if err := new(Answer).AddLine([]byte(c.line)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got error %v, want one with %q", c.line, err, c.want)
		}
	}
}

func TestCapture(t *testing.T) {
	header := &Header{Stream: "stdout", Size: 300_000, Argv: [][]byte{{0xff}}}
	message := func(m proto.Message) []byte {
		b, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	data := make([]byte, 300_000)
	for i := range data {
		data[i] = byte(i * 7)
	}
	newer := protowire.AppendVarint(protowire.AppendTag(nil, 9, protowire.VarintType), 300)
	newer = protowire.AppendBytes(protowire.AppendTag(newer, 1000, protowire.BytesType), []byte("later"))
	newer = protowire.AppendFixed32(protowire.AppendTag(newer, 10, protowire.Fixed32Type), 1)
	newer = protowire.AppendFixed64(protowire.AppendTag(newer, 11, protowire.Fixed64Type), 1)
	for _, pieces := range []int{1, 7, 16 << 10, 1 << 20} {
		var c Capture
		for _, m := range [][]byte{
			message(&ExtractRequest{Part: &ExtractRequest_Header{Header: header}}),
			message(&ExtractRequest{Part: &ExtractRequest_Data{Data: data[:100_000]}}),
			append(newer, message(&ExtractRequest{Part: &ExtractRequest_Data{Data: data[100_000:]}})...),
			message(&ExtractRequest{Part: &ExtractRequest_Data{}}),
			nil,
		} {
			// As it comes from the transport: in frames.
			var frames mem.BufferSlice
			for len(m) > 0 {
				n := min(pieces, len(m))
				frames = append(frames, mem.SliceBuffer(m[:n]))
				m = m[n:]
			}
			if err := NewCodec().Unmarshal(frames, &c); err != nil {
				t.Fatal(err)
			}
		}
		if !proto.Equal(c.Header, header) || !bytes.Equal(c.Data, data) {
			t.Errorf("in frames of %d: got header %v, %d bytes", pieces, c.Header, len(c.Data))
		}
	}
	for _, bad := range [][]byte{
		{0x12}, {0x12, 0xff, 0xff, 0xff, 0xff, 0x7f, 1}, {0x12, 5, 1}, {0x0a, 2, 1}, {0x0a, 1, 0xff}, {0x13}, {0x80}, {0x15, 1},
		{0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1},
	} {
		if err := NewCodec().Unmarshal(mem.BufferSlice{mem.SliceBuffer(bad)}, new(Capture)); err == nil {
			t.Errorf("% x: want an error", bad)
		}
	}
	var d DescribeResponse
	if err := NewCodec().Unmarshal(mem.BufferSlice{mem.SliceBuffer(message(&DescribeResponse{Description: FromDescription(full)}))}, &d); err != nil || d.Description.Name != full.Name {
		t.Errorf("another message: got %v, %v", &d, err)
	}
}
