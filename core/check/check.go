// Package check parses the conditions of a run, such as "clat.p99 <= 2ms", and
// evaluates them on the run's metrics and exit code. The result is a verdict.
package check

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Kind is the kind of condition that a Check makes.
type Kind string

// The kinds of checks. Bounds are inclusive.
const (
	KindAtLeast Kind = "at-least"
	KindAtMost  Kind = "at-most"
	KindRange   Kind = "range"
	KindExists  Kind = "exists"
	KindExit    Kind = "exit"
)

// A Check is one condition. Checks are equal if they compare equal with ==. The
// zero Check fails every run, and no text parses to it.
type Check struct {
	kind   Kind
	name   string
	lo, hi float64
	unit   string
	code   int
}

// AtLeast returns a check that holds if the metric is v or more. If unit is
// empty, v is in the metric's own unit. AtLeast, AtMost, Range and Exists return
// an error if the name is empty, if a bound is not finite, or if Parse could not
// read the unit, such as "m s".
func AtLeast(name string, v float64, unit string) (Check, error) {
	return bounded(Check{kind: KindAtLeast, name: name, lo: v, unit: unit})
}

// AtMost returns a check that holds if the metric is v or less.
func AtMost(name string, v float64, unit string) (Check, error) {
	return bounded(Check{kind: KindAtMost, name: name, hi: v, unit: unit})
}

// Range returns a check that holds if the metric is in [lo, hi]. It returns an
// error if lo > hi.
func Range(name string, lo, hi float64, unit string) (Check, error) {
	if lo > hi {
		return Check{}, fmt.Errorf("check on %q: range [%v, %v]: want the lower bound first", name, lo, hi)
	}
	return bounded(Check{kind: KindRange, name: name, lo: lo, hi: hi, unit: unit})
}

// Exists returns a check that holds if a metric has that name. Its value may be
// NaN.
func Exists(name string) (Check, error) {
	return bounded(Check{kind: KindExists, name: name})
}

// ExitEquals returns a check that holds if the payload exits with code. A payload
// that a signal ended has the code -1.
func ExitEquals(code int) Check { return Check{kind: KindExit, code: code} }

func bounded(c Check) (Check, error) {
	if c.name == "" {
		return Check{}, errors.New("check: the metric's name is empty: want a name")
	}
	for _, v := range []float64{c.lo, c.hi} {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return Check{}, fmt.Errorf("check on %q: bound %v: want a finite number", c.name, v)
		}
	}
	if c.unit != "" && !validUnit(c.unit) {
		return Check{}, fmt.Errorf("check on %q: unit %q: want a unit such as us, KiB/s or %%", c.name, c.unit)
	}
	return c, nil
}

// Kind returns the check's kind, "" for the zero Check.
func (c Check) Kind() Kind { return c.kind }

// Metric returns the name of the metric that the check looks at, "" for a check
// of the exit code.
func (c Check) Metric() string { return c.name }

// Unit returns the unit of the bounds, "" for the metric's own unit.
func (c Check) Unit() string { return c.unit }

// Bounds returns the smallest and the largest value that hold, in Unit. An open
// end is infinite. For example, "p99 <= 2ms" has the bounds -Inf and 2.
func (c Check) Bounds() (lo, hi float64) {
	lo, hi = math.Inf(-1), math.Inf(1)
	if c.kind == KindAtLeast || c.kind == KindRange {
		lo = c.lo
	}
	if c.kind == KindAtMost || c.kind == KindRange {
		hi = c.hi
	}
	return lo, hi
}

// ExitCode returns the expected exit code of a check of kind KindExit, 0 for
// other checks.
func (c Check) ExitCode() int { return c.code }

// String returns a text that Parse reads as c.
func (c Check) String() string {
	switch c.kind {
	case KindAtLeast:
		return quoteName(c.name) + " >= " + quantity(c.lo, c.unit)
	case KindAtMost:
		return quoteName(c.name) + " <= " + quantity(c.hi, c.unit)
	case KindRange:
		return quoteName(c.name) + " in [" + quantity(c.lo, c.unit) + ", " + quantity(c.hi, c.unit) + "]"
	case KindExists:
		return "exists " + quoteName(c.name)
	case KindExit:
		return "exit == " + strconv.Itoa(c.code)
	}
	return ""
}

// MarshalText implements encoding.TextMarshaler.
func (c Check) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler by Parse.
func (c *Check) UnmarshalText(text []byte) error {
	v, err := Parse(string(text))
	if err != nil {
		return err
	}
	*c = v
	return nil
}

// quantity returns a bound as Parse reads it, such as "2.5ms".
func quantity(v float64, unit string) string {
	number := number(v)
	if unit != "" && (unit[0] == 'e' || unit[0] == 'E') {
		return number + " " + unit // "2 exa", because "2e…" begins an exponent
	}
	return number + unit
}

// special holds the characters that end an unquoted name or unit.
const special = `<>=!"'[],`

// plainRune reports whether an unquoted name or unit may contain r.
func plainRune(r rune) bool {
	return !unicode.IsSpace(r) && !unicode.IsControl(r) && !strings.ContainsRune(special, r) && r != utf8.RuneError
}

// quoteName puts a name in quotes if Parse needs them.
func quoteName(name string) string {
	if name == "exit" || name == "exists" || strings.IndexFunc(name, func(r rune) bool { return !plainRune(r) }) >= 0 {
		return strconv.Quote(name)
	}
	return name
}

func validUnit(u string) bool {
	if strings.IndexFunc(u, func(r rune) bool { return !plainRune(r) }) >= 0 {
		return false
	}
	first, _ := utf8.DecodeRuneInString(u)
	return unicode.IsLetter(first) || first == '%'
}
