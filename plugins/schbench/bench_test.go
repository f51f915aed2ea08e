package schbench

import (
	"bytes"
	"testing"

	"github.com/ktstr/ktstr/plugins/internal/corpustest"
)

// BenchmarkIntervals reads 16 MiB of interval reports and the final one, as a
// run of two days prints them.
func BenchmarkIntervals(b *testing.B) {
	capture := corpustest.Read(b, "testdata/corpus/intervals-24e32b8", "stderr")
	corpustest.Bench(b, New(), bytes.Repeat(capture, 16<<20/len(capture)))
}

// BenchmarkReport reads one run's report, of 3 KB.
func BenchmarkReport(b *testing.B) {
	corpustest.Bench(b, New(), corpustest.Read(b, "testdata/corpus/intervals-24e32b8", "stderr"))
}
