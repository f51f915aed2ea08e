// Package text has the small operations on text that several packages need:
// text that is safe to print, plurals, the order of versions, and decimal
// numbers.
package text

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable returns text of several lines that is safe on a terminal. Control
// characters except newline and tab, marks that reorder text (such as U+202E),
// and bytes that are not UTF-8 become U+FFFD. Use it for text that a payload, a
// plugin or a file can influence.
func Printable(s string) string { return strings.Map(printable, s) }

// Line is Printable for text that belongs on one line, such as a name. Newlines
// and tabs become U+FFFD too, because a newline in a name could forge a line
// that ktstr never printed.
func Line(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return utf8.RuneError
		}
		return printable(r)
	}, s)
}

func printable(r rune) rune {
	switch {
	case r == '\n' || r == '\t':
		return r
	case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r):
		return utf8.RuneError
	}
	return r
}

// EscapeJSON makes a valid JSON document safe on a terminal. The characters
// that Printable replaces become \u escapes, so that the document keeps its
// meaning. Such characters occur only inside strings, where characters below
// U+0020 are escaped already.
func EscapeJSON(document []byte) []byte {
	if bytes.IndexByte(document, 0x7f) < 0 && isASCII(document) {
		return document
	}
	safe := make([]byte, 0, len(document)+64)
	for _, r := range string(document) {
		if r != printable(r) && r <= 0xffff {
			safe = fmt.Appendf(safe, `\u%04x`, r)
			continue
		}
		safe = utf8.AppendRune(safe, r)
	}
	return safe
}

// isASCII looks at eight bytes at a time, because documents have megabytes.
func isASCII(b []byte) bool {
	for ; len(b) >= 8; b = b[8:] {
		if binary.NativeEndian.Uint64(b)&0x8080808080808080 != 0 {
			return false
		}
	}
	return !slices.ContainsFunc(b, func(c byte) bool { return c >= utf8.RuneSelf })
}

// Word returns s as one word: each white space and control character becomes
// '_'. For example, "4 KiB" becomes "4_KiB".
func Word(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.IsControl(r) {
			return '_'
		}
		return r
	}, s)
}

// Segment returns s as one segment of a dotted metric name. It is Word, and a
// dot becomes '_' too. For example, "rand.read 4k" becomes "rand_read_4k".
func Segment(s string) string { return strings.ReplaceAll(Word(s), ".", "_") }

// Shorten returns s if it has at most limit bytes. Otherwise it returns as many
// whole characters as fit, followed by "…". Bytes that are not UTF-8 become
// U+FFFD first.
func Shorten(s string, limit int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit] + "…"
}

// Count returns a number and its noun, such as "1 run" or "2 runs". The noun is
// regular and in the singular.
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
