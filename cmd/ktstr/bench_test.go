package main

import (
	"io"
	"testing"

	"github.com/ktstr/ktstr/core/extract"
)

// From nothing to a described plugin in its sandbox, and its end. bench/plugin
// has it as a ratio to a bare go-plugin hello.
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

// One capture of 7 KB to a plugin and its metrics back.
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
