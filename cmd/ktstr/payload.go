package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"al.essio.dev/pkg/shellescape"
	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/core/payload"
	"github.com/ktstr/ktstr/extractors/plugin"
	"github.com/ktstr/ktstr/internal/nearest"
	"github.com/ktstr/ktstr/plugins"
	"github.com/ktstr/ktstr/spawn"
)

// payloadDirs are the directories of payload files, in the order in which they
// count: --payload-dir, then the user's, if it is there.
func (a *app) allPayloadDirs() ([]string, error) {
	dirs := slices.Clone(a.payloadDirs)
	dir, err := userPayloads()
	if err != nil { // no home, as in many containers and services: no files in it
		return dirs, nil
	}
	if _, err := os.Stat(dir); err == nil {
		dirs = append(dirs, dir)
	}
	return dirs, nil
}

// broken is a payload file that cannot be read, or a directory of such.
type broken struct {
	name string // by which it would be run; empty: of a directory
	path string
	err  error
}

// payloads returns all that can be run by name, shadowed ones left out, and the
// files that cannot be read: these shadow others as well.
func (a *app) payloads() ([]payload.Payload, []broken, error) {
	dirs, err := a.allPayloadDirs()
	if err != nil {
		return nil, nil, err
	}
	var all []payload.Payload
	var bad []broken
	seen := map[string]bool{}
	add := func(found []payload.Payload) {
		for _, p := range found {
			if !seen[p.Name] {
				seen[p.Name] = true
				all = append(all, p)
			}
		}
	}
	for i, dir := range dirs {
		found, err := payload.LoadDir(dir)
		var files payload.FileErrors
		switch {
		case errors.As(err, &files):
		case isPath(err, dir) && i < len(a.payloadDirs): // it was asked for
			return nil, nil, noPayloadDir(dir, err)
		case err != nil && i < len(a.payloadDirs):
			return nil, nil, err
		case err != nil:
			bad = append(bad, broken{"", dir, err})
		}
		add(found)
		for _, f := range files {
			name, yaml := strings.CutSuffix(filepath.Base(f.Path), ".yaml")
			name = strings.TrimSuffix(name, ".yml")
			if yaml && seen[name] {
				continue // an earlier directory has that payload
			}
			seen[name] = seen[name] || yaml
			bad = append(bad, broken{name, f.Path, f.Err})
		}
	}
	stocked, err := plugins.Payloads()
	if err != nil {
		return nil, nil, err
	}
	add(stocked)
	brought, err := a.pluginPayloads()
	if err != nil {
		return nil, nil, err
	}
	add(brought)
	return all, bad, nil
}

// noPayloadDir is the error for a --payload-dir that the system refuses with err,
// a PathError.
func noPayloadDir(dir string, err error) error {
	return fmt.Errorf("--payload-dir %s: %w: want a directory with payload files", dir, errors.Unwrap(err))
}

// namedPayload returns the payload of that name, reading no other: a run must
// neither wait for nor fail on files that it does not need.
func (a *app) namedPayload(ctx context.Context, name string) (payload.Payload, bool, error) {
	dirs, err := a.allPayloadDirs()
	if err != nil || !payload.ValidName(name) {
		return payload.Payload{}, false, err
	}
	for _, dir := range dirs {
		if _, err := os.Stat(dir); err != nil {
			return payload.Payload{}, false, noPayloadDir(dir, err)
		}
		p, err := payload.LoadFile(filepath.Join(dir, name+".yaml"))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		return p, err == nil, err
	}
	p, ok, err := plugins.Payload(name)
	if ok || err != nil {
		return p, ok, err
	}
	return a.pluginPayload(ctx, name)
}

// pluginPayloads returns the payloads that installed plugins bring, as the lock
// has them: nothing is executed.
func (a *app) pluginPayloads() ([]payload.Payload, error) {
	sources, err := a.sources()
	if err != nil {
		return nil, err
	}
	var all []payload.Payload
	for _, s := range sources {
		if s.From != "installed" || s.Hidden != "" || s.refused != nil {
			continue
		}
		for _, f := range s.description.Payloads {
			p, err := broughtBy(s.Name, f)
			if err != nil { // written for another ktstr; the other payloads are not concerned
				a.notice(false)(err.Error())
				continue
			}
			all = append(all, p)
		}
	}
	return all, nil
}

// pluginPayload returns the payload of that name that a plugin brings. A plugin
// whose description is not known has to be asked. The error of one that is refused
// says why.
func (a *app) pluginPayload(ctx context.Context, name string) (payload.Payload, bool, error) {
	sources, err := a.sources()
	if err != nil {
		return payload.Payload{}, false, err
	}
	for _, s := range sources {
		if s.value != nil || s.Hidden != "" || name != s.Name && !strings.HasPrefix(name, s.Name+"-") {
			continue
		}
		if s.refused != nil {
			if s.description == nil || slices.ContainsFunc(s.description.Payloads, func(f ktstr.PayloadFile) bool { return f.Name == name }) {
				return payload.Payload{}, false, s.refused
			}
			continue
		}
		if s.description == nil {
			x, err := plugin.Start(ctx, *s.config)
			if err != nil {
				return payload.Payload{}, false, err
			}
			d := x.Describe()
			s.description = &d
			x.Close()
		}
		for _, f := range s.description.Payloads {
			if f.Name == name {
				p, err := broughtBy(s.Name, f)
				return p, err == nil, err
			}
		}
	}
	return payload.Payload{}, false, nil
}

// broughtBy parses a payload that a plugin brings.
func broughtBy(plugin string, f ktstr.PayloadFile) (payload.Payload, error) {
	source := "plugin " + plugin
	p, err := payload.Parse(f.Name+".yaml", f.YAML)
	if err != nil {
		return p, fmt.Errorf("%s: %w", source, err)
	}
	if p.Binary == payload.Self {
		return p, fmt.Errorf("%s: payload %q runs ktstr itself, which only stock payloads may: want a binary", source, f.Name)
	}
	p.Source = source
	return p, nil
}

// userPayloads is $XDG_CONFIG_HOME/ktstr/payloads.
func userPayloads() (string, error) {
	dir, err := os.UserConfigDir()
	if err == nil && !filepath.IsAbs(dir) {
		err = fmt.Errorf("%s is not an absolute path", dir)
	}
	if err != nil {
		return "", fmt.Errorf("no place for payload files: %w", err)
	}
	return filepath.Join(dir, "ktstr", "payloads"), nil
}

// findPayload finds what to run: a path is a binary, anything else a name.
// program is set for benchmarks inside this executable.
func (a *app) findPayload(ctx context.Context, name string) (p payload.Payload, program []string, err error) {
	if strings.Contains(name, "/") {
		return payload.Payload{
			Name:      nameOf(name),
			Summary:   "The binary " + strings.Join(strings.Fields(name), " "),
			Binary:    name,
			Extractor: "json",
			Checks:    []check.Check{check.ExitEquals(0)},
			Source:    "path",
		}, nil, nil
	}
	p, ok, err := a.namedPayload(ctx, name)
	if err != nil {
		return p, nil, err
	}
	if ok {
		program, err := selfProgram(p)
		return p, program, err
	}
	sources, err := a.sources()
	if err != nil {
		return p, nil, err
	}
	if err := missingLocked(sources, func(d ktstr.Description) bool {
		return d.Name == name || slices.ContainsFunc(d.Payloads, func(f ktstr.PayloadFile) bool { return f.Name == name })
	}); err != nil {
		return p, nil, fmt.Errorf("payload %q: %w", name, err)
	}
	all, bad, err := a.payloads()
	if err != nil {
		return p, nil, err
	}
	var names []string
	for _, p := range all {
		names = append(names, p.Name)
	}
	for _, b := range bad {
		if b.name == name { // NAME.yml
			return p, nil, b.err
		}
		names = append(names, b.name)
	}
	text := fmt.Sprintf("payload %q: not known", name)
	if near := nearest.Of(name, names); near != "" {
		text += fmt.Sprintf(": did you mean %s?", near)
	}
	if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
		return p, nil, fmt.Errorf("%s; a path has a / in it, and the file is here: ktstr run %s", text, shellescape.Quote("./"+name))
	}
	if path, err := exec.LookPath(name); err == nil {
		return p, nil, fmt.Errorf("%s; to run the binary give its path: ktstr run %s", text, path)
	}
	if len(bad) > 0 {
		return p, nil, fmt.Errorf("%s; see ktstr payload list, also for %s that cannot be read", text, count(len(bad), "payload file"))
	}
	return p, nil, fmt.Errorf("%s; see ktstr payload list", text)
}

// nameOf makes a payload's name of a path: [a-z][a-z0-9-]*.
func nameOf(path string) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(filepath.Base(path)))
	if name = strings.TrimLeft(name, "-0123456789"); name == "" {
		return "binary"
	}
	return name
}

// selfProgram is what is executed for a payload inside this executable: the
// hidden command of the payload's name. It is nil for all others.
func selfProgram(p payload.Payload) ([]string, error) {
	if p.Binary != payload.Self {
		return nil, nil
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("payload %s: this executable cannot be found: %w", p.Name, err)
	}
	if p.Source != plugins.Source {
		return []string{self}, nil
	}
	return []string{self, "_" + p.Name}, nil
}

func (a *app) payloadCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "payload",
		Short: "List and show what can be run",
	}
	group(c)
	var list, show format
	listCommand := &cobra.Command{
		Use:   "list",
		Short: "List the payloads, and where each comes from",
		Long: `List the payloads, and where each comes from. The exit status is 2 when a payload
file cannot be read; its row says why.`,
		Args: arguments(""),
		RunE: func(*cobra.Command, []string) error {
			return a.listPayloads(list)
		},
	}
	outputFlag(listCommand.Flags(), &list)
	showCommand := &cobra.Command{
		Use:               "show PAYLOAD",
		Short:             "Show what a payload measures, runs and checks",
		Args:              arguments("a PAYLOAD of ktstr payload list"),
		ValidArgsFunction: a.completePayloads,
		RunE: func(c *cobra.Command, args []string) error {
			return a.showPayload(c.Context(), args[0], show)
		},
	}
	outputFlag(showCommand.Flags(), &show)
	c.AddCommand(listCommand, showCommand)
	return c
}

// listed is one row of `payload list -o json`.
type listed struct {
	Name      string `json:"name"`
	Summary   string `json:"summary"`
	Binary    string `json:"binary"`
	Extractor string `json:"extractor"`
	Source    string `json:"source"`
	Problem   string `json:"problem,omitempty"` // why the file cannot be read; only Name and Source are known then
}

func (a *app) listPayloads(f format) error {
	all, bad, err := a.payloads()
	if err != nil {
		return err
	}
	rows := make([]listed, 0, len(all)+len(bad))
	for _, p := range all {
		rows = append(rows, listed{Name: p.Name, Summary: p.Summary, Binary: p.Binary, Extractor: cmp.Or(p.Extractor, "json"), Source: p.Source})
	}
	for _, b := range bad {
		rows = append(rows, listed{Name: b.name, Source: b.path, Problem: b.err.Error()})
	}
	if f == formatJSON {
		err = a.printJSON(rows)
	} else {
		t := tableTo(a.stdout)
		for _, r := range rows {
			text := firstSentence(r.Summary)
			if r.Problem != "" {
				text = "not ready: " + r.Problem
			}
			fmt.Fprintf(t, "%s\t%s\t%s\n", line(cmp.Or(r.Name, "-")), line(r.Source), line(text))
		}
		err = t.Flush()
	}
	if err == nil && len(bad) > 0 {
		return ending(core.ExitUsage)
	}
	return err
}

func firstSentence(text string) string {
	if i := strings.Index(text, ". "); i >= 0 {
		return text[:i+1]
	}
	return text
}

func (a *app) showPayload(ctx context.Context, name string, f format) error {
	p, _, err := a.findPayload(ctx, name)
	if err != nil {
		return err
	}
	text, err := p.MarshalYAML()
	if err != nil {
		return err
	}
	if f == formatJSON {
		document, err := yaml.YAMLToJSON(text)
		if err != nil {
			return err
		}
		return a.writeJSON(document)
	}
	fmt.Fprintf(a.stdout, "# from %s\n%s", printable(p.Source), printable(string(text)))
	return nil
}

// withInstall adds how to get a binary that is not there.
func withInstall(p payload.Payload, err error) error {
	var start *spawn.StartError
	if install := p.Install(); install != "" && errors.As(err, &start) && start.Reason == spawn.NotFound {
		return fmt.Errorf("%w; this installs it: %s", err, install)
	}
	return err
}
