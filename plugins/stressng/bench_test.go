package stressng

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/ktstr/ktstr/plugins/internal/corpustest"
)

// BenchmarkReports reads 16 MiB of runs, one after the other.
func BenchmarkReports(b *testing.B) {
	capture := corpustest.Read(b, "testdata/corpus/metrics-five-0.22", "stdout")
	corpustest.Bench(b, New(), bytes.Repeat(capture, 16<<20/len(capture)))
}

// BenchmarkReport reads one run, of 3 KB.
func BenchmarkReport(b *testing.B) {
	corpustest.Bench(b, New(), corpustest.Read(b, "testdata/corpus/metrics-five-0.22", "stdout"))
}

// BenchmarkYAMLReport reads the YAML of one run, of 5 KB.
func BenchmarkYAMLReport(b *testing.B) {
	corpustest.Bench(b, New(), corpustest.Read(b, "testdata/corpus/yaml-file-0.22", "file-out.yaml"))
}

// BenchmarkLog reads 16 MiB of lines that stressors log, then the table.
func BenchmarkLog(b *testing.B) {
	capture := corpustest.Read(b, "testdata/corpus/stats-0.22", "stdout")
	lines := bytes.SplitAfter(capture, []byte("\n"))
	var data []byte
	for len(data) < 16<<20 {
		data = append(data, bytes.Join(lines[3:14], nil)...)
	}
	corpustest.Bench(b, New(), append(data, capture...))
}

// BenchmarkTable reads one table of 16 MiB: 150000 stressors of each their own
// name, each number a metric.
func BenchmarkTable(b *testing.B) {
	capture := corpustest.Read(b, "testdata/corpus/metrics-five-0.22", "stdout")
	lines := bytes.SplitAfter(capture, []byte("\n"))
	data := bytes.Join(lines[4:6], nil)
	for i := 0; len(data) < 16<<20; i++ {
		row := bytes.Replace(lines[6+i%5], []byte("] "), []byte(fmt.Sprintf("] n%d-", i)), 1)
		data = append(data, row...)
	}
	corpustest.Bench(b, New(), data)
}

// BenchmarkYAML reads the same as YAML.
func BenchmarkYAML(b *testing.B) {
	capture := corpustest.Read(b, "testdata/corpus/yaml-file-0.22", "file-out.yaml")
	head, entries, _ := bytes.Cut(capture, []byte("metrics:\n"))
	entries, _, _ = bytes.Cut(entries, []byte("times:\n"))
	data := append(bytes.Clone(head), "metrics:\n"...)
	for i := 0; len(data) < 16<<20; i++ {
		data = append(data, bytes.ReplaceAll(entries, []byte("stressor: "), []byte(fmt.Sprintf("stressor: n%d-", i)))...)
	}
	corpustest.Bench(b, New(), append(data, "...\n"...))
}
