package fio

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ktstr/ktstr"
)

// Where there is no report, the diagnostic says what there is instead.
func TestNoReport(t *testing.T) {
	zero, one := 0, 1
	check := func(what, text string, exit *int, code ktstr.Code, message string) {
		t.Helper()
		x := parseStream(t, ktstr.Output{Stream: ktstr.Stdout, Data: []byte(text), ExitCode: exit})
		if len(x.Metrics) > 0 || len(x.Diagnostics) == 0 {
			t.Errorf("%s: %v %v", what, x.Metrics, x.Diagnostics)
			return
		}
		d := x.Diagnostics[len(x.Diagnostics)-1]
		if d.Code != code || !strings.Contains(d.Message, message) {
			t.Errorf("%s: got %s %q, want %s %q", what, d.Code, d.Message, code, message)
		}
	}
	check("nothing", "\n", nil, ktstr.NoMetrics, "nothing was printed")
	check("version", "fio-3.42\n", &zero, ktstr.NoMetrics, "its version and no report")
	check("header", "a: (g=0): rw=read, bs=4K\nfio-3.42\nStarting 1 process\n", nil, ktstr.NoMetrics, "printed no report")
	check("signal", "\nfio: terminating on signal 2\n", nil, ktstr.NoMetrics, "stopped before it could report")
	check("complaint", "fio: failed parsing rw=foo\n", &one, ktstr.ToolFailed, "fio: failed parsing rw=foo")
	check("complaint, outcome unknown", "fio: failed parsing rw=foo\n", nil, ktstr.ToolFailed, "rw=foo")
	check("complaint, and all is well", "fio: time_based requires a runtime/timeout setting\n", &zero, ktstr.NoMetrics, "printed no report")
	check("no job", "No job(s) defined\n", &one, ktstr.ToolFailed, "No job(s) defined")
	check("another tool", "hello\n{\"jobs\": 3}\n", nil, ktstr.NotMyFormat, "want its JSON")
	check("prose", "hello {world}\n", nil, ktstr.NotMyFormat, "want its JSON")
	check("JSON without its first line", "  \"fio version\" : \"fio-3.42\",\n  \"jobs\" : [\n", nil, ktstr.Malformed, "first line of a JSON report")
	check("text without its first line", "  read: IOPS=1, BW=1B/s (1B/s)(1B/1msec)\n", nil, ktstr.Malformed, "first line of a normal report")
	check("zeros and a bad end", doc(strings.Replace(jobOf("a", "0"), "4096", "0", 1)), &one, ktstr.ToolFailed, "exit code 1")
	check("zeros", doc(strings.Replace(jobOf("a", "0"), "4096", "0", 1)), &zero, ktstr.NoMetrics, "no measurement")

	logs, err := filepath.Glob("testdata/bw-log-3.42/file-*.log")
	if err != nil || len(logs) < 5 {
		t.Fatal(logs, err)
	}
	for _, file := range logs {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want := "time series"
		if len(text) == 0 {
			want = "nothing was printed"
		}
		check(file, string(text), nil, ktstr.NoMetrics, want)
	}
}

// What the command line says decides what a terse line cannot.
func TestTerseArgv(t *testing.T) {
	read := func(name string) []byte {
		text, err := os.ReadFile("testdata/own-" + name + "-3.33/stdout")
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	x := parseStream(t, ktstr.Output{Data: read("terse-lat-percentiles"), Argv: []string{"fio", "--lat_percentiles=1"}})
	got := index(x)
	if got["l.read.lat.p99"].Line == 0 || got["l.read.clat.p99"].Line != 0 {
		t.Error("percentiles of lat are taken for those of clat")
	}
	intervals := read("terse-status-interval")
	for _, c := range []struct {
		argv    []string
		repeats bool
	}{
		{nil, true},
		{[]string{"fio", "--status-interval=1"}, true},
		{[]string{"/usr/bin/fio", "--status-interval", "1"}, true},
		{[]string{"./bench.sh"}, true},
		{[]string{"/usr/bin/fio", "job.fio"}, false},
	} {
		x := parseStream(t, ktstr.Output{Data: intervals, Argv: c.argv})
		if _, clone := index(x)["a~2.read.iops"]; clone == c.repeats {
			t.Errorf("%v: reports at intervals are taken for clones: %v", c.argv, clone)
		}
	}
}

// A capture that stopped at its cap, or a run that was stopped, is no whole one.
func TestPartOfARun(t *testing.T) {
	text := doc(jobOf("a", "1"))
	x := parseStream(t, ktstr.Output{Data: []byte(text), Truncated: true})
	wantCode(t, x, ktstr.Truncated)
	x = parseStream(t, ktstr.Output{Data: []byte("\nfio: terminating on signal 15\n" + text)})
	wantCode(t, x, ktstr.Interrupted)
	if len(x.Metrics) == 0 {
		t.Error("no metric of what was measured until then")
	}
}
