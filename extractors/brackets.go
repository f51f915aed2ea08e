package extractors

import (
	"bytes"

	"github.com/ktstr/ktstr/internal/jsonscan"
)

// startsValue has the bytes that may follow the bracket of an array.
var startsValue = [256]bool{
	' ': true, '\t': true, '\r': true, '\n': true, '[': true, ']': true, '{': true, '"': true, '-': true,
	'0': true, '1': true, '2': true, '3': true, '4': true, '5': true, '6': true, '7': true, '8': true, '9': true,
	't': true, 'f': true, 'n': true,
}

// bracket returns the offset of the next bracket that may start a document, or
// the length of the text. Log lines are full of brackets, so it decides by the
// byte after the bracket.
func (w *Walker) bracket(i int) int {
	b := w.text
	for {
		n := jsonscan.IndexBracket(b[i:])
		if n < 0 {
			return len(b)
		}
		i += n
		switch {
		case i+1 == len(b):
			return i
		case b[i] == '[':
			if startsValue[b[i+1]] {
				return i
			}
			i++
		case b[i+1] != '"' || w.colonAfter(i):
			return i
		default:
			for i+1 < len(b) && b[i] == '{' && b[i+1] == '"' {
				i += 2
			}
		}
	}
}

// colonAfter reports whether a colon stands after offset i. Without one there
// is no member.
func (w *Walker) colonAfter(i int) bool {
	if w.colon < i {
		n := bytes.IndexByte(w.text[i:], ':')
		if n < 0 {
			n = len(w.text)
		}
		w.colon = i + n
	}
	return w.colon < len(w.text)
}

// implausible returns i if the bracket at offset i may start a document, and
// otherwise the offset at which the scan goes on. The walk would find the same
// fault, but takes longer.
func implausible(b []byte, i int) int {
	k := i + 1
	if b[i] == '[' {
		for k < len(b) && b[k] == '[' {
			k++
		}
		run := k
		if k = skipSpace(b, k); k == len(b) {
			return k
		}
		if startsValue[b[k]] {
			return i
		}
		return run
	}
	k = skipSpace(b, k)
	if k == len(b) || b[k] != '"' && b[k] != '}' {
		return i + 1
	}
	if b[k] == '}' {
		return i
	}
	k++
	for k < len(b) && b[k] >= ' ' && b[k] != '"' && b[k] != '\\' {
		k++
	}
	if k == len(b) || b[k] == '\\' {
		return i
	}
	if k = skipSpace(b, k+1); k < len(b) && b[k] == ':' {
		return i
	}
	return i + 1
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && jsonscan.IsSpace(b[i]) {
		i++
	}
	return i
}

// afterString returns the offset after a string of malformed text whose first
// character is b[i]. Such a string ends at its quote or with its line.
func afterString(b []byte, i int) int {
	for ; i < len(b) && b[i] != '\n'; i++ {
		switch b[i] {
		case '"':
			return i + 1
		case '\\':
			i++
		}
	}
	return min(i, len(b))
}
