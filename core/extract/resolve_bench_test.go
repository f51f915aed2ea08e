package extract_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/extractors"
	"github.com/ktstr/ktstr/plugins/fio"
)

// BenchmarkResolveStock resolves a run of fio of the usual size: 60 metrics, 22
// hints.
func BenchmarkResolveStock(b *testing.B) {
	text, err := os.ReadFile("../../plugins/fio/testdata/large-64jobs-jsonplus-3.42/stdout")
	if err != nil {
		b.Fatal(err)
	}
	x := fio.New()
	e, err := x.Extract(b.Context(), ktstr.Output{Data: text})
	if err != nil {
		b.Fatal(err)
	}
	metrics := e.Metrics[:60]
	hints := x.Describe().Hints
	job, _, _ := strings.Cut(metrics[0].Name, ".")
	var payload []ktstr.Hint
	for i := 0; len(payload)+len(hints) < 22; i++ {
		payload = append(payload, ktstr.Hint{Name: fmt.Sprintf("%s.read.clat.p%d", job, 50+i), Headline: true})
	}
	b.ReportAllocs()
	for b.Loop() {
		extract.Resolve(metrics, payload, nil, hints)
	}
	b.ReportMetric(float64(len(hints)), "plugin-hints")
}

// BenchmarkResolveMany resolves 10,000 metrics of a fio document. The limit is
// 10 ms with 100 hints, 10 of which are patterns.
func BenchmarkResolveMany(b *testing.B) {
	text, err := os.ReadFile("../../plugins/fio/testdata/large-64jobs-jsonplus-3.42/stdout")
	if err != nil {
		b.Fatal(err)
	}
	e, err := extractors.JSON().Extract(b.Context(), ktstr.Output{Data: text})
	if err != nil {
		b.Fatal(err)
	}
	metrics := e.Metrics[:10000]
	for _, n := range []int{100, 1000} {
		var hints []ktstr.Hint
		for i := range n / 10 {
			words := strings.Split(metrics[i*7].Name, ".")
			words[min(1, len(words)-1)] = "*"
			hints = append(hints, ktstr.Hint{Name: strings.Join(words, "."), Unit: "ns", Headline: true})
		}
		for i := len(hints); i < n; i++ {
			hints = append(hints, ktstr.Hint{Name: metrics[i*9].Name, Unit: "ns", Polarity: ktstr.Lower})
		}
		b.Run(fmt.Sprintf("hints=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				extract.Resolve(metrics, hints)
			}
		})
	}
}
