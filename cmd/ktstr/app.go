package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ktstr/ktstr/core"
)

// app is what every command is given: the streams, and what they can show.
type app struct {
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer

	plugins     []string // --plugin NAME=PATH
	payloadDirs []string // --payload-dir

	progress func(now time.Time) string // of a series of runs, for the live line; nil: there is none
}

// run is the whole command: it returns the exit status, see core.ExitPass.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if status, ok := hidden(args, stdin, stdout, stderr); ok {
		return status
	}
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	return a.status(root.ExecuteContext(ctx))
}

// exitError carries an exit status. Its message may be empty: then all has
// been said.
type exitError struct {
	status int
	err    error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.status)
	}
	return e.err.Error()
}
func (e *exitError) Unwrap() error { return e.err }

// status prints what went wrong and maps it to the exit status. What has no
// status of its own is a mistake in the usage.
func (a *app) status(err error) int {
	if err == nil {
		return core.ExitPass
	}
	status := core.ExitUsage
	var exit *exitError
	if errors.As(err, &exit) {
		if exit.err == nil {
			return exit.status
		}
		status = exit.status
	}
	fmt.Fprintf(a.stderr, "ktstr: %s\n", printable(err.Error()))
	return status
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "ktstr",
		Short: "Run benchmarks; get typed metrics, a verdict and a record",
		Long: `ktstr runs a benchmark, captures what it prints, turns that into metrics with
names, units and polarities, evaluates checks on them and keeps a record.

Start with:  ktstr run noise          how quiet is this host?
             ktstr payload list       what else can be run
             ktstr doctor             what is installed, and what to install

Exit status: 0 all held; 1 a check failed, or a regression; 2 a mistake in what
was asked for, found before anything ran; 3 the payload could not be run to its
end; 4 extraction gave nothing or failed; 5 not enough runs to tell (compare);
130 interrupted.`,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
	}
	root.SetVersionTemplate("{{.Name}} {{.Version}}\n")
	root.PersistentFlags().StringArrayVar(&a.plugins, "plugin", nil, "use the plugin executable `NAME=PATH`, locked or not (repeatable)")
	root.PersistentFlags().StringArrayVar(&a.payloadDirs, "payload-dir", nil, "read payload files from `DIR` before all other places (repeatable)")
	root.AddCommand(a.runCommand(), a.extractCommand(), a.payloadCommand(), a.pluginCommand(), a.doctorCommand(), a.compareCommand(), a.runsCommand(), a.explainCommand())
	return root
}

// version is the module's version, and the commit where it was built from one.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	text := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && !strings.Contains(text, s.Value[:min(12, len(s.Value))]) {
			text += " " + s.Value[:min(12, len(s.Value))]
		}
	}
	return text
}
