package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/extractors/external"
	"github.com/ktstr/ktstr/internal/nearest"
	"github.com/ktstr/ktstr/internal/noise"
	"github.com/ktstr/ktstr/sdk"
	"github.com/ktstr/ktstr/stock"
)

// Names of the commands that this executable runs itself as. They stand
// before the flags of a person, so they are looked at first, and cheaply.
const (
	hiddenPlugin = "_plugin"
	hiddenNoise  = "_noise"
)

// hidden runs the command of that name, if it is one.
func hidden(args []string, _ io.Reader, stdout, stderr io.Writer) (status int, ok bool) {
	if len(args) == 0 {
		return 0, false
	}
	switch args[0] {
	case hiddenNoise:
		return noise.Main(args[1:], stdout, stderr), true
	case hiddenPlugin:
		if len(args) == 2 {
			for _, x := range stock.Plugins() {
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
	Name   string           `json:"name"`
	From   string           `json:"from"`           // built in, bundled, or --plugin
	Path   string           `json:"path,omitempty"` // of the executable
	config *external.Config // nil: built in
	value  ktstr.Extractor  // set where it is known without starting it
}

// sources returns all extractors that can be found, in the order of the
// search: the first of a name counts.
func (a *app) sources() ([]source, error) {
	var all []source
	for _, pair := range a.plugins {
		name, path, ok := strings.Cut(pair, "=")
		if !ok || name == "" || path == "" {
			return nil, fmt.Errorf("--plugin %s: want NAME=PATH", pair)
		}
		path, err := filepath.Abs(path)
		if err != nil {
			return nil, err
		}
		all = append(all, source{Name: name, From: "--plugin", Path: path, config: &external.Config{Name: name, Path: path}})
	}
	for _, x := range stock.BuiltIn() {
		all = append(all, source{Name: x.Describe().Name, From: "built in", value: x})
	}
	for _, x := range stock.Plugins() {
		name := x.Describe().Name
		all = append(all, source{Name: name, From: "bundled", value: x, config: &external.Config{Name: name, Self: []string{hiddenPlugin, name}}})
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
		names = append(names, s.Name)
	}
	text := fmt.Sprintf("extractor %q: not known", name)
	if near := nearest.Of(name, names); near != "" {
		text += fmt.Sprintf(": did you mean %s?", near)
	}
	return source{}, fmt.Errorf("%s; there are %s; a plugin of your own is named by --plugin NAME=PATH", text, strings.Join(names, ", "))
}

// startExtractor finds and starts an extractor, so that one that cannot be
// started is told before a payload runs. The caller calls done at the end.
func (a *app) startExtractor(ctx context.Context, name string) (x ktstr.Extractor, done func(), err error) {
	s, err := a.findExtractor(name)
	if err != nil {
		return nil, nil, err
	}
	if s.config == nil {
		return s.value, func() {}, nil
	}
	if s.From == "--plugin" {
		a.notice(false)(fmt.Sprintf("plugin %s: %s is used unlocked", name, s.Path))
	}
	p, err := external.Start(ctx, *s.config)
	if err != nil {
		return nil, nil, err
	}
	return p, func() { p.Close() }, nil
}

func (a *app) completeExtractors(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	all, err := a.sources()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	var names []string
	for _, s := range all {
		names = append(names, s.Name)
	}
	return names, cobra.ShellCompDirectiveDefault
}

func (a *app) completePayloads(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	all, err := a.payloads()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	var names []string
	for _, p := range all {
		names = append(names, p.Name)
	}
	return names, cobra.ShellCompDirectiveDefault
}
