package extract_test

import (
	"os"
	"strings"
	"testing"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/extractors"
)

// 10,000 metrics of a fio document, 900 names and 100 patterns.
func BenchmarkResolve(b *testing.B) {
	text, err := os.ReadFile("../../plugins/fio/testdata/large-64jobs-jsonplus-3.42/stdout")
	if err != nil {
		b.Fatal(err)
	}
	e, err := extractors.JSON().Extract(b.Context(), ktstr.Output{Data: text})
	if err != nil {
		b.Fatal(err)
	}
	metrics := e.Metrics[:10000]
	var hints []ktstr.Hint
	for i := range 900 {
		hints = append(hints, ktstr.Hint{Name: metrics[i*11].Name, Unit: "ns", Polarity: ktstr.Lower})
	}
	for i := range 100 {
		words := strings.Split(metrics[i*7].Name, ".")
		words[min(1, len(words)-1)] = "*"
		hints = append(hints, ktstr.Hint{Name: strings.Join(words, "."), Unit: "ns", Headline: true})
	}
	b.ReportAllocs()
	for b.Loop() {
		extract.Resolve(metrics, hints)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(metrics)), "ns/metric")
}
