package schbench

import (
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/plugins/internal/corpustest"
)

func check(t *testing.T, what string, out ktstr.Output, want ...string) {
	t.Helper()
	out.Stream = ktstr.Stderr
	res := run([]ktstr.Output{out})
	var got []string
	for _, m := range res.Metrics {
		got = append(got, m.Name+"="+strconv.FormatFloat(m.Value, 'f', -1, 64)+m.Unit)
	}
	for _, d := range res.Diagnostics {
		got = append(got, "!"+string(d.Code))
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("%s:\ngot  %v\nwant %v\n(%v)", what, got, want, res.Diagnostics)
	}
}

func output(lines ...string) ktstr.Output {
	return ktstr.Output{Data: []byte(strings.Join(lines, "\n") + "\n")}
}

func exited(code int, out ktstr.Output) ktstr.Output {
	out.ExitCode = &code
	return out
}

// TestRevisions reads output of revisions and modes that the corpus does not have.
func TestRevisions(t *testing.T) {
	wakeup := []string{
		"Wakeup Latencies percentiles (usec) runtime 2 (s) (10 total samples)",
		"\t* 99.0th: 60         (50 samples)",
		"\t  min=2, max=70",
	}
	wakeupMetrics := []string{"runtime=2s", "wakeup.samples=10count", "wakeup.p99=60us", "wakeup.min=2us", "wakeup.max=70us"}
	with := func(more ...string) []string { return append(append([]string{}, wakeupMetrics...), more...) }
	and := func(lines ...string) ktstr.Output { return output(append(append([]string{}, wakeup...), lines...)...) }

	check(t, "the first transfer line, of hours in 2016", output("avg loops per second: 33.3116"), "transfer.ops=33.3116ops/s")
	check(t, "transfer in bytes and gigabytes", output("avg worker transfer: 12.00 ops/sec 48.00B/s"), "transfer.ops=12ops/s", "transfer.bw=48B/s")
	check(t, "transfer in gigabytes", output("avg worker transfer: 1200000.00 ops/sec 4.58GB/s"), "transfer.ops=1200000ops/s", "transfer.bw=4.58GiB/s")
	check(t, "autobench on stderr, before the table", and("cputime 30000 threads 2 p99 7080"),
		with("auto.cputime=30000us", "auto.threads=2count", "auto.p99=7080us")...)
	check(t, "-R from 2020-10 to 2021-04: too large by a million",
		output("rps: 29430000.00 p95 (usec) 17 p99 (usec) 200 p95/cputime 0.06% p99/cputime 0.67%"),
		"auto.p95=17us", "auto.p99=200us", "auto.p95_cputime=0.06%", "auto.p99_cputime=0.67%", "!malformed")
	slow := output("rps: 990000.00 p95 (usec) 17 p99 (usec) 200 p95/cputime 0.06% p99/cputime 0.67%")
	slow.Argv = []string{"schbench", "-R", "1"}
	check(t, "the same of one request a second", slow,
		"auto.p95=17us", "auto.p99=200us", "auto.p95_cputime=0.06%", "auto.p99_cputime=0.67%", "!malformed")
	check(t, "a plain rate of a run that ended", exited(0, output("rps: 4.00", "rps: 5.00")), "rps.average=5req/s")
	check(t, "a plain rate of a run that was killed", exited(-1, output("rps: 4.00", "rps: 5.00")), "!truncated")
	check(t, "rates of intervals on stdout", output("current rps: 92.69", "current rps: 94.98"), "!missing-headline")
	check(t, "a complaint, and a run all the same",
		output(append([]string{"unable to set CPU affinity"}, append(wakeup, "avg worker transfer: 1.00 ops/sec 4.00KB/s")...)...),
		with("transfer.ops=1ops/s", "transfer.bw=4KiB/s", "!not-measured")...)
	check(t, "the JSON file could not be opened, and there is no final report", exited(1, and("current rps: 1.00", "unable to open json file: Permission denied")),
		with("!truncated", "!tool-failed")...)
	check(t, "a table that is not known", output("Migration Latencies percentiles (usec) runtime 2 (s) (10 total samples)", "\t* 99.0th: 60         (50 samples)"),
		"!unsupported-version", "!malformed", "!missing-headline")
	check(t, "a unit that is not known", output("Wakeup Latencies percentiles (ticks) runtime 2 (s)", "\t* 99.0th: 60", "\t  min=2, max=70"), "!unsupported-version")
	check(t, "another unit of time", output("Wakeup Latencies percentiles (nsec) runtime 2 (s)", "\t* 99.0th: 60", "\t  min=2, max=70"),
		"runtime=2s", "wakeup.p99=60ns", "wakeup.min=2ns", "wakeup.max=70ns")
	check(t, "a row with a word for a value", output("Wakeup Latencies percentiles (usec) runtime 2 (s)", "\t* 99.0th: many", "\t  min=2, max=70"),
		"!malformed", "!missing-headline", "!no-metrics")
	check(t, "the same, and rates", output("Wakeup Latencies percentiles (usec) runtime 2 (s)", "\t* 99.0th: many", "\t  min=2, max=70", "average rps: 1.00"),
		"!malformed", "!missing-headline", "!no-metrics")
	check(t, "tables side by side", output("old                                                  new", wakeup[0]+"    "+wakeup[0], wakeup[1]+"    "+wakeup[1], "average rps: 1.00   average rps: 2.00"),
		"!malformed")
	check(t, "colours", output("\x1b[1m"+wakeup[0]+"\x1b[0m", "\x1b[32m"+wakeup[1]+"\x1b[0m", wakeup[2]), wakeupMetrics...)
	check(t, "only the header of the second report", and("current rps: 1.00", wakeup[0]), with("!truncated", "!several-reports")...)
	check(t, "lines that end with CR LF", output(strings.Join(wakeup, "\r\n")+"\r"), wakeupMetrics...)
	check(t, "text and JSON of one stream, the JSON behind the text", and(
		`{"normal": {"version": "6.18"},"int": {"time": 1, "wakeup_latency_pct20.0": 34, "wakeup_latency_pct99.0": 60, "wakeup_latency_min": 2,"wakeup_latency_max": 70, "runtime": 2}}`),
		with("wakeup.p20=34us")...)
	check(t, "text right behind the JSON's brace", output(`{"normal": {"version": "6.18"},"int": {"time": 1, "wakeup_latency_pct20.0": 34, "runtime": 2}}`+strings.Join(wakeup, "\n")),
		with("wakeup.p20=34us")...)
	check(t, "the JSON's zeros of a table without samples", output(
		"RPS percentiles (requests) runtime 2 (s) (0 total samples)", "\t* 50.0th: 0          (0 samples)", "\t  min=0, max=0", "final rps goal was 7",
		`{"int": {"rps_pct50.0": 0, "rps_min": 0, "rps_max": 0, "runtime": 2}}`),
		"!not-measured", "!missing-headline", "!no-metrics")
	check(t, "two documents", output(`{"int": {"runtime": 2, "wakeup_latency_pct99.0": 1}}`, `{"int": {"runtime": 3, "wakeup_latency_pct99.0": 2}}`),
		"runtime=3s", "wakeup.p99=2us", "!several-reports")
	check(t, "a backslash in the job name", output(`{"normal": {"jobname": "a\c"},"int": {"runtime": 2}}`), "!malformed")
	check(t, "a document that was cut", output(`{"normal": {"version": "6.18"},"int": {"time": 1, "wakeup_latency_pct2`), "!malformed")
	check(t, "a document of no known shape", output(`{"normal": {"version": "6.18"},"int": {"time": 1, "wakeups": {"p99": 4}}}`), "!unsupported-version")
	check(t, "numbers that are none of schbench's", output(`{"int": {"runtime": 1e999, "wakeup_latency_pct99.0": -4, "wakeup_latency_pct999.0": 4, "rps_max": "7"}}`), "!unsupported-version")
	check(t, "nothing of schbench's", output("hello", "min=3", "{}"), "!not-my-format")
	check(t, "nothing of schbench's, and no newline", ktstr.Output{Data: []byte("hello")}, "!not-my-format")
}

// TestOneLine reads documents that stand on one line: eight times as many take
// about eight times as long, where looking for the end of the line at each of
// them takes sixty-four times.
func TestOneLine(t *testing.T) {
	const size, times, most = 1 << 14, 8, 32
	for _, piece := range []string{`{"int": [1,2]}`, `{"int": {}} `, `{"int": [x]}`} {
		for _, end := range []string{"", " "} {
			read := func(size int) func() {
				data := []byte(strings.Repeat(piece, size/len(piece)) + strings.Repeat(end, size))
				return func() {
					if e, err := parse(ktstr.Output{Data: data}); err != nil || len(e.Diagnostics) == 0 {
						t.Fatalf("%q: %v, %v", piece, e, err)
					}
				}
			}
			if ratio := corpustest.Growth(t, most, read(size), read(times*size)); ratio > most {
				t.Errorf("%q, then %q: %d times the text takes %.0f times as long, want about %d", piece, end, times, ratio, times)
			}
		}
	}
}

// A document of megabytes is none of schbench's; its tree would take gigabytes.
func TestLargeDocument(t *testing.T) {
	large := []byte(`{"int": {"runtime": 2, "x": [` + strings.Repeat("0,", maxDocument) + "0]}}\n")
	before, after := runtime.MemStats{}, runtime.MemStats{}
	runtime.ReadMemStats(&before)
	e, err := parse(ktstr.Output{Data: large})
	runtime.ReadMemStats(&after)
	if err != nil || len(e.Metrics) != 0 || len(e.Diagnostics) == 0 || e.Diagnostics[0].Code != ktstr.TooMany {
		t.Errorf("got %v, %v, want it left out as too large", e, err)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 16<<20 {
		t.Errorf("%d bytes of memory for %d of text", took, len(large))
	}
	e, err = parse(ktstr.Output{Data: append(large, `{"int": {"runtime": 2}}`...)})
	if err != nil || len(e.Metrics) != 1 {
		t.Errorf("one behind it: got %v, %v", e, err)
	}
}

// TestLinear reads 8 MiB of what would be slow if anything were looked at
// again for each line.
func TestLinear(t *testing.T) {
	for _, piece := range []string{
		`{"int": [`, "{\"normal\"\n", "Wakeup Latencies percentiles (usec)\n", "\t99.0th: 1\n", "current rps: 1.00\n", "min=1\n", "{\n", "failed to \n",
		"RPS percentiles (requests) runtime 2 (s) (0 total samples)\n\t* 50.0th: 0\n",
	} {
		e, err := parse(ktstr.Output{Data: []byte(strings.Repeat(piece, 2<<20/len(piece)))})
		if err != nil || len(e.Diagnostics) > 1000 {
			t.Errorf("%q: %d diagnostics, %v", piece, len(e.Diagnostics), err)
		}
	}
}
