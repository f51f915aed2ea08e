// Package check turns a condition on a run, as text ("clat.p99 <= 2ms"), into
// a value, and a list of those and a run's metrics into a verdict.
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

// Kind says what a Check looks at.
type Kind string

// The kinds of checks. Bounds are inclusive.
const (
	KindAtLeast Kind = "at-least"
	KindAtMost  Kind = "at-most"
	KindRange   Kind = "range"
	KindExists  Kind = "exists"
	KindExit    Kind = "exit"
)

// Check is one condition. Checks compare with ==. The zero Check is no
// condition; it parses from nothing and fails every run.
type Check struct {
	kind   Kind
	name   string
	lo, hi float64
	unit   string
	code   int
}

// AtLeast holds when the metric is v or more. The unit of v may be empty: the
// metric's own. A v that is not finite, an empty name and a unit that could not
// be read back are errors, also for AtMost, Range and Exists.
func AtLeast(name string, v float64, unit string) (Check, error) {
	return bounded(Check{kind: KindAtLeast, name: name, lo: v, unit: unit})
}

// AtMost holds when the metric is v or less.
func AtMost(name string, v float64, unit string) (Check, error) {
	return bounded(Check{kind: KindAtMost, name: name, hi: v, unit: unit})
}

// Range holds when the metric is within [lo, hi]; lo > hi is an error.
func Range(name string, lo, hi float64, unit string) (Check, error) {
	if lo > hi {
		return Check{}, fmt.Errorf("check on %q: range [%v, %v]: want the lower bound first", name, lo, hi)
	}
	return bounded(Check{kind: KindRange, name: name, lo: lo, hi: hi, unit: unit})
}

// Exists holds when there is a metric of that name, whatever its value.
func Exists(name string) (Check, error) {
	return bounded(Check{kind: KindExists, name: name})
}

// ExitEquals holds when the payload exits with code; -1 is the code of a
// payload that a signal ended.
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

// Kind returns the check's kind; it is empty for the zero Check.
func (c Check) Kind() Kind { return c.kind }

// Metric returns the name of the metric that the check looks at; it is empty
// for a check of the exit code.
func (c Check) Metric() string { return c.name }

// Unit returns the unit of the bounds; empty means the metric's own.
func (c Check) Unit() string { return c.unit }

// Bounds returns the least and greatest value that hold, in Unit; an open end
// is infinite.
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

// ExitCode returns the wanted exit code of a check of that kind, else 0.
func (c Check) ExitCode() int { return c.code }

// String returns the text that parses to c.
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

func quantity(v float64, unit string) string {
	number := number(v)
	if unit != "" && (unit[0] == 'e' || unit[0] == 'E') {
		return number + " " + unit // else it would read as an exponent
	}
	return number + unit
}

// special are the characters that end an unquoted name or unit.
const special = `<>=!"'[],`

func plainRune(r rune) bool {
	return !unicode.IsSpace(r) && !unicode.IsControl(r) && !strings.ContainsRune(special, r) && r != utf8.RuneError
}

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
