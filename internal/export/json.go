package export

import (
	"encoding/json"
	"io"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/internal/compare"
	"github.com/ktstr/ktstr/internal/runs"
)

// A Set is the JSON document of several runs.
type Set struct {
	Schema      string           `json:"schema"`
	Wanted      int              `json:"wanted,omitempty"` // see Source.Wanted
	Runs        []core.Record    `json:"runs"`
	Comparisons []compare.Report `json:"comparisons,omitempty"`
}

// SetOf returns the document of runs.
func SetOf(list []runs.Run) Set {
	s := Set{Schema: runs.SetSchema, Runs: []core.Record{}}
	for _, r := range list {
		s.Runs = append(s.Runs, r.Record)
	}
	return s
}

// indented writes v as an indented JSON document.
func indented(w io.Writer, v any) error {
	e := lines(w)
	e.SetIndent("", " ")
	return e.Encode(v)
}

// lines returns an encoder that writes one JSON document per line. It does not
// escape <, > and &.
func lines(w io.Writer) *json.Encoder {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e
}

func jsonRuns(w io.Writer, s Source) error { return indented(w, Document(s)) }

// Document returns the value whose JSON is the json format of runs. It is the record
// of one run, or a Set of several runs or of one run with comparisons.
func Document(s Source) any {
	if len(s.Runs) == 1 && len(s.Comparisons) == 0 && !s.Set {
		return s.Runs[0].Record
	}
	document := SetOf(s.Runs)
	document.Wanted, document.Comparisons = s.Wanted, s.Comparisons
	return document
}

func jsonReport(w io.Writer, s Source) error { return indented(w, s.Report) }
