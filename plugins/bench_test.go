package plugins_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ktstr/ktstr/plugins/internal/corpustest"
)

// BenchmarkTools reads 16 MiB of the lines that a long run of each tool prints, and its report.
func BenchmarkTools(b *testing.B) {
	tools := inProcess()
	for _, c := range []struct {
		tool, capture, stream string
		from, to              string // the repeated lines of the capture: from the first line with from, up to the line with to
	}{
		{"cyclictest", "noquiet", "stdout", "T: 0", ""},
		{"dbench", "two-clients", "stdout", "   2     19547", "   2  cleanup"},
		{"ioping", "plain", "stdout", "4 KiB", "\n--- "},
		{"openssl-speed", "sizes-mr-b", "stderr", "+DT", ""},
		{"pgbench", "select-progress-latency", "stderr", "progress", ""},
		{"redis-benchmark", "text-get-set", "stdout", "Latency by percentile", "\nSummary"},
		{"sysbench", "cpu-threads-report", "stdout", "[ 1s ]", "CPU speed"},
	} {
		b.Run(c.tool, func(b *testing.B) {
			dir := filepath.Join(c.tool, "testdata", "corpus", c.capture)
			text := corpustest.Read(b, dir, c.stream)
			start := bytes.Index(text, []byte(c.from))
			end := len(text)
			if c.to != "" {
				end = start + bytes.Index(text[start:], []byte(c.to))
			}
			log := bytes.Repeat(text[start:end], 16<<20/(end-start))
			if c.stream == "stderr" { // 2>&1
				log = append(log, corpustest.Read(b, dir, "stdout")...)
			} else {
				log = append(append(bytes.Clone(text[:start]), log...), text[end:]...)
			}
			corpustest.Bench(b, tools[c.tool], log)
		})
	}
}

// logs are the lines that other tools print most in a long run, and a capture of its report.
// In %d goes the number of the line.
var logs = map[string]struct{ line, report string }{
	"ab":         {"Completed %d requests\n", "plain/stdout"},
	"h2load":     {"progress: %d%% done\n", "h2c/stdout"},
	"hackbench":  {"worker %d: pipe 7 has 20 readers and 20 writers\n", "pipe-process/stdout"},
	"hyperfine":  {"  Warning: run %d of the command is an outlier of 12.5 ms\n", "json-stdout/stdout"},
	"iperf3":     {"[  5]   0.00-1.00   sec  2.80 GBytes  24.0 Gbits/sec   %2d    895 KBytes       \n", "tcp-text/stdout"},
	"mbw":        {"%d: allocated 16 MiB of memory for the arrays a and b\n", "default/stdout"},
	"perf-bench": {"[Run %d]: Wokeup 4 of 4 threads in 0.1870 ms\n", "sched-pipe/stdout"},
	"perf-stat":  {"12:00:01.250 worker %d: processed 1500 records in 0.25 s\n", "text-default/stderr"},
	"sockperf":   {"sockperf: Warmup stage %d (sending a few dummy messages)...\n", "pp-udp/stdout"},
	"wrk":        {"  Thread calibration: mean lat.: %d.250ms, rate sampling interval: 10ms\n", "plain/stdout"},
}

// BenchmarkLogs reads 16 MiB of the lines that each tool prints most, and a report behind
// them.
func BenchmarkLogs(b *testing.B) {
	tools := inProcess()
	for name, log := range logs {
		b.Run(name, func(b *testing.B) {
			var text strings.Builder
			for i := 1; text.Len() < 16<<20; i++ {
				fmt.Fprintf(&text, log.line, i)
			}
			text.Write(corpustest.Read(b, filepath.Join(name, "testdata", "corpus"), log.report))
			corpustest.Bench(b, tools[name], []byte(text.String()))
		})
	}
}
