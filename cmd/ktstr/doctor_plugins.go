package main

import (
	"context"
	"slices"
	"strings"

	"github.com/ktstr/ktstr/core"
)

// pluginState says whether an extractor starts. Built-in extractors always start.
type pluginState struct {
	Name    string         `json:"name"`
	From    string         `json:"from"`
	Version string         `json:"version,omitempty"`
	Error   string         `json:"error,omitempty"`   // the reason if it does not start
	Sandbox []core.Measure `json:"sandbox,omitempty"` // restrictions of the plugin's process; empty: built in
}

// examinePlugins starts each extractor and stops it.
func (a *app) examinePlugins(ctx context.Context) ([]pluginState, error) {
	extractors, err := a.catalog(false).Extractors()
	if err != nil {
		return nil, err
	}
	var all []pluginState
	for _, found := range extractors {
		if found.Hidden != "" {
			continue
		}
		h := pluginState{Name: found.Name, From: found.From}
		x, err := a.catalog(false).Start(ctx, found.Name)
		if err != nil {
			h.Error = err.Error()
		} else {
			h.Version = x.Describe().Version
			if x.Plugin != nil {
				h.Sandbox = x.Plugin.Sandbox
			}
			x.Close()
		}
		all = append(all, h)
	}
	return all, nil
}

func anyFails(plugins []pluginState) bool {
	return slices.ContainsFunc(plugins, func(h pluginState) bool { return h.Error != "" })
}

func pluginRows(plugins []pluginState) (rows [][3]string) {
	for _, p := range plugins {
		state := "starts"
		if p.Error != "" {
			state = "fails"
		}
		rows = append(rows, [3]string{p.Name, state, strings.TrimSpace(p.From + " " + p.Error)})
	}
	return rows
}
