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

	"github.com/ktstr/ktstr/core/unit"
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

// Parse reads
//
//	NAME >= NUM[UNIT]    NAME <= NUM[UNIT]    NAME in [NUM[UNIT], NUM[UNIT]]
//	exists NAME          exit == N
//
// where NAME may be quoted, as "…" with Go's escapes or as '…'. Errors quote
// the check and say what was wanted.
func Parse(text string) (Check, error) {
	fail := func(format string, args ...any) (Check, error) {
		return Check{}, fmt.Errorf("check %q: "+format, append([]any{text}, args...)...)
	}
	rest := strings.TrimSpace(text)
	name, quoted, rest, err := scanName(rest)
	if err != nil {
		return fail("%w", err)
	}
	if name == "" {
		return fail("want METRIC OP VALUE, exists METRIC or exit == N")
	}
	op, operand := scanOp(rest)
	switch {
	case !quoted && name == "exists" && op == "":
		name, _, rest, err := scanName(rest)
		if err != nil {
			return fail("%w", err)
		}
		if name == "" || rest != "" {
			return fail("want exists METRIC (quote a name with blanks)")
		}
		c, err := Exists(name)
		if err != nil {
			return fail("%w", err)
		}
		return c, nil
	case !quoted && name == "exit":
		code, err := strconv.ParseInt(operand, 10, 32)
		if op != "==" || err != nil {
			return fail(`want exit == N (a metric of that name wants quotes: "exit")`)
		}
		return ExitEquals(int(code)), nil
	}
	switch op {
	case "<", ">":
		if operand == "" {
			return fail("want METRIC OP VALUE, where OP is >=, <= or in")
		}
		return fail("bounds are inclusive: want %s %s= %s", quoteName(name), op, operand)
	case "==", "=":
		return fail("want %s in [LO, HI], or exit == N", quoteName(name))
	case "in":
		return parseRange(text, name, operand)
	case "<=", ">=":
		if operand == "" {
			return fail("want METRIC OP VALUE, where OP is >=, <= or in")
		}
		v, u, err := scanQuantity(operand)
		if err != nil {
			return fail("%w", err)
		}
		make := AtMost
		if op == ">=" {
			make = AtLeast
		}
		c, err := make(name, v, u)
		if err != nil {
			return fail("%w", err)
		}
		return c, nil
	}
	return fail("want METRIC OP VALUE, where OP is >=, <= or in")
}

func parseRange(text, name, operand string) (Check, error) {
	fail := func(format string, args ...any) (Check, error) {
		return Check{}, fmt.Errorf("check %q: "+format, append([]any{text}, args...)...)
	}
	inner, ok1 := strings.CutPrefix(operand, "[")
	inner, ok2 := strings.CutSuffix(inner, "]")
	low, high, ok3 := strings.Cut(inner, ",")
	if !ok1 || !ok2 || !ok3 {
		return fail("want METRIC in [LO, HI]")
	}
	lo, lu, err := scanQuantity(strings.TrimSpace(low))
	if err != nil {
		return fail("%w", err)
	}
	hi, hu, err := scanQuantity(strings.TrimSpace(high))
	if err != nil {
		return fail("%w", err)
	}
	if (lu == "") != (hu == "") {
		return fail("a unit on one bound only: want it on both or on none")
	}
	if lu != hu {
		if !unit.Convertible(lu, hu) {
			return fail("%q and %q do not measure the same: want units that convert", lu, hu)
		}
		lo, hi, lu = common(lo, lu, hi, hu)
	}
	c, err := Range(name, lo, hi, lu)
	if err != nil {
		return fail("%w", err)
	}
	return c, nil
}

// common brings two convertible values to the smaller of their units: the
// factor is whole there, so that 0.3 ms and 300 us come out equal.
func common(a float64, au string, b float64, bu string) (float64, float64, string) {
	if au == bu {
		return a, b, au
	}
	if one, err := unit.Convert(1, au, bu); err == nil && one >= 1 {
		if v, err := unit.Convert(a, au, bu); err == nil {
			return v, b, bu
		}
	}
	v, err := unit.Convert(b, bu, au)
	if err != nil {
		return a, math.NaN(), au // only for units that do not convert, which callers refuse
	}
	return a, v, au
}

// scanName takes a name off the front. A name that is missing is empty.
func scanName(text string) (name string, quoted bool, rest string, err error) {
	switch {
	case strings.HasPrefix(text, `"`):
		q, err := strconv.QuotedPrefix(text)
		if err != nil {
			return "", true, "", errors.New(`the name's quotes do not close: want "NAME"`)
		}
		name, err := strconv.Unquote(q)
		if err != nil {
			return "", true, "", fmt.Errorf("name %s: want Go's escapes in double quotes", q)
		}
		return name, true, strings.TrimSpace(text[len(q):]), nil
	case strings.HasPrefix(text, `'`):
		name, rest, ok := strings.Cut(text[1:], `'`)
		if !ok {
			return "", true, "", errors.New(`the name's quotes do not close: want 'NAME'`)
		}
		return name, true, strings.TrimSpace(rest), nil
	}
	end := strings.IndexFunc(text, func(r rune) bool { return !plainRune(r) })
	if end < 0 {
		end = len(text)
	}
	return text[:end], false, strings.TrimSpace(text[end:]), nil
}

// scanOp takes an operator off the front; it is "" where there is none.
func scanOp(text string) (op, operand string) {
	for _, op := range []string{"<=", ">=", "==", "<", ">", "="} {
		if rest, ok := strings.CutPrefix(text, op); ok {
			return op, strings.TrimSpace(rest)
		}
	}
	if rest, ok := strings.CutPrefix(text, "in"); ok && (strings.HasPrefix(rest, "[") || strings.TrimSpace(rest) != rest) {
		return "in", strings.TrimSpace(rest)
	}
	return "", text
}

// scanQuantity reads NUM[UNIT].
func scanQuantity(text string) (v float64, u string, err error) {
	n := numberLen(text)
	if n == 0 {
		return 0, "", fmt.Errorf("value %q: want NUM or NUMUNIT, like 2.5ms", text)
	}
	v, err = strconv.ParseFloat(text[:n], 64)
	if err != nil || math.IsInf(v, 0) {
		return 0, "", fmt.Errorf("value %q: want a finite number", text[:n])
	}
	u = strings.TrimSpace(text[n:])
	switch {
	case u == "":
	case strings.Contains("kKMGT", u):
		return 0, "", fmt.Errorf("value %q: a prefix without a unit: want all the digits, or a unit such as MiB or kiops", text)
	case !validUnit(u) || (v == 0 && (u[0] == 'x' || u[0] == 'X')):
		return 0, "", fmt.Errorf("value %q: want a decimal number and at most a unit after it, like 2.5ms", text)
	}
	return v, u, nil
}

// numberLen is the length of the decimal number at the front of text, 0 where
// there is none. An e counts only when digits follow: "2exa" has a unit.
func numberLen(text string) int {
	digits := func(i int) int {
		for i < len(text) && '0' <= text[i] && text[i] <= '9' {
			i++
		}
		return i
	}
	start := 0
	if text != "" && (text[0] == '+' || text[0] == '-') {
		start = 1
	}
	end := digits(start)
	count := end - start
	if end < len(text) && text[end] == '.' {
		after := digits(end + 1)
		count += after - end - 1
		end = after
	}
	if count == 0 {
		return 0
	}
	if end < len(text) && (text[end] == 'e' || text[end] == 'E') {
		exp := end + 1
		if exp < len(text) && (text[exp] == '+' || text[exp] == '-') {
			exp++
		}
		if after := digits(exp); after > exp {
			end = after
		}
	}
	return end
}
