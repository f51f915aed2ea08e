package text

import "bytes"

// WithoutColour returns b without the escape sequences with which programs
// colour text and move the cursor, such as "\x1b[32m". It returns b itself if
// there are none. No line is added or removed.
func WithoutColour(b []byte) []byte {
	const esc = 0x1b
	at := bytes.IndexByte(b, esc)
	if at < 0 {
		return b
	}
	clean := append(make([]byte, 0, len(b)), b[:at]...)
	for i := at; i < len(b); {
		if n := escapeSequence(b[i:]); n > 0 {
			i += n
			continue
		}
		end := bytes.IndexByte(b[i+1:], esc)
		if end < 0 {
			return append(clean, b[i:]...)
		}
		clean = append(clean, b[i:i+1+end]...)
		i += 1 + end
	}
	return clean
}

// escapeSequence returns the length of the control sequence (ECMA-48) at the
// start of b, or 0.
func escapeSequence(b []byte) int {
	if len(b) < 2 || b[0] != 0x1b || b[1] != '[' {
		return 0
	}
	i := 2
	for i < len(b) && b[i] >= 0x20 && b[i] <= 0x3f {
		i++
	}
	if i == len(b) || b[i] < 0x40 || b[i] > 0x7e {
		return 0
	}
	return i + 1
}
