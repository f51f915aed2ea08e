package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/payload"
	"github.com/ktstr/ktstr/extractors/plugin"
	"github.com/ktstr/ktstr/internal/series"
	"github.com/ktstr/ktstr/spawn"
)

// diagnosis is what `doctor -o json` prints.
type diagnosis struct {
	Programs []program `json:"programs"`
	Payloads []ability `json:"payloads"`
	Plugins  []health  `json:"plugins"`
	// Kernel is what it gives to runs here.
	Kernel []feature `json:"kernel"`
	// Sandbox is what the kernel gives for foreign plugins here.
	Sandbox []core.Measure `json:"sandbox"`
}

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

func (a *app) doctor(ctx context.Context, output format) error {
	all, bad, err := a.catalog(false).Payloads()
	if err != nil {
		return err
	}
	var d diagnosis
	sources, err := a.catalog(false).Extractors()
	if err != nil {
		return err
	}
	sick := false
	fails := map[string]string{} // by the extractor's name: why it cannot be used; empty: it can
	for _, s := range sources {
		if s.Hidden != "" {
			continue
		}
		h := health{Name: s.Name, From: s.From}
		x, err := a.catalog(false).Start(ctx, s.Name)
		if err != nil {
			h.Error, sick = err.Error(), true
		} else {
			h.Version = x.Describe().Version
			if x.Plugin != nil {
				h.Sandbox = x.Plugin.Sandbox
			}
			x.Close()
		}
		d.Plugins = append(d.Plugins, h)
		fails[s.Name] = h.Error
	}
	var prober core.Prober
	ask := func(need payload.Need, help bool) (payload.Found, error) { return prober.Ask(ctx, need, help) }
	for _, p := range all {
		able := d.examine(p, ask)
		name := cmp.Or(p.Extractor, "json")
		if fault, found := fails[name]; able.Ready && !found {
			able.Ready, able.Problem = false, fmt.Sprintf("extractor %s is not installed", name)
		} else if able.Ready && fault != "" {
			able.Ready, able.Problem = false, fmt.Sprintf("extractor %s does not start", name)
		}
		if !able.Ready {
			able.Note = ""
		}
		d.Payloads = append(d.Payloads, able)
	}
	for _, b := range bad {
		d.Payloads = append(d.Payloads, ability{Name: b.Name, Problem: b.Err.Error()})
	}
	for _, f := range spawn.Features() {
		d.Kernel = append(d.Kernel, feature{f.Name, f.Present, f.Detail, f.Consequence})
	}
	report, err := plugin.Probe(ctx, []string{hiddenLaunch})
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil { // what could not be asked any more must not look sick
		return err
	}
	for _, m := range report {
		d.Sandbox = append(d.Sandbox, core.Measure(m))
	}
	if output == formatJSON {
		err = a.printJSON(d)
	} else {
		err = a.printDiagnosis(d)
	}
	switch {
	case err != nil:
		return err
	case sick:
		return ending(core.ExitRun)
	case len(bad) > 0:
		return ending(core.ExitUsage)
	}
	return nil
}

func (a *app) printDiagnosis(d diagnosis) error {
	s := styleOf(a.stdout)
	t := tableTo(a.stdout)
	mark := func(ok bool) string {
		if ok {
			return "ok"
		}
		return "missing"
	}
	fmt.Fprintln(t, "programs")
	for _, p := range d.Programs {
		fmt.Fprintf(t, "  %s\t%s\t%s\n", line(p.Name), mark(p.Path != ""), line(strings.TrimSpace(p.Path+" "+p.Version)))
	}
	fmt.Fprintln(t, "\npayloads")
	for _, p := range d.Payloads {
		state := "ready"
		if !p.Ready {
			state = "not ready"
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\n", line(cmp.Or(p.Name, "-")), state, line(p.Problem+p.Note))
	}
	fmt.Fprintln(t, "\nplugins")
	for _, p := range d.Plugins {
		state := "starts"
		if p.Error != "" {
			state = "fails"
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\n", line(p.Name), state, line(strings.TrimSpace(p.From+" "+p.Error)))
	}
	fmt.Fprintln(t, "\nkernel")
	for _, f := range d.Kernel {
		state, text := "present", f.Detail
		if !f.Present {
			state, text = "absent", f.Consequence+" ("+f.Detail+")"
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\n", printable(f.Name), state, printable(text))
	}
	fmt.Fprintln(t, "\nsandbox of plugins")
	for _, m := range d.Sandbox {
		state := "enforced"
		if !m.Enforced {
			state = "not enforced"
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\n", line(m.Name), state, line(m.Detail))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	var install []string
	for _, p := range d.Programs {
		if p.Path == "" && p.Install != "" {
			install = append(install, "  "+p.Install)
		}
	}
	if len(install) == 0 {
		return nil
	}
	_, err := fmt.Fprintf(a.stdout, "\n%s\n%s\n", s.bad("to install what is missing:"), printable(strings.Join(install, "\n")))
	return errors.Join(err)
}

// program is a payload's binary on this host.
type program struct {
	Name     string   `json:"name"`
	Path     string   `json:"path"`    // empty: not installed
	Version  string   `json:"version"` // empty: it does not tell
	Payloads []string `json:"payloads"`
	Install  string   `json:"install,omitempty"`
}

// ability is what a payload can do here.
type ability struct {
	Name    string `json:"name"`
	Ready   bool   `json:"ready"`
	Problem string `json:"problem,omitempty"` // why it is not ready
	Note    string `json:"note,omitempty"`    // how it differs with the installed version
}

// health is whether an extractor can be started.
type health struct {
	Name    string `json:"name"`
	From    string `json:"from"`
	Version string `json:"version,omitempty"`
	Error   string `json:"error,omitempty"`
	// Sandbox is what a plugin was kept in here; none for one that is built in.
	Sandbox []core.Measure `json:"sandbox,omitempty"`
}

// feature is something that the kernel may or may not offer to runs.
type feature struct {
	Name        string `json:"name"`
	Present     bool   `json:"present"`
	Detail      string `json:"detail"`
	Consequence string `json:"consequence,omitempty"` // of its absence
}

// examine says what p can do here, and notes the programs that it needs.
func (d *diagnosis) examine(p payload.Payload, ask func(need payload.Need, help bool) (payload.Found, error)) ability {
	able := ability{Name: p.Name, Ready: true}
	needs := p.Needs
	if len(needs) == 0 && p.Binary != payload.Self {
		needs = []payload.Need{{Binary: p.Binary}}
	}
	for i, need := range needs {
		found, err := ask(need, i == 0 && p.AsksHelp())
		path, _ := exec.LookPath(need.Binary)
		at := slices.IndexFunc(d.Programs, func(known program) bool { return known.Name == need.Binary })
		if at < 0 {
			at = len(d.Programs)
			d.Programs = append(d.Programs, program{Name: need.Binary, Path: path, Version: found.Version, Install: need.Install})
		}
		known := &d.Programs[at]
		known.Payloads = append(known.Payloads, p.Name)
		if known.Install == "" {
			known.Install = need.Install
		}
		if err == nil && i == 0 {
			_, able.Note, err = payload.Resolve(p, found)
		} else if err == nil {
			err = need.Enough(found.Version)
		}
		var start *spawn.StartError
		if errors.As(err, &start) && start.Reason == spawn.NotFound {
			err = fmt.Errorf("%s is not installed", need.Binary)
		}
		if err != nil && able.Ready {
			able.Ready, able.Problem = false, err.Error()
		}
	}
	return able
}
