package fio

import (
	"context"
	"os"
	"testing"

	"github.com/ktstr/ktstr"
)

// BenchmarkFio reads one report of each format, the first the 2.5 MB json+
// document of 64 jobs that the JSON leaf walk is measured on.
func BenchmarkFio(b *testing.B) {
	for _, name := range []string{"large-64jobs-jsonplus-3.42", "json-randread-3.42", "normal-randrw-two-jobs-3.42", "terse-v5-3.42"} {
		b.Run(name, func(b *testing.B) {
			data, err := os.ReadFile("testdata/" + name + "/stdout")
			if err != nil {
				b.Fatal(err)
			}
			x := New()
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := x.Extract(context.Background(), ktstr.Output{Stream: ktstr.Stdout, Data: data}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
