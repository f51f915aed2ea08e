package main

import (
	"fmt"
	"path/filepath"
	"runtime/debug"
	"strings"

	"al.essio.dev/pkg/shellescape"
	"github.com/spf13/cobra"

	"github.com/ktstr/ktstr/extractors/plugin/scaffold"
	"github.com/ktstr/ktstr/plugins"
)

func (a *app) pluginNewCommand() *cobra.Command {
	p := scaffold.Plugin{Version: moduleVersion()}
	c := &cobra.Command{
		Use:   "new NAME",
		Short: "Write the source of a new plugin that builds and passes its tests",
		Long: `Write the directory ktstr-plugin-NAME with a plugin for a made-up format, a sample
capture with its metrics, tests, a CI file, and a README that explains how to
change the plugin for your format.

--lang go      a Go module; a table of regular expressions describes the format
--lang script  one file of sh and awk, without a build
--lang table   one table of patterns in YAML, without a build and without a process`,
		Example: `  ktstr plugin new mybench --lang script
  ktstr plugin verify ktstr-plugin-mybench/ktstr-plugin-mybench
  ktstr plugin new mybench --lang table`,
		Args: arguments("a NAME for the plugin"),
		RunE: func(_ *cobra.Command, args []string) error {
			p.Name = args[0]
			for _, x := range append(plugins.BuiltIn(), plugins.Plugins()...) {
				p.Reserved = append(p.Reserved, x.Describe().Name)
			}
			dir, files, err := scaffold.Write(p)
			if err != nil {
				return err
			}
			for _, f := range files {
				fmt.Fprintln(a.stdout, filepath.Join(dir, f))
			}
			fmt.Fprintf(a.stderr, "next: cd %s, and read README.md\n", shellescape.Quote(dir))
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&p.Lang, "lang", "go", "write the plugin in `LANGUAGE`: "+strings.Join(scaffold.Langs(), ", "))
	f.StringVar(&p.Dir, "dir", "", "write it to `DIR` (default ktstr-plugin-NAME)")
	f.StringVar(&p.Module, "module", "", "module `PATH` of a Go plugin (default example.com/ktstr-plugin-NAME)")
	f.StringVar(&p.Checkout, "checkout", "", "build a Go plugin with the source of ktstr in `DIR`, such as ~/src/ktstr (default: the released module)")
	c.RegisterFlagCompletionFunc("lang", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return scaffold.Langs(), cobra.ShellCompDirectiveNoFileComp
	})
	return c
}

// moduleVersion returns the released version that this executable was built from, or "".
func moduleVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "(devel)" || strings.Contains(info.Main.Version, "+dirty") {
		return ""
	}
	return info.Main.Version
}
