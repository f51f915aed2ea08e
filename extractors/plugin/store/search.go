package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/extractors/plugin"
	"github.com/ktstr/ktstr/extractors/plugin/internal/program"
	"github.com/ktstr/ktstr/extractors/table"
	"github.com/ktstr/ktstr/internal/wire"
)

// Candidate is a plugin that a search found.
type Candidate struct {
	Config      plugin.Config
	From        string             // "--plugin", "installed", "KTSTR_PLUGIN_PATH"
	Description *ktstr.Description // nil: only executing it would tell
	Err         error              // the reason if it is refused. It still hides other plugins of its name
}

// Search is where plugins are looked for, in this order. Never in the working
// directory, and never along PATH.
type Search struct {
	Named []plugin.Config // of --plugin: Name and Path
	Store Store
	Path  string // of KTSTR_PLUGIN_PATH: directories, with colons
}

// Candidates returns all plugins that are found, and executes none. The first of
// a name is the one that counts.
func (s Search) Candidates() ([]Candidate, error) {
	var all []Candidate
	add := func(c Candidate) {
		f, err := program.Open(c.Config.Path)
		if err == nil {
			f.Close()
		} else {
			c.Err = &plugin.Error{Plugin: c.Config.Name, Path: c.Config.Path, Op: "start", Fault: plugin.Refused, Err: err}
		}
		all = append(all, c)
	}
	for _, c := range s.Named {
		if err := wire.CheckName(c.Name); err != nil {
			return nil, fmt.Errorf("--plugin: %w", err)
		}
		add(Candidate{Config: c, From: "--plugin"})
	}
	installed, err := s.Store.Installed()
	if err != nil {
		return nil, err
	}
	for _, p := range installed.Plugins {
		if p.SHA256[Platform] == "" {
			continue // a store shared with another machine
		}
		add(Candidate{Config: s.Store.Config(p), From: "installed", Description: &p.Description})
	}
	for _, dir := range filepath.SplitList(s.Path) {
		if dir == "" {
			continue
		}
		if !filepath.IsAbs(dir) {
			return nil, fmt.Errorf("KTSTR_PLUGIN_PATH: %s: want absolute directories", wire.Quote(dir))
		}
		entries, err := os.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("KTSTR_PLUGIN_PATH: %w", err)
		}
		for _, e := range entries {
			name, ok := strings.CutPrefix(e.Name(), Prefix)
			if !ok {
				name, ok = strings.CutSuffix(e.Name(), table.Suffix)
			}
			if ok && wire.CheckName(name) == nil {
				add(Candidate{Config: plugin.Config{Name: name, Path: filepath.Join(dir, e.Name())}, From: "KTSTR_PLUGIN_PATH"})
			}
		}
	}
	return all, nil
}

// Find returns the first candidate of that name, or ok = false if there is none.
func (s Search) Find(name string) (_ Candidate, ok bool, err error) {
	all, err := s.Candidates()
	i := slices.IndexFunc(all, func(c Candidate) bool { return c.Config.Name == name })
	if err != nil || i < 0 {
		return Candidate{}, false, err
	}
	return all[i], true, nil
}
