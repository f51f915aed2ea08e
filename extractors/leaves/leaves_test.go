package leaves

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// read returns the metrics and diagnostics of a text, such as "a=1 ms; duplicate".
func read(t *testing.T, text string, list ...Leaf) string {
	t.Helper()
	r, err := Compile(list)
	if err != nil {
		t.Fatal(err)
	}
	x, _ := r.Extract([]byte(text))
	var parts []string
	for _, m := range x.Metrics {
		parts = append(parts, strings.TrimSpace(fmt.Sprintf("%s=%v %s", m.Name, m.Value, m.Unit)))
	}
	for _, d := range x.Diagnostics {
		parts = append(parts, string(d.Code))
	}
	return strings.Join(parts, "; ")
}

// C44
func TestLeavesAreFoundByTheirPaths(t *testing.T) {
	for _, c := range []struct {
		text string
		leaf Leaf
		want string
	}{
		{`{"a":{"b":1.5}}`, Leaf{Path: "a.b", Name: "x", Unit: "ms"}, "x=1.5 ms"},
		{`{"a":[3,4]}`, Leaf{Path: "a.1", Name: "x"}, "x=4"},
		{`{"a":[3,4]}`, Leaf{Path: "a[]", Name: "x.*"}, "x.1=3; x.2=4"},
		{`[{"v":3},{"v":4}]`, Leaf{Path: "[].v", Name: "x.*"}, "x.1=3; x.2=4"},
		{`{"r":[{"command":"sleep 1","mean":1},{"command":"a.b","mean":2}]}`, Leaf{Path: "r[command].mean", Name: "*.mean", Unit: "s"}, "sleep_1.mean=1 s; a_b.mean=2 s"},
		{`{"r":[{"id":7,"mean":1},{"mean":2}]}`, Leaf{Path: "r[id].mean", Name: "*.mean"}, "7.mean=1"},
		{`{"r":[{"id":"","mean":1},{"mean":2},{"id":3}]}`, Leaf{Path: "r[id].mean", Name: "*.mean", Headline: true}, "_.mean=1; malformed; missing-headline"},
		{`{"r":[{"c":"a.b","v":1},{"c":"a_b","v":2},{"c":"x","v":3},{"c":"a.b","v":4}]}`, Leaf{Path: "r[c].v", Name: "*"}, "a_b=1; a_b~2=2; x=3; a_b~3=4"},
		{`{"jobs":{"x":{"v":1},"y":{"v":2}}}`, Leaf{Path: "jobs.*.v", Name: "*.v"}, "x.v=1; y.v=2"},
		{`{"a":"5","b":null,"c":true}`, Leaf{Path: "*", Name: "*"}, ""},
		{`{"a":0}`, Leaf{Path: "a", Name: "x", ZeroIsNone: true}, "not-measured"},
		{`{"a":1e999}`, Leaf{Path: "a", Name: "x"}, "not-finite"},
		{"text first\n{\"a\":1}\nand after\n", Leaf{Path: "a", Name: "x"}, "x=1"},
		{"[INFO] ready\n[ 5] local\n{\"a\":1}\n", Leaf{Path: "a", Name: "x"}, "x=1"},
		{"{\"a\":1}\n{\"a\":2}\n", Leaf{Path: "a", Name: "x"}, "x=2; duplicate"},
		{"{\"a\":1}\n{\"a\":1}\n", Leaf{Path: "a", Name: "x"}, "x=1"},
		{`{"a":{"b":1}`, Leaf{Path: "a.b", Name: "x"}, "malformed"},
		{"{\"a\":x,\n{\"b\":1}\n}", Leaf{Path: "b", Name: "x"}, "malformed"},
		{`{"a":0.30000000000000004}`, Leaf{Path: "a", Name: "x"}, "x=0.30000000000000004"},
		{`{"a":9007199254740993.1e-3}`, Leaf{Path: "a", Name: "x"}, "x=9.007199254740992e+12"},
		{strings.Repeat("[", 2000) + strings.Repeat("]", 2000), Leaf{Path: "a", Name: "x"}, "too-deep"},
		{"no document", Leaf{Path: "a", Name: "x"}, ""},
		{`{"a":1}`, Leaf{Path: "a.b.c", Name: "x"}, ""},
	} {
		if got := read(t, c.text, c.leaf); got != c.want {
			t.Errorf("%s, %s: got %q, want %q", c.text, c.leaf.Path, got, c.want)
		}
	}
}

func TestLeavesReportAMissingHeadline(t *testing.T) {
	if got, want := read(t, `{"a":1}`, Leaf{Path: "a", Name: "a"}, Leaf{Path: "b", Name: "b", Headline: true}), "a=1; missing-headline"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLeavesMistakes(t *testing.T) {
	for want, l := range map[string]Leaf{
		"leaves[0].path: \"a..b\": an empty key":         {Path: "a..b", Name: "x"},
		"leaves[0].path: \"a[\": want [] or [KEY]":       {Path: "a[", Name: "x"},
		"leaves[0].name: empty":                          {Path: "a"},
		"leaves[0].name: \"x\" has 0 *, and the path ha": {Path: "a[]", Name: "x"},
	} {
		if _, err := Compile([]Leaf{l}); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%+v: got %v, want %q", l, err, want)
		}
	}
}

// Iperf3 prints 90 numbers, of which these are the results.
func TestLeavesOfIperf3(t *testing.T) {
	text, err := os.ReadFile("testdata/iperf3.json")
	if err != nil {
		t.Fatal(err)
	}
	var list []Leaf
	for path, name := range map[string]string{
		"end.sum_sent.bits_per_second": "sent.bw", "end.sum_received.bits_per_second": "received.bw",
		"end.sum_sent.bytes": "sent.bytes", "end.sum_received.bytes": "received.bytes",
		"end.sum_sent.seconds": "sent.time", "end.sum_received.seconds": "received.time",
		"end.sum_sent.retransmits": "retransmits", "end.streams[].sender.mean_rtt": "stream.*.rtt.mean",
		"end.cpu_utilization_percent.host_total": "cpu.host.total", "end.cpu_utilization_percent.host_user": "cpu.host.user",
		"end.cpu_utilization_percent.host_system": "cpu.host.system", "end.cpu_utilization_percent.remote_total": "cpu.remote.total",
	} {
		list = append(list, Leaf{Path: path, Name: name})
	}
	if got := strings.Count(read(t, string(text), list...), "="); got != 12 {
		t.Errorf("%d metrics, want 12: %s", got, read(t, string(text), list...))
	}
}

func FuzzLeaves(f *testing.F) {
	r, err := Compile([]Leaf{{Path: "a.b", Name: "x"}, {Path: "*[].c", Name: "*.*"}, {Path: "[k].v", Name: "n.*"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte("x\n{\"a\":{\"b\":1}}\n[{\"k\":\"a b\",\"v\":2}]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		x, _ := r.Extract(text)
		names := map[string]bool{}
		for _, m := range x.Metrics {
			if m.Value-m.Value != 0 || names[m.Name] || strings.ContainsAny(m.Name, " \n\x00") {
				t.Fatalf("metric %+v", m)
			}
			names[m.Name] = true
		}
	})
}
