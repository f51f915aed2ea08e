package check

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/unit"
)

// Kinds of Detail: how a check failed.
const (
	ExitCode   = "exit-code" // the payload's exit code was another one
	Missing    = "missing"   // no metric of that name
	NotANumber = "nan"       // the metric is NaN
	Below      = "below"     // the metric is below a bound
	Above      = "above"     // the metric is above a bound
	WrongUnit  = "unit"      // the metric's unit cannot be compared with the bound's
	TooFew     = "too-few"   // fewer metrics than the payload's bounds ask for
	Invalid    = "invalid"   // the zero Check
)

// Detail is one failure.
type Detail struct {
	Kind    string `json:"kind"`
	Check   string `json:"check,omitempty"`  // the check's text; empty for a payload's bounds
	Metric  string `json:"metric,omitempty"` // empty for the exit code
	Message string `json:"message"`
}

// Verdict says whether all checks held. The zero value has not passed.
type Verdict struct {
	Pass    bool     `json:"pass"`
	Details []Detail `json:"details"` // the failures, in the order of the checks
}

// ExitCodeFailed reports whether the verdict is that of a failed check of the
// exit code.
func (v Verdict) ExitCodeFailed() bool { return len(v.Details) > 0 && v.Details[0].Kind == ExitCode }

// Bounds are a payload's conditions on all its metrics. The zero value asks
// for nothing; values are in whatever unit each metric has.
type Bounds struct {
	MinMetrics int      // at least so many metrics
	Min, Max   *float64 // nil: no bound
}

// Input is what a verdict is made from.
type Input struct {
	Metrics  []ktstr.Metric
	ExitCode int
	Signal   string // name of the signal that ended the payload, for the message
	Stderr   []byte // all that was captured; messages show its last KiB
	Bounds   Bounds
	// HintUnit gives the unit that hints say a name is in, "" for none; nil
	// means that there are no hints. It is asked for names of checks only.
	HintUnit func(name string) string
	// Searched names the streams that metrics were looked for in.
	Searched []ktstr.Stream
}

// Evaluate decides each check on its own, in order; a failed one leaves one
// Detail. A failed check of the exit code hides all others: numbers of a run
// that failed say nothing. Where several metrics have one name the first
// counts. The cost is linear in metrics plus checks.
func Evaluate(checks []Check, in Input) Verdict {
	for _, c := range checks {
		if c.kind == KindExit && c.code != in.ExitCode {
			return Verdict{Details: []Detail{{Kind: ExitCode, Check: c.String(), Message: exitMessage(c.code, in)}}}
		}
	}
	found := firstOf(checks, in.Metrics)
	var details []Detail
	suggestions := 8 // each is a walk over all names
	for i := range checks {
		c := &checks[i]
		if c.kind == KindExit {
			continue
		}
		var m *ktstr.Metric
		if c.name != "" {
			if m = found[c.name]; m == nil {
				d := Detail{Kind: Missing, Check: c.String(), Metric: valid(c.name), Message: "metric '" + valid(c.name) + "' not found in payload output"}
				d.Message += searched(in, c.name, suggestions > 0)
				suggestions--
				details = append(details, d)
				continue
			}
		}
		if kind, message := c.judge(m, in.HintUnit); kind != "" {
			details = append(details, Detail{Kind: kind, Check: c.String(), Metric: valid(c.name), Message: message})
		}
	}
	details = append(details, in.Bounds.violations(in.Metrics)...)
	return Verdict{Pass: len(details) == 0, Details: details}
}

// firstOf returns the first metric of each name that a check looks at. The value
// is nil for a name that no metric has.
func firstOf(checks []Check, metrics []ktstr.Metric) map[string]*ktstr.Metric {
	found := make(map[string]*ktstr.Metric, len(checks))
	for i := range checks {
		if name := checks[i].name; name != "" {
			found[name] = nil
		}
	}
	missing := len(found)
	for i := 0; i < len(metrics) && missing > 0; i++ {
		if m, wanted := found[metrics[i].Name]; wanted && m == nil {
			found[metrics[i].Name] = &metrics[i]
			missing--
		}
	}
	return found
}

// judge returns how the metric fails c, "" if it holds.
func (c *Check) judge(m *ktstr.Metric, hintUnit func(string) string) (kind, message string) {
	switch c.kind {
	case KindExists:
		return "", ""
	case KindAtLeast, KindAtMost, KindRange:
	default:
		return Invalid, "check: empty: want METRIC OP VALUE"
	}
	subject := func() string { return "metric '" + valid(c.name) + "' is " + show(m.Value, m.Unit) }
	if math.IsNaN(m.Value) {
		return NotANumber, subject() + " (not a number): want " + c.want()
	}
	bound := c.unit
	if bound == "" && hintUnit != nil {
		// A hint may name another unit than the tool printed. Where the two
		// cannot convert, extraction has kept the printed one and said so.
		if hinted := hintUnit(c.name); hinted != "" && unit.Convertible(hinted, m.Unit) {
			bound = hinted
		}
	}
	if bound == "" {
		bound = m.Unit
	}
	if !unit.Convertible(m.Unit, bound) {
		if m.Unit == "" {
			return WrongUnit, subject() + ", without a unit: want " + c.want() + "; leave the unit off the bound, or give the metric one with a hint"
		}
		return WrongUnit, subject() + ": want " + c.want() + ", and " + strconv.Quote(valid(m.Unit)) + " cannot be converted to " + strconv.Quote(c.unit)
	}
	compare := func(limit float64) int {
		v, limit, _ := common(m.Value, m.Unit, limit, bound)
		switch {
		case v < limit:
			return -1
		case v > limit:
			return 1
		}
		return 0
	}
	lo, hi := c.Bounds()
	switch {
	case !math.IsInf(lo, 0) && compare(lo) < 0:
		kind = Below
	case !math.IsInf(hi, 0) && compare(hi) > 0:
		kind = Above
	default:
		return "", ""
	}
	message = subject() + ": want " + c.want()
	if c.unit == "" && bound != m.Unit {
		message += " in " + bound
	}
	return kind, message
}

// want is the condition without its subject.
func (c Check) want() string {
	return strings.TrimPrefix(c.String(), quoteName(c.name)+" ")
}

func metricsCount(n int) string {
	if n == 1 {
		return "1 metric"
	}
	return fmt.Sprintf("%d metrics", n)
}

func (b Bounds) violations(metrics []ktstr.Metric) []Detail {
	var details []Detail
	if len(metrics) < b.MinMetrics {
		details = append(details, Detail{Kind: TooFew,
			Message: fmt.Sprintf("%s: want at least %d (the payload's bounds)", metricsCount(len(metrics)), b.MinMetrics)})
	}
	if b.Min == nil && b.Max == nil {
		return details
	}
	for _, m := range metrics {
		add := func(kind, want string, limit float64) {
			details = append(details, Detail{Kind: kind, Metric: valid(m.Name),
				Message: "metric '" + valid(m.Name) + "' is " + show(m.Value, m.Unit) + ": want " + want + show(limit, "") + " (the payload's bounds)"})
		}
		if b.Min != nil && !(m.Value >= *b.Min) {
			add(Below, ">= ", *b.Min)
		}
		if b.Max != nil && !(m.Value <= *b.Max) {
			add(Above, "<= ", *b.Max)
		}
	}
	return details
}

// Preflight refuses, before anything runs, checks whose unit cannot be that of
// their metric as the hints tell it. hintUnit is as in Input.
func Preflight(checks []Check, hintUnit func(name string) string) error {
	if hintUnit == nil {
		return nil
	}
	for _, c := range checks {
		if c.unit == "" {
			continue
		}
		if hinted := hintUnit(c.name); hinted != "" && !unit.Convertible(c.unit, hinted) {
			return fmt.Errorf("check %q: unit %q: want one that converts to %q, the unit of %s", c, c.unit, hinted, quoteName(c.name))
		}
	}
	return nil
}
