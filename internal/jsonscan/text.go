// Package jsonscan is the one hand-written JSON scanner of this module. It
// reads a text in place and builds no tree.
//
// Leaves.Walk appends the numbers of one document, named by their dotted paths.
// It follows RFC 8259 to the letter and explains why a text is not JSON. The
// extractor "json" uses it.
//
// Reader calls functions for the members that its caller wants and passes over
// the rest. It also reads text that RFC 8259 forbids and fio writes, such as a
// TAB in a string. The fio parser uses it.
//
// docs/json.md says why these two do not use a JSON library.
package jsonscan

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// Repeated bytes, to look at eight bytes at once. Each test subtracts, and the
// subtraction borrows into the high bit of a byte exactly where that byte is
// the wanted one. A borrow can only spoil higher bytes, so the lowest mark is
// always true.
const (
	ones      = 0x0101010101010101
	highs     = 0x8080808080808080
	spaces    = ones * ' '
	quotes    = ones * '"'
	backslash = ones * '\\'
	zeros     = ones * '0'
)

// load returns the eight bytes at b[i].
func load(b []byte, i int) uint64 { return binary.LittleEndian.Uint64(b[i:]) }

// IsSpace reports whether c is white space of JSON.
func IsSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// skipString returns the offset after the closing quote of the string whose
// first character is b[i]. If the string is not valid, ok is false and end is
// the offset of the fault.
func skipString(b []byte, i int) (end int, ok bool) {
	for {
		for i+8 <= len(b) {
			w := load(b, i)
			mark := (((w ^ quotes) - ones) | ((w ^ backslash) - ones) | (w - spaces)) &^ w & highs
			if mark != 0 {
				i += bits.TrailingZeros64(mark) >> 3
				break
			}
			i += 8
		}
		for i < len(b) && b[i] != '"' && b[i] != '\\' && b[i] >= ' ' {
			i++
		}
		if i >= len(b) {
			return i, false
		}
		switch b[i] {
		case '"':
			return i + 1, true
		case '\\':
			n := escape(b[i:])
			if n == 0 {
				return i, false
			}
			i += n
		default:
			return i, false
		}
	}
}

// notPlain marks the bytes of w that are a quote, a backslash, a control
// character or not ASCII. The lowest mark is true, higher ones may be false.
func notPlain(w uint64) uint64 {
	return (((w ^ quotes) - ones) | ((w ^ backslash) - ones) | (w - spaces) | w) & highs
}

// escape returns the length of the escape sequence at the start of b, or 0 if
// b does not start with a valid one.
func escape(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if _, ok := hex4(b); ok {
			return 6
		}
	}
	return 0
}

// hex4 reads \uXXXX at the start of b.
func hex4(b []byte) (r rune, ok bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	for _, c := range b[2:6] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// appendEscape appends the character of the valid escape sequence at the start
// of b, and returns the number of bytes that it read. Half a surrogate pair
// becomes U+FFFD.
func appendEscape(dst, b []byte) ([]byte, int) {
	r, ok := hex4(b)
	if !ok {
		return append(dst, unescaped(b[1])), 2
	}
	n := 6
	if utf16.IsSurrogate(r) {
		low, _ := hex4(b[n:])
		if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
			n += 6
		}
	}
	return utf8.AppendRune(dst, r), n
}

func unescaped(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}

// appendString appends the string whose first character is b[i] as UTF-8, and
// returns the offset after its closing quote. Bytes that are not UTF-8 become
// U+FFFD, and replaced is true then. If the string is not valid, ok is false
// and end is the offset of the fault.
func appendString(dst, b []byte, i int) (_ []byte, end int, ok, replaced bool) {
	for i < len(b) {
		c := b[i]
		switch {
		case c == '"':
			return dst, i + 1, true, replaced
		case c < ' ':
			return dst, i, false, replaced
		case c == '\\':
			if escape(b[i:]) == 0 {
				return dst, i, false, replaced
			}
			var n int
			dst, n = appendEscape(dst, b[i:])
			i += n
		case c < utf8.RuneSelf:
			dst = append(dst, c)
			i++
		default:
			r, n := utf8.DecodeRune(b[i:])
			replaced = replaced || r == utf8.RuneError && n == 1
			dst = utf8.AppendRune(dst, r)
			i += n
		}
	}
	return dst, i, false, replaced
}

// IndexBracket returns the offset of the first "{" or "[" in b, or -1.
func IndexBracket(b []byte) int {
	for i := 0; i < len(b); {
		if i+8 <= len(b) {
			w := load(b, i) | ones*0x20 ^ ones*'{' // "[" is "{" without that bit
			mark := (w - ones) &^ w & highs
			if mark == 0 {
				i += 8
				continue
			}
			i += bits.TrailingZeros64(mark) >> 3
		} else if b[i]|0x20 != '{' {
			i++
			continue
		}
		return i
	}
	return -1
}
