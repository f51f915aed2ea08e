package sdk_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/sdk"
)

// text is what an extraction came to, one line a metric or diagnostic.
func text(e ktstr.Extraction) string {
	var b strings.Builder
	for _, m := range e.Metrics {
		fmt.Fprintf(&b, "%s=%v %s:%d\n", m.Name, m.Value, m.Unit, m.Line)
	}
	for _, d := range e.Diagnostics {
		fmt.Fprintf(&b, "%s:%d\n", d.Code, d.Line)
	}
	return b.String()
}

func TestLines(t *testing.T) {
	format := sdk.Lines{
		Signature: `^tool`,
		Lines: []sdk.Line{
			{Pattern: `^rate: (?P<value>\S*)`, Name: "rate", Unit: "ops/s", Headline: true},
			{Pattern: `^mem: (?P<value>\S+)`, Name: "mem", When: `^memory test`, ZeroIsNone: true},
			{Pattern: `^  max: (?P<value>\S+)`, Name: "read.max", Section: `^Read:`},
			{Pattern: `^  max: (?P<value>\S+)`, Name: "write.max", Section: `^Write:`, Headline: true, When: `^Write:`},
			{Pattern: `^job (?P<job>\S*|".*") (?P<value>\S+) ?(?P<unit>\S+)?$`, Name: "job.{job}.time", Unit: "{unit}"},
		},
		Notes: []sdk.Note{
			{Pattern: `^FATAL: (?P<message>.*)`, Code: ktstr.ToolFailed},
			{Pattern: `caught signal`, Code: ktstr.Interrupted},
		},
	}.Parser()
	zero, killed := 0, -1
	for _, c := range []struct {
		name string
		out  ktstr.Output
		text string
		want string
	}{
		{name: "plain", text: "tool\nrate: 1.5e3\n", want: "rate=1500 ops/s:2\n"},
		{name: "CRLF", text: "tool\r\nrate: 1.5\r\n", want: "rate=1.5 ops/s:2\n"},
		{name: "overwritten by carriage returns", text: "tool\nrate: 1\rrate: 2\rrate: 3\n", want: "rate=3 ops/s:2\n"},
		{name: "empty", text: "", want: "no-metrics:0\n"},
		{name: "blank", text: " \n\n", want: "no-metrics:0\n"},
		{name: "another tool", text: "thing\nrate: 1\ncaught signal 2\n", want: "not-my-format:0\n"},
		{name: "an error without a report", text: "thing\nrate: 1\ncaught signal 2\nFATAL: x\n", want: "tool-failed:4\n"},
		{name: "nothing in it", text: "tool\n", want: "no-metrics:0\n"},
		{name: "headline missing", text: "tool\njob a 3 s\n", want: "job.a.time=3 s:2\nmissing-headline:0\n"},
		{name: "expected line missing", text: "tool\nmemory test\nrate: 1\n", want: "rate=1 ops/s:3\nmissing-headline:0\n"},
		{name: "zero is no measurement", text: "tool\nmemory test\nrate: 0\nmem: 0.00\n", want: "rate=0 ops/s:3\nnot-measured:4\n"},
		{name: "sections", text: "tool\nrate: 1\n  max: 9\nRead:\n  max: 1\nWrite:\n  max: 2\n",
			want: "rate=1 ops/s:2\nread.max=1 :5\nwrite.max=2 :7\n"},
		{name: "section's heading lost", text: "tool\nrate: 1\nRead:\n  max: 1\n  max: 2\n",
			want: "rate=1 ops/s:2\nread.max=2 :5\nduplicate:5\n"},
		{name: "the last report counts", text: "tool\nrate: 1\nrate: 2\nrate: 3\n", want: "rate=3 ops/s:4\nduplicate:4\n"},
		{name: "user's names", text: "tool\nrate: 1\njob a.b 1 s\njob \"x \xff\ty\" 2\njob  3 s\n",
			want: "rate=1 ops/s:2\njob.a_b.time=1 s:3\njob.\"x_\uFFFD_y\".time=2 :4\njob._.time=3 s:5\n"},
		{name: "not numbers", text: "tool\nrate: 1,5\nmem: 0x10\nmem: 1_0\nmem: NaN\nmem: -Inf\nmem: 1e999\njob a 1 s\n",
			want: "job.a.time=1 s:8\nmalformed:2\nmalformed:3\nmalformed:4\nnot-finite:5\nnot-finite:6\nmalformed:7\n"},
		{name: "too large for a float64", text: "tool\nrate: 9007199254740993\nmem: 9007199254740992\n",
			want: "rate=9.007199254740992e+15 ops/s:2\nmem=9.007199254740992e+15 :3\ninexact:2\n"},
		{name: "the tool failed", text: "tool\nrate: 1\nFATAL: no file\ncaught signal 2\n",
			want: "rate=1 ops/s:2\ntool-failed:3\ninterrupted:4\n"},
		{name: "no line end, nothing known", text: "tool\nrate: 12", want: "rate=12 ops/s:2\ntruncated:2\n"},
		{name: "no line end, tool ended", out: ktstr.Output{ExitCode: &zero}, text: "tool\nrate: 12", want: "rate=12 ops/s:2\n"},
		{name: "no line end, tool killed", out: ktstr.Output{ExitCode: &killed}, text: "tool\njob a 1 s\nrate: 12", want: "job.a.time=1 s:2\ntruncated:3\n"},
		{name: "no line end, capture cut", out: ktstr.Output{ExitCode: &zero, Truncated: true}, text: "tool\nrate: 1\njob a 1", want: "rate=1 ops/s:2\ntruncated:3\n"},
		{name: "cut behind the number", out: ktstr.Output{Truncated: true}, text: "tool\nrate: 1\njob a 1 s", want: "rate=1 ops/s:2\njob.a.time=1 s:3\n"},
	} {
		c.out.Data = []byte(c.text)
		e, err := format.Extract(context.Background(), c.out)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if got := text(e); got != c.want {
			t.Errorf("%s:\n got %q\nwant %q", c.name, got, c.want)
		}
	}
}

// The tool's own error on stderr, where its signature is not, is the error of
// the whole extraction.
func TestLinesErrorOnStderr(t *testing.T) {
	x := sdk.Lines{
		Description: ktstr.Description{Name: "tool", Version: "1"},
		Signature:   `^tool \d`,
		Lines:       []sdk.Line{{Pattern: `^rate: (?P<value>\S+)`, Name: "rate", Headline: true}},
		Notes:       []sdk.Note{{Pattern: `^FATAL: (?P<message>.*)`, Code: ktstr.ToolFailed}},
	}.Parser()
	for _, stdout := range []string{"", "tool 1.0\n"} {
		r := extract.Run(t.Context(), x, []ktstr.Output{
			{Stream: ktstr.Stdout, Data: []byte(stdout)},
			{Stream: ktstr.Stderr, Data: []byte("FATAL: no such database\n")},
		}, nil)
		if r.Status != extract.Error || r.Error != "no such database" {
			t.Errorf("stdout %q: status %s, error %q: want the tool's own", stdout, r.Status, r.Error)
		}
		for _, d := range r.Diagnostics {
			if d.Code == ktstr.NotMyFormat {
				t.Errorf("stdout %q: %s", stdout, d.Message)
			}
		}
	}
	e, _ := x.Parse(ktstr.Output{Data: []byte("other\n")})
	if want := "no line matches `^tool \\d`, which every report has"; len(e.Diagnostics) != 1 || e.Diagnostics[0].Message != want {
		t.Errorf("got %+v, want the message %s", e.Diagnostics, want)
	}
}

func TestLinesHints(t *testing.T) {
	own := ktstr.Hint{Name: "own", Unit: "s"}
	got := sdk.Lines{
		Description: ktstr.Description{Name: "x", Hints: []ktstr.Hint{own}},
		Lines: []sdk.Line{
			{Pattern: `a (?P<value>\d)`, Name: "a", Unit: "ms", Polarity: ktstr.Lower, Headline: true},
			{Pattern: `p(?P<p>\d) (?P<value>\d) (?P<unit>\w+)`, Name: "p{p}.time", Unit: "{unit}"},
		},
	}.Parser().Describe().Hints
	want := []ktstr.Hint{{Name: "a", Unit: "ms", Polarity: ktstr.Lower, Headline: true}, {Name: "p*.time"}, own}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("hints:\n got %+v\nwant %+v", got, want)
	}
}

func TestLinesMistakes(t *testing.T) {
	for want, l := range map[string]sdk.Line{
		"line 1 (x): pattern \"(\":":                       {Name: "x", Pattern: "("},
		"line 1 (x): pattern \"a\": want a group named v":  {Name: "x", Pattern: "a"},
		"line 1 (x): no pattern":                           {Name: "x"},
		"line 1 (x{y}): {y: want the name of a group":      {Name: "x{y}", Pattern: "(?P<value>a)"},
		"line 1 (x{value): {value: want the name of a gro": {Name: "x{value", Pattern: "(?P<value>a)"},
		"line 1 (x): pattern \"[\":":                       {Name: "x", Pattern: "(?P<value>a)", When: "["},
	} {
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, want) {
					t.Errorf("%+v: got %q, want a panic with %q", l, got, want)
				}
			}()
			sdk.Lines{Lines: []sdk.Line{l}}.Parser()
		}()
	}
}

// A flood of complaints is cut, and says so.
func TestLinesManyNotes(t *testing.T) {
	x := sdk.Lines{Notes: []sdk.Note{{Pattern: "^E", Code: ktstr.Malformed}}}.Parser()
	e, _ := x.Parse(ktstr.Output{Data: bytes.Repeat([]byte("E "+strings.Repeat("é", 600)+"\n"), 100_000)})
	n := len(e.Diagnostics)
	if n > 110 || e.Diagnostics[n-1].Code != ktstr.TooMany {
		t.Errorf("%d diagnostics, the last %q; want about 100 and %q", n, e.Diagnostics[n-1].Code, ktstr.TooMany)
	}
	if m := e.Diagnostics[0].Message; len(m) > 510 {
		t.Errorf("message of %d bytes: want at most about 500", len(m))
	}
}

// The time is linear in the text: the literal of each pattern is looked for first.
func BenchmarkLines(b *testing.B) {
	x := sdk.Lines{
		Lines: []sdk.Line{
			{Pattern: `^ +events per second: +(?P<value>[\d.]+)$`, Name: "rate"},
			{Pattern: `^ +total time: +(?P<value>[\d.]+)s$`, Name: "time"},
			{Pattern: `^ +(?P<p>\d+)th percentile: +(?P<value>[\d.]+)$`, Name: "p{p}"},
		},
	}.Parser()
	data := []byte(strings.Repeat("[ 1s ] thds: 2 eps: 8746.19 lat (ms,95%): 0.25\n", 1<<20/48) + "    events per second:  4475.47\n")
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if e, _ := x.Parse(ktstr.Output{Data: data}); len(e.Metrics) != 1 {
			b.Fatal("want one metric")
		}
	}
}

func FuzzLines(f *testing.F) {
	x := sdk.Lines{
		Signature: "^t",
		Lines: []sdk.Line{
			{Pattern: `^(?P<name>.*): (?P<value>.*?) ?(?P<unit>[a-z]*)$`, Name: "x.{name}", Unit: "{unit}"},
			{Pattern: `^(?P<value>\d+)`, Name: "n", Section: `^\[`, ZeroIsNone: true},
		},
		Notes: []sdk.Note{{Pattern: "!", Code: ktstr.ToolFailed}},
	}.Parser()
	f.Add([]byte("t\na: 1 s\nb: nan\n[s]\n12\r\n!\xff\x00: 3"))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := x.Parse(ktstr.Output{Data: data})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := json.Marshal(e.Metrics); err != nil {
			t.Fatal(err)
		}
		names := map[string]bool{}
		for _, m := range e.Metrics {
			if m.Value != m.Value || names[m.Name] || strings.ContainsAny(m.Name, " \n\x00") || m.Name != strings.ToValidUTF8(m.Name, "?") {
				t.Fatalf("metric %+v", m)
			}
			names[m.Name] = true
		}
	})
}
