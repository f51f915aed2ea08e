package compare

import (
	"math"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/plainjson"
)

// schema is the version of the JSON of a Report. Later versions only add fields.
const schema = "ktstr.compare/v1"

// MarshalJSON implements json.Marshaler. Values that are not finite are strings, as
// in ktstr.Number. Values that were not measured are null.
func (r Row) MarshalJSON() ([]byte, error) {
	return plainjson.Marshal(struct {
		Metric      string        `json:"metric"`
		Verdict     Verdict       `json:"verdict"`
		Decides     bool          `json:"decides"`
		PerSet      bool          `json:"per_set"` // each set of runs counts once, and the values are medians of sets
		Per         Per           `json:"per"`
		Unit        string        `json:"unit"`
		Polarity    string        `json:"polarity"`
		A           Sample        `json:"a"`
		B           Sample        `json:"b"`
		Change      *ktstr.Number `json:"change"` // a fraction: 0.1 is +10 %
		Low         *ktstr.Number `json:"low"`    // bounds of the change; null: there is no interval
		High        *ktstr.Number `json:"high"`
		P           *ktstr.Number `json:"p"`
		Level       *ktstr.Number `json:"level"`
		MinEffect   float64       `json:"min_effect"` // percent
		Margin      float64       `json:"margin"`     // percent
		MarginGiven bool          `json:"margin_given"`
		Seen        *ktstr.Number `json:"seen,omitempty"` // a fraction; of the verdict unclear
		Need        int           `json:"need,omitempty"`
		NeedRuns    int           `json:"need_runs,omitempty"`
		Note        string        `json:"note,omitempty"`
		Hosts       []HostRow     `json:"hosts,omitempty"`
		OddFrom     *ktstr.Number `json:"odd_from,omitempty"` // a fraction
	}{
		r.Metric, r.Verdict, r.Decides, r.Per == PerSet, r.Per, r.Unit, r.Polarity.String(), r.A, r.B,
		known(r.Change, r.Measured()), known(r.Low, r.Bounded()), known(r.High, r.Bounded()),
		known(r.P, r.Measured()), known(r.Level, r.Measured()), r.MinEffect, r.Margin, r.MarginGiven,
		known(r.Seen, r.Verdict == Unclear), r.Need, r.NeedRuns, r.Note, r.Hosts, known(r.OddFrom, len(r.Hosts) > 2),
	})
}

// MarshalJSON implements json.Marshaler.
func (h HostRow) MarshalJSON() ([]byte, error) {
	bounded := !math.IsInf(h.Low, 0) && !math.IsInf(h.High, 0)
	return plainjson.Marshal(struct {
		Host   string        `json:"host"`
		A      Sample        `json:"a"`
		B      Sample        `json:"b"`
		Change *ktstr.Number `json:"change"`
		Low    *ktstr.Number `json:"low"`
		High   *ktstr.Number `json:"high"`
		P      *ktstr.Number `json:"p"`
		Odd    bool          `json:"odd"`
	}{h.Host, h.A, h.B, known(h.Change, true), known(h.Low, bounded), known(h.High, bounded), known(h.P, true), h.Odd})
}

// known returns v if ok is true. Otherwise it returns nil, which is null in JSON.
func known(v float64, ok bool) *ktstr.Number {
	if !ok {
		return nil
	}
	return (*ktstr.Number)(&v)
}

// MarshalJSON implements json.Marshaler. The median and the spread of an empty list of
// values are null.
func (s Sample) MarshalJSON() ([]byte, error) {
	return plainjson.Marshal(struct {
		N      int           `json:"n"`
		Median *ktstr.Number `json:"median"`
		Spread *ktstr.Number `json:"spread"`
		Values []float64     `json:"values"`
	}{s.N, known(s.Median, s.N > 0), known(s.Spread, s.N > 0), list(s.Values)})
}

// MarshalJSON implements json.Marshaler. The document has a schema, a summary and the
// counts.
func (r Report) MarshalJSON() ([]byte, error) {
	judged, deciding, need := r.Judged()
	return plainjson.Marshal(struct {
		Schema      string          `json:"schema"`
		A           Counted         `json:"a"`
		B           Counted         `json:"b"`
		Alpha       float64         `json:"alpha"`
		Summary     string          `json:"summary"`
		Counts      map[Verdict]int `json:"counts"`
		Deciding    int             `json:"deciding"`       // the number of metrics that decide
		Judged      int             `json:"judged"`         // the number of them that were judged
		Need        int             `json:"need,omitempty"` // runs per side that could judge the others
		Interval    string          `json:"interval"`       // what the intervals include
		Differences []Difference    `json:"differences"`
		Notes       []string        `json:"notes"`
		Metrics     []Row           `json:"metrics"`
	}{schema, r.A, r.B, r.Alpha, r.Summary(), r.Counts(), deciding, judged, need, r.Interval(), list(r.Differences), list(r.Notes), list(r.Rows)})
}

// list returns a slice that is [] in JSON, not null.
func list[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
