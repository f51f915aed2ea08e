package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/extractors/plugin/store"
	"github.com/ktstr/ktstr/internal/catalog"
	"github.com/ktstr/ktstr/internal/fleet"
	"github.com/ktstr/ktstr/internal/nearest"
	"github.com/ktstr/ktstr/internal/series"
)

// app holds the standard streams and the flags of the root command. Every command
// is a method of it.
type app struct {
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer

	plugins     []string     // --plugin NAME=PATH
	payloadDirs []string     // --payload-dir
	logLevel    string       // --log-level
	log         hclog.Logger // of the plugin host; nil: no log

	args    []string      // of the command line
	placed  *fleet.Setup  // what an engine placed on this host; nil: the user runs ktstr here
	stops   *series.Stops // were caught before ktstr run began; nil: it catches them
	resumed *fleet.Saved  // the command that goes on; nil: it is a new one
	// engine finds the engine that --on names, and its name; nil: engineOf
	engine func(o fleetOptions) (fleet.Engine, string, error)

	lineShown atomic.Bool // the progress line is on the terminal
}

// run runs the command line args and returns the exit status, see core.ExitPass.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if status, ok := hidden(args, stdin, stdout, stderr); ok {
		return status
	}
	return new(app).execute(ctx, args, stdin, stdout, stderr)
}

// execute runs the command line args and returns the exit status.
func (a *app) execute(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	out, errOut := &output{Writer: stdout}, &output{Writer: stderr}
	a.args, a.stdin, a.stdout, a.stderr = args, stdin, out, errOut
	root := a.root()
	root.SetArgs(args)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return flagError(c, args, err) })
	root.SetIn(stdin)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	if failed := out.err; failed != nil && !(errors.Is(err, failed) && errors.As(err, new(*exitError))) {
		if errors.Is(err, failed) {
			err = nil
		}
		err = a.joinErrors(err, outputError(failed))
	}
	status := a.printError(err)
	if forBisect(args) {
		return bisectStatus(status)
	}
	if status != core.ExitInterrupted && (out.dieOfPipe() || errOut.dieOfPipe()) {
		return exitBrokenPipe
	}
	return status
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "ktstr",
		Short: "Run benchmarks; get typed metrics, a verdict and a record",
		Long: `ktstr runs a benchmark and turns its output into metrics with names, units and
polarities (higher or lower is better). It evaluates checks on the metrics, such
as 'latency.p99 <= 2ms', and keeps a record of every run.

Start with:  ktstr run noise          measure how quiet this host is
             ktstr payload list       list the benchmarks that ktstr can run
             ktstr doctor             show the programs to install for them

Words:       payload    a benchmark that ktstr can run, such as fio-randread
             extractor  the parser that reads the output of a benchmark
             headline   a metric that decides comparisons
             bundle     the directory with the record and the raw output of a run
             set        the runs of one command, such as ktstr run --repeat 10

Exit status: 0    every check held
             1    a check failed, or a comparison found a regression
             2    a usage error, found before anything ran
             3    the payload could not run to its end
             4    the extraction failed or found no metric
             5    a comparison is open: too few runs, or too much noise
             130  interrupted, for example by Ctrl-C
             141  the reader of the output has left (SIGPIPE), as in ktstr … | head`,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetUsageTemplate(strings.Replace(root.UsageTemplate(), "{{if .Runnable}}", "{{if and .Runnable (not .HasAvailableSubCommands)}}", 1))
	root.PersistentPreRunE = func(c *cobra.Command, args []string) error {
		if err := refuseEmpty(c); err != nil {
			return err
		}
		return a.startLog(c.Flags().Changed("log-level"))
	}
	root.SetVersionTemplate("{{.Name}} {{.Version}}\n")
	f := root.PersistentFlags()
	f.StringArrayVar(&a.plugins, "plugin", nil, "use the plugin executable or table `NAME=PATH`, such as fio=./ktstr-plugin-fio, in place of an installed one; a "+store.LockFile+" must allow it (repeatable)")
	f.StringArrayVar(&a.payloadDirs, "payload-dir", nil, "search payload files in `DIR` first, such as ./payloads (repeatable)")
	f.StringVar(&a.logLevel, "log-level", "", "write the log of the plugin host to stderr from `LEVEL` upwards, such as debug (levels: "+logLevels+"; default $KTSTR_LOG, or off)")
	root.AddCommand(a.runCommand(), a.calibrateCommand(), a.bisectCommand(), a.extractCommand(), a.payloadCommand(), a.pluginCommand(), a.doctorCommand(), a.compareCommand(), a.runsCommand(), a.explainCommand(), a.reportCommand())
	root.SetHelpCommand(helpCommand())
	requireSubcommand(root)
	refuseTwice(root)
	return root
}

// refuseEmpty returns an error for a flag with an empty value, because this is
// most often an unset variable of a script: --out "$DIR".
func refuseEmpty(c *cobra.Command) error {
	var err error
	c.Flags().Visit(func(f *pflag.Flag) {
		if f.Value.Type() == "string" && f.Value.String() == "" && err == nil {
			wanted, _ := pflag.UnquoteUsage(f)
			err = fmt.Errorf("--%s: the value is empty: want %s, or leave the flag out", f.Name, wanted)
		}
	})
	return err
}

// helpCommand is `ktstr help COMMAND`. The help command of cobra succeeds for a
// command that does not exist.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Explain a command",
		RunE: func(c *cobra.Command, args []string) error {
			found, rest, err := c.Root().Find(args)
			if err != nil {
				return err
			}
			if len(rest) > 0 && found.HasAvailableSubCommands() { // an unknown subcommand
				return found.RunE(found, rest)
			}
			return found.Help()
		},
	}
}

// requireSubcommand makes c fail without a known subcommand. A script with a typo or an
// unset variable must not see a success.
func requireSubcommand(c *cobra.Command) {
	c.Args = cobra.ArbitraryArgs
	c.RunE = func(c *cobra.Command, args []string) error {
		prefix := ""
		if c.HasParent() { // else "ktstr: " begins the message
			prefix = c.Name() + ": "
		}
		if len(args) == 0 {
			c.SetOut(c.ErrOrStderr())
			c.Help()
			return errors.New(prefix + "want a command")
		}
		var names []string
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() {
				names = append(names, sub.Name())
			}
		}
		text := fmt.Sprintf("%sunknown command %q", prefix, args[0])
		if near := nearest.Of(args[0], names); near != "" {
			return fmt.Errorf("%s. Did you mean %s?", text, near)
		}
		return fmt.Errorf("%s: want one of %s", text, strings.Join(names, ", "))
	}
}

// version returns the version of the module, and the commit that it was built from.
// For example: "v0.3.0 1a2b3c4d5e6f".
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

// catalog returns the places where payloads and extractors are found. quiet drops its
// notices, for example that a plugin is not in a ktstr.lock.
func (a *app) catalog(quiet bool) *catalog.Catalog {
	lock := ""
	if a.placed != nil {
		lock = a.placed.Lock
	}
	return &catalog.Catalog{
		Lock: lock, PayloadDirs: a.payloadDirs, Plugins: a.plugins,
		Launch: []string{hiddenLaunch}, ServeStock: []string{hiddenPlugin}, StockProgram: "_",
		Log: a.log, Notice: a.notice(quiet),
	}
}

// notice returns a function that prints a message on stderr at once, after it removed
// the progress line. With quiet the function prints nothing.
func (a *app) notice(quiet bool) func(string) {
	return func(text string) {
		if !quiet {
			if a.lineShown.Swap(false) {
				fmt.Fprint(a.stderr, "\r\x1b[K")
			}
			fmt.Fprintf(a.stderr, "ktstr: %s\n", printable(text))
		}
	}
}
