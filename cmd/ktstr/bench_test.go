package main

import (
	"io"
	"testing"

	"github.com/ktstr/ktstr/core/extract"
)

// BenchmarkPluginStart starts a bundled plugin in its sandbox, gets its description, and stops it. bench/plugin measures the
// same as a ratio to a minimal go-plugin program.
func BenchmarkPluginStart(b *testing.B) {
	a := &app{stderr: io.Discard}
	for b.Loop() {
		x, err := a.catalog(true).Start(b.Context(), "fio")
		if err != nil {
			b.Fatal(err)
		}
		x.Close()
	}
}

// BenchmarkPluginRoundTrip sends a capture of 7 KB to a plugin and receives its metrics.
func BenchmarkPluginRoundTrip(b *testing.B) {
	a := &app{stderr: io.Discard}
	x, err := a.catalog(true).Start(b.Context(), "fio")
	if err != nil {
		b.Fatal(err)
	}
	defer x.Close()
	streams := saved(b, "../../plugins/fio/testdata/json-randrw-3.33")
	for b.Loop() {
		if r := extract.Run(b.Context(), x, streams, nil); r.Status != extract.OK {
			b.Fatal(r.Status, r.Error)
		}
	}
}
