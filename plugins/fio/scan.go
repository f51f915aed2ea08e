package fio

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	decimal "github.com/ktstr/ktstr/internal/text"
)

// A scanner reads the members of one JSON document in place, in one pass. It
// is made for what fio writes, and in two points it is wider than RFC 8259:
// strings may hold raw control characters (fio leaves a TAB or a newline in a
// job name as it is), and nan and inf are numbers. What nobody asks for is
// skipped without being looked at closer than its brackets and strings.
type scanner struct {
	data []byte
	pos  int

	strayComma     int // the last place where a comma had nothing behind it
	linePos, line  int // the line number of linePos, counted lazily
	sought, closer int // behind sought, which flatEnd asked for last, the first "}" is at closer
}

// maxDepth is far beyond fio's seven levels.
const maxDepth = 64

// A syntaxError says where the text stops to be JSON, and why.
type syntaxError struct {
	pos  int
	want string
}

func (e *syntaxError) Error() string { return "want " + e.want }

// errCut says that the text ended inside the document.
var errCut = fmt.Errorf("the document is cut off: %w", io.ErrUnexpectedEOF)

func (s *scanner) fail(want string) error {
	if s.pos >= len(s.data) {
		return errCut
	}
	return &syntaxError{s.pos, want}
}

// lineAt returns the 1-based line of pos. It costs as much as pos is away from
// that of the last call, in either direction.
func (s *scanner) lineAt(pos int) int {
	if s.line == 0 {
		s.line = 1
	}
	if pos < s.linePos {
		s.line -= bytes.Count(s.data[pos:s.linePos], newline)
	} else {
		s.line += bytes.Count(s.data[s.linePos:pos], newline)
	}
	s.linePos = pos
	return s.line
}

var newline = []byte{'\n'}

// space skips white space and returns the byte behind it, 0 at the end.
func (s *scanner) space() byte {
	for i := s.pos; i < len(s.data); i++ {
		if c := s.data[i]; c > ' ' || c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			s.pos = i
			return c
		}
	}
	s.pos = len(s.data)
	return 0
}

// object calls member for each key of the object that comes next; member has
// to read the value. The key is raw, without its quotes.
func (s *scanner) object(member func(key []byte) error) error {
	if s.space() != '{' {
		return s.fail("an object")
	}
	s.pos++
	if s.space() == '}' {
		s.pos++
		return nil
	}
	for {
		switch s.space() {
		case '"':
		case '}': // behind a comma: a line was taken out
			s.strayComma = s.pos
			s.pos++
			return nil
		default:
			return s.fail(`a key or "}"`)
		}
		key, err := s.rawString()
		if err != nil {
			return err
		}
		if s.space() != ':' {
			return s.fail(`":"`)
		}
		s.pos++
		s.space()
		if err := member(key); err != nil {
			return err
		}
		switch s.space() {
		case ',':
			s.pos++
		case '}':
			s.pos++
			return nil
		default:
			return s.fail(`"," or "}"`)
		}
	}
}

// array calls element for each element of the array that comes next.
func (s *scanner) array(element func() error) error {
	if s.space() != '[' {
		return s.fail("an array")
	}
	s.pos++
	if s.space() == ']' {
		s.pos++
		return nil
	}
	for {
		s.space()
		if err := element(); err != nil {
			return err
		}
		switch s.space() {
		case ',':
			s.pos++
		case ']':
			s.pos++
			return nil
		default:
			return s.fail(`"," or "]"`)
		}
	}
}

// rawString returns what stands between the quotes, escapes untouched.
func (s *scanner) rawString() ([]byte, error) {
	start := s.pos + 1
	for i := start; i < len(s.data); i++ {
		switch s.data[i] {
		case '"':
			s.pos = i + 1
			return s.data[start:i], nil
		case '\\':
			i++
		}
	}
	s.pos = len(s.data)
	return nil, errCut
}

// text reads the string that comes next; another value is skipped and gives
// ok false.
func (s *scanner) text() (text string, ok bool, err error) {
	if s.space() != '"' {
		return "", false, s.skip()
	}
	raw, err := s.rawString()
	if err != nil {
		return "", false, err
	}
	return unescape(raw), true, nil
}

// What a byte means to skip.
const (
	plain = iota
	quote
	open
	shut
)

var kinds = [256]byte{'"': quote, '{': open, '[': open, '}': shut, ']': shut}

// skip goes behind the value that comes next.
func (s *scanner) skip() error {
	switch c := s.space(); {
	case c == '"':
		_, err := s.rawString()
		return err
	case c != '{' && c != '[':
		start := s.pos
		s.token()
		if s.pos == start {
			return s.fail("a value")
		}
		return nil
	}
	if end := s.flatEnd(); end > 0 {
		s.pos = end
		return nil
	}
	var isArray uint64 // one bit a level
	depth := 0
	data := s.data
	for i := s.pos; i < len(data); i++ {
		switch kinds[data[i]] {
		case plain:
		case quote:
			i++
			for i < len(data) && data[i] != '"' {
				if data[i] == '\\' {
					i++
				}
				i++
			}
		case open:
			if depth == maxDepth {
				s.pos = i
				return s.fail("less nesting")
			}
			isArray <<= 1
			if data[i] == '[' {
				isArray |= 1
			}
			depth++
		case shut:
			if (data[i] == ']') != (isArray&1 == 1) {
				s.pos = i
				return s.fail("the other bracket")
			}
			isArray >>= 1
			if depth--; depth == 0 {
				s.pos = i + 1
				return nil
			}
		}
	}
	s.pos = len(data)
	return errCut
}

// flatEnd returns where the value that comes next ends if it is an object that
// holds no other, nor an escape; most of a json+ document are such objects, its
// histograms. 0 means that a closer look is needed.
func (s *scanner) flatEnd() int {
	if s.data[s.pos] != '{' {
		return 0
	}
	// In a broken text many objects may have the same "}" before them, or none.
	if s.pos < s.sought || s.pos >= s.closer {
		i := bytes.IndexByte(s.data[s.pos:], '}')
		if i < 0 {
			i = len(s.data) - s.pos
		}
		s.sought, s.closer = s.pos, s.pos+i
	}
	if s.closer == len(s.data) {
		return 0
	}
	inside := s.data[s.pos+1 : s.closer]
	if bytes.IndexByte(inside, '{') >= 0 || bytes.IndexByte(inside, '[') >= 0 || bytes.IndexByte(inside, ']') >= 0 ||
		bytes.IndexByte(inside, '\\') >= 0 || bytes.Count(inside, quoteMark)%2 != 0 {
		return 0
	}
	return s.closer + 1
}

var quoteMark = []byte{'"'}

// token reads up to the next byte that cannot be part of a number or a word.
func (s *scanner) token() []byte {
	start := s.pos
	for s.pos < len(s.data) {
		c := s.data[s.pos]
		if '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z' || c == '.' || c == '-' || c == '+' {
			s.pos++
			continue
		}
		break
	}
	return s.data[start:s.pos]
}

// What can be wrong with a number although the text around it is sound.
var (
	errNotNumber = errors.New("not a number")
	errNotFinite = errors.New("not finite")
	errInexact   = errors.New("no exact float64")
)

// number reads the number that comes next. Values of another kind are skipped.
// Besides what makes the rest of the text unreadable (fatal), odd says what is
// wrong with this value alone; only with errInexact there is a value.
func (s *scanner) number() (v float64, odd, fatal error) {
	switch s.space() {
	case '"', '{', '[':
		return 0, errNotNumber, s.skip()
	}
	token := s.token()
	if s.pos == len(s.data) {
		return 0, nil, errCut // the number may go on behind the cut
	}
	if len(token) == 0 {
		return 0, nil, s.fail("a value")
	}
	v, odd = parseNumber(string(token))
	return v, odd, nil
}

// parseNumber reads a number as JSON spells it, or nan or inf.
func parseNumber(text string) (float64, error) {
	if v, ok := shortNumber(text); ok {
		return v, nil
	}
	if isNumber(text) {
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return 0, errNotFinite // the only error left is the range
		}
		if len(text) > 15 && math.Abs(v) >= 1<<53 && !strings.ContainsAny(text, ".eE") && !exact(text, v) {
			return v, errInexact
		}
		return v, nil
	}
	switch strings.ToLower(strings.TrimLeft(text, "+-")) {
	case "nan", "inf", "infinity":
		return 0, errNotFinite
	}
	return 0, errNotNumber
}

// shortNumber reads what nearly all numbers of fio are: integers, or fractions
// without an exponent, of 15 digits at most. Such an integer and such a power
// of ten are exact, so that the quotient is rounded once, as strconv does it.
func shortNumber(text string) (float64, bool) {
	if len(text) == 0 || len(text) > 16 || text[0] == '0' && len(text) > 1 && text[1] != '.' {
		return 0, false
	}
	v, dot := int64(0), -1
	for i := 0; i < len(text); i++ {
		digit := text[i] - '0'
		if digit > 9 {
			if text[i] != '.' || dot >= 0 || i == 0 {
				return 0, false
			}
			dot = i
			continue
		}
		v = v*10 + int64(digit)
	}
	switch {
	case dot < 0 && len(text) <= 15:
		return float64(v), true
	case dot < 0 || dot == len(text)-1:
		return 0, false
	}
	return decimal.MovePoint(float64(v), len(text)-1-dot), true
}

// exact says whether v is the integer that text spells.
func exact(text string, v float64) bool {
	return strconv.FormatFloat(v, 'f', 0, 64) == text
}

// isNumber says whether text is a number by the grammar of JSON.
func isNumber(text string) bool {
	text = strings.TrimPrefix(text, "-")
	whole, rest := digits(text)
	if whole == "" || len(whole) > 1 && whole[0] == '0' {
		return false
	}
	if strings.HasPrefix(rest, ".") {
		var part string
		if part, rest = digits(rest[1:]); part == "" {
			return false
		}
	}
	if rest != "" && rest[0]|0x20 == 'e' {
		rest = rest[1:]
		if rest != "" && (rest[0] == '+' || rest[0] == '-') {
			rest = rest[1:]
		}
		var part string
		if part, rest = digits(rest); part == "" {
			return false
		}
	}
	return rest == ""
}

// digits splits text behind its leading decimal digits.
func digits(text string) (run, rest string) {
	i := 0
	for i < len(text) && '0' <= text[i] && text[i] <= '9' {
		i++
	}
	return text[:i], text[i:]
}

// unescape resolves the escapes of a JSON string. What is no escape stays as it is.
func unescape(raw []byte) string {
	at := bytes.IndexByte(raw, '\\')
	if at < 0 {
		return string(raw)
	}
	out := append(make([]byte, 0, len(raw)), raw[:at]...)
	for i := at; i < len(raw); i++ {
		c := raw[i]
		if c != '\\' || i+1 == len(raw) {
			out = append(out, c)
			continue
		}
		i++
		switch c = raw[i]; c {
		case '"', '\\', '/':
			out = append(out, c)
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r, ok := hex4(raw[i+1:])
			if !ok {
				out = append(out, '\\', c)
				continue
			}
			i += 4
			if utf16.IsSurrogate(r) {
				low, ok := rune(0), false
				if len(raw) > i+2 && raw[i+1] == '\\' && raw[i+2] == 'u' {
					low, ok = hex4(raw[i+3:])
				}
				if r = utf16.DecodeRune(r, low); ok && r != utf8.RuneError {
					i += 6
				}
			}
			out = utf8.AppendRune(out, r)
		default:
			out = append(out, '\\', c)
		}
	}
	return string(out)
}

func hex4(b []byte) (rune, bool) {
	if len(b) < 4 {
		return 0, false
	}
	v, err := strconv.ParseUint(string(b[:4]), 16, 16)
	return rune(v), err == nil
}
