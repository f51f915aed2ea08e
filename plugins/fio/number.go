package fio

import (
	"strings"

	decimal "github.com/ktstr/ktstr/internal/text"
)

// parseNumber reads a text that is one finite number.
func parseNumber(text string) (float64, bool) { return decimal.ParseDecimal(text) }

func isNumber(text string) bool {
	_, ok := parseNumber(text)
	return ok
}

func isInteger(text string) bool {
	run, rest := digits(strings.TrimPrefix(text, "-"))
	return run != "" && rest == ""
}

// digits splits text after its leading decimal digits.
func digits(text string) (run, rest string) {
	i := 0
	for i < len(text) && '0' <= text[i] && text[i] <= '9' {
		i++
	}
	return text[:i], text[i:]
}

// scaled reads a number with one of fio's decimal suffixes: 4238.6k is 4238600.
func scaled(text string) (float64, bool) {
	exponent := ""
	if text != "" {
		switch text[len(text)-1] {
		case 'k', 'K':
			exponent = "e3"
		case 'M':
			exponent = "e6"
		case 'G':
			exponent = "e9"
		case 'T':
			exponent = "e12"
		case 'P':
			exponent = "e15"
		case 'E':
			exponent = "e18"
		}
		if exponent != "" {
			text = text[:len(text)-1]
		}
	}
	if strings.ContainsAny(text, "eE") { // fio never prints an exponent
		return 0, false
	}
	return parseNumber(text + exponent) // exact where a multiplication would round
}

// numberWithUnit splits "92.3MiB/s" into its number and the rest.
func numberWithUnit(text string) (v float64, unit string, ok bool) {
	i := 0
	for i < len(text) && ('0' <= text[i] && text[i] <= '9' || text[i] == '.' || text[i] == '-' && i == 0) {
		i++
	}
	v, ok = parseNumber(text[:i])
	return v, text[i:], ok
}
