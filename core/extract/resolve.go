package extract

import (
	"fmt"
	"math/bits"
	"strings"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/unit"
	"github.com/ktstr/ktstr/internal/names"
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

// Resolver is sources of hints, made ready to be asked about many names. The
// zero value knows no hints.
type Resolver struct {
	names    names.Set
	meanings []meaning // by number in names
	found    []int     // used again
}

// meaning is what hints say about one name or pattern. Of each field, rank
// tells how much it counts against those of other names: the greater the more.
type meaning struct {
	unit                   string
	polarity               ktstr.Polarity
	unitRank, polarityRank int32
	headline               bool
}

// add adds what m says where it counts more.
func (all *meaning) add(m *meaning) {
	if m.unitRank > all.unitRank {
		all.unit, all.unitRank = m.unit, m.unitRank
	}
	if m.polarityRank > all.polarityRank {
		all.polarity, all.polarityRank = m.polarity, m.polarityRank
	}
	all.headline = all.headline || m.headline
}

// NewResolver makes a Resolver of sources, the first of which counts most.
func NewResolver(sources ...[]ktstr.Hint) *Resolver {
	n := 0
	for _, source := range sources {
		n += len(source)
	}
	r := &Resolver{}
	if n == 0 {
		return r
	}
	r.names.Grow(n)
	r.meanings = make([]meaning, n)
	rank := int32(0) // of the last hint of the least source, patterns first
	for i := len(sources) - 1; i >= 0; i-- {
		n := int32(len(sources[i]))
		for k := range sources[i] {
			h := &sources[i][k]
			rank := rank + int32(k) + 1
			var number int
			if strings.IndexByte(h.Name, '*') >= 0 {
				number = r.names.AddPattern(h.Name)
			} else {
				number = r.names.AddName(h.Name)
				rank += n
			}
			m := &r.meanings[number]
			if h.Unit != "" {
				m.unit, m.unitRank = h.Unit, rank
			}
			if h.Polarity != ktstr.Unknown {
				m.polarity, m.polarityRank = h.Polarity, rank
			}
			m.headline = m.headline || h.Headline
		}
		rank += 2 * n
	}
	return r
}

// Hint is what all hints together say about a name; its fields are empty where
// they say nothing.
func (r *Resolver) Hint(name string) ktstr.Hint {
	h := ktstr.Hint{Name: name}
	var several meaning
	if m := r.meaning(name, &several); m != nil {
		h.Unit, h.Polarity, h.Headline = m.unit, m.polarity, m.headline
	}
	return h
}

// meaning is nil where no hint is about name. It uses several where more than one is.
func (r *Resolver) meaning(name string, several *meaning) *meaning {
	r.found = r.names.Patterns(name, r.found[:0])
	return r.together(r.names.Exact(name), several)
}

// together is what the hints of a name, number, and of the patterns found say.
func (r *Resolver) together(number int, several *meaning) *meaning {
	switch {
	case len(r.found) == 0 && number < 0:
		return nil
	case len(r.found) == 0:
		return &r.meanings[number]
	case len(r.found) == 1 && number < 0:
		return &r.meanings[r.found[0]]
	}
	*several = meaning{}
	if number >= 0 {
		several.add(&r.meanings[number])
	}
	for _, number := range r.found {
		several.add(&r.meanings[number])
	}
	return several
}

// Resolve is the function of that name. A Resolver serves one goroutine at a time.
func (r *Resolver) Resolve(metrics []ktstr.Metric) (headlines []int, odd []ktstr.Diagnostic) {
	if r.names.Len() == 0 {
		return nil, nil
	}
	var pairs mismatches
	var several meaning
	for i := 0; i < len(metrics); i += 64 {
		piece := metrics[i:min(i+64, len(metrics))]
		exact, patterns := names.Sift(&r.names, piece, &piece[0].Name)
		for left := exact | patterns; left != 0; left &= left - 1 {
			k := bits.TrailingZeros64(left)
			m := &piece[k]
			number := -1
			if exact>>k&1 != 0 {
				number = r.names.Exact(m.Name)
			}
			r.found = r.found[:0]
			if patterns>>k&1 != 0 {
				r.found = r.names.Patterns(m.Name, r.found)
			}
			hint := r.together(number, &several)
			if hint == nil {
				continue
			}
			if hint.polarity != ktstr.Unknown {
				m.Polarity = hint.polarity
			}
			if m.Unit == "" {
				m.Unit = hint.unit
			} else if hint.unit != "" && hint.unit != m.Unit {
				pairs.add(hint.unit, m)
			}
			if hint.headline {
				headlines = append(headlines, i+k)
			}
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

// Match reports whether name is the hint name, or matches it as a pattern, in
// which '*' stands for any run of characters, also none, but a dot.
func Match(pattern, name string) bool { return names.Match(pattern, name) }
