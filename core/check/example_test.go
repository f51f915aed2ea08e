package check_test

import (
	"fmt"

	"github.com/ktstr/ktstr/core/check"
)

// A check is a condition on a metric or on the exit code. A mistake in it is an error
// when it is parsed, not when it is evaluated.
func ExampleParse() {
	for _, text := range []string{"read.clat.p99 <= 2ms", "exists iops", "exit == 0", "p99 in [9, 1]"} {
		c, err := check.Parse(text)
		fmt.Println(c, err != nil)
	}
	// Output:
	// read.clat.p99 <= 2ms false
	// exists iops false
	// exit == 0 false
	//  true
}
