package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/extractors/plugin/verify"
)

// errFailed is a verification that came to its end and found something.
var errFailed = &exitError{status: core.ExitCheck}

func (a *app) pluginVerifyCommand() *cobra.Command {
	cfg := verify.Config{Launcher: []string{hiddenLaunch}, Host: []string{hiddenHost}}
	var output format
	c := &cobra.Command{
		Use:   "verify PATH",
		Short: "Check that a plugin, in any language, keeps what plugins promise",
		Long: `Starts the plugin executable at PATH in the sandbox and checks it: what it says of
itself, that it reads the captures of a corpus as it should, that damaged, huge
and empty captures do no harm, that no headline gets lost in silence, and that
its process behaves. Each check passes, fails with the bytes that did it, or is
skipped with the reason.

The corpus is a directory with a folder a case: what the tool printed (stdout,
stderr, file-NAME), what is to be read from it (extract.json), and if known
meta.json with "argv" and "exit_code".

Exit status: 0 no check failed; 1 one did; 2 none could be made.

Checks: ` + strings.Join(verify.Names(), ", ") + ".",
		Example: `  ktstr plugin verify ./ktstr-plugin-mybench --corpus corpus`,
		Args:    arguments("the path of a plugin"),
		RunE: func(c *cobra.Command, args []string) error {
			cfg.Path = args[0]
			if styleOf(a.stderr) {
				cfg.Progress = func(name string) { fmt.Fprintf(a.stderr, "\r\x1b[K%s", name) }
			}
			if cfg.Keep != "" {
				if err := os.MkdirAll(cfg.Keep, 0o755); err != nil {
					return err
				}
			}
			report, err := verify.Run(c.Context(), cfg)
			if cfg.Progress != nil {
				fmt.Fprint(a.stderr, "\r\x1b[K")
			}
			if err != nil {
				return fmt.Errorf("no check could be made: %w", err)
			}
			if output == formatJSON {
				err = a.printJSON(report)
			} else {
				err = report.Print(a.stdout)
			}
			if err == nil && !report.OK() {
				return errFailed
			}
			return err
		},
	}
	f := c.Flags()
	outputFlag(f, &output)
	f.StringVar(&cfg.Corpus, "corpus", "", "check it on the captures in `DIR`")
	f.BoolVar(&cfg.Update, "update", false, "write what it gives now as each case's extract.json")
	f.StringSliceVar(&cfg.Only, "only", nil, "make only the checks of these `NAMES`")
	f.DurationVar(&cfg.Fuzz, "fuzz", 0, "also try captures damaged at random, for that `TIME`")
	f.StringVar(&cfg.Keep, "keep", "", "write the inputs of failures into `DIR`")
	c.RegisterFlagCompletionFunc("only", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return verify.Names(), cobra.ShellCompDirectiveNoFileComp
	})
	return c
}
