package main

import (
	"context"
	"log"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/core/payload"
	"github.com/ktstr/ktstr/extractors"
)

// library is a whole run as an embedding program makes it: with the json
// extractor and a check.
func library(argv []string) func() float64 {
	s := core.Spec{
		Payload:   payload.Payload{Name: "bench", Binary: argv[0], Args: argv[1:]},
		Extractor: extractors.JSON(),
		Checks:    []check.Check{check.ExitEquals(0)},
		NoCgroup:  true,
	}
	return func() float64 {
		r, err := core.Run(context.Background(), s)
		if err != nil || r.ExitCode != 0 {
			log.Fatalf("bench: library: exit %d, %v", r.ExitCode, err)
		}
		return 0
	}
}
