package verify

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/extractors/plugin"
)

// probe wraps an extractor and records its mistakes. The engine would hide some
// of them, for example a metric whose name is not UTF-8.
type probe struct {
	x     ktstr.Extractor
	total *probe // has the counters of all probes. Nil: this one has

	mu       sync.Mutex
	problems []string
	said     []string // the plugin's lines on stderr with an error, such as a traceback
	calls    int
	infinite int // extractions that held a value that is not finite
	broken   int // extractions that returned an error or panicked
}

func (p *probe) Describe() ktstr.Description { return p.x.Describe() }

func (p *probe) Extract(ctx context.Context, out ktstr.Output) (e ktstr.Extraction, err error) {
	all := p
	if p.total != nil {
		all = p.total
	}
	defer func() {
		if v := recover(); v != nil {
			p.problem("the extractor panicked: %v", v)
			e, err = ktstr.Extraction{}, fmt.Errorf("panic: %v", v)
		}
		if err != nil {
			all.mu.Lock()
			all.broken++
			all.mu.Unlock()
		}
	}()
	e, err = p.x.Extract(ctx, out)
	if err != nil {
		text := err.Error()
		if failed, ok := err.(*plugin.Error); ok && len(failed.Stderr) > 0 {
			// It may differ from input to input where the error is the same.
			short := *failed
			short.Stderr = nil
			text = short.Error()
			p.mu.Lock()
			p.said = failed.Stderr
			p.mu.Unlock()
		}
		p.problem("it returned the error %q: want what can be read, and a diagnostic for the rest", text)
		return e, err
	}
	finite := true
	for _, m := range e.Metrics {
		if math.IsNaN(m.Value) || math.IsInf(m.Value, 0) {
			finite = false
			p.problem("metric %q is %v: want a finite number, or no metric and a diagnostic %q", m.Name, m.Value, ktstr.NotFinite)
		}
		if problem := nameProblem(m.Name); problem != "" {
			p.problem("metric %q: %s", m.Name, problem)
		}
		if !utf8.ValidString(m.Unit) {
			p.problem("metric %q: the unit %q is not valid UTF-8", m.Name, m.Unit)
		}
		if _, err := ktstr.ParsePolarity(string(m.Polarity)); err != nil {
			p.problem("metric %q: %v", m.Name, err)
		}
		if m.Line < 0 {
			p.problem("metric %q: line %d: want 1 or more, or 0 for unknown", m.Name, m.Line)
		}
	}
	for _, h := range e.Hints {
		if h.Name == "" || !utf8.ValidString(h.Name+h.Unit) {
			p.problem("hint %q, unit %q: want a name, and valid UTF-8", h.Name, h.Unit)
		}
	}
	for _, d := range e.Diagnostics {
		if d.Code == "" || !utf8.ValidString(string(d.Code)+d.Message) {
			p.problem("diagnostic %q %q: want a code, and valid UTF-8", d.Code, d.Message)
		}
	}
	all.mu.Lock()
	defer all.mu.Unlock()
	all.calls++
	if !finite {
		all.infinite++
	}
	return e, nil
}

func (p *probe) problem(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.problems) < mostFailures {
		p.problems = append(p.problems, fmt.Sprintf(format, args...))
	}
}

// nameProblem returns the fault of a metric's name, empty for a good name.
func nameProblem(name string) string {
	switch {
	case name == "":
		return "the name is empty"
	case !utf8.ValidString(name):
		return "the name is not valid UTF-8"
	case strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".") || strings.Contains(name, ".."):
		return "the name has an empty segment: want segments with dots between them"
	case strings.ContainsFunc(name, func(r rune) bool { return unicode.IsControl(r) }):
		return "the name has a control character in it: want _ in its place"
	case strings.ContainsFunc(name, unicode.IsSpace):
		return "the name has white space in it: want _ in its place"
	}
	return ""
}

// Sound extracts out with x and returns an error that names every mistake of x:
// mistakes are such as no input excuses, for example a panic.
func Sound(x ktstr.Extractor, out ktstr.Output) error {
	p := &probe{x: x}
	p.Extract(context.Background(), out)
	if len(p.problems) > 0 {
		return errors.New(strings.Join(p.problems, "\n"))
	}
	return nil
}
