package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/extractors/plugin/verify"
)

func (a *app) pluginVerifyCommand() *cobra.Command {
	cfg := verify.Config{Launcher: []string{hiddenLaunch}, Host: []string{hiddenHost}}
	var output format
	c := &cobra.Command{
		Use:   "verify PATH",
		Short: "Check a plugin, in any language, against the rules for plugins",
		Long: `Start the plugin executable PATH in the sandbox and check its description, its
metrics for the captures of a corpus, damaged, huge and empty captures, the
diagnostics for a missing headline, and its process. Each check passes, fails
with the input that made it fail, or is skipped with the reason. If PATH is a table
(NAME.ktstr.yaml), it runs in this process, and patterns that match nothing in the
corpus fail.

A corpus is a directory with one directory per case. A case has the output of the
tool (stdout, stderr, file-NAME), the expected metrics (extract.json) and, if
known, meta.json with "argv" and "exit_code".

Exit status: 0  no check failed
             1  a check failed
             2  no check could run

Checks: ` + strings.Join(verify.Names(), ", ") + ".",
		Example: `  ktstr plugin verify ./ktstr-plugin-mybench --corpus corpus
  ktstr plugin verify mybench.ktstr.yaml --corpus corpus`,
		Args: arguments("the path of a plugin"),
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
				return fmt.Errorf("no check could run: %w", err)
			}
			if output == formatJSON {
				err = a.printJSON(report)
			} else {
				err = report.Print(a.stdout)
			}
			if err == nil && !report.OK() {
				return exitWith(core.ExitCheck)
			}
			return err
		},
	}
	f := c.Flags()
	outputFlag(f, &output)
	f.StringVar(&cfg.Corpus, "corpus", "", "use the captures in `DIR`, such as ./corpus (default: only the checks without captures)")
	f.BoolVar(&cfg.Update, "update", false, "write the current metrics of each case to its extract.json")
	f.StringSliceVar(&cfg.Only, "only", nil, "run only the checks `NAMES`, such as golden,lines (default: all; repeatable)")
	f.DurationVar(&cfg.Fuzz, "fuzz", 0, "also try randomly damaged captures for `DURATION`, such as 30s")
	f.StringVar(&cfg.Keep, "keep", "", "write the input of each failure to `DIR`")
	c.RegisterFlagCompletionFunc("only", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return verify.Names(), cobra.ShellCompDirectiveNoFileComp
	})
	return c
}
