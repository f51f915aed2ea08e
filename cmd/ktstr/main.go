// Command ktstr runs benchmarks and turns what they print into typed metrics,
// a verdict and a record.
package main

import (
	"context"
	"os"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
