package catalog

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/payload"
	"github.com/ktstr/ktstr/extractors/lines"
	"github.com/ktstr/ktstr/extractors/plugin"
	"github.com/ktstr/ktstr/extractors/plugin/store"
	"github.com/ktstr/ktstr/internal/nearest"
	"github.com/ktstr/ktstr/internal/text"
	"github.com/ktstr/ktstr/plugins"
)

// Extractor is an extractor that was found and not started.
type Extractor struct {
	Name    string `json:"name"`
	From    string `json:"from"`              // "built in", "bundled", "installed", "--plugin" or "KTSTR_PLUGIN_PATH"
	Version string `json:"version,omitempty"` // empty: unknown until the plugin is started
	Summary string `json:"summary,omitempty"` // the description's; empty: unknown, or there is none
	Path    string `json:"path,omitempty"`    // of the executable; empty: inside ktstr
	SHA256  string `json:"sha256,omitempty"`  // that the executable must have; empty: any
	Hidden  string `json:"hidden,omitempty"`  // the place of the extractor of the same name that is used instead
	Problem string `json:"problem,omitempty"` // Err as text

	Err         error              `json:"-"` // the reason if the plugin is refused
	Description *ktstr.Description `json:"-"` // nil: unknown until the plugin is started

	table   string          // the name of a stock table that is not parsed yet
	value   ktstr.Extractor // the extractor in this process; nil: a foreign plugin
	config  *plugin.Config  // of a plugin; nil: built in
	lock    string          // the ktstr.lock that must name the plugin; empty: none
	ignored []string        // messages about locks that are ignored, for example because other users can write them
}

// Interface returns the protocol between ktstr and the plugin. It is empty for a built-in
// extractor and for a plugin that was not started yet.
func (x Extractor) Interface() plugin.Interface {
	if x.config == nil {
		return ""
	}
	return x.config.Interface
}

// Extractors returns every extractor that can be found, in the order of the search:
// --plugin, built in, installed, KTSTR_PLUGIN_PATH, bundled. The first one of a name
// is used. Extractors executes none of them.
func (c *Catalog) Extractors() ([]Extractor, error) {
	all, err := c.unparsed()
	for i := range all {
		all[i].parse()
		if d := all[i].Description; d != nil {
			all[i].Summary = d.Summary
		}
	}
	return all, err
}

// parse parses a stock table.
func (x *Extractor) parse() {
	if p, ok := plugins.Table(x.table); ok {
		d := p.Describe()
		x.table, x.value, x.Version, x.Description = "", p, d.Version, &d
	}
}

// unparsed returns what Extractors does, but parses no stock table: a command that needs
// one extractor must not wait for the others.
func (c *Catalog) unparsed() ([]Extractor, error) {
	search, err := c.search()
	if err != nil {
		return nil, err
	}
	candidates, err := search.Candidates()
	if err != nil {
		return nil, err
	}
	lock := c.findLock()
	var named, found []Extractor
	for _, candidate := range candidates {
		candidate.Config.Launcher = c.Launch
		x := Extractor{
			Name: candidate.Config.Name, From: candidate.From, Path: candidate.Config.Path, Description: candidate.Description, Err: candidate.Err,
			config: &candidate.Config, lock: lock.Path, ignored: lock.Ignored,
		}
		if x.Err == nil && x.lock != "" {
			x.Err = store.Restrict(x.config, x.lock)
		}
		if x.Err != nil {
			x.Problem = x.Err.Error()
		}
		if x.Description != nil {
			x.Version = x.Description.Version
		}
		x.SHA256 = x.config.SHA256
		if x.From == "--plugin" {
			named = append(named, x)
		} else {
			found = append(found, x)
		}
	}
	all := named
	for _, value := range plugins.BuiltIn() {
		d := value.Describe()
		all = append(all, Extractor{Name: d.Name, From: "built in", Version: d.Version, Description: &d, value: value})
	}
	all = append(all, found...)
	for _, value := range plugins.Plugins() {
		d := value.Describe()
		config := &plugin.Config{Name: d.Name, Self: append(slices.Clone(c.ServeStock), d.Name)}
		all = append(all, Extractor{Name: d.Name, From: "bundled", Version: d.Version, Description: &d, value: value, config: config})
	}
	for _, value := range plugins.Parsers() {
		d := value.Describe()
		all = append(all, Extractor{Name: d.Name, From: "bundled", Version: d.Version, Description: &d, value: value})
	}
	for _, name := range plugins.Tables() {
		all = append(all, Extractor{Name: name, From: "bundled", table: name})
	}
	first := map[string]string{}
	for i, x := range all {
		if where, ok := first[x.Name]; ok {
			all[i].Hidden = where
		} else {
			first[x.Name] = strings.TrimSpace(x.From + " " + x.Path)
		}
		if x.config != nil {
			x.config.Log = c.Log
		}
	}
	return all, nil
}

// findLock returns the lock that counts.
func (c *Catalog) findLock() store.Found {
	if c.Lock != "" {
		return store.Found{Path: c.Lock}
	}
	return store.FindLock(".")
}

// search returns the places of plugins that are not part of this executable.
func (c *Catalog) search() (store.Search, error) {
	var s store.Search
	for _, pair := range c.Plugins {
		name, path, ok := strings.Cut(pair, "=")
		if !ok || name == "" || path == "" {
			return s, fmt.Errorf("--plugin %s: want NAME=PATH", pair)
		}
		path, err := filepath.Abs(path)
		if err != nil {
			return s, err
		}
		if slices.ContainsFunc(s.Named, func(c plugin.Config) bool { return c.Name == name }) {
			return s, fmt.Errorf("--plugin %s: there is another --plugin of that name: want one", pair)
		}
		s.Named = append(s.Named, plugin.Config{Name: name, Path: path})
	}
	s.Path = os.Getenv("KTSTR_PLUGIN_PATH")
	// Without a home directory, as in many containers and services, nothing is
	// installed.
	s.Store, _ = store.DefaultStore()
	return s, nil
}

// Extractor finds the extractor of that name. If no extractor has the name, the error
// is an *UnknownError.
func (c *Catalog) Extractor(name string) (Extractor, error) {
	all, err := c.unparsed()
	if err != nil {
		return Extractor{}, err
	}
	var names []string
	for _, x := range all {
		if x.Name == name {
			x.parse()
			return x, nil
		}
		if x.Hidden == "" {
			names = append(names, x.Name)
		}
	}
	if err := c.missing(all, func(d ktstr.Description) bool { return d.Name == name }); err != nil {
		return Extractor{}, fmt.Errorf("extractor %q: %w", name, err)
	}
	return Extractor{}, &UnknownError{name, names}
}

// UnknownError is the error for a name that no extractor has.
type UnknownError struct {
	Name  string
	Known []string
}

func (e *UnknownError) Error() string {
	if near := nearest.Of(e.Name, e.Known); near != "" {
		return fmt.Sprintf("there is no extractor %q. Did you mean %s?", e.Name, near)
	}
	return fmt.Sprintf("there is no extractor %q: want one of %s, or a plugin: ktstr plugin install FILE, or --plugin NAME=PATH", e.Name, strings.Join(e.Known, ", "))
}

// Missing is a plugin that a ktstr.lock names and that is not installed.
type Missing struct {
	ktstr.Description
	Lock   string // path of the ktstr.lock
	SHA256 string // of the plugin's executable; empty: the lock has none for this platform
}

func (m Missing) Error() string {
	build := "no build for " + store.Platform
	if m.SHA256 != "" {
		build = "sha256 " + m.SHA256
	}
	return fmt.Sprintf("%s names plugin %s %s (%s), which is not installed: get the file and run: ktstr plugin install FILE", m.Lock, m.Name, text.Line(m.Version), build)
}

// Missing returns the plugins that are not installed although the ktstr.lock of the
// working directory names them. all are the extractors that were found.
func (c *Catalog) Missing(all []Extractor) ([]Missing, error) {
	found := c.findLock()
	if found.Path == "" {
		return nil, nil
	}
	lock, err := store.ReadLock(found.Path)
	if err != nil {
		return nil, err
	}
	var missing []Missing
	for _, p := range lock.Plugins {
		if !slices.ContainsFunc(all, func(x Extractor) bool { return x.Name == p.Description.Name }) {
			missing = append(missing, Missing{p.Description, found.Path, p.SHA256[store.Platform]})
		}
	}
	return missing, nil
}

// missing returns an error if a plugin for which meant is true is Missing.
func (c *Catalog) missing(all []Extractor, meant func(ktstr.Description) bool) error {
	missing, err := c.Missing(all)
	for _, m := range missing {
		if meant(m.Description) {
			return m
		}
	}
	return err
}

// Started is an extractor that is ready to extract. The caller closes it.
type Started struct {
	ktstr.Extractor
	Plugin *core.Plugin // for the record of a run; nil: built in

	process *plugin.Plugin // nil: built in
}

// Interface returns the protocol between ktstr and the plugin. It is empty for a
// built-in extractor.
func (s Started) Interface() plugin.Interface {
	if s.process == nil {
		return ""
	}
	return s.process.Interface()
}

// Close stops the plugin's process. A built-in extractor has none.
func (s Started) Close() {
	if s.process != nil {
		s.process.Close()
	}
}

// Start finds the extractor of that name and starts it, so that an extractor that
// cannot start is an error before a payload runs.
func (c *Catalog) Start(ctx context.Context, name string) (Started, error) {
	x, err := c.Extractor(name)
	if err != nil {
		return Started{}, err
	}
	if x.Err != nil {
		return Started{}, x.Err
	}
	if x.config == nil {
		return Started{Extractor: x.value}, nil
	}
	locked := x.config.Self != nil || x.config.SHA256 != ""
	for _, text := range x.ignored {
		c.notice(text)
	}
	switch {
	case !locked:
		c.notice(fmt.Sprintf("plugin %s (%s) is not in a %s", name, x.Path, store.LockFile))
	case filepath.IsAbs(x.lock) && c.Lock == "":
		c.notice(fmt.Sprintf("plugin %s: its lock is %s, above the working directory", name, x.lock))
	}
	if x.lock != "" {
		if x.lock, err = filepath.Abs(x.lock); err != nil {
			return Started{}, err
		}
	}
	process, err := plugin.Start(ctx, *x.config)
	if err != nil {
		return Started{}, err
	}
	record := &core.Plugin{From: x.From, Path: x.Path, Locked: locked, Lock: x.lock, Sandbox: []core.Measure{}}
	if record.SHA256, err = process.SHA256(); err != nil {
		process.Close()
		return Started{}, err
	}
	for _, m := range process.Sandbox() {
		record.Sandbox = append(record.Sandbox, core.Measure(m))
	}
	return Started{Extractor: process, Plugin: record, process: process}, nil
}

// StartOf starts the extractor of a payload. If that is the extractor lines, it reads
// the table of the payload.
func (c *Catalog) StartOf(ctx context.Context, p payload.Payload) (Started, error) {
	if p.Extractor != lines.Name {
		return c.Start(ctx, p.Extractor)
	}
	if len(p.Table.Lines) == 0 {
		return Started{}, lines.ErrNoTable
	}
	x, err := p.Table.Compile(lines.Extractor().Describe())
	return Started{Extractor: x}, err
}

// Pool starts each extractor at most once. The zero value needs a Catalog. The
// caller closes it.
type Pool struct {
	Catalog *Catalog
	started map[string]attempt
}

type attempt struct {
	Started
	err error
}

// Start returns the extractor of that name. A second call for the same name returns
// the result of the first call.
func (p *Pool) Start(ctx context.Context, name string) (Started, error) {
	a, ok := p.started[name]
	if !ok {
		a.Started, a.err = p.Catalog.Start(ctx, name)
		if p.started == nil {
			p.started = map[string]attempt{}
		}
		p.started[name] = a
	}
	return a.Started, a.err
}

// StartOf starts the extractor of a payload as Catalog.StartOf does, but a plugin at
// most once.
func (p *Pool) StartOf(ctx context.Context, of payload.Payload) (Started, error) {
	if of.Extractor == lines.Name {
		return p.Catalog.StartOf(ctx, of)
	}
	return p.Start(ctx, of.Extractor)
}

// Close stops every extractor that p started.
func (p *Pool) Close() {
	for _, a := range p.started {
		if a.err == nil {
			a.Close()
		}
	}
}
