package core_test

import (
	"testing"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/core/payload"
	"github.com/ktstr/ktstr/extractors"
)

// A whole run at the level of the library: spawn, capture, the json extractor
// and a check. bench/spawn has the same as a ratio to fork and exec in C.
func BenchmarkRunTrue(b *testing.B) {
	s := core.Spec{
		Payload:   payload.Payload{Name: "true", Binary: "/bin/true"},
		Extractor: extractors.JSON(),
		Checks:    []check.Check{check.ExitEquals(0)},
		NoCgroup:  true,
	}
	for b.Loop() {
		r, err := core.Run(b.Context(), s)
		if err != nil || r.ExitCode != 0 {
			b.Fatal(r.ExitCode, err)
		}
	}
}
