package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/internal/series"
)

func (a *app) doctorCommand() *cobra.Command {
	var output format
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Say what can be run here, and what to install for the rest",
		Long: `Look for the programs that the payloads need, their versions, the plugins and the
features of the kernel, and say what each payload can do with them and the exact
command that installs what is missing. Nothing is changed. The exit status is 0
when every plugin starts and every payload file can be read, whatever is
installed; 2 when a payload file cannot; 3 when a plugin does not start.`,
		Args: arguments(""),
		RunE: func(c *cobra.Command, _ []string) error {
			stops := series.CatchStops()
			defer stops.Close()
			ctx, done := stops.Until(c.Context())
			err := a.doctor(ctx, output)
			done()
			if stop := stops.Take(); stop != nil {
				return &exitError{core.ExitInterrupted, fmt.Errorf("%v: doctor was stopped", stop)}
			}
			return err
		},
	}
	outputFlag(c.Flags(), &output)
	return c
}

// diagnosis is what `doctor -o json` prints. Each field is a section, see the
// doctor_*.go files.
type diagnosis struct {
	Programs []program      `json:"programs"`
	Payloads []payloadState `json:"payloads"`
	Plugins  []pluginState  `json:"plugins"`
	Kernel   []feature      `json:"kernel"`
	Sandbox  []core.Measure `json:"sandbox"`
}

func (a *app) doctor(ctx context.Context, output format) error {
	var d diagnosis
	payloads, broken, err := a.catalog(false).Payloads()
	if err != nil {
		return err
	}
	if d.Plugins, err = a.examinePlugins(ctx); err != nil {
		return err
	}
	d.Programs, d.Payloads = examinePayloads(ctx, payloads, broken, d.Plugins)
	d.Kernel = examineKernel()
	if d.Sandbox, err = examineSandbox(ctx); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil { // a program that could not be asked any more must not look broken
		return err
	}
	if output == formatJSON {
		err = a.printJSON(d)
	} else {
		err = a.printDiagnosis(d)
	}
	switch {
	case err != nil:
		return err
	case anyFails(d.Plugins):
		return exitWith(core.ExitRun)
	case len(broken) > 0:
		return exitWith(core.ExitUsage)
	}
	return nil
}

func (a *app) printDiagnosis(d diagnosis) error {
	t := tableTo(a.stdout)
	section := func(title string, rows [][3]string) {
		fmt.Fprintln(t, title)
		for _, r := range rows {
			fmt.Fprintf(t, "  %s\t%s\t%s\n", line(r[0]), line(r[1]), line(r[2]))
		}
	}
	section("programs", programRows(d.Programs))
	section("\npayloads", payloadRows(d.Payloads))
	section("\nplugins", pluginRows(d.Plugins))
	section("\nkernel", kernelRows(d.Kernel))
	section("\nsandbox of plugins", sandboxRows(d.Sandbox))
	if err := t.Flush(); err != nil {
		return err
	}
	install := installCommands(d.Programs)
	if install == "" {
		return nil
	}
	_, err := io.WriteString(a.stdout, "\n"+styleOf(a.stdout).bad("to install what is missing:")+"\n"+printable(install)+"\n")
	return err
}
