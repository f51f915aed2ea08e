// Package sdk turns an extractor into a plugin executable. ktstr starts it to read
// the output of a benchmark. Its commands `describe` and `extract` do the same
// work on the command line.
//
//	func main() { sdk.Serve(ktstr.Parser{Description: …, Parse: parse}) }
//
// Lines makes an extractor from a table of patterns. Package plugintest tests an
// extractor.
package sdk

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/internal/wire"
)

// Serve is the main function of a plugin. It never returns. Its task depends on
// the process:
//
//   - If ktstr started it, it serves x until ktstr ends it or dies.
//   - With the argument `describe` it prints x's description as JSON.
//   - With the argument `extract` it reads a capture from standard input and prints
//     the document of `ktstr extract -o json`.
//
// Call it first in main, because any work before it delays every run.
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
			fmt.Fprintf(stderr, "%s: %v\n", program, err)
			return 1
		}
		return 0
	}
	fail := func(code int, err error) int {
		fmt.Fprintf(stderr, "%s: %v\n", program, err)
		return code
	}
	switch {
	case len(args) == 1 && args[0] == "describe":
		d := x.Describe()
		if err := wire.CheckDescription(d); err != nil {
			return fail(1, err)
		}
		if _, err := stdout.Write(wire.DescriptionJSON(d, wire.GRPC)); err != nil {
			return fail(1, err)
		}
		return 0
	case len(args) >= 1 && args[0] == "extract":
		return filter(ctx, x, args[1:], stdin, stdout, stderr, fail)
	}
	name := x.Describe().Name
	fmt.Fprintf(stderr, `%[1]s is a plugin of ktstr, which starts it by itself:
  ktstr plugin install %[1]s
  ktstr run PAYLOAD --extractor %[2]s
By itself it can say what it is, and read one capture:
  %[1]s describe
  %[1]s extract [--stream NAME] [--exit-code N] [--truncated] [--option NAME=VALUE]... < CAPTURE
`, program, name)
	return 2
}

// filter reads one stream and prints the document of `ktstr extract -o json`.
// It returns 4 where there is nothing to trust in it.
func filter(ctx context.Context, x ktstr.Extractor, args []string, stdin io.Reader, stdout, stderr io.Writer, fail func(int, error) int) int {
	out := ktstr.Output{Stream: ktstr.Stdout}
	flags := flag.NewFlagSet("extract", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar((*string)(&out.Stream), "stream", "stdout", "where the text came from: stdout, stderr or file:`NAME`")
	flags.BoolVar(&out.Truncated, "truncated", false, "the capture stopped at its cap")
	flags.Func("exit-code", "what the benchmark exited with: `N`", func(s string) error {
		n, err := strconv.Atoi(s)
		out.ExitCode = &n
		return err
	})
	flags.Func("option", "an option of the extractor: `NAME=VALUE`", func(s string) error {
		name, value, ok := strings.Cut(s, "=")
		if !ok {
			return errors.New("want NAME=VALUE")
		}
		if out.Options == nil {
			out.Options = map[string]string{}
		}
		out.Options[name] = value
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if flags.NArg() > 0 {
		return fail(2, fmt.Errorf("extract: argument %q: want the capture on standard input", flags.Arg(0)))
	}
	var err error
	if out.Data, err = io.ReadAll(stdin); err != nil {
		return fail(1, err)
	}
	result := extract.Run(ctx, x, []ktstr.Output{out}, nil)
	if _, err := stdout.Write(append(result.AppendJSON(nil), '\n')); err != nil {
		return fail(1, err)
	}
	if result.Status != extract.OK {
		return 4
	}
	return 0
}
