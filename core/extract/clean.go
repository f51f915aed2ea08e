package extract

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/ktstr/ktstr"
)

// Limits of what one extraction of one stream may return. No benchmark comes
// near them; an extractor that goes wrong must not take the host with it.
const (
	MaxMetrics     = 1 << 22
	MaxHints       = 1 << 16
	MaxDiagnostics = 1 << 10
	MaxName        = 16 << 10 // bytes of a metric's or a hint's name
	MaxUnit        = 256      // bytes
	MaxMessage     = 4 << 10  // bytes of a diagnostic's message; longer ones are cut
)

// clean makes e safe to keep and to print: valid UTF-8, finite values, known
// polarities, bounded sizes, and everything attributed to stream. It changes e
// in place and reports what it left out or replaced.
func clean(e *ktstr.Extraction, stream ktstr.Stream) []ktstr.Diagnostic {
	var notFinite, badText, badPolarity, absurd tally
	if n := len(e.Metrics); n > MaxMetrics {
		absurd.n, absurd.first = n-MaxMetrics, e.Metrics[MaxMetrics].Name
		e.Metrics = e.Metrics[:MaxMetrics]
	}
	kept := 0
	for i := range e.Metrics {
		m := &e.Metrics[i]
		if len(m.Name) > MaxName || len(m.Unit) > MaxUnit {
			absurd.add(m.Name)
			continue
		}
		if math.Float64bits(m.Value)&^(1<<63) >= 0x7ff<<52 {
			notFinite.add(m.Name)
			continue
		}
		if !utf8.ValidString(m.Name) || !utf8.ValidString(m.Unit) {
			m.Name, m.Unit = text(m.Name), text(m.Unit)
			badText.add(m.Name)
		}
		if !knownPolarity(&m.Polarity) {
			badPolarity.add(m.Name)
		}
		m.Stream = stream
		m.Line = max(m.Line, 0)
		if kept != i {
			e.Metrics[kept] = *m
		}
		kept++
	}
	e.Metrics = e.Metrics[:kept]

	e.Hints = e.Hints[:min(len(e.Hints), MaxHints)]
	hints := e.Hints[:0]
	for _, h := range e.Hints {
		if len(h.Name) > MaxName || len(h.Unit) > MaxUnit {
			absurd.add(h.Name)
			continue
		}
		if !utf8.ValidString(h.Name) || !utf8.ValidString(h.Unit) {
			h.Name, h.Unit = text(h.Name), text(h.Unit)
			badText.add(h.Name)
		}
		if !knownPolarity(&h.Polarity) {
			badPolarity.add(h.Name)
		}
		hints = append(hints, h)
	}
	e.Hints = hints

	more := len(e.Diagnostics) - MaxDiagnostics
	e.Diagnostics = e.Diagnostics[:min(len(e.Diagnostics), MaxDiagnostics)]
	for i := range e.Diagnostics {
		d := &e.Diagnostics[i]
		if len(d.Code) > MaxUnit {
			d.Code = d.Code[:MaxUnit]
		}
		if len(d.Message) > MaxMessage {
			d.Message = d.Message[:MaxMessage] + "..."
		}
		d.Code, d.Message = ktstr.Code(text(string(d.Code))), text(d.Message)
		d.Stream, d.Line = stream, max(d.Line, 0)
	}

	var found []ktstr.Diagnostic
	report := func(t tally, code ktstr.Code, what string) {
		if t.n > 0 {
			found = append(found, ktstr.Diagnostic{Code: code, Stream: stream, Message: t.String() + what})
		}
	}
	report(notFinite, ktstr.NotFinite, " had a value that is not a finite number: left out")
	report(badText, ktstr.InvalidText, " had bytes in their name or unit that are not UTF-8: replaced by U+FFFD")
	report(badPolarity, ktstr.Malformed, " had a polarity that is none of higher, lower, target=NUMBER, unknown: taken as unknown")
	report(absurd, ktstr.TooMany, fmt.Sprintf(" beyond what is taken from an extractor (%d metrics, names of %d bytes, units of %d): left out", MaxMetrics, MaxName, MaxUnit))
	if more > 0 {
		found = append(found, ktstr.Diagnostic{Code: ktstr.TooMany, Stream: stream, Message: fmt.Sprintf("%d more diagnostics: left out", more)})
	}
	return found
}

// tally counts metrics of a kind, and keeps the name of the first.
type tally struct {
	n     int
	first string
}

func (t *tally) add(name string) {
	if t.n == 0 {
		t.first = name
	}
	t.n++
}

func (t tally) String() string {
	name := t.first
	if len(name) > 100 {
		name = name[:100] + "..."
	}
	if t.n == 1 {
		return fmt.Sprintf("1 metric (%q)", text(name))
	}
	return fmt.Sprintf("%d metrics (first %q)", t.n, text(name))
}

// knownPolarity makes p canonical and reports whether it was one at all.
func knownPolarity(p *ktstr.Polarity) bool {
	if *p == ktstr.Unknown || *p == ktstr.Higher || *p == ktstr.Lower {
		return true
	}
	v, err := ktstr.ParsePolarity(string(*p))
	*p = v
	return err == nil
}

// text is s with everything that is not UTF-8 replaced by U+FFFD.
func text(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
