package stressng

import (
	"bytes"
	"math"
	"strconv"
)

// exact are the powers of ten that a float64 holds exactly.
var exact = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

// number reads a whole field as stress-ng prints numbers: 1694.09, 1.79445e+03.
//
// Up to fifteen digits both the digits and the power of ten are exact, so that
// their quotient is the nearest float64 (W. D. Clinger, How to Read Floating
// Point Numbers Accurately, 1990); the rest goes to strconv.
func number(field []byte) (float64, bool) {
	if len(field) == 0 || len(field) > 40 {
		return 0, false
	}
	var digits uint64
	count, point := 0, -1
	for i, c := range field {
		switch {
		case c >= '0' && c <= '9':
			digits = digits*10 + uint64(c-'0')
			count++
		case c == '.' && point < 0 && i > 0 && i < len(field)-1:
			point = i
		default:
			return slowNumber(field)
		}
	}
	if count > 15 {
		return slowNumber(field)
	}
	if point < 0 {
		return float64(digits), true
	}
	return float64(digits) / exact[len(field)-1-point], true
}

func slowNumber(field []byte) (float64, bool) {
	for i, c := range field {
		switch {
		case c >= '0' && c <= '9', c == 'e', c == '+', c == '-':
		case c == '.' && i > 0 && i < len(field)-1:
		default:
			return 0, false
		}
	}
	v, err := strconv.ParseFloat(string(field), 64)
	return v, err == nil && !math.IsInf(v, 0)
}

// isNotFinite says whether field is one of the ways to print what is no number.
func isNotFinite(field []byte) bool {
	switch string(bytes.TrimLeft(bytes.ToLower(field), "+-")) {
	case "nan", "inf", "infinity":
		return true
	}
	return false
}

// localNumber reads a number that may have a decimal comma, as everything
// behind --perf has in a locale that writes so.
func localNumber(field []byte) (float64, bool) {
	if comma := bytes.IndexByte(field, ','); comma >= 0 && bytes.IndexByte(field, '.') < 0 && bytes.Count(field, []byte(",")) == 1 {
		field = bytes.Clone(field)
		field[comma] = '.'
	}
	return number(field)
}

// localCount reads an integer whose digits may stand in groups, separated by
// points, commas, apostrophes or (narrow) no-break spaces.
func localCount(field []byte) (float64, bool) {
	if len(field) == 0 || field[0] < '0' || field[0] > '9' || len(field) > 80 {
		return 0, false
	}
	digits := make([]byte, 0, 32)
	since := 0 // digits since the last separator
	grouped := false
	for i := 0; i < len(field); {
		c := field[i]
		if c >= '0' && c <= '9' {
			digits = append(digits, c)
			since++
			i++
			continue
		}
		size := separator(field[i:])
		if size == 0 || since == 0 || since > 3 || grouped && since != 3 && since != 2 {
			return 0, false
		}
		grouped, since = true, 0
		i += size
	}
	if grouped && since != 3 {
		return 0, false
	}
	return number(digits)
}

// separator is the size of the group separator that text starts with, or 0.
func separator(text []byte) int {
	for _, s := range []string{".", ",", "'", "\u2019", "\u00a0", "\u202f"} {
		if len(text) >= len(s) && string(text[:len(s)]) == s {
			return len(s)
		}
	}
	return 0
}

// fields splits text at blanks into at most len(into) fields and returns how
// many there are, len(into)+1 if there are more.
func fields(text []byte, into [][]byte) int {
	n := 0
	for i := 0; ; {
		for i < len(text) && (text[i] == ' ' || text[i] == '\t') {
			i++
		}
		if i == len(text) {
			return n
		}
		if n == len(into) {
			return n + 1
		}
		start := i
		for i < len(text) && text[i] != ' ' && text[i] != '\t' {
			i++
		}
		into[n] = text[start:i]
		n++
	}
}
