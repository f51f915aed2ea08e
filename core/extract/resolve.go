package extract

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/unit"
)

// Resolve fills in the unit and the polarity of metrics from sources of hints,
// the first source counting most, and returns the indexes of the metrics that
// a hint marks as headline.
//
// Each field of a metric is decided by itself: by the first source that says
// something about it; within a source by the hints of exactly its name before
// those whose pattern matches, and among equals by the last. A polarity hint
// outranks the polarity that the metric brought. A unit hint only fills an
// empty unit: a printed unit stays, with a diagnostic if the hinted one cannot
// be converted to it.
func Resolve(metrics []ktstr.Metric, sources ...[]ktstr.Hint) (headlines []int, odd []ktstr.Diagnostic) {
	return NewResolver(sources...).Resolve(metrics)
}

// A Resolver holds sources of hints, prepared for lookups of many names. The
// zero value knows no hints. A Resolver does not change after NewResolver, so
// several goroutines may use it.
type Resolver struct {
	exact    map[string]*meaning // by the hint's name
	patterns []pattern
}

// A meaning is the unit, polarity and headline mark that hints give to one name
// or pattern. If several meanings apply to a metric, each field comes from the
// meaning with the higher rank. Rank 0 means that no hint sets the field.
type meaning struct {
	unit                   string
	polarity               ktstr.Polarity
	unitRank, polarityRank int
	headline               bool
}

// setFrom overwrites the fields for which a hint has a higher rank than m has.
func (m *meaning) setFrom(other *meaning) {
	if other.unitRank > m.unitRank {
		m.unit, m.unitRank = other.unit, other.unitRank
	}
	if other.polarityRank > m.polarityRank {
		m.polarity, m.polarityRank = other.polarity, other.polarityRank
	}
	m.headline = m.headline || other.headline
}

func meaningOf(h ktstr.Hint, rank int) meaning {
	m := meaning{headline: h.Headline}
	if h.Unit != "" {
		m.unit, m.unitRank = h.Unit, rank
	}
	if h.Polarity != ktstr.Unknown {
		m.polarity, m.polarityRank = h.Polarity, rank
	}
	return m
}

// NewResolver prepares sources, the first of which has the highest precedence.
func NewResolver(sources ...[]ktstr.Hint) *Resolver {
	r := &Resolver{exact: map[string]*meaning{}}
	rank := 0
	for _, source := range slices.Backward(sources) {
		for _, h := range source {
			if strings.Contains(h.Name, "*") {
				rank++
				r.patterns = append(r.patterns, newPattern(h.Name, meaningOf(h, rank)))
			}
		}
		for _, h := range source {
			if strings.Contains(h.Name, "*") {
				continue
			}
			rank++
			m := meaningOf(h, rank)
			if known := r.exact[h.Name]; known != nil {
				known.setFrom(&m)
			} else {
				r.exact[h.Name] = &m
			}
		}
	}
	return r
}

// Hint returns the unit, polarity and headline mark that the hints give to a
// name. A field is empty if no hint sets it.
func (r *Resolver) Hint(name string) ktstr.Hint {
	m, _ := r.meaning(name)
	return ktstr.Hint{Name: name, Unit: m.unit, Polarity: m.polarity, Headline: m.headline}
}

// meaning returns ok false if no hint applies to name.
func (r *Resolver) meaning(name string) (m meaning, ok bool) {
	if exact := r.exact[name]; exact != nil {
		m, ok = *exact, true
	}
	for i := range r.patterns {
		if p := &r.patterns[i]; p.matches(name) {
			m.setFrom(&p.meaning)
			ok = true
		}
	}
	return m, ok
}

// Resolve fills in metrics as the function Resolve does.
func (r *Resolver) Resolve(metrics []ktstr.Metric) (headlines []int, odd []ktstr.Diagnostic) {
	var pairs mismatches
	for i := range metrics {
		m := &metrics[i]
		hint, ok := r.meaning(m.Name)
		if !ok {
			continue
		}
		if hint.polarityRank > 0 {
			m.Polarity = hint.polarity
		}
		if m.Unit == "" {
			m.Unit = hint.unit
		} else if hint.unit != "" && hint.unit != m.Unit {
			pairs.add(hint.unit, m)
		}
		if hint.headline {
			headlines = append(headlines, i)
		}
	}
	return headlines, pairs.report()
}

// mismatches collects units that hints and texts disagree about.
type mismatches struct {
	seen  map[[2]string]*mismatch
	order []*mismatch
}

type mismatch struct {
	hinted, printed string
	tally
	stream ktstr.Stream // of the first
	line   int
}

func (p *mismatches) add(hinted string, m *ktstr.Metric) {
	key := [2]string{hinted, m.Unit}
	x, known := p.seen[key]
	if !known {
		if !unit.Convertible(hinted, m.Unit) {
			x = &mismatch{hinted: hinted, printed: m.Unit, stream: m.Stream, line: m.Line}
			p.order = append(p.order, x)
		}
		if p.seen == nil {
			p.seen = map[[2]string]*mismatch{}
		}
		p.seen[key] = x
	}
	if x != nil {
		x.add(m.Name)
	}
}

func (p *mismatches) report() (odd []ktstr.Diagnostic) {
	for _, x := range p.order {
		odd = append(odd, ktstr.Diagnostic{
			Code:    ktstr.UnitMismatch,
			Message: fmt.Sprintf("the hinted unit %q of %s cannot be the printed one, %q, which is kept", x.hinted, x.tally, x.printed),
			Stream:  x.stream,
			Line:    x.line,
		})
	}
	return odd
}
