package extract

import (
	"fmt"
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
	r := newResolver(sources)
	if r == nil {
		return nil, nil
	}
	var pairs mismatches
	for i := range metrics {
		m := &metrics[i]
		verdict := r.lookup(m.Name)
		if verdict == nil {
			continue
		}
		if verdict.polarity != ktstr.Unknown {
			m.Polarity = verdict.polarity
		}
		if m.Unit == "" {
			m.Unit = verdict.unit
		} else if verdict.unit != "" && verdict.unit != m.Unit {
			pairs.add(verdict.unit, m)
		}
		if verdict.headline {
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

// Match reports whether name is the hint name or matches it as a pattern, in
// which '*' stands for any run of characters, also none, but a dot.
func Match(pattern, name string) bool {
	// The usual greedy match with one point to return to: a later '*' never
	// needs an earlier one to be reconsidered, unless a dot lies between, and
	// then the earlier one cannot reach.
	p, n := 0, 0
	star, mark := -1, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, n
			p++
		case p < len(pattern) && pattern[p] == name[n]:
			p++
			n++
		case star >= 0 && name[mark] != '.':
			mark++
			p, n = star+1, mark
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// meaning is what all sources together say about a name.
type meaning struct {
	unit     string
	polarity ktstr.Polarity
	headline bool
}

// said is one hint with its rank: the greater, the more it counts.
type said struct {
	ktstr.Hint
	rank int
}

type resolver struct {
	exact    map[string][]said // by name, best first
	patterns []said            // best first
}

func newResolver(sources [][]ktstr.Hint) *resolver {
	r := &resolver{exact: map[string][]said{}}
	rank := 0
	for i := len(sources) - 1; i >= 0; i-- {
		for _, h := range sources[i] {
			if strings.Contains(h.Name, "*") {
				r.patterns = append(r.patterns, said{h, rank})
				rank++
			}
		}
		for _, h := range sources[i] {
			if !strings.Contains(h.Name, "*") {
				r.exact[h.Name] = append(r.exact[h.Name], said{h, rank})
				rank++
			}
		}
	}
	if rank == 0 {
		return nil
	}
	return r
}

func (r *resolver) lookup(name string) *meaning {
	exact := r.exact[name]
	var m meaning
	unit, polarity, any := -1, -1, false
	take := func(h said) {
		any = true
		if h.Unit != "" && h.rank > unit {
			m.unit, unit = h.Unit, h.rank
		}
		if h.Polarity != ktstr.Unknown && h.rank > polarity {
			m.polarity, polarity = h.Polarity, h.rank
		}
		m.headline = m.headline || h.Headline
	}
	for _, h := range exact {
		take(h)
	}
	for _, h := range r.patterns {
		if Match(h.Name, name) {
			take(h)
		}
	}
	if !any {
		return nil
	}
	return &m
}
