package schbench

import (
	"bytes"
	"strconv"

	decimal "github.com/ktstr/ktstr/internal/text"
)

// number reads a whole field as schbench prints numbers: digits, with or
// without a decimal part. Anything else (a sign, an exponent, "nan") is not a
// number of schbench's.
func number(field []byte) (float64, bool) {
	if v, end, ok := decimal.ReadDecimal(field, 0); ok && end == len(field) {
		return v, true
	}
	if len(field) == 0 || len(field) > 40 {
		return 0, false
	}
	dot := false
	for i, c := range field {
		switch {
		case c >= '0' && c <= '9':
		case c == '.' && !dot && i > 0 && i < len(field)-1:
			dot = true
		default:
			return 0, false
		}
	}
	v, err := strconv.ParseFloat(string(field), 64)
	return v, err == nil
}

// cutNumber reads the number that text starts with and returns the rest.
func cutNumber(text []byte) (v float64, rest []byte, ok bool) {
	v, end, ok := decimal.ReadDecimal(text, 0)
	if ok && (end == len(text) || text[end] != '.') {
		return v, text[end:], true
	}
	end = 0
	for end < len(text) && (text[end] >= '0' && text[end] <= '9' || text[end] == '.') {
		end++
	}
	v, ok = number(text[:end])
	return v, text[end:], ok
}

// after returns what follows prefix, if text starts with it.
func after(text []byte, prefix string) ([]byte, bool) {
	if len(text) < len(prefix) || string(text[:len(prefix)]) != prefix {
		return nil, false
	}
	return text[len(prefix):], true
}

// between reads "<before>NUMBER<behind>" somewhere in text.
func between(text []byte, before, behind string) (float64, bool) {
	_, rest, found := bytes.Cut(text, []byte(before))
	if !found {
		return 0, false
	}
	v, rest, ok := cutNumber(rest)
	if !ok {
		return 0, false
	}
	_, ok = after(rest, behind)
	return v, ok
}

// totalSamples reads "(N total samples)" at the end of a table's header, which
// revisions before October 2020 do not have.
func totalSamples(head []byte) (float64, bool) {
	head, ok := bytes.CutSuffix(bytes.TrimRight(head, " "), []byte(" total samples)"))
	if !ok {
		return 0, false
	}
	return number(head[bytes.LastIndexByte(head, '(')+1:])
}
