package check

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/unit"
	"github.com/ktstr/ktstr/internal/text"
)

// The values of Detail.Kind.
const (
	ExitCode   = "exit-code" // the payload had another exit code
	Missing    = "missing"   // no metric has the name
	NotANumber = "nan"       // the metric is NaN
	Below      = "below"     // the metric is below a bound
	Above      = "above"     // the metric is above a bound
	WrongUnit  = "unit"      // the metric's unit does not convert to the unit of the bound
	TooFew     = "too-few"   // there are fewer metrics than Bounds.MinMetrics
	Invalid    = "invalid"   // the check is the zero Check
)

// A Detail describes one failure.
type Detail struct {
	Kind    string `json:"kind"`
	Check   string `json:"check,omitempty"`  // the text of the check; empty for Bounds
	Metric  string `json:"metric,omitempty"` // empty for the exit code
	Message string `json:"message"`          // for the user, such as "metric 'p99' is 3 ms: want <= 2ms"
}

// A Verdict tells whether all checks held. The zero value is a failure.
type Verdict struct {
	Pass    bool     `json:"pass"`
	Details []Detail `json:"details"` // one for each failure, in the order of the checks
}

// ExitCodeFailed reports whether a check of the exit code failed.
func (v Verdict) ExitCodeFailed() bool { return len(v.Details) > 0 && v.Details[0].Kind == ExitCode }

// Bounds are conditions on all metrics that a payload prints. The zero value has none.
type Bounds struct {
	MinMetrics int      // the smallest number of metrics
	Min, Max   *float64 // of each value, in the metric's own unit; nil: no bound
}

// Input is the part of a run that checks look at.
type Input struct {
	Metrics  []ktstr.Metric
	ExitCode int
	Signal   string // the name of the signal that ended the payload, such as "SIGKILL"; for messages
	Stderr   []byte // the captured stderr; a message shows its last KiB
	Bounds   Bounds
	// HintUnit returns the hinted unit of a metric, "" if no hint has one. It may
	// be nil. Evaluate calls it only for the names in checks.
	HintUnit func(name string) string
	// Absent returns the reason why a metric is not in Metrics, "" if there is no
	// special one. It may be nil.
	Absent func(name string) string
	// Searched lists the streams that were given to the extractor; for messages.
	Searched []ktstr.Stream
}

// Evaluate judges each check on its own, in order. Each failure gives one Detail.
// If a check of the exit code fails, the other checks are not judged, because the
// metrics of a failed run mean nothing. If several metrics have the same name,
// Evaluate looks at the first one. The cost is linear in metrics plus checks.
func Evaluate(checks []Check, in Input) Verdict {
	for _, c := range checks {
		if c.kind == KindExit && c.code != in.ExitCode {
			return Verdict{Details: []Detail{{Kind: ExitCode, Check: c.String(), Message: exitMessage(c.code, in)}}}
		}
	}
	found := firstOf(checks, in.Metrics)
	var details []Detail
	suggestions := 8 // limited, because each one compares all names
	for i := range checks {
		c := &checks[i]
		if c.kind == KindExit {
			continue
		}
		var m *ktstr.Metric
		if c.name != "" {
			if m = found[c.name]; m == nil {
				d := Detail{Kind: Missing, Check: c.String(), Metric: valid(c.name), Message: "metric '" + valid(c.name) + "' not found in payload output"}
				if reason := absent(in, c.name); reason != "" {
					d.Message = "metric '" + valid(c.name) + "' not found: " + reason
				} else {
					d.Message += searched(in, c.name, suggestions > 0)
					suggestions--
				}
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

// judge returns how the metric fails c. kind is "" if c holds.
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
		// A hint may have another unit than the tool printed. If the two do not
		// convert, the extraction has kept the printed one, with a diagnostic.
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

// want returns the condition without the metric's name, such as "<= 2ms".
func (c Check) want() string {
	return strings.TrimPrefix(c.String(), quoteName(c.name)+" ")
}

// violations returns one Detail for each violation.
func (b Bounds) violations(metrics []ktstr.Metric) []Detail {
	var details []Detail
	metrics = printed(metrics)
	if len(metrics) < b.MinMetrics {
		details = append(details, Detail{Kind: TooFew,
			Message: fmt.Sprintf("%s: want at least %d (the payload's bounds)", text.Count(len(metrics), "metric"), b.MinMetrics)})
	}
	if b.Min == nil && b.Max == nil {
		return details
	}
	for _, m := range metrics {
		add := func(kind, want string) {
			is := show(m.Value, m.Unit)
			if kind == NotANumber {
				is += " (not a number)"
			}
			details = append(details, Detail{Kind: kind, Metric: valid(m.Name),
				Message: "metric '" + valid(m.Name) + "' is " + is + ": want " + want + " (the payload's bounds)"})
		}
		switch {
		case math.IsNaN(m.Value):
			add(NotANumber, b.want())
		case b.Min != nil && m.Value < *b.Min:
			add(Below, ">= "+show(*b.Min, ""))
		case b.Max != nil && m.Value > *b.Max:
			add(Above, "<= "+show(*b.Max, ""))
		}
	}
	return details
}

// printed returns the metrics that are not of the run itself.
func printed(metrics []ktstr.Metric) []ktstr.Metric {
	isOwn := func(m ktstr.Metric) bool { return m.Stream == ktstr.RunStream }
	if !slices.ContainsFunc(metrics, isOwn) {
		return metrics
	}
	return slices.DeleteFunc(slices.Clone(metrics), isOwn)
}

// want returns the bounds of each value, such as ">= 0 and <= 10".
func (b Bounds) want() string {
	var parts []string
	if b.Min != nil {
		parts = append(parts, ">= "+show(*b.Min, ""))
	}
	if b.Max != nil {
		parts = append(parts, "<= "+show(*b.Max, ""))
	}
	return strings.Join(parts, " and ")
}

// Preflight returns an error if a check has a unit that does not convert to the
// hinted unit of its metric. Call it before the run. hintUnit is as in Input. For
// example, "p99 <= 2KiB" is refused if a hint gives p99 the unit us.
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
