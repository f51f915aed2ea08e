package extract

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/unit"
)

// Resolve fills in the unit and the polarity of metrics, in place, from sources of
// hints. It returns the indexes of the metrics that a hint marks as headline.
//
// Unit and polarity are resolved separately. For each, the first source with a hint
// that sets it wins. Within a source, a hint with exactly the metric's name wins over
// a pattern, and among equals the last hint wins. For example, of the hints "a.b"
// and "a.*" of one source, "a.b" sets the polarity of the metric a.b.
//
// A hinted polarity replaces the metric's own one. SetUnknown removes it. A hinted unit
// only fills an empty unit. If the metric has a unit that does not convert to the hinted
// one, Resolve keeps the metric's unit and returns a diagnostic.
func Resolve(metrics []ktstr.Metric, sources ...[]ktstr.Hint) (headlines []int, mismatched []ktstr.Diagnostic) {
	return NewResolver(sources...).resolve(metrics)
}

// A Resolver holds sources of hints, prepared for lookups of many names. The
// zero value knows no hints. A Resolver does not change after NewResolver, so
// several goroutines may use it.
type Resolver struct {
	exact    map[string]*meaning // by the hint's name
	patterns []pattern
	sources  [][]ktstr.Hint
}

// A meaning is the unit, polarity and headline mark that hints give to one name
// or pattern. If several meanings apply to a metric, each field comes from the
// meaning with the higher rank. Rank 0 means that no hint sets the field.
type meaning struct {
	unit                   string
	polarity               ktstr.Polarity
	unitRank, polarityRank int
	headlineRank           int
}

// setFrom overwrites the fields for which a hint has a higher rank than m has.
func (m *meaning) setFrom(other *meaning) {
	if other.unitRank > m.unitRank {
		m.unit, m.unitRank = other.unit, other.unitRank
	}
	if other.polarityRank > m.polarityRank {
		m.polarity, m.polarityRank = other.polarity, other.polarityRank
	}
	m.headlineRank = max(m.headlineRank, other.headlineRank)
}

func meaningOf(h ktstr.Hint, rank int) meaning {
	var m meaning
	if h.Headline {
		m.headlineRank = rank
	}
	if h.Unit != "" {
		m.unit, m.unitRank = h.Unit, rank
	}
	switch h.Polarity {
	case "":
	case ktstr.SetUnknown:
		m.polarity, m.polarityRank = ktstr.Unknown, rank
	default:
		m.polarity, m.polarityRank = h.Polarity, rank
	}
	return m
}

// NewResolver prepares sources, the first of which has the highest precedence.
func NewResolver(sources ...[]ktstr.Hint) *Resolver {
	r := &Resolver{exact: map[string]*meaning{}, sources: sources}
	rank := 0
	for _, h := range byRank(sources) {
		rank++
		m := meaningOf(h, rank)
		if isPattern(h) {
			r.patterns = append(r.patterns, newPattern(h.Name, m))
		} else if known := r.exact[h.Name]; known != nil {
			known.setFrom(&m)
		} else {
			first := m // its own variable, so that m need not be allocated for each pattern
			r.exact[h.Name] = &first
		}
	}
	return r
}

// Exact returns the hints that are names, and no patterns.
func Exact(hints []ktstr.Hint) []ktstr.Hint { return slices.DeleteFunc(slices.Clone(hints), isPattern) }

func isPattern(h ktstr.Hint) bool { return strings.Contains(h.Name, "*") }

// byRank yields the hints with the number of their source, from the lowest rank to the
// highest: the last source first, and in each source the patterns before the exact
// names.
func byRank(sources [][]ktstr.Hint) iter.Seq2[int, ktstr.Hint] {
	return func(yield func(int, ktstr.Hint) bool) {
		for i, source := range slices.Backward(sources) {
			for _, patterns := range []bool{true, false} {
				for _, h := range source {
					if isPattern(h) == patterns && !yield(i, h) {
						return
					}
				}
			}
		}
	}
}

// Origin is a hint that set a field of a metric.
type Origin struct {
	Source int // the number of the hint's source, from 0
	Hint   ktstr.Hint
}

// Origins returns the hints that set the unit, the polarity and the headline mark of
// a name. nil means that no hint sets the field.
func (r *Resolver) Origins(name string) (unit, polarity, headline *Origin) {
	m, _ := r.meaning(name)
	rank := 0
	for source, h := range byRank(r.sources) {
		rank++
		origin := &Origin{source, h}
		if rank == m.unitRank {
			unit = origin
		}
		if rank == m.polarityRank {
			polarity = origin
		}
		if rank == m.headlineRank {
			headline = origin
		}
	}
	return unit, polarity, headline
}

// Hint returns the unit, polarity and headline mark that the hints give to a
// name. A field is empty if no hint sets it.
func (r *Resolver) Hint(name string) ktstr.Hint {
	m, _ := r.meaning(name)
	return ktstr.Hint{Name: name, Unit: m.unit, Polarity: m.polarity, Headline: m.headlineRank > 0}
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

func (r *Resolver) resolve(metrics []ktstr.Metric) (headlines []int, mismatched []ktstr.Diagnostic) {
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
		if hint.headlineRank > 0 {
			headlines = append(headlines, i)
		}
	}
	return headlines, pairs.report()
}

// mismatches collects the pairs of a hinted and a printed unit that do not convert.
type mismatches struct {
	seen  map[[2]string]*mismatch // nil for a pair that converts
	order []*mismatch
}

// A mismatch counts the metrics with one such pair.
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

func (p *mismatches) report() (diagnostics []ktstr.Diagnostic) {
	for _, x := range p.order {
		diagnostics = append(diagnostics, ktstr.Diagnostic{
			Code:    ktstr.UnitMismatch,
			Message: fmt.Sprintf("the hinted unit %q of %s cannot be the printed one, %q, which is kept", x.hinted, x.tally, x.printed),
			Stream:  x.stream,
			Line:    x.line,
		})
	}
	return diagnostics
}
