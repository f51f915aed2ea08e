package main

import (
	"context"
	"slices"

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

// examinePlugins starts and stops each extractor. It includes the plugins that a ktstr.lock
// names and that are not installed.
func (a *app) examinePlugins(ctx context.Context) ([]pluginState, error) {
	c := a.catalog(false)
	extractors, err := c.Extractors()
	if err != nil {
		return nil, err
	}
	missing, err := c.Missing(extractors)
	if err != nil {
		return nil, err
	}
	var all []pluginState
	for _, found := range extractors {
		if found.Hidden != "" {
			continue
		}
		h := pluginState{Name: found.Name, From: found.From}
		x, err := c.Start(ctx, found.Name)
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
	for _, m := range missing {
		all = append(all, pluginState{Name: m.Name, From: notInstalled, Version: m.Version, Error: m.Error()})
	}
	return all, nil
}

func anyFails(plugins []pluginState) bool {
	return slices.ContainsFunc(plugins, func(h pluginState) bool { return h.Error != "" })
}

func pluginRows(plugins []pluginState) (rows [][3]string) {
	for _, p := range plugins {
		state, text := "starts", p.From
		switch {
		case p.From == notInstalled:
			state, text = notInstalled, p.Error
		case p.Error != "":
			state, text = "fails", p.From+" "+p.Error
		}
		rows = append(rows, [3]string{p.Name, state, text})
	}
	return rows
}
