package schbench

import (
	"bytes"
	"github.com/ktstr/ktstr/internal/text"
)

// number reads a whole field as schbench prints numbers: digits, with or
// without a decimal part. A sign, an exponent and "nan" are not of schbench.
func number(field []byte) (float64, bool) {
	if bytes.ContainsAny(field, "+-eE") {
		return 0, false
	}
	return text.ParseDecimal(field)
}

// cutNumber reads the number at the start of line and returns the rest.
func cutNumber(line []byte) (v float64, rest []byte, ok bool) {
	end := 0
	for end < len(line) && (line[end] >= '0' && line[end] <= '9' || line[end] == '.') {
		end++
	}
	v, ok = number(line[:end])
	return v, line[end:], ok
}

// after returns the rest of line after prefix, if line starts with it.
func after(line []byte, prefix string) ([]byte, bool) {
	if !bytes.HasPrefix(line, []byte(prefix)) {
		return nil, false
	}
	return line[len(prefix):], true
}

// between reads "<before>NUMBER<behind>" somewhere in line.
func between(line []byte, before, behind string) (float64, bool) {
	_, rest, found := bytes.Cut(line, []byte(before))
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
