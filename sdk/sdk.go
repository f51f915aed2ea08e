// Package sdk turns an extractor into an executable: a plugin that ktstr
// starts, a `describe` that prints what it is, and an `extract` filter.
//
//	func main() { sdk.Serve(ktstr.Parser{Description: …, Parse: parse}) }
package sdk

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/wire"
)

// Serve runs x as the process that it was started as, and never returns:
//
//   - started by a host, as a plugin, until the host ends it or dies;
//   - `describe`: prints x's description as JSON;
//   - `extract`: reads a capture from standard input and prints what
//     `ktstr extract -o json` prints.
//
// It belongs at the top of main: whatever runs before it delays every run.
func Serve(x ktstr.Extractor) {
	os.Exit(run(context.Background(), x, os.Args, os.Stdin, os.Stdout, os.Stderr))
}

// run is Serve without the process around it. args[0] is the program's name.
func run(ctx context.Context, x ktstr.Extractor, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	program := "ktstr-plugin"
	if len(args) > 0 {
		program, args = args[0], args[1:]
	}
	if os.Getenv(wire.CookieKey) == wire.CookieValue {
		if err := servePlugin(x); err != nil {
			fmt.Fprintf(stderr, "%s: plugin: %v\n", program, err)
			return 1
		}
		return 0
	}
	switch {
	case len(args) == 1 && args[0] == "describe":
		d := x.Describe()
		if err := wire.CheckDescription(d); err != nil {
			fmt.Fprintf(stderr, "%s: describe: %v\n", program, err)
			return 1
		}
		if _, err := stdout.Write(wire.DescriptionJSON(d, wire.GRPC)); err != nil {
			fmt.Fprintf(stderr, "%s: describe: %v\n", program, err)
			return 1
		}
		return 0
	}
	name := x.Describe().Name
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s is a ktstr plugin: it reads what %s printed. ktstr starts it by itself:\n", program, name)
	fmt.Fprintf(&b, "  ktstr plugin install %s\n  ktstr run PAYLOAD --extractor %s\n", program, name)
	fmt.Fprintf(&b, "By itself it knows one word:\n")
	fmt.Fprintf(&b, "  %s describe             what it is, as JSON\n", program)
	stderr.Write(b.Bytes())
	return 2
}
