package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/extractors/plugin/store"
	"github.com/ktstr/ktstr/internal/series"
)

func (a *app) doctorCommand() *cobra.Command {
	var output format
	var install string
	i := installer{policy: policyFile}
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Show which payloads can run here, and how to install the rest",
		Long: `Show the programs that the payloads need and their versions, the payloads that are
ready to run, the plugins, and the features of the kernel that runs use. For each
missing program, print the command that installs it. doctor changes nothing.

--install NAME runs the command of one program, if it is apt-get install and you
confirm it. Debian starts the services of some packages. ktstr names the service,
holds it back, and ends what was started all the same.

Exit status: 0  every plugin starts and every payload file can be read
             2  a payload file cannot be read
             3  a plugin does not start, a ` + store.LockFile + ` names one that is not installed,
                or the program of --install was not installed
A program that is not installed does not change the exit status.`,
		Example: `  ktstr doctor
  ktstr doctor --install mbw`,
		Args: arguments(""),
		RunE: func(c *cobra.Command, _ []string) error {
			switch {
			case i.yes && install == "":
				return errors.New("--yes: want --install NAME with it")
			case install == "":
				return a.interruptibleDoctor(c.Context(), output)
			}
			i.stdin, i.stderr = a.stdin, a.stderr
			payloads, _, err := a.catalog(false).Payloads()
			if err != nil {
				return err
			}
			return i.install(listPrograms(payloads), install)
		},
	}
	outputFlag(c.Flags(), &output)
	c.Flags().StringVar(&install, "install", "", "install the program `NAME`, or the program of the payload NAME, with apt-get")
	c.Flags().BoolVar(&i.yes, "yes", false, "with --install: do not ask")
	return c
}

// interruptibleDoctor is doctor with an own message and exit status for Ctrl-C.
func (a *app) interruptibleDoctor(ctx context.Context, output format) error {
	stops := series.CatchStops()
	defer stops.Close()
	ctx, done := stops.Until(ctx)
	err := a.doctor(ctx, output)
	done()
	if stop := stops.Take(); stop != nil {
		return &exitError{core.ExitInterrupted, fmt.Errorf("%v: doctor was stopped", stop)}
	}
	return err
}

// diagnosis is the JSON of `doctor -o json`. Each field is a section with a file of its
// own, for example doctor_kernel.go.
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
	d.Programs = addReadPrograms(d.Programs)
	d.Kernel = examineKernel()
	if d.Sandbox, err = examineSandbox(ctx); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil { // else a program whose query was cancelled looks broken
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
