package main

import (
	"fmt"
	"strings"
)

func (a *app) listExtractors(f format) error {
	all, err := a.catalog(false).Extractors()
	if err != nil {
		return err
	}
	if f == formatJSON {
		return a.printJSON(all)
	}
	t := tableTo(a.stdout)
	for _, s := range all {
		note := s.Path
		if s.Hidden != "" {
			note += " (hidden by: " + s.Hidden + ")"
		}
		if s.Problem != "" {
			note += " (refused, see ktstr plugin describe " + s.Name + ")"
		}
		version := s.Version
		if version == "" {
			version = "-"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", line(s.Name), line(version), s.From, line(strings.TrimSpace(note)))
	}
	return t.Flush()
}
