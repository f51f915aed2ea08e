package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/extractors/plugin"
	"github.com/ktstr/ktstr/extractors/plugin/store"
	"github.com/ktstr/ktstr/extractors/plugin/verify"
	"github.com/ktstr/ktstr/internal/nearest"
	"github.com/ktstr/ktstr/plugins"
	"github.com/ktstr/ktstr/plugins/noise"
	"github.com/ktstr/ktstr/sdk"
	"github.com/ktstr/ktstr/spawn"
)

// Names of the commands that this executable runs itself as. They stand
// before the flags of a person, so they are looked at first, and cheaply.
const (
	hiddenPlugin = "_plugin"
	hiddenNoise  = "_noise"
	hiddenLaunch = "_launch"      // puts a plugin into the sandbox
	hiddenHost   = "_verify-host" // a host that a check kills
)

// hidden runs the command of that name, if it is one.
func hidden(args []string, _ io.Reader, stdout, stderr io.Writer) (status int, ok bool) {
	if len(args) == 0 {
		return 0, false
	}
	switch args[0] {
	case hiddenNoise:
		return noise.Main(args[1:], stdout, stderr), true
	case hiddenLaunch:
		return plugin.LauncherMain(args[1:]), true
	case hiddenWatch:
		spawn.WatcherMain()
	case hiddenHost:
		return verify.Host(args[1:]), true
	case hiddenPlugin:
		if len(args) == 2 {
			for _, x := range plugins.Plugins() {
				if x.Describe().Name == args[1] {
					sdk.Serve(x)
				}
			}
		}
		fmt.Fprintf(stderr, "ktstr: %s: want the name of a stock plugin\n", strings.Join(args, " "))
		return 2, true
	}
	return 0, false
}

// source is where an extractor of a name is found.
type source struct {
	Name    string `json:"name"`
	From    string `json:"from"`              // built in, bundled, installed, --plugin or KTSTR_PLUGIN_PATH
	Version string `json:"version,omitempty"` // empty: only executing it would tell
	Path    string `json:"path,omitempty"`    // of the executable
	SHA256  string `json:"sha256,omitempty"`  // that it must have
	Hidden  string `json:"hidden,omitempty"`  // where one of the same name is that counts instead
	Problem string `json:"problem,omitempty"` // why it is refused

	lock        string          // the project's lock that it must be in; empty: none, or not concerned
	passed      []string        // locks above that do not count, and why
	config      *plugin.Config  // nil: built in
	value       ktstr.Extractor // set where it is in this executable
	description *ktstr.Description
	refused     error
}

// search is where plugins are looked for that are not part of this executable.
func (a *app) search() (store.Search, error) {
	var s store.Search
	for _, pair := range a.plugins {
		name, path, ok := strings.Cut(pair, "=")
		if !ok || name == "" || path == "" {
			return s, fmt.Errorf("--plugin %s: want NAME=PATH", pair)
		}
		path, err := filepath.Abs(path)
		if err != nil {
			return s, err
		}
		if slices.ContainsFunc(s.Named, func(c plugin.Config) bool { return c.Name == name }) {
			return s, fmt.Errorf("--plugin %s: a second one of that name: want one", pair)
		}
		s.Named = append(s.Named, plugin.Config{Name: name, Path: path})
	}
	s.Path = os.Getenv("KTSTR_PLUGIN_PATH")
	// Without a home, as in many containers and services, nothing is installed.
	s.Store, _ = store.DefaultStore()
	return s, nil
}

// sources returns all extractors that can be found, in the order of the
// search: the first of a name counts. None is executed.
func (a *app) sources() ([]source, error) {
	search, err := a.search()
	if err != nil {
		return nil, err
	}
	candidates, err := search.Candidates()
	if err != nil {
		return nil, err
	}
	lock := store.FindLock(".")
	var all []source
	add := func(from string) {
		for _, c := range candidates {
			if (c.From == "--plugin") != (from == "--plugin") {
				continue
			}
			c.Config.Launcher = []string{hiddenLaunch}
			s := source{Name: c.Config.Name, From: c.From, Path: c.Config.Path, config: &c.Config, description: c.Description, refused: c.Err, lock: lock.Path, passed: lock.Ignored}
			if s.refused == nil && s.lock != "" {
				s.refused = store.Restrict(s.config, s.lock)
			}
			if s.refused != nil {
				s.Problem = s.refused.Error()
			}
			if s.description != nil {
				s.Version = s.description.Version
			}
			s.SHA256 = s.config.SHA256
			all = append(all, s)
		}
	}
	add("--plugin")
	for _, x := range plugins.BuiltIn() {
		d := x.Describe()
		all = append(all, source{Name: d.Name, From: "built in", Version: d.Version, value: x, description: &d})
	}
	add("")
	for _, x := range plugins.Plugins() {
		d := x.Describe()
		all = append(all, source{
			Name: d.Name, From: "bundled", Version: d.Version, value: x, description: &d,
			config: &plugin.Config{Name: d.Name, Self: []string{hiddenPlugin, d.Name}},
		})
	}
	first := map[string]string{}
	for i, s := range all {
		if where, ok := first[s.Name]; ok {
			all[i].Hidden = where
		} else {
			first[s.Name] = strings.TrimSpace(s.From + " " + s.Path)
		}
	}
	return all, nil
}

func (a *app) findExtractor(name string) (source, error) {
	all, err := a.sources()
	if err != nil {
		return source{}, err
	}
	var names []string
	for _, s := range all {
		if s.Name == name {
			return s, nil
		}
		if s.Hidden == "" {
			names = append(names, s.Name)
		}
	}
	if err := missingLocked(all, func(d ktstr.Description) bool { return d.Name == name }); err != nil {
		return source{}, fmt.Errorf("extractor %q: %w", name, err)
	}
	text := fmt.Sprintf("extractor %q: not known", name)
	if near := nearest.Of(name, names); near != "" {
		text += fmt.Sprintf(": did you mean %s?", near)
	}
	return source{}, &unknownExtractor{fmt.Sprintf("%s; there are %s; a plugin of your own is installed by `ktstr plugin install FILE`, or named by --plugin NAME=PATH", text, strings.Join(names, ", "))}
}

// unknownExtractor says that there is no extractor of a name.
type unknownExtractor struct{ text string }

func (e *unknownExtractor) Error() string { return e.text }

// missingLocked says that the project's lock names a plugin that is meant, but
// that is none of all. Nil: it names none.
func missingLocked(all []source, meant func(ktstr.Description) bool) error {
	found := store.FindLock(".")
	if found.Path == "" {
		return nil
	}
	lock, err := store.ReadLock(found.Path)
	if err != nil {
		return err
	}
	for _, p := range lock.Plugins {
		d := p.Description
		if !meant(d) || slices.ContainsFunc(all, func(s source) bool { return s.Name == d.Name }) {
			continue
		}
		build := "no build for " + store.Platform
		if hash := p.SHA256[store.Platform]; hash != "" {
			build = "sha256 " + hash
		}
		return fmt.Errorf("%s names plugin %s %s (%s), which is not installed here: get that file and run `ktstr plugin install FILE`", found.Path, d.Name, line(d.Version), build)
	}
	return nil
}

// startExtractor finds and starts an extractor, so that one that cannot be
// started is told before a payload runs. The caller calls done at the end.
// used is what a record says of it; nil for one that is built in.
func (a *app) startExtractor(ctx context.Context, name string) (x ktstr.Extractor, used *core.Plugin, done func(), err error) {
	s, err := a.findExtractor(name)
	if err != nil {
		return nil, nil, nil, err
	}
	if s.refused != nil {
		return nil, nil, nil, s.refused
	}
	if s.config == nil {
		return s.value, nil, func() {}, nil
	}
	locked := s.config.Self != nil || s.config.SHA256 != ""
	for _, text := range s.passed {
		a.notice(false)(text)
	}
	switch {
	case !locked:
		a.notice(false)(fmt.Sprintf("plugin %s: %s is used unlocked", name, s.Path))
	case filepath.IsAbs(s.lock):
		a.notice(false)(fmt.Sprintf("plugin %s: %s, above the working directory, is the lock that counts here", name, s.lock))
	}
	p, err := plugin.Start(ctx, *s.config)
	if err != nil {
		return nil, nil, nil, err
	}
	if s.lock != "" {
		if s.lock, err = filepath.Abs(s.lock); err != nil {
			p.Close()
			return nil, nil, nil, err
		}
	}
	used = &core.Plugin{From: s.From, Path: s.Path, Locked: locked, Lock: s.lock, Sandbox: []core.Measure{}}
	if used.SHA256, err = p.SHA256(); err != nil {
		p.Close()
		return nil, nil, nil, err
	}
	for _, m := range p.Sandbox() {
		used.Sandbox = append(used.Sandbox, core.Measure(m))
	}
	return p, used, func() { p.Close() }, nil
}

func (a *app) completeExtractors(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	all, err := a.sources()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	var names []string
	for _, s := range all {
		if s.Hidden == "" {
			names = append(names, s.Name)
		}
	}
	return names, cobra.ShellCompDirectiveDefault
}

func (a *app) completePayloads(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	all, _, err := a.payloads()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	var names []string
	for _, p := range all {
		names = append(names, p.Name)
	}
	return names, cobra.ShellCompDirectiveDefault
}
