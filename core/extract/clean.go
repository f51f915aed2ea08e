package extract

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/text"
)

// The limits of one extraction of one stream. They protect the host from a faulty
// extractor. No benchmark comes near them.
const (
	maxMetrics     = 1 << 22
	maxHints       = 1 << 16
	maxDiagnostics = 1 << 10
	maxName        = 16 << 10 // bytes of the name of a metric or a hint
	maxUnit        = 256      // bytes
	maxMessage     = 4 << 10  // bytes of a diagnostic's message; a longer one is cut
)

// clean makes e safe to store and to print, in place. Afterwards e has valid UTF-8,
// known polarities and limited sizes, and everything in it is attributed to stream.
// clean returns diagnostics about what it left out or replaced, and about values that
// are not finite.
func clean(e *ktstr.Extraction, stream ktstr.Stream) []ktstr.Diagnostic {
	var notFinite, badText, badPolarity, absurd tally
	if n := len(e.Metrics); n > maxMetrics {
		absurd.n, absurd.first = n-maxMetrics, e.Metrics[maxMetrics].Name
		e.Metrics = e.Metrics[:maxMetrics]
	}
	kept := 0
	for i := range e.Metrics {
		m := &e.Metrics[i]
		if len(m.Name) > maxName || len(m.Unit) > maxUnit {
			absurd.add(m.Name)
			continue
		}
		if !finite(m.Value) {
			notFinite.add(m.Name)
		}
		if !utf8.ValidString(m.Name) || !utf8.ValidString(m.Unit) {
			m.Name, m.Unit = valid(m.Name), valid(m.Unit)
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

	e.Hints = e.Hints[:min(len(e.Hints), maxHints)]
	hints := e.Hints[:0]
	for _, h := range e.Hints {
		if len(h.Name) > maxName || len(h.Unit) > maxUnit {
			absurd.add(h.Name)
			continue
		}
		if !utf8.ValidString(h.Name) || !utf8.ValidString(h.Unit) {
			h.Name, h.Unit = valid(h.Name), valid(h.Unit)
			badText.add(h.Name)
		}
		if h.Polarity != ktstr.SetUnknown && !knownPolarity(&h.Polarity) {
			badPolarity.add(h.Name)
		}
		hints = append(hints, h)
	}
	e.Hints = hints

	more := len(e.Diagnostics) - maxDiagnostics
	e.Diagnostics = e.Diagnostics[:min(len(e.Diagnostics), maxDiagnostics)]
	for i := range e.Diagnostics {
		d := &e.Diagnostics[i]
		if len(d.Code) > maxUnit {
			d.Code = d.Code[:maxUnit]
		}
		if len(d.Message) > maxMessage {
			d.Message = d.Message[:maxMessage] + "..."
		}
		d.Code, d.Message = ktstr.Code(valid(string(d.Code))), valid(d.Message)
		d.Stream, d.Line = stream, max(d.Line, 0)
	}

	var found []ktstr.Diagnostic
	report := func(t tally, code ktstr.Code, what string) {
		if t.n > 0 {
			found = append(found, ktstr.Diagnostic{Code: code, Stream: stream, Message: t.String() + what})
		}
	}
	report(notFinite, ktstr.NotFinite, " had a value that is not a finite number: kept, and left out of comparisons")
	report(badText, ktstr.InvalidText, " had bytes in their name or unit that are not UTF-8: replaced by U+FFFD")
	report(badPolarity, ktstr.Malformed, " had an invalid polarity: want higher, lower, target=NUMBER or unknown; taken as unknown")
	report(absurd, ktstr.TooMany, fmt.Sprintf(" exceeded a limit of an extraction (%d metrics, names of %d bytes, units of %d bytes): left out", maxMetrics, maxName, maxUnit))
	if more > 0 {
		found = append(found, ktstr.Diagnostic{Code: ktstr.TooMany, Stream: stream, Message: fmt.Sprintf("%d more diagnostics: left out", more)})
	}
	return found
}

// finite reports whether v is neither NaN nor infinite.
func finite(v float64) bool { return math.Float64bits(v)&^(1<<63) < 0x7ff<<52 }

// A tally counts metrics with the same fault and keeps the name of the first one.
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

// String returns, for example, "3 metrics (first "a.b")".
func (t tally) String() string {
	first := ""
	if t.n != 1 {
		first = "first "
	}
	return fmt.Sprintf("%s (%s%q)", text.Count(t.n, "metric"), first, text.Shorten(t.first, 100))
}

// knownPolarity makes p canonical. It returns false and sets p to Unknown if p is
// not a polarity.
func knownPolarity(p *ktstr.Polarity) bool {
	if *p == ktstr.Unknown || *p == ktstr.Higher || *p == ktstr.Lower {
		return true
	}
	v, err := ktstr.ParsePolarity(string(*p))
	*p = v
	return err == nil
}

// valid replaces bytes that are not UTF-8 by U+FFFD.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
