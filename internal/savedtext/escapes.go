package savedtext

import (
	"bytes"
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"
)

var (
	utf8Mark    = []byte("\xef\xbb\xbf")
	utf16Little = []byte("\xff\xfe")
	utf16Big    = []byte("\xfe\xff")
	utf32Little = []byte("\xff\xfe\x00\x00")
)

// Colours removes byte order marks of UTF-8 and colours from data. It returns data
// itself and no removal if there are none. The output of a run is cleaned in this way.
func Colours(data []byte) (clean []byte, removed []Removal) { return strip(data, isColour) }

// decode returns data as UTF-8 if a byte order mark tells that it is UTF-16.
func decode(data []byte) (r Reading, reason string) {
	var order binary.ByteOrder = binary.LittleEndian
	switch {
	case bytes.HasPrefix(data, utf32Little):
		return Reading{Data: data}, "the byte order mark is that of UTF-32: want UTF-8 or UTF-16"
	case bytes.HasPrefix(data, utf16Little):
	case bytes.HasPrefix(data, utf16Big):
		order = binary.BigEndian
	default:
		return Reading{Data: data}, ""
	}
	data = data[2:]
	decoded := make([]byte, 0, len(data)/2)
	for len(data) >= 2 {
		c := rune(order.Uint16(data))
		data = data[2:]
		if utf16.IsSurrogate(c) {
			second := rune(utf8.RuneError)
			if len(data) >= 2 {
				second = rune(order.Uint16(data))
			}
			if c = utf16.DecodeRune(c, second); c != utf8.RuneError {
				data = data[2:]
			}
		}
		decoded = utf8.AppendRune(decoded, c)
	}
	if len(data) > 0 {
		decoded = utf8.AppendRune(decoded, utf8.RuneError)
	}
	return Reading{Data: decoded, Removed: []Removal{{Name: "the UTF-16 encoding"}}}, ""
}

// A code is the last byte of a terminal code, and the byte after ESC. For example, the
// code of "\x1b[32m" has kind '[' and final 'm'.
type code struct{ kind, final byte }

func allCodes(code) bool { return true }

// isColour accepts the codes that programs print with colours: SGR, and the codes that
// grep and tput add to it, which erase to the end of the line or select ASCII.
func isColour(c code) bool {
	return c.kind == '[' && (c.final == 'm' || c.final == 'K') || c.kind == '('
}

// moves are the codes that move the cursor to the right or to a column. A space takes
// their place, so that two words do not become one.
func moves(c code) bool { return c.kind == '[' && (c.final == 'C' || c.final == 'G') }

// strip removes byte order marks at the start of lines, and the terminal codes that
// wanted accepts.
func strip(data []byte, wanted func(code) bool) (clean []byte, removed []Removal) {
	if data, marks := stripMarks(data); marks > 0 {
		clean, removed = strip(data, wanted)
		return clean, append([]Removal{{"", marks, "byte order mark"}}, removed...)
	}
	next := bytes.IndexByte(data, 0x1b)
	if next < 0 {
		return data, nil
	}
	codes := 0
	for next >= 0 {
		clean = append(clean, data[:next]...)
		data = data[next:]
		c, n := readCode(data)
		switch {
		case n == 0:
			n = 1
			clean = append(clean, data[0])
		case !wanted(c):
			clean = append(clean, data[:n]...)
		default:
			codes++
			if moves(c) {
				clean = append(clean, ' ')
			}
		}
		data = data[n:]
		next = bytes.IndexByte(data, 0x1b)
	}
	if codes == 0 {
		return append(clean, data...), nil
	}
	return append(clean, data...), []Removal{{"", codes, "terminal code"}}
}

// stripMarks removes the byte order marks at the start of lines.
func stripMarks(data []byte) (clean []byte, marks int) {
	rest := data
	for {
		at := bytes.Index(rest, utf8Mark)
		if at < 0 {
			break
		}
		start := len(data) - len(rest) + at
		if start == 0 || data[start-1] == '\n' {
			clean = append(clean, rest[:at]...)
			marks++
		} else {
			clean = append(clean, rest[:at+len(utf8Mark)]...)
		}
		rest = rest[at+len(utf8Mark):]
	}
	if marks == 0 {
		return data, 0
	}
	return append(clean, rest...), marks
}

// readCode reads the terminal code at the start of data, which begins with ESC. n is
// the length of the code. It is 0 if the code is not complete.
func readCode(data []byte) (c code, n int) {
	if len(data) < 2 {
		return code{}, 0
	}
	c.kind = data[1]
	switch c.kind {
	case '[': // CSI: parameters, intermediate bytes, one final byte
		for i := 2; i < len(data); i++ {
			if b := data[i]; b >= 0x40 && b <= 0x7e {
				c.final = b
				return c, i + 1
			} else if b < 0x20 || b > 0x3f {
				return code{}, 0
			}
		}
	case ']': // OSC, for example a hyperlink: up to BEL or ESC \
		for i := 2; i < len(data) && data[i] != '\n'; i++ {
			if data[i] == 0x07 {
				return c, i + 1
			}
			if data[i] == 0x1b && i+1 < len(data) && data[i+1] == '\\' {
				return c, i + 2
			}
		}
	case '(', ')', '#': // a character set, or a line size: one more byte
		if len(data) > 2 && data[2] != '\n' {
			return c, 3
		}
	default:
		if c.kind >= 0x30 && c.kind <= 0x7e { // for example ESC 7: save the cursor
			return c, 2
		}
	}
	return code{}, 0
}

// overwrite keeps of each line the text after the last carriage return that has text
// after it. lines is the number of lines that it changed.
func overwrite(data []byte) (final []byte, lines int) {
	if !hasOverwrite(data) {
		return data, 0
	}
	final = make([]byte, 0, len(data))
	eachLine(data, func(line, end []byte) bool {
		if at := bytes.LastIndexByte(line, '\r'); at >= 0 {
			line = line[at+1:]
			lines++
		}
		final = append(final, line...)
		if n := len(end); n > 2 { // "\r\r\n" of a program that adds its own "\r"
			end = end[n-2:]
		}
		final = append(final, end...)
		return true
	})
	return final, lines
}

// hasOverwrite returns whether a carriage return stands elsewhere than at the end of a
// line.
func hasOverwrite(data []byte) bool {
	for {
		at := bytes.IndexByte(data, '\r')
		if at < 0 {
			return false
		}
		data = bytes.TrimLeft(data[at:], "\r")
		if len(data) > 0 && data[0] != '\n' {
			return true
		}
	}
}
