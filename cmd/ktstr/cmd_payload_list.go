package main

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/ktstr/ktstr/core"
)

// payloadRow is one payload in `payload list -o json`.
type payloadRow struct {
	Name      string `json:"name"`
	Summary   string `json:"summary"`
	Binary    string `json:"binary"`
	Extractor string `json:"extractor"`
	Source    string `json:"source"`
	Problem   string `json:"problem,omitempty"` // the reason if the file cannot be read; then only Name and Source are known
}

func (a *app) listPayloads(f format) error {
	all, bad, err := a.catalog(false).Payloads()
	if err != nil {
		return err
	}
	rows := make([]payloadRow, 0, len(all)+len(bad))
	for _, p := range all {
		rows = append(rows, payloadRow{Name: p.Name, Summary: p.Summary, Binary: p.Binary, Extractor: cmp.Or(p.Extractor, "json"), Source: p.Source})
	}
	for _, b := range bad {
		rows = append(rows, payloadRow{Name: b.Name, Source: b.Path, Problem: b.Err.Error()})
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
		return exitWith(core.ExitUsage)
	}
	return err
}

func firstSentence(text string) string {
	if i := strings.Index(text, ". "); i >= 0 {
		return text[:i+1]
	}
	return text
}
