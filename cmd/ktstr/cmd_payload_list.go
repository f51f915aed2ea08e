package main

import (
	"cmp"
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/payload"
	"github.com/ktstr/ktstr/internal/catalog"
)

// payloadRow is one payload in `payload list -o json`.
type payloadRow struct {
	Name      string   `json:"name"`
	Summary   string   `json:"summary"`
	Measures  string   `json:"measures,omitempty"` // the part of the system, such as "storage"
	Binary    string   `json:"binary"`
	Extractor string   `json:"extractor"`
	Source    string   `json:"source"`
	Ready     bool     `json:"ready"`             // its programs and its extractor are installed
	Missing   []string `json:"missing,omitempty"` // the ones that are not installed
	Install   string   `json:"install,omitempty"` // the command that installs the missing program
	Problem   string   `json:"problem,omitempty"` // the reason if the file cannot be read; then only Name and Source are known
}

func (a *app) listPayloads(f format) error {
	c := a.catalog(false)
	all, broken, err := c.Payloads()
	if err != nil {
		return err
	}
	extractors, err := c.Extractors()
	if err != nil {
		return err
	}
	rows := make([]payloadRow, 0, len(all)+len(broken))
	for _, p := range all {
		row := payloadRow{Name: p.Name, Summary: p.Summary, Measures: p.Measures, Binary: p.Binary, Extractor: cmp.Or(p.Extractor, "json"), Source: p.Source}
		for _, need := range needs(p) {
			if _, err := exec.LookPath(need.Binary); err != nil {
				row.Missing = append(row.Missing, need.Binary)
				row.Install = cmp.Or(row.Install, need.Install)
			}
		}
		if !slices.ContainsFunc(extractors, func(x catalog.Extractor) bool { return x.Name == row.Extractor && x.Err == nil }) {
			row.Missing = append(row.Missing, "extractor "+row.Extractor)
		}
		row.Ready = len(row.Missing) == 0
		rows = append(rows, row)
	}
	for _, b := range broken {
		rows = append(rows, payloadRow{Name: b.Name, Source: b.Path, Problem: b.Err.Error()})
	}
	if f == formatJSON {
		err = a.printJSON(rows)
	} else {
		err = a.printPayloads(rows)
	}
	if err == nil && len(broken) > 0 {
		return exitWith(core.ExitUsage)
	}
	return err
}

// printPayloads prints the payloads below the parts of the system that they measure.
func (a *app) printPayloads(rows []payloadRow) error {
	group := func(r payloadRow) string { return cmp.Or(r.Measures, "other") }
	slices.SortStableFunc(rows, func(a, b payloadRow) int { return strings.Compare(group(a), group(b)) })
	t := tableTo(a.stdout)
	for i, r := range rows {
		if i == 0 || group(r) != group(rows[i-1]) {
			fmt.Fprintln(t, line(group(r)))
		}
		state, text := "ready", firstSentence(r.Summary)
		switch {
		case r.Problem != "":
			state, text = "not ready", r.Problem
		case !r.Ready:
			state = r.toInstall()
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\n", line(cmp.Or(r.Name, "-")), line(r.Source), line(state), line(text))
	}
	return t.Flush()
}

// toInstall returns how to make a payload ready.
func (r payloadRow) toInstall() string {
	const longest = 40 // bytes of a command in the table; doctor prints all
	if len(r.Missing) == 1 && r.Install != "" && len(r.Install) <= longest {
		return r.Install
	}
	state := "needs " + strings.Join(r.Missing, ", ")
	if r.Install != "" {
		state += ": see ktstr doctor"
	}
	return state
}

// needs returns the programs that a payload needs, its own program first.
func needs(p payload.Payload) []payload.Need {
	if len(p.Needs) == 0 && p.Binary != payload.Self {
		return []payload.Need{{Binary: p.Binary}}
	}
	return p.Needs
}

func firstSentence(text string) string {
	if i := strings.Index(text, ". "); i >= 0 {
		return text[:i+1]
	}
	return text
}
