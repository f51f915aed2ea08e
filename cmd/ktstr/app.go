package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ktstr/ktstr/extractors/plugin/store"
	"github.com/ktstr/ktstr/internal/catalog"
	"github.com/ktstr/ktstr/internal/nearest"
)

// app is what every command is given: the streams, and what they can show.
type app struct {
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer

	plugins     []string     // --plugin NAME=PATH
	payloadDirs []string     // --payload-dir
	logLevel    string       // --log-level
	log         hclog.Logger // of the plugin host; nil: no log

	lineShown atomic.Bool // the terminal shows the line of a run that goes on
}

// run is the whole command: it returns the exit status, see core.ExitPass.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if status, ok := hidden(args, stdin, stdout, stderr); ok {
		return status
	}
	// SIGPIPE is caught, so that a reader who leaves (ktstr … | head) is an error
	// of the write and not the death of ktstr in the middle of a run. Unlike an
	// ignored signal, a caught one is back at its default in what ktstr executes.
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGPIPE)
	defer signal.Stop(caught)
	out := &output{Writer: stdout}
	a := &app{stdin: stdin, stdout: out, stderr: stderr}
	root := a.root()
	root.SetArgs(args)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return flagError(c, args, err) })
	root.SetIn(stdin)
	root.SetOut(out)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if lost := out.err; lost != nil {
		if errors.Is(err, lost) {
			if errors.As(err, new(*exitError)) { // the command counted it in
				return a.status(err)
			}
			err = nil
		}
		err = a.together(err, notPrinted(lost))
	}
	return a.status(err)
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
	}
	root.SetUsageTemplate(strings.Replace(root.UsageTemplate(), "{{if .Runnable}}", "{{if and .Runnable (not .HasAvailableSubCommands)}}", 1))
	root.PersistentPreRunE = func(c *cobra.Command, args []string) error {
		if err := refuseEmpty(c, args); err != nil {
			return err
		}
		return a.startLog(c.Flags().Changed("log-level"))
	}
	root.SetVersionTemplate("{{.Name}} {{.Version}}\n")
	root.PersistentFlags().StringArrayVar(&a.plugins, "plugin", nil, "use the plugin executable `NAME=PATH`, installed or not; beside a "+store.LockFile+", only the build that it names (repeatable)")
	root.PersistentFlags().StringArrayVar(&a.payloadDirs, "payload-dir", nil, "read payload files from `DIR` before all other places (repeatable)")
	root.PersistentFlags().StringVar(&a.logLevel, "log-level", "", "write the log of the plugin host to stderr, from `LEVEL` on: "+logLevels+", such as debug (default $KTSTR_LOG, or off)")
	root.AddCommand(a.runCommand(), a.extractCommand(), a.payloadCommand(), a.pluginCommand(), a.doctorCommand(), a.compareCommand(), a.runsCommand(), a.explainCommand())
	root.SetHelpCommand(helpCommand())
	group(root)
	return root
}

// group makes c, which only holds other commands, refuse to run without one of
// them: a script with a typo or an empty variable must not see a success.
func group(c *cobra.Command) {
	c.Args = cobra.ArbitraryArgs
	c.RunE = func(c *cobra.Command, args []string) error {
		prefix := "" // what was typed after ktstr, which begins every message anyway
		if c.HasParent() {
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
			text += fmt.Sprintf(": did you mean %s?", near)
		}
		return fmt.Errorf("%s; there are %s", text, strings.Join(names, ", "))
	}
}

// helpCommand is `ktstr help COMMAND`, which the flag library would let succeed
// for a command that does not exist.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Explain a command",
		RunE: func(c *cobra.Command, args []string) error {
			found, rest, err := c.Root().Find(args)
			if err != nil {
				return err
			}
			if len(rest) > 0 && found.HasAvailableSubCommands() { // group says what there is
				return found.RunE(found, rest)
			}
			return found.Help()
		},
	}
}

// refuseEmpty refuses flags whose value is the empty string: that is a variable
// of a script that was not set, not a wish for the default.
func refuseEmpty(c *cobra.Command, _ []string) error {
	var err error
	c.Flags().Visit(func(f *pflag.Flag) {
		if f.Value.Type() == "string" && f.Value.String() == "" && err == nil {
			wanted, _ := pflag.UnquoteUsage(f)
			err = fmt.Errorf("--%s: it is empty: want %s, or leave the flag out", f.Name, wanted)
		}
	})
	return err
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

// notice prints on stderr what a person should know while a run goes on.
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

// catalog returns the places where payloads and extractors are found.
func (a *app) catalog(quiet bool) *catalog.Catalog {
	return &catalog.Catalog{
		PayloadDirs: a.payloadDirs, Plugins: a.plugins,
		Launch: []string{hiddenLaunch}, ServeStock: []string{hiddenPlugin}, StockProgram: "_",
		Log: a.log, Notice: a.notice(quiet),
	}
}
