package export

import (
	"encoding/json"
	"io"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/internal/compare"
	"github.com/ktstr/ktstr/internal/runs"
)

// Set is the JSON document of several records.
type Set struct {
	Schema      string           `json:"schema"`
	Wanted      int              `json:"wanted,omitempty"` // runs that were asked for; 0: nobody said
	Runs        []core.Record    `json:"runs"`
	Comparisons []compare.Report `json:"comparisons,omitempty"` // that were asked for with the runs
}

// SetOf is the document of the runs' records.
func SetOf(list []runs.Run) Set {
	s := Set{Schema: runs.SetSchema, Runs: []core.Record{}}
	for _, r := range list {
		s.Runs = append(s.Runs, r.Record)
	}
	return s
}

func indented(w io.Writer, v any) error {
	e := lines(w)
	e.SetIndent("", " ")
	return e.Encode(v)
}

// lines writes a JSON document a line, with <, > and & as they are.
func lines(w io.Writer) *json.Encoder {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e
}

// jsonRuns writes the record of one run, or the document of several, or of one
// with comparisons.
func jsonRuns(w io.Writer, s Source) error {
	return indented(w, Document(s))
}

// Document is what json is of runs: a record, or a Set.
func Document(s Source) any {
	if len(s.Runs) == 1 && len(s.Comparisons) == 0 && !s.Set {
		return s.Runs[0].Record
	}
	document := SetOf(s.Runs)
	document.Wanted, document.Comparisons = s.Wanted, s.Comparisons
	return document
}

func jsonReport(w io.Writer, s Source) error { return indented(w, s.Report) }
