package jsonscan

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// Reader reads the members of one document in one pass. A member that its
// caller does not want is passed over, and only its brackets and strings are
// looked at.
//
// It accepts more than RFC 8259 does, because programs that print JSON by hand
// write more: a string may hold control characters and a backslash that starts
// no escape, nan and inf are numbers, and a comma may stand before the end of
// an object.
type Reader struct {
	Data []byte
	Pos  int // of the next byte

	// StrayComma is the offset of the last bracket that ends an object after a
	// comma, or 0. A line may be missing there.
	StrayComma int

	linePos, line int // the line of linePos
	braceFrom     int // the first "}" at or after braceFrom is at brace
	brace         int
}

// A SyntaxError says where the text is not JSON.
type SyntaxError struct {
	Pos  int
	Want string
}

func (e *SyntaxError) Error() string { return "want " + e.Want }

// ErrTruncated means that the text ends inside the document.
var ErrTruncated = fmt.Errorf("the document is cut off: %w", io.ErrUnexpectedEOF)

// Fail returns the error for a text that is not as wanted at Pos.
func (r *Reader) Fail(want string) error {
	if r.Pos >= len(r.Data) {
		return ErrTruncated
	}
	return &SyntaxError{r.Pos, want}
}

// LineAt returns the 1-based line of pos. Its cost grows with the distance from
// the pos of the call before.
func (r *Reader) LineAt(pos int) int {
	if r.line == 0 {
		r.line = 1
	}
	newline := []byte{'\n'}
	if pos < r.linePos {
		r.line -= bytes.Count(r.Data[pos:r.linePos], newline)
	} else {
		r.line += bytes.Count(r.Data[r.linePos:pos], newline)
	}
	r.linePos = pos
	return r.line
}

// Space passes over white space and returns the byte after it, or 0 at the end
// of the text.
func (r *Reader) Space() byte {
	for i := r.Pos; i < len(r.Data); i++ {
		if c := r.Data[i]; c > ' ' || !IsSpace(c) {
			r.Pos = i
			return c
		}
	}
	r.Pos = len(r.Data)
	return 0
}

// Object reads an object. It calls member with each key, without the quotes and
// with its escapes. member has to read the value.
func (r *Reader) Object(member func(key []byte) error) error {
	if r.Space() != '{' {
		return r.Fail("an object")
	}
	r.Pos++
	if r.Space() == '}' {
		r.Pos++
		return nil
	}
	for {
		switch r.Space() {
		case '"':
		case '}':
			r.StrayComma = r.Pos
			r.Pos++
			return nil
		default:
			return r.Fail(`a key or "}"`)
		}
		key, err := r.raw()
		if err != nil {
			return err
		}
		if r.Space() != ':' {
			return r.Fail(`":"`)
		}
		r.Pos++
		r.Space()
		if err := member(key); err != nil {
			return err
		}
		switch r.Space() {
		case ',':
			r.Pos++
		case '}':
			r.Pos++
			return nil
		default:
			return r.Fail(`"," or "}"`)
		}
	}
}

// Array reads an array. It calls element before each element, which element
// has to read.
func (r *Reader) Array(element func() error) error {
	if r.Space() != '[' {
		return r.Fail("an array")
	}
	r.Pos++
	if r.Space() == ']' {
		r.Pos++
		return nil
	}
	for {
		r.Space()
		if err := element(); err != nil {
			return err
		}
		switch r.Space() {
		case ',':
			r.Pos++
		case ']':
			r.Pos++
			return nil
		default:
			return r.Fail(`"," or "]"`)
		}
	}
}

// raw reads a string and returns it without its quotes and with its escapes.
func (r *Reader) raw() ([]byte, error) {
	start := r.Pos + 1
	for i := start; i < len(r.Data); i++ {
		switch r.Data[i] {
		case '"':
			r.Pos = i + 1
			return r.Data[start:i], nil
		case '\\':
			if i++; i < len(r.Data) && r.Data[i] == '"' && endsMember(r.Data[i+1:]) {
				r.Pos = i + 1
				return r.Data[start:i], nil
			}
		}
	}
	r.Pos = len(r.Data)
	return nil, ErrTruncated
}

// endsMember reports whether a line ends here, perhaps after a comma. A quote
// that stands before that ends a string, even after a backslash: programs that
// do not escape a backslash write "C:\" as the whole value.
func endsMember(rest []byte) bool {
	rest = bytes.TrimPrefix(rest, []byte{','})
	rest = bytes.TrimPrefix(rest, []byte{'\r'})
	return len(rest) > 0 && rest[0] == '\n'
}

// Text reads a string. Another value is passed over, and ok is false then.
func (r *Reader) Text() (text string, ok bool, err error) {
	if r.Space() != '"' {
		return "", false, r.Skip()
	}
	raw, err := r.raw()
	if err != nil {
		return "", false, err
	}
	return unescape(raw), true, nil
}

// unescape resolves the escapes of a string. A backslash that starts no escape
// stays.
func unescape(raw []byte) string {
	at := bytes.IndexByte(raw, '\\')
	if at < 0 {
		return string(raw)
	}
	text := append(make([]byte, 0, len(raw)), raw[:at]...)
	for i := at; i < len(raw); {
		if raw[i] != '\\' || escape(raw[i:]) == 0 {
			text = append(text, raw[i])
			i++
			continue
		}
		var n int
		text, n = appendEscape(text, raw[i:])
		i += n
	}
	return string(text)
}

// Number reads a number. Values of other types are passed over and give
// NotNumber. NaN and infinite numbers, which JSON does not have, give Infinite.
// An error means that the text cannot be read further.
func (r *Reader) Number() (v float64, kind NumberKind, err error) {
	switch r.Space() {
	case '"', '{', '[':
		return 0, NotNumber, r.Skip()
	}
	start := r.Pos
	word := r.word()
	switch {
	case r.Pos == len(r.Data):
		return 0, NotNumber, ErrTruncated // the number may go on after the end
	case len(word) == 0:
		return 0, NotNumber, r.Fail("a value")
	}
	if c := word[0]; c == '-' || '0' <= c && c <= '9' {
		if v, end, kind := number(r.Data, start); kind != NotNumber && end == r.Pos {
			return v, kind, nil
		}
	}
	switch strings.ToLower(strings.TrimLeft(string(word), "+-")) {
	case "nan", "inf", "infinity":
		return 0, Infinite, nil
	}
	return 0, NotNumber, nil
}

// word reads the letters, digits and signs of a number or a literal.
func (r *Reader) word() []byte {
	start := r.Pos
	for r.Pos < len(r.Data) {
		c := r.Data[r.Pos]
		if '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z' || c == '.' || c == '-' || c == '+' {
			r.Pos++
			continue
		}
		break
	}
	return r.Data[start:r.Pos]
}

// Kinds of bytes in a value that is passed over.
const (
	plainByte = iota
	quoteByte
	openByte
	closeByte
)

var byteKinds = [256]byte{'"': quoteByte, '{': openByte, '[': openByte, '}': closeByte, ']': closeByte}

// Skip passes over a value.
func (r *Reader) Skip() error {
	switch c := r.Space(); {
	case c == '"':
		_, err := r.raw()
		return err
	case c != '{' && c != '[':
		if len(r.word()) == 0 {
			return r.Fail("a value")
		}
		return nil
	}
	if end := r.flatEnd(); end > 0 {
		r.Pos = end
		return nil
	}
	var arrays uint64 // one bit a level
	depth := 0
	for i := r.Pos; i < len(r.Data); i++ {
		switch c := r.Data[i]; byteKinds[c] {
		case quoteByte:
			r.Pos = i
			if _, err := r.raw(); err != nil {
				return err
			}
			i = r.Pos - 1
		case openByte:
			if depth == MaxDepth {
				r.Pos = i
				return r.Fail("less nesting")
			}
			arrays <<= 1
			if c == '[' {
				arrays |= 1
			}
			depth++
		case closeByte:
			if (c == ']') != (arrays&1 == 1) {
				r.Pos = i
				return r.Fail("the other bracket")
			}
			arrays >>= 1
			if depth--; depth == 0 {
				r.Pos = i + 1
				return nil
			}
		}
	}
	r.Pos = len(r.Data)
	return ErrTruncated
}

// flatEnd returns the offset after an object that has neither a container nor
// an escape in it, such as a histogram, or 0. Two thirds of a report of
// fio with bins are such objects, and to search for a byte is ten times as fast as
// to look at each.
func (r *Reader) flatEnd() int {
	if r.Data[r.Pos] != '{' {
		return 0
	}
	// In a broken text many objects may have the same "}" after them, or none.
	if r.Pos < r.braceFrom || r.Pos >= r.brace {
		i := bytes.IndexByte(r.Data[r.Pos:], '}')
		if i < 0 {
			i = len(r.Data) - r.Pos
		}
		r.braceFrom, r.brace = r.Pos, r.Pos+i
	}
	if r.brace == len(r.Data) {
		return 0
	}
	inside := r.Data[r.Pos+1 : r.brace]
	for _, c := range []byte(`{[]\`) {
		if bytes.IndexByte(inside, c) >= 0 {
			return 0
		}
	}
	if bytes.Count(inside, []byte{'"'})%2 != 0 {
		return 0
	}
	return r.brace + 1
}
