package spawn_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/ktstr/ktstr/spawn"
)

// Run captures the two streams separately. A non-zero exit code is data and not an
// error.
func ExampleRun() {
	r, err := spawn.Run(context.Background(), spawn.Command{
		Path: "sh", Args: []string{"-c", "echo 42; echo warming up >&2; exit 3"}, Timeout: time.Minute,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%q %q exit code %d\n", r.Stdout.Data, r.Stderr.Data, r.ExitCode)
	// Output: "42\n" "warming up\n" exit code 3
}
