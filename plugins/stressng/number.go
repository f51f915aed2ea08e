package stressng

import (
	"bytes"
	"strings"

	"github.com/ktstr/ktstr/internal/text"
)

// number reads a whole field as stress-ng prints numbers: 1694.09, 1.79445e+03.
func number(field []byte) (float64, bool) { return text.ParseDecimal(field) }

// isNotFinite reports whether field is "nan", "-inf" or the like.
func isNotFinite(field []byte) bool {
	field = bytes.TrimLeft(field, "+-")
	for _, word := range [...]string{"nan", "inf", "infinity"} {
		if len(field) == len(word) && strings.EqualFold(string(field), word) {
			return true
		}
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
