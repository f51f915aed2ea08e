package check

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/ktstr/ktstr/core/unit"
	"github.com/ktstr/ktstr/internal/text"
)

// Parse reads a check:
//
//	NAME >= NUM[UNIT]    NAME <= NUM[UNIT]    NAME in [NUM[UNIT], NUM[UNIT]]
//	exists NAME          exit == N
//
// NAME may be in double quotes, with the escapes of Go, or in single quotes. For
// example, "clat.p99 <= 2ms" is a check of the metric clat.p99. An error quotes the
// check and gives the expected form.
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

// common converts two values to the smaller of their units, which must be
// convertible. The factor is a whole number in that direction, so that 0.3 ms and
// 300 us are equal.
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
		return a, math.NaN(), au // callers refuse units that do not convert
	}
	return a, v, au
}

// scanName reads a name at the start of text. The name is empty if there is none.
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

// scanOp reads an operator at the start of text. It is "" if there is none.
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

// scanQuantity reads NUM[UNIT], such as "2.5ms". It refuses a prefix without a
// unit, such as "50k", because 50 and 50,000 would both be a guess.
func scanQuantity(operand string) (v float64, u string, err error) {
	n := text.DecimalLen(operand)
	if n == 0 {
		return 0, "", fmt.Errorf("value %q: want NUM or NUMUNIT, like 2.5ms", operand)
	}
	v, err = strconv.ParseFloat(operand[:n], 64)
	if err != nil || math.IsInf(v, 0) {
		return 0, "", fmt.Errorf("value %q: want a finite number", operand[:n])
	}
	u = strings.TrimSpace(operand[n:])
	switch {
	case u == "":
	case strings.Contains("kKMGT", u):
		return 0, "", fmt.Errorf("value %q: a prefix without a unit: want all the digits, or a unit such as MiB or kiops", operand)
	case !validUnit(u) || (v == 0 && (u[0] == 'x' || u[0] == 'X')):
		return 0, "", fmt.Errorf("value %q: want a decimal number and at most a unit after it, like 2.5ms", operand)
	}
	return v, u, nil
}
