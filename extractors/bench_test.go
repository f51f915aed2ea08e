package extractors

import (
	"os"
	"testing"

	"github.com/ktstr/ktstr"
)

const large = "../plugins/fio/testdata/large-64jobs-jsonplus-3.42/stdout"

// The JSON walk, per input: with buffers used again, and with new ones.
func BenchmarkJSON(b *testing.B) {
	for name, file := range map[string]string{"7KB": "testdata/fio.json", "2.5MB": large} {
		text, err := os.ReadFile(file)
		if err != nil {
			b.Fatal(err)
		}
		run := func(b *testing.B, extract func(ktstr.Output) (ktstr.Extraction, error)) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			leaves := 0
			for b.Loop() {
				e, err := extract(ktstr.Output{Stream: ktstr.Stdout, Data: text})
				if err != nil {
					b.Fatal(err)
				}
				leaves = len(e.Metrics)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*leaves), "ns/leaf")
		}
		b.Run(name+"/reused", func(b *testing.B) { run(b, new(Walker).Extract) })
		b.Run(name+"/new", func(b *testing.B) {
			run(b, func(out ktstr.Output) (ktstr.Extraction, error) { return new(Walker).Extract(out) })
		})
	}
}
