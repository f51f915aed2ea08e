package extractors

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/ktstr/ktstr"
)

func extract(t testing.TB, text, which string) ktstr.Extraction {
	t.Helper()
	e, err := JSON().Extract(context.Background(), ktstr.Output{Stream: ktstr.Stdout, Data: []byte(text), Options: map[string]string{documents: which}})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// render is e as "name=value ..." and "!code" for diagnostics.
func render(e ktstr.Extraction) string {
	var words []string
	for _, m := range e.Metrics {
		words = append(words, m.Name+"="+strconv.FormatFloat(m.Value, 'g', -1, 64))
	}
	for _, d := range e.Diagnostics {
		words = append(words, "!"+string(d.Code))
	}
	return strings.Join(words, " ")
}

// C26
func TestExitCode(t *testing.T) {
	x := ExitCode()
	e, err := x.Extract(context.Background(), ktstr.Output{Data: []byte(`{"a":1}`)})
	if err != nil || len(e.Metrics)+len(e.Diagnostics) != 0 || !x.Describe().NoMetrics || x.Describe().Name != "exit-code" {
		t.Errorf("got %v, %v, %v", e, err, x.Describe())
	}
}

// documentCases are texts with the result of each value of the option. An empty
// last or all equals first.
var documentCases = []struct{ what, text, first, last, all string }{
	{"whole", ` {"b":1,"a":{"c":2.5,"d":[3,{"e":-4}]},"s":"5","t":true,"f":false,"n":null} `, "b=1 a.c=2.5 a.d.0=3 a.d.1.e=-4", "", ""},
	{"root array", `[1,[2,3],{"a":4}]`, "0=1 1.0=2 1.1=3 2.a=4", "", ""},
	{"whole array of scalars", "  [1, 2]\n", "0=1 1=2", "", ""},
	{"duplicates and their order stay", `{"a":1,"b":2,"a":3}`, "a=1 b=2 a=3 !duplicate", "", ""},
	{"empty keys and dots", `{"":1,"a.b":{"":2}}`, "=1 a.b.=2", "", ""},
	{"behind a byte order mark", "\uFEFF[1,2]\r\n", "0=1 1=2", "", ""},
	{"an object behind one", "\uFEFF{\"a\":1}", "a=1", "", ""},
	{"a bracket of prose behind one", "\uFEFF x [7]\n{\"a\":1}", "a=1", "", ""},
	{"bare scalar", "42", "!not-my-format", "", ""},
	{"bare string", `"{}"`, "!not-my-format", "", ""},
	{"nothing", "", "!not-my-format", "", ""},
	{"prose", "no json here, just prose\n", "!not-my-format", "", ""},
	{"no number", `{"a":"b","c":[true,null]}`, "!no-metrics", "", ""},
	{"empty", "{}", "!no-metrics", "", ""},
	{"text around", "fio: note\n{\"a\":1}\nDone.\n", "a=1", "", ""},
	{"in a line of prose", `result: {"a":1} in 2 s`, "a=1", "", ""},
	{"a bracket in a banner", "[1343] starting\n[INFO] {now}\n{\"a\":1}", "a=1", "", ""},
	{"a list in a banner", "using [1, 2]: fine\n{\"a\":1}", "a=1", "", ""},
	{"an empty object in a banner", "config {} [] { } loaded\n{\"a\":1}", "a=1", "", ""},
	{"prefixes on every line", "[INFO] x\n[1343] y\n[12:30:45] z\n[INFO] {\"a\":1}\n[1343] w\n", "a=1", "", ""},
	{"a number in brackets alone on its line", "[7]\nx", "0=7", "", ""},
	{"a stray closer", "} ] {\"a\":1}", "a=1", "", ""},
	{"a quote in prose", "5\" disk {\" {\"a\":1}", "a=1", "", ""},
	{"an unclosed bracket of prose", "usage: x [options\n{\"a\":1}\ndone ]\n", "a=1", "", ""},
	{"an unclosed string of prose", "{\"x\n{\"a\":1}", "a=1", "", ""},
	{"brackets in strings", `{"a":"}{][\"","b":1}`, "b=1", "", ""},
	{"unclosed before the real one, after a comma", "{\"x\":1,\n{\"a\":2}\n", "a=2 !malformed", "", ""},
	{"unclosed, after a value", "{\"x\":{\"y\":1\n{\"a\":2}\n", "a=2 !malformed", "", ""},
	{"unclosed, in a string", "{\"x\":\"y\n{\"a\":2}\n", "a=2 !malformed", "", ""},
	{"unclosed array, in which the real one is an element", "[1,\n{\"a\":2}\n", "a=2 !truncated", "", ""},
	{"the same and more text", "[1,\n{\"a\":2}\nDone\n", "a=2 !malformed", "", ""},
	{"unclosed, the real one is a member", "{\"x\":\n{\"a\":2}\n", "a=2 !truncated", "", ""},
	{"unclosed twice", "{\"x\":1,\n{\"y\":[1,\n{\"a\":2}\n", "a=2 !malformed !truncated", "", ""},
	{"truncated", "{\"x\":1,\"y\":{\"z\":2},\n \"w\":[", "!truncated", "", ""},
	{"truncated within its parts", "{\n  \"jobs\": [\n    {\n      \"x\": 1\n    },\n    {\n      \"x\": 2\n    }", "!truncated", "", ""},
	{"truncated array of objects", "[\n{\"a\":1},\n{\"a\":2},\n{\"a", "!truncated", "", ""},
	{"malformed", `{"a":1,"b":{"c":2},}`, "!malformed", "", ""},
	{"what is in a malformed one does not count", `{"a":[{"b":1},],"c":{"d":2}}`, "!malformed", "", ""},
	{"what is behind it does", `{"a":[{"b":1},],"c":{"d":2}} {"e":3}`, "e=3 !malformed", "", ""},
	{"malformed by a tab in a string", "{\"n\":\"a\tb\",\"c\":{\"d\":2}}\n{\"e\":3}", "e=3 !malformed", "", ""},
	{"bare nan", `{"a":nan,"b":{"c":1}}`, "!malformed", "", ""},
	{"several", "{\"a\":1}\n{\"a\":2}\n{\"b\":3}", "a=1 !several-reports", "b=3 !several-reports", "a=1 a=2 b=3 !several-reports"},
	{"several, the last cut", "{\"a\":1}\n{\"a\":2}\n{\"b\":", "a=1 !truncated !several-reports", "a=2 !truncated !several-reports", "a=1 a=2 !truncated !several-reports"},
	{"several behind an unclosed one", "{\"x\":\"\n{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n", "a=1 !malformed !several-reports", "a=3 !malformed !several-reports", "a=1 a=2 a=3 !malformed !several-reports"},
	{"a dotted key and a path", `{"a.b":1,"a":{"b":2}}`, "a.b=1 a.b=2 !duplicate", "", ""},
	{"the first has no number", "{\"a\":\"b\"}\n{\"a\":2}", "a=2", "", ""},
	{"the last has no number", "{\"a\":1}\n{\"a\":\"b\"}\n", "a=1", "", ""},
	{"empty ones before the real one", "{}\n[]\n{\"a\":1}\n", "a=1", "", ""},
	{"a later one has more numbers", "{\"phase\":1}\n{\"a\":1,\"b\":2}\n", "phase=1 !several-reports !missing-headline", "a=1 b=2 !several-reports", "phase=1 a=1 b=2 !several-reports"},
	{"large integers", `{"a":9007199254740992,"b":9007199254740993,"c":-9007199254740993,"d":18446744073709551615,"e":1e300,"f":36893488147419103232}`,
		"a=9.007199254740992e+15 b=9.007199254740992e+15 c=-9.007199254740992e+15 d=1.8446744073709552e+19 e=1e+300 f=3.6893488147419103e+19 !inexact", "", ""},
	{"beyond float64", `{"a":1e400,"b":1,"c":-1e999}`, "b=1 !not-finite", "", ""},
	{"minus zero", `{"a":-0,"b":-0.0}`, "a=-0 b=-0", "", ""},
	{"escapes", `{"\u0061\n\"\\\/":1,"\ud83d\ude00":2,"\ud83d":3,"\ude00\u0041":4}`, "a\n\"\\/=1 \U0001F600=2 \uFFFD=3 \uFFFDA=4", "", ""},
	{"not UTF-8", "{\"a\xff\xfeb\":1}", "a\uFFFD\uFFFDb=1 !invalid-text", "", ""},
}

// C27
func TestDocuments(t *testing.T) {
	for _, c := range documentCases {
		for which, want := range map[string]string{"first": c.first, "last": c.last, "all": c.all} {
			if want == "" {
				want = c.first
			}
			if got := render(extract(t, c.text, which)); got != want {
				t.Errorf("%s, %s:\ngot  %s\nwant %s", c.what, which, got, want)
			}
		}
	}
}

func TestUnknownOption(t *testing.T) {
	_, err := JSON().Extract(context.Background(), ktstr.Output{Options: map[string]string{documents: "second"}})
	if err == nil || !strings.Contains(err.Error(), "first, last or all") {
		t.Errorf("got %v, want an error that says what there is", err)
	}
}

func TestPositions(t *testing.T) {
	check := func(text, want string) {
		t.Helper()
		e := extract(t, text, "")
		if len(e.Diagnostics) == 0 || !strings.Contains(e.Diagnostics[0].Message, want) {
			t.Errorf("%q: got %v, want %q", text, e.Diagnostics, want)
		}
	}
	check("x\n{\"a\": 01}", "begins on line 2 is malformed at line 2, column 8")
	check("{\n \"a\": 1,\n \"b\" 2}", "begins on line 1 is malformed at line 3, column 6: want a colon where it has '2'")
	check("{\"a\":1 \"b\":2}", "want a comma, or the end of the object where it has '\"'")
	check("{\"a\":[1}", "column 8: want a comma, or the end of the array where it has '}'")
	for _, word := range []string{"NaN", "Infinity", "-Infinity", "nan", "-nan", "inf", "+Inf"} { // as Python, C and others write them
		check("{\"a\": 1,\n\"b\": "+word+"}", "malformed at line 2, column ")
		check("{\"a\": 1,\n\"b\": "+word+", \"c\": {}}", ": JSON has no "+word+" (RFC 8259): none of its numbers are taken: want null there, or the member left out")
	}
	check("{\"a\": NaN", "column 7: JSON has no NaN")
	check("{\"a\": nano}", "want a value where it has 'n'")
	check("{\"a\": 1 NaN}", "want a comma, or the end of the object where it has 'N'")
	check("{\"a\": infinityx}", "want a value where it has 'i'")
	check("{\"a\":\xff}", "where it has byte 0xff")
	check("{\"a\":1,\n\"b\":", "begins on line 1 is cut off at line 2, column 5")
}

// C25: the line of each number.
func TestLines(t *testing.T) {
	var got []string
	for _, m := range extract(t, "note\n\n{\"a\":1,\"b\":\n2,\n\"c\":[\r\n3\n,4,{},\n[\n],\n5], \"d\" \n:\n6,\n\n\"e\":7}", "").Metrics {
		got = append(got, fmt.Sprint(m.Name, " ", m.Line))
	}
	if got, want := strings.Join(got, ", "), "a 3, b 4, c.0 6, c.1 7, c.4 10, d 12, e 14"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	last := extract(t, "{\"a\":1}\n{\"x\":\n{\"a\":2}\n\n{\"a\":\n3}\n", "all").Metrics
	if len(last) != 3 || last[1].Line != 3 || last[2].Line != 6 {
		t.Errorf("got %v", last)
	}
}

// C28
func TestDepth(t *testing.T) {
	nest := func(n int) string {
		return strings.Repeat(`{"a":[`, n/2) + strings.Repeat("[", n%2) + "7" + strings.Repeat("]", n%2) + strings.Repeat("]}", n/2)
	}
	for n, want := range map[int]int{1: 1, 2: 1, 63: 1, 64: 1, 65: 0, 66: 0, 1000: 0, 1 << 20: 0} {
		e := extract(t, `{"top":1,"x":2}`+"\n", "") // a document of its own, to see that state does not leak
		e = extract(t, nest(n), "")
		if len(e.Metrics) != want {
			t.Errorf("%d levels: %d metrics, want %d", n, len(e.Metrics), want)
		}
		if deep := len(e.Diagnostics) > 0 && e.Diagnostics[0].Code == ktstr.TooDeep; deep == (want == 1) {
			t.Errorf("%d levels: %v", n, e.Diagnostics)
		}
	}
	text := `{"a":` + nest(100) + `,"b":1,"c":` + nest(70) + `}`
	if got, want := render(extract(t, text, "")), "b=1 !too-deep"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestLargerDocument: the diagnostic names the flag that reads the larger document.
func TestLargerDocument(t *testing.T) {
	for text, want := range map[string]string{
		"{\"phase\":1}\n{\"a\":1,\"b\":2}\n":            "has 1 number, the one on line 2 has 2: read it with --documents last",
		"{\"phase\":1}\n{\"a\":1,\"b\":2}\n{\"c\":1}\n": "has 1 number, the one on line 2 has 2: read it with --documents all",
	} {
		e := extract(t, text, "")
		if len(e.Diagnostics) == 0 || !strings.Contains(e.Diagnostics[len(e.Diagnostics)-1].Message, want) {
			t.Errorf("%q: got %v, want %q", text, e.Diagnostics, want)
		}
	}
}

// TestCutCapture: a capture that was cut before any document ended says so.
func TestCutCapture(t *testing.T) {
	for _, text := range []string{"{\"a\":1,\n", "starting\n", "{\"a\":[1,2,3"} {
		e, err := JSON().Extract(t.Context(), ktstr.Output{Data: []byte(text), Truncated: true})
		if err != nil || len(e.Metrics) > 0 {
			t.Fatalf("%v, %v", e, err)
		}
		last := e.Diagnostics[len(e.Diagnostics)-1]
		if last.Code != ktstr.Truncated || !strings.Contains(last.Message, "--max-capture") {
			t.Errorf("%q: got %v, want truncated and the flag", text, e.Diagnostics)
		}
	}
}

// TestJSONLines: all of several lines of one shape count.
func TestJSONLines(t *testing.T) {
	for _, c := range []struct{ what, text, want string }{
		{"perf stat -j", `{"counter-value" : "8.51", "unit" : "msec", "event" : "task-clock", "event-runtime" : 851, "pcnt-running" : 100.00}
{"counter-value" : "7", "unit" : "", "event" : "context-switches", "event-runtime" : 851, "pcnt-running" : 100.00}
{"counter-value" : "<not supported>", "unit" : "", "event" : "cycles:u", "event-runtime" : 0, "pcnt-running" : 0.00}
`, "task-clock.counter-value=8.51 task-clock.event-runtime=851 task-clock.pcnt-running=100 " +
			"context-switches.counter-value=7 context-switches.event-runtime=851 context-switches.pcnt-running=100 " +
			"cycles:u.event-runtime=0 cycles:u.pcnt-running=0 !several-reports"},
		{"go test -json", `{"Time":"2026-11-30T00:00:01Z","Action":"run","Package":"p","Test":"TestA"}
{"Time":"2026-11-30T00:00:02Z","Action":"pass","Package":"p","Test":"TestA","Elapsed":0.5}
{"Time":"2026-11-30T00:00:03Z","Action":"pass","Package":"p","Test":"TestB","Elapsed":1.5}
{"Time":"2026-11-30T00:00:03Z","Action":"pass","Package":"p","Elapsed":2.25}
`, "TestA.Elapsed=0.5 TestB.Elapsed=1.5 Elapsed=2.25 !several-reports"},
		{"two fields differ", `{"op":"read","size":"4k","iops":1}
{"op":"read","size":"8k","iops":2}
{"op":"write","size":"4k","iops":3}
{"op":"write","size":"4k","iops":4}
`, "read.4k.iops=1 read.8k.iops=2 write.4k.iops=3 write.4k~2.iops=4 !several-reports"},
		{"no field differs", "{\"a\":1}\n{\"a\":2}\n", "a=1 !missing-headline !several-reports"},
		{"another shape", "{\"name\":\"x\",\"a\":1}\n{\"name\":\"y\",\"b\":2}\n", "a=1 !several-reports"},
		{"documents of several lines", "{\"n\":\"x\",\n\"a\":1}\n{\"n\":\"y\",\n\"a\":2}\n", "a=1 !several-reports"},
	} {
		if got := render(extract(t, c.text, "")); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.what, got, c.want)
		}
	}
	// Who asks for the first document gets it.
	if got, want := render(extract(t, "{\"n\":\"x\",\"a\":1}\n{\"n\":\"y\",\"a\":2}\n", "first")), "a=1 !several-reports"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
