package extract_test

import (
	"os"
	"testing"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/extractors"
)

func BenchmarkAppendJSON(b *testing.B) {
	text, err := os.ReadFile("../../plugins/fio/testdata/large-64jobs-jsonplus-3.42/stdout")
	if err != nil {
		b.Fatal(err)
	}
	r := extract.Run(b.Context(), extractors.JSON(), []ktstr.Output{{Stream: ktstr.Stdout, Data: text}}, nil)
	for b.Loop() {
		b.SetBytes(int64(len(r.AppendJSON(nil))))
	}
}
