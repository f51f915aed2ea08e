package schbench

import (
	"bytes"
	"testing"

	"github.com/ktstr/ktstr"
)

// BenchmarkIntervals reads 16 MiB of interval reports and the final one, as a
// run of two days prints them.
func BenchmarkIntervals(b *testing.B) {
	capture := read(b, "testdata/corpus/intervals-24e32b8", "stderr")
	data := bytes.Repeat(capture, 16<<20/len(capture))
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if e, err := parse(ktstr.Output{Data: data}); err != nil || len(e.Metrics) == 0 {
			b.Fatal(err, e)
		}
	}
}

// BenchmarkReport reads one run's report, of 2 KB.
func BenchmarkReport(b *testing.B) {
	data := read(b, "testdata/corpus/intervals-24e32b8", "stderr")
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if e, err := parse(ktstr.Output{Data: data}); err != nil || len(e.Metrics) == 0 {
			b.Fatal(err, e)
		}
	}
}
