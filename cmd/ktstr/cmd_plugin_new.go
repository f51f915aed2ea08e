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
		Short: "Write a new plugin: one that builds and passes its own tests",
		Long: `Writes the directory ktstr-plugin-NAME with a plugin that reads a made-up format,
a sample capture with what is read from it, tests, a README that says how to
make it read the real thing, and a CI file.

go: a Go module; most formats are a table of regular expressions.
script: one file of sh and awk, nothing to build.`,
		Example: `  ktstr plugin new mybench --lang script`,
		Args:    arguments("a NAME for the plugin"),
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
	f.StringVar(&p.Lang, "lang", "go", "`LANGUAGE` of the plugin: "+strings.Join(scaffold.Langs(), ", "))
	f.StringVar(&p.Dir, "dir", "", "make the directory `DIR` (default ktstr-plugin-NAME)")
	f.StringVar(&p.Module, "module", "", "`PATH` of the Go module (default example.com/ktstr-plugin-NAME)")
	f.StringVar(&p.Checkout, "checkout", "", "build a Go plugin with the sources of ktstr in `DIR`")
	c.RegisterFlagCompletionFunc("lang", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return scaffold.Langs(), cobra.ShellCompDirectiveNoFileComp
	})
	return c
}

// moduleVersion is the released version that this executable was built from;
// empty: none.
func moduleVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "(devel)" || strings.Contains(info.Main.Version, "+dirty") {
		return ""
	}
	return info.Main.Version
}
