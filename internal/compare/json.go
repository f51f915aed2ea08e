package compare

import (
	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/plainjson"
)

// Schema names the version of Report's JSON. Fields are only ever added.
const Schema = "ktstr.compare/v1"

// MarshalJSON writes the row; what is not finite is a string, as ktstr.Number
// has it, and what nobody measured is null.
func (r Row) MarshalJSON() ([]byte, error) {
	return plainjson.Marshal(struct {
		Metric    string        `json:"metric"`
		Verdict   Verdict       `json:"verdict"`
		Decides   bool          `json:"decides"`
		Unit      string        `json:"unit"`
		Polarity  string        `json:"polarity"`
		A         Sample        `json:"a"`
		B         Sample        `json:"b"`
		Change    *ktstr.Number `json:"change"` // a fraction: 0.1 is +10 %
		P         *ktstr.Number `json:"p"`
		Level     *ktstr.Number `json:"level"`
		MinEffect float64       `json:"min_effect"` // percent
		Need      int           `json:"need,omitempty"`
		Note      string        `json:"note,omitempty"`
	}{
		r.Metric, r.Verdict, r.Decides, r.Unit, r.Polarity.String(), r.A, r.B,
		known(r.Change, r.Measured()), known(r.P, r.Measured()), known(r.Level, r.Measured()), r.MinEffect, r.Need, r.Note,
	})
}

// known is v where it says something, else null.
func known(v float64, says bool) *ktstr.Number {
	if !says {
		return nil
	}
	return (*ktstr.Number)(&v)
}

// MarshalJSON writes an empty list of values as [], and null for its median and
// spread.
func (s Sample) MarshalJSON() ([]byte, error) {
	return plainjson.Marshal(struct {
		N      int           `json:"n"`
		Median *ktstr.Number `json:"median"`
		Spread *ktstr.Number `json:"spread"`
		Values []float64     `json:"values"`
	}{s.N, known(s.Median, s.N > 0), known(s.Spread, s.N > 0), list(s.Values)})
}

// MarshalJSON writes the report as a document with its schema.
func (r Report) MarshalJSON() ([]byte, error) {
	judged, deciding, need := r.Judged()
	return plainjson.Marshal(struct {
		Schema      string          `json:"schema"`
		A           Counted         `json:"a"`
		B           Counted         `json:"b"`
		Alpha       float64         `json:"alpha"`
		Summary     string          `json:"summary"`
		Counts      map[Verdict]int `json:"counts"`
		Deciding    int             `json:"deciding"`       // metrics that decide
		Judged      int             `json:"judged"`         // of those; the others are too few, or missing
		Need        int             `json:"need,omitempty"` // runs a side at which what is too few could be judged
		Differences []Difference    `json:"differences"`
		Notes       []string        `json:"notes"`
		Metrics     []Row           `json:"metrics"`
	}{Schema, r.A, r.B, r.Alpha, r.Summary(), r.Counts(), deciding, judged, need, list(r.Differences), list(r.Notes), list(r.Rows)})
}

func list[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
