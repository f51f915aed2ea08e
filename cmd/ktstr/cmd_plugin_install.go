package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/payload"
	"github.com/ktstr/ktstr/extractors/plugin"
	"github.com/ktstr/ktstr/extractors/plugin/store"
	"github.com/ktstr/ktstr/extractors/plugin/verify"
	"github.com/ktstr/ktstr/internal/catalog"
)

func (a *app) installCommand() *cobra.Command {
	var hash, corpus string
	c := &cobra.Command{
		Use:   "install FILE",
		Short: "Verify a plugin and install it for this user",
		Long: `Verify the plugin FILE (see ktstr plugin verify), copy it to
$XDG_DATA_HOME/ktstr/plugins, and record its SHA-256 and its description. After
that, --extractor finds it by its name, ktstr run finds its payloads, and ktstr
executes it only while its SHA-256 stays the same.`,
		Example: `  ktstr plugin install ./ktstr-plugin-sysbench
  ktstr run ./bench.sh --extractor sysbench`,
		Args: arguments("a FILE"),
		RunE: func(c *cobra.Command, args []string) error {
			return a.install(c.Context(), args[0], hash, corpus)
		},
	}
	c.Flags().StringVar(&hash, "sha256", "", "refuse the file if its SHA-256 is not `HEX`")
	c.Flags().StringVar(&corpus, "corpus", "", "also verify with the captures in `DIR`, such as ./corpus")
	return c
}

func (a *app) install(ctx context.Context, path, hash, corpus string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	plugins, err := store.DefaultStore()
	if err != nil {
		return err
	}
	defer surviveReader()()
	var brought []payload.Payload
	p, old, err := plugins.Install(ctx, plugin.Config{Path: path, SHA256: hash, Launcher: []string{hiddenLaunch}}, func(ctx context.Context, d ktstr.Description, copied string) error {
		for _, f := range d.Payloads {
			b, err := catalog.FromPlugin(d.Name, f)
			if err != nil {
				return err
			}
			brought = append(brought, b)
		}
		return a.verifyForInstall(ctx, copied, corpus)
	})
	if errors.As(err, new(*plugin.Error)) { // its message names the file
		return fmt.Errorf("plugin install: %w", err)
	}
	if err != nil {
		return fmt.Errorf("plugin install %s: %w", path, err)
	}
	d := p.Description
	fmt.Fprintf(a.stdout, "installed %s %s, sha256 %s\n", d.Name, line(d.Version), p.SHA256[store.Platform])
	if old != nil {
		same := ""
		if old.Description.Version == d.Version {
			same = " (another file of the same version: run ktstr plugin lock again where a " + store.LockFile + " names it)"
		}
		fmt.Fprintf(a.stdout, "replaced %s %s, sha256 %.12s%s\n", d.Name, line(old.Description.Version), old.SHA256[store.Platform], same)
	}
	for _, b := range brought {
		fmt.Fprintf(a.stdout, "payload %s runs %s\n", b.Name, line(executes(b)))
	}
	return nil
}

// verifyForInstall runs the checks of `ktstr plugin verify` and prints those that fail.
func (a *app) verifyForInstall(ctx context.Context, path, corpus string) error {
	report, err := verify.Run(ctx, verify.Config{Path: path, Corpus: corpus, Launcher: []string{hiddenLaunch}, Host: []string{hiddenHost}})
	if err != nil {
		return err
	}
	failed := report.Failed()
	if len(failed.Checks) == 0 {
		return nil
	}
	failed.Print(a.stderr)
	return &exitError{core.ExitCheck, errors.New("the checks above failed: see ktstr plugin verify")}
}

// executes returns the command line of a payload, for example "sysbench cpu run".
func executes(p payload.Payload) string {
	if p.Binary == "" {
		return "nothing"
	}
	return strings.Join(append([]string{p.Binary}, p.Args...), " ")
}
