// Command ktstr runs benchmarks and turns their output into typed metrics, a verdict and
// a record.
package main

import (
	"context"
	"os"
	"runtime/debug"

	_ "github.com/ktstr/ktstr/internal/openfiles" // ends the process if its limit of open files is too low
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "extract" {
		// The process ends before a garbage collection would pay for its time.
		debug.SetGCPercent(-1)
		debug.SetMemoryLimit(1 << 30)
	}
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
