package main

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/ktstr/ktstr/internal/catalog"
)

// notInstalled is the place of a plugin that a ktstr.lock names and that is not installed.
const notInstalled = "not installed"

func (a *app) listExtractors(f format) error {
	c := a.catalog(false)
	all, err := c.Extractors()
	if err != nil {
		return err
	}
	missing, err := c.Missing(all)
	if err != nil {
		return err
	}
	for _, m := range missing {
		all = append(all, catalog.Extractor{Name: m.Name, From: notInstalled, Version: m.Version, Path: m.Lock, SHA256: m.SHA256, Problem: m.Error()})
	}
	if f == formatJSON {
		return a.printJSON(all)
	}
	t := tableTo(a.stdout)
	for _, x := range all {
		note := cmp.Or(x.Path, x.Summary)
		switch {
		case x.Hidden != "":
			note += " (hidden by: " + x.Hidden + ")"
		case x.Err != nil:
			note += " (refused, see ktstr plugin describe " + x.Name + ")"
		case x.Problem != "":
			note = x.Problem
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", line(x.Name), line(cmp.Or(x.Version, "-")), x.From, line(strings.TrimSpace(note)))
	}
	return t.Flush()
}
