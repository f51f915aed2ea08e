package extractors

import (
	"bytes"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ktstr/ktstr"
)

// hostile are texts, repeated to any size, on which a reader that tries at
// every bracket, or looks back or ahead without bound, takes quadratic time.
var hostile = map[string]struct{ begin, repeat, end string }{
	"open brackets":           {"", "[", ""},
	"open brackets, blanks":   {"", "[ ", ""},
	"open brackets, lines":    {"", "[\n", ""},
	"open objects":            {"", `{"`, ""},
	"open members":            {"", `{"a":`, ""},
	"open arrays with a 1":    {"", `[1,`, ""},
	"open and closed":         {"", `[{}`, ""},
	"the wrong bracket":       {"", `[1}`, ""},
	"cut literals":            {"", `[tru`, ""},
	"arrays in open arrays":   {"", "[1]\n[", ""},
	"log lines":               {"", "[INFO]\n", ""},
	"number prefixes":         {"", "[1343] x\n", ""},
	"times":                   {"", "[12:30:45] x\n", ""},
	"malformed on one line":   {"", `{"a":x `, ""},
	"malformed and closed":    {"", `{"a":x} `, ""},
	"malformed lines":         {"", "{\"a\":x\n", ""},
	"closed in a cut one":     {`{"a":x`, "\n{\"b\":1}", ""},
	"lines in a cut array":    {"[", "\n{\"b\":1}\n,", ""},
	"the same, closed":        {"[", "\n{\"b\":1}\n,", "x]]"},
	"documents":               {"", "{\"a\":1}\n", ""},
	"documents on one line":   {"", `{"a":1} `, ""},
	"arrays on one line":      {"", `[1] `, ""},
	"quotes":                  {"", `"`, ""},
	"quotes in a broken one":  {`{"a":x`, `"`, ""},
	"escapes in a broken one": {`{"a":x`, `"\"\"`, ""},
	"escapes":                 {`{"`, `\u0041`, `":1}`},
	"not UTF-8":               {`{"`, "\xff", `":1}`},
	"blanks":                  {"", " ", "{}"},
	"blanks and objects":      {"", "          {}", ""},
	"one line, indented":      {"                                                                ", `{"a":x`, ""},
	"a long number":           {"[", "1", "]"},
	"long numbers":            {"[1", ",123456789012345678901234567890", "]"},
	"inexact integers":        {"[1", ",9007199254740993", "]"},
	"infinite numbers":        {"[1", ",1e999", "]"},
	"a long array":            {"[1", ",1", "]"},
	"below a long key":        {`{"` + string(bytes.Repeat([]byte("k"), 16000)) + `":[1`, ",1", "]}"},
	"below a longer key":      {`{"` + string(bytes.Repeat([]byte("k"), 1<<16)) + `":[1`, ",1", "]}"},
	"deep arrays, closed":     {"", "[", string(bytes.Repeat([]byte("]"), 1<<20))},
	"many keys":               {`{"":0`, `,"":{"a":1}`, `}`},
}

// Any text costs time in proportion to its length: at most so many passes of a
// loop over its bytes. The bound is wide; what it is there to catch is a
// hundred times beyond it at this size.
func TestLinear(t *testing.T) {
	runtime.LockOSThread() // the processor time of this thread does not depend on other work of the machine
	defer runtime.UnlockOSThread()
	const size, passes = 1 << 17, 1000
	for name, h := range hostile {
		text := append([]byte(h.begin), bytes.Repeat([]byte(h.repeat), size/len(h.repeat))...)
		text = append(text, h.end...)
		for _, which := range []string{"first", "last", "all"} {
			ratio := 0.0
			for try := 0; try == 0 || ratio > passes && try < 5; try++ {
				begin := threadTime(t)
				odd := 0
				for _, c := range text {
					odd += int(c & 1)
				}
				pass := threadTime(t) - begin
				begin = threadTime(t)
				e, err := JSON().Extract(t.Context(), ktstr.Output{Data: text, Options: map[string]string{documents: which}})
				took := threadTime(t) - begin
				if err != nil || odd < 0 {
					t.Fatal(err)
				}
				if len(e.Metrics)+len(e.Diagnostics) == 0 || len(e.Diagnostics) > maxBroken+8 {
					t.Errorf("%s, %s: %d metrics, %d diagnostics", name, which, len(e.Metrics), len(e.Diagnostics))
				}
				names := 0
				for _, m := range e.Metrics {
					names += len(m.Name)
				}
				if names > 16*len(text)+3<<20 {
					t.Errorf("%s, %s: %d bytes of names out of %d of text", name, which, names, len(text))
				}
				if r := float64(took) / float64(pass); ratio == 0 || r < ratio {
					ratio = r
				}
			}
			t.Logf("%6.1f passes: %s, %s", ratio, name, which)
			if ratio > passes {
				t.Errorf("%s, %s: as long as %.0f passes over the text, want a few, certainly fewer than %d", name, which, ratio, passes)
			}
		}
	}
}

func threadTime(t *testing.T) time.Duration {
	t.Helper()
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &now); err != nil {
		t.Fatal(err)
	}
	return time.Duration(now.Nano())
}

// What is no document costs no memory, however often it looks like one.
func TestFlatMemory(t *testing.T) {
	const size, most = 1 << 18, 5 << 19 // what is put together for each of them takes 3 MB
	for _, piece := range []string{"[", `{"`, "[INFO]\n", "[1}", `["`, "[tru", "x [1]\n[", `{"a"x`, "[{]", "{]", "[-", `["\u12`, "[1] "} {
		out := ktstr.Output{Data: []byte(strings.Repeat(piece, size/len(piece)))}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		e, err := JSON().Extract(t.Context(), out)
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; err != nil || len(e.Metrics) > 0 || took > most {
			t.Errorf("%q: %d bytes of memory, %d metrics, %v", piece, took, len(e.Metrics), err)
		}
	}
}

// A walk whose buffers were made by the one before allocates nothing.
func TestReusedBuffers(t *testing.T) {
	text, err := os.ReadFile(large)
	if err != nil {
		t.Fatal(err)
	}
	var w Walker
	walk := func() {
		if e, err := w.Extract(ktstr.Output{Data: text}); err != nil || len(e.Metrics) < 1000 {
			t.Fatalf("%d metrics, %v", len(e.Metrics), err)
		}
	}
	walk()
	walk() // the names now fit into one piece
	if n := testing.AllocsPerRun(5, walk); n != 0 {
		t.Errorf("%v allocations a walk, want none", n)
	}
}
