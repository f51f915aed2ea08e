package plugins_test

import (
	"bytes"
	"path/filepath"
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
