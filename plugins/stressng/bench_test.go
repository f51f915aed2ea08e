package stressng

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/ktstr/ktstr"
)

func bench(b *testing.B, data []byte) {
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if e, err := parse(ktstr.Output{Data: data}); err != nil || len(e.Metrics) == 0 {
			b.Fatal(err, e)
		}
	}
}

// BenchmarkReports reads 16 MiB of runs, one after the other.
func BenchmarkReports(b *testing.B) {
	capture := read(b, "testdata/corpus/metrics-five-0.22", "stdout")
	bench(b, bytes.Repeat(capture, 16<<20/len(capture)))
}

// BenchmarkReport reads one run, of 3 KB.
func BenchmarkReport(b *testing.B) {
	bench(b, read(b, "testdata/corpus/metrics-five-0.22", "stdout"))
}

// BenchmarkYAMLReport reads the YAML of one run, of 5 KB.
func BenchmarkYAMLReport(b *testing.B) {
	bench(b, read(b, "testdata/corpus/yaml-file-0.22", "file-out.yaml"))
}

// BenchmarkLog reads 16 MiB of lines that stressors log, then the table.
func BenchmarkLog(b *testing.B) {
	capture := read(b, "testdata/corpus/stats-0.22", "stdout")
	lines := bytes.SplitAfter(capture, []byte("\n"))
	var data []byte
	for len(data) < 16<<20 {
		data = append(data, bytes.Join(lines[3:14], nil)...)
	}
	bench(b, append(data, capture...))
}

// BenchmarkTable reads one table of 16 MiB: 150000 stressors of each their own
// name, each number a metric.
func BenchmarkTable(b *testing.B) {
	capture := read(b, "testdata/corpus/metrics-five-0.22", "stdout")
	lines := bytes.SplitAfter(capture, []byte("\n"))
	data := bytes.Join(lines[4:6], nil)
	for i := 0; len(data) < 16<<20; i++ {
		row := bytes.Replace(lines[6+i%5], []byte("] "), []byte(fmt.Sprintf("] n%d-", i)), 1)
		data = append(data, row...)
	}
	bench(b, data)
}

// BenchmarkYAML reads the same as YAML.
func BenchmarkYAML(b *testing.B) {
	capture := read(b, "testdata/corpus/yaml-file-0.22", "file-out.yaml")
	head, entries, _ := bytes.Cut(capture, []byte("metrics:\n"))
	entries, _, _ = bytes.Cut(entries, []byte("times:\n"))
	data := append(bytes.Clone(head), "metrics:\n"...)
	for i := 0; len(data) < 16<<20; i++ {
		data = append(data, bytes.ReplaceAll(entries, []byte("stressor: "), []byte(fmt.Sprintf("stressor: n%d-", i)))...)
	}
	bench(b, append(data, "...\n"...))
}
