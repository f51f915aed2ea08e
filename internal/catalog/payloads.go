package catalog

import (
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

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/core/payload"
	"github.com/ktstr/ktstr/extractors/plugin"
	"github.com/ktstr/ktstr/internal/nearest"
	"github.com/ktstr/ktstr/internal/text"
	"github.com/ktstr/ktstr/plugins"
)

// Payload is a payload that was found.
type Payload struct {
	payload.Payload
	// Program is executed in place of the payload's binary: a path and the first
	// arguments. It is nil unless the program is this executable itself.
	Program []string
}

// Broken is a payload file, or a directory of payload files, that cannot be read.
type Broken struct {
	Name string // the payload's name according to the file name; empty for a directory
	Path string
	Err  error
}

// Payload finds the payload that the user calls name. A name with a / in it is the
// path of a binary, whose payload has the check exit == 0 and the extractor json.
// Other names are searched in this order: payload files, stock payloads, payloads of
// plugins. The error about an unknown name gives the nearest known one.
func (c *Catalog) Payload(ctx context.Context, name string) (Payload, error) {
	if strings.Contains(name, "/") {
		return Payload{Payload: payload.Payload{
			Name:      nameOf(name),
			Summary:   "The binary " + strings.Join(strings.Fields(name), " "),
			Binary:    name,
			Extractor: "json",
			Checks:    []check.Check{check.ExitEquals(0)},
			Source:    "path",
		}}, nil
	}
	p, ok, err := c.named(ctx, name)
	switch {
	case err != nil:
		return Payload{}, err
	case !ok:
		return Payload{}, c.unknownPayload(name)
	}
	program, err := c.program(p)
	return Payload{p, program}, err
}

// nameOf turns a path into a payload's name, [a-z][a-z0-9-]*. For example
// ./My_Bench becomes my-bench.
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

// named returns the payload of that name. It reads no other payload, because a run
// must not wait for files that it does not need, and must not fail because of them.
func (c *Catalog) named(ctx context.Context, name string) (payload.Payload, bool, error) {
	if !payload.ValidName(name) {
		return payload.Payload{}, false, nil
	}
	for _, dir := range c.payloadDirs() {
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
	return c.ofPlugin(ctx, name)
}

// ofPlugin returns the payload of that name that a plugin brings. It starts a
// plugin whose description is not known, to ask for its payloads.
func (c *Catalog) ofPlugin(ctx context.Context, name string) (payload.Payload, bool, error) {
	extractors, err := c.unparsed()
	if err != nil {
		return payload.Payload{}, false, err
	}
	for _, x := range extractors {
		if x.value != nil || x.table != "" || x.Hidden != "" || name != x.Name && !strings.HasPrefix(name, x.Name+"-") {
			continue
		}
		if x.Err != nil {
			if x.Description == nil || brings(*x.Description, name) {
				return payload.Payload{}, false, x.Err
			}
			continue
		}
		if x.Description == nil {
			p, err := plugin.Start(ctx, *x.config)
			if err != nil {
				return payload.Payload{}, false, err
			}
			d := p.Describe()
			x.Description = &d
			p.Close()
		}
		for _, f := range x.Description.Payloads {
			if f.Name == name {
				p, err := FromPlugin(x.Name, f)
				return p, err == nil, err
			}
		}
	}
	return payload.Payload{}, false, nil
}

func brings(d ktstr.Description, name string) bool {
	return slices.ContainsFunc(d.Payloads, func(f ktstr.PayloadFile) bool { return f.Name == name })
}

// FromPlugin parses a payload that a plugin brings.
func FromPlugin(plugin string, f ktstr.PayloadFile) (payload.Payload, error) {
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

// program returns the command line of a payload whose program is this executable.
func (c *Catalog) program(p payload.Payload) ([]string, error) {
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
	return []string{self, c.StockProgram + p.Name}, nil
}

// Payloads returns every payload that can be run by name, and every payload file
// that cannot be read. A payload that another one of the same name replaces is left
// out, also where the file of the other one cannot be read.
func (c *Catalog) Payloads() ([]payload.Payload, []Broken, error) {
	var all []payload.Payload
	var broken []Broken
	seen := map[string]bool{}
	add := func(found []payload.Payload) {
		for _, p := range found {
			if !seen[p.Name] {
				seen[p.Name] = true
				all = append(all, p)
			}
		}
	}
	for i, dir := range c.payloadDirs() {
		asked := i < len(c.PayloadDirs)
		found, err := payload.LoadDir(dir)
		var path *fs.PathError
		var files payload.FileErrors
		switch {
		case errors.As(err, &files):
		case asked && errors.As(err, &path) && path.Path == dir:
			return nil, nil, noPayloadDir(dir, err)
		case asked && err != nil:
			return nil, nil, err
		case err != nil:
			broken = append(broken, Broken{"", dir, err})
		}
		add(found)
		for _, f := range files {
			name, yaml := strings.CutSuffix(filepath.Base(f.Path), ".yaml")
			name = strings.TrimSuffix(name, ".yml")
			if yaml && seen[name] {
				continue // an earlier directory has that payload
			}
			seen[name] = seen[name] || yaml
			broken = append(broken, Broken{name, f.Path, f.Err})
		}
	}
	stock, err := plugins.Payloads()
	if err != nil {
		return nil, nil, err
	}
	add(stock)
	ofPlugins, err := c.ofInstalledPlugins()
	if err != nil {
		return nil, nil, err
	}
	add(ofPlugins)
	return all, broken, nil
}

// ofInstalledPlugins returns the payloads of the installed plugins as the store
// describes them. It executes no plugin.
func (c *Catalog) ofInstalledPlugins() ([]payload.Payload, error) {
	extractors, err := c.unparsed()
	if err != nil {
		return nil, err
	}
	var all []payload.Payload
	for _, x := range extractors {
		if x.From != "installed" || x.Hidden != "" || x.Err != nil {
			continue
		}
		for _, f := range x.Description.Payloads {
			p, err := FromPlugin(x.Name, f)
			if err != nil { // written for another version of ktstr: the other payloads are good
				c.notice(err.Error())
				continue
			}
			all = append(all, p)
		}
	}
	return all, nil
}

// payloadDirs returns the directories of payload files, in the order of the search.
func (c *Catalog) payloadDirs() []string {
	dirs := slices.Clone(c.PayloadDirs)
	config, err := os.UserConfigDir()
	if err != nil || !filepath.IsAbs(config) { // many containers and services have no home directory
		return dirs
	}
	dir := filepath.Join(config, "ktstr", "payloads")
	if _, err := os.Stat(dir); err == nil {
		dirs = append(dirs, dir)
	}
	return dirs
}

// noPayloadDir is the error for a directory that was asked for and that the system
// refuses with err, a PathError.
func noPayloadDir(dir string, err error) error {
	return fmt.Errorf("--payload-dir %s: %w: want a directory with payload files", dir, errors.Unwrap(err))
}

// unknownPayload returns the error for a name that no payload has. It names the
// nearest payload, the file or the program that the user may mean, or the plugin
// that is missing.
func (c *Catalog) unknownPayload(name string) error {
	extractors, err := c.unparsed()
	if err != nil {
		return err
	}
	if err := c.missing(extractors, func(d ktstr.Description) bool { return d.Name == name || brings(d, name) }); err != nil {
		return fmt.Errorf("payload %q: %w", name, err)
	}
	all, broken, err := c.Payloads()
	if err != nil {
		return err
	}
	var names []string
	for _, p := range all {
		names = append(names, p.Name)
	}
	for _, b := range broken {
		if b.Name == name { // NAME.yml
			return b.Err
		}
		names = append(names, b.Name)
	}
	message := fmt.Sprintf("there is no payload %q.", name)
	if near := nearest.Of(name, names); near != "" {
		message += fmt.Sprintf(" Did you mean %s?", near)
	}
	if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
		return fmt.Errorf("%s To run the file of that name: ktstr run %s", message, shellescape.Quote("./"+name))
	}
	if path, err := exec.LookPath(name); err == nil {
		return fmt.Errorf("%s To run the program of that name: ktstr run %s", message, path)
	}
	if len(broken) > 0 {
		return fmt.Errorf("%s See ktstr payload list, which also shows %s that cannot be read", message, text.Count(len(broken), "payload file"))
	}
	return fmt.Errorf("%s See ktstr payload list", message)
}
