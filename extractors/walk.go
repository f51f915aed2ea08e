package extractors

import (
	"encoding/binary"
	"math"
	"math/bits"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/huge"
	"github.com/ktstr/ktstr/internal/text"
)

// MaxDepth is how many levels of nesting are walked; numbers below are cut.
const MaxDepth = 64

// maxName is the longest name, in bytes, that a number is given; the engine
// refuses longer ones.
const maxName = 16 << 10

// Repeated bytes, for looking at eight at a time. The tests on them follow one
// scheme: a subtraction borrows into the high bit of a byte exactly where that
// byte is the one looked for. A borrow can only spoil the bytes above, so the
// lowest mark is always true.
const (
	ones       = 0x0101010101010101
	highs      = 0x8080808080808080
	spaces     = ones * ' '
	quotes     = ones * '"'
	backslash  = ones * '\\'
	zeros      = ones * '0'
	overDigits = ones * (0x80 - 10)
)

// frame is what walking a container needs to know about the one around it.
type frame struct {
	prefix int // length of the path, with the dot, that its members share
	index  int // of the element being walked; -1 in an object
}

// sheet is where a walk writes to: the metrics, and the arena of their names.
// Names are never moved: strings point into the arena. names[start:] is its
// open end, where the path of the value at hand is kept, so that a name is
// complete, in its place, when its number is met.
type sheet struct {
	metrics []ktstr.Metric
	names   []byte
	start   int
	stream  ktstr.Stream

	budget int // bytes of arena that may yet be had
	room   int // how many metrics there may be
	need   int // bytes of the arena in pieces that are full
	odd    odd
}

// odd is what was odd about the documents that count.
type odd struct {
	dropped  tally // numbers left out for want of budget or room, or with a name too long
	cut      tally // containers below MaxDepth
	inexact  tally // integers that no float64 equals
	infinite tally // numbers beyond the range of float64
	badText  tally // keys with bytes that are not UTF-8
}

// add appends what was odd about one more document.
func (o *odd) add(more odd) {
	o.dropped.join(more.dropped)
	o.cut.join(more.cut)
	o.inexact.join(more.inexact)
	o.infinite.join(more.infinite)
	o.badText.join(more.badText)
}

// tally counts what was odd, and keeps where it was first seen.
type tally struct {
	n, line int
	name    string
}

func (t *tally) add(name []byte, line int) {
	if t.n == 0 {
		t.name, t.line = string(name[:min(len(name), 100)]), line
	}
	t.n++
}

func (t *tally) join(more tally) {
	if t.n == 0 {
		t.name, t.line = more.name, more.line
	}
	t.n += more.n
}

// walk reads the container that begins at b[i], on the given line, as RFC 8259
// has it, and appends its numbers to s. It returns where the container ends
// and whether any object is in it, or ok false where it stops being JSON; skim
// tells why. What was appended then is the caller's to undo.
func (s *sheet) walk(b []byte, i, line int) (end int, objects, ok bool) {
	var (
		stack   [MaxDepth]frame
		depth   int
		prefix  int  // of the container at hand
		index   = -1 // in the container at hand
		cur     int  // length of the path of the value at hand
		c       byte
		n       = len(s.metrics)
		metrics = s.metrics[:cap(s.metrics)]
		names   = s.names
		start   = s.start
	)
	if len(names)-start < slack {
		names, start = make([]byte, max(4096, len(b)/64, s.need)), 0
		s.need = 0
	}

walking:
	for i < len(b) {
		// A value begins at b[i], and its path is names[start : start+cur].
		switch c = b[i]; c {
		case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
			v, next, kind := number(b, i)
			i = next
			if kind != exact {
				if kind == notNumber {
					break walking
				}
				if kind == infinite {
					s.odd.infinite.add(names[start:start+cur], line)
					break
				}
				s.odd.inexact.add(names[start:start+cur], line)
			}
			// The next path goes behind this name, and needs as much again.
			if n == len(metrics) || len(names)-start < 2*cur+2*slack || cur > maxName {
				if metrics, names, start, ok = s.makeRoom(metrics, n, names, start, cur, i, len(b)); !ok {
					s.odd.dropped.add(names[start:start+cur], line)
					break
				}
			}
			m := &metrics[n]
			n++
			m.Name = unsafe.String(&names[start], cur)
			m.Value = v
			m.Unit = ""
			m.Polarity = ktstr.Unknown
			m.Stream = s.stream
			m.Line = line
			for k := 0; k < prefix; k += 8 {
				store(names, start+cur+k, load(names, start+k))
			}
			start += cur
		case '"':
			if i, ok = skipString(b, i+1); !ok {
				break walking
			}
		case '{', '[':
			if depth == MaxDepth {
				r := skim(b, i, nil)
				i = r.end
				if !r.ok {
					break walking
				}
				s.odd.cut.add(names[start:start+cur], line)
				objects = objects || r.objects
				line += r.lines
				break
			}
			stack[depth] = frame{prefix, index}
			depth++
			prefix = cur
			if depth > 1 {
				names[start+cur] = '.'
				prefix++
			}
			if i++; i < len(b) && b[i] <= ' ' {
				i, line = blank(b, i, line)
			}
			if i == len(b) {
				break walking
			}
			index = 0
			if c == '{' {
				index = -1
				objects = true
			}
			if b[i] != c+2 { // the closing bracket
				goto member
			}
		case 't':
			if !literal(b, &i, "true") {
				break walking
			}
		case 'f':
			if !literal(b, &i, "false") {
				break walking
			}
		case 'n':
			if !literal(b, &i, "null") {
				break walking
			}
		default:
			break walking
		}

		// Behind a value: the end of its container, or the next member.
		for {
			if i < len(b) && b[i] <= ' ' {
				i, line = blank(b, i, line)
			}
			if i == len(b) {
				break walking
			}
			if c = b[i]; c == ',' {
				break
			}
			if index < 0 && c != '}' || index >= 0 && c != ']' {
				break walking
			}
			i++
			depth--
			if depth == 0 {
				s.metrics, s.names, s.start = metrics[:n], names, start
				return i, objects, true
			}
			prefix, index = stack[depth].prefix, stack[depth].index
		}
		if i++; i < len(b) && b[i] <= ' ' {
			i, line = blank(b, i, line)
		}
		if index >= 0 {
			index++
		}

	member:
		if index >= 0 {
			if len(names)-start-prefix < slack {
				names, start = s.lengthen(names, start, prefix), 0
			}
			cur = len(strconv.AppendInt(names[start:start+prefix:len(names)], int64(index), 10))
			continue
		}
		if i == len(b) || b[i] != '"' {
			break walking
		}
		i++
		cur = prefix
		for i+8 <= len(b) {
			if len(names)-start-cur < slack {
				names, start = s.lengthen(names, start, cur), 0
			}
			w := load(b, i)
			store(names, start+cur, w)
			mark := (((w ^ quotes) - ones) | ((w ^ backslash) - ones) | (w - spaces) | w) & highs
			if mark == 0 {
				i += 8
				cur += 8
				continue
			}
			k := bits.TrailingZeros64(mark) >> 3
			i += k
			cur += k
			break
		}
		if i < len(b) && b[i] == '"' {
			i++
		} else {
			var path []byte
			var bad bool
			path, i, ok, bad = appendString(names[:start+cur], b, i)
			if !ok {
				break walking
			}
			cur = len(path) - start
			names = path[:cap(path)]
			if bad {
				s.odd.badText.add(names[start:start+cur], line)
			}
			if len(names)-start-cur < slack {
				names, start = s.lengthen(names, start, cur), 0
			}
		}
		if i < len(b) && b[i] == ' ' {
			i++
		}
		if i < len(b) && b[i] <= ' ' {
			i, line = blank(b, i, line)
		}
		if i == len(b) || b[i] != ':' {
			break walking
		}
		if i++; i < len(b) && b[i] == ' ' {
			i++
		}
		if i < len(b) && b[i] <= ' ' {
			i, line = blank(b, i, line)
		}
	}
	s.metrics, s.names, s.start = metrics[:n], names, start
	return i, objects, false
}

// load is the eight bytes at b[i]; the caller sees to it that they are there.
// A bounds check here costs a tenth of the walk.
func load(b []byte, i int) uint64 {
	return binary.LittleEndian.Uint64((*[8]byte)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(b)), i))[:])
}

// store is the other way round, with the same condition.
func store(b []byte, i int, w uint64) {
	binary.LittleEndian.PutUint64((*[8]byte)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(b)), i))[:], w)
}

// slack is how many bytes more than the path at hand the open end of the arena
// always has.
const slack = 64

// blank returns where the white space at b[i] ends, and on which line.
//
//go:noinline
func blank(b []byte, i, line int) (int, int) {
	for i < len(b) {
		switch b[i] {
		case '\n':
			line++
			i++
		case ' ':
			for i+8 <= len(b) {
				w := load(b, i) ^ spaces
				if w != 0 {
					i += bits.TrailingZeros64(w) >> 3
					break
				}
				i += 8
			}
			if i < len(b) && b[i] == ' ' {
				i++
			}
		case '\t', '\r':
			i++
		default:
			return i, line
		}
	}
	return i, line
}

// makeRoom sees to it that metrics[n] exists, and that the arena has room for
// the path at its open end, of cur bytes, and another one behind it; false if
// there is to be no more. pos and size tell how much of the text was read.
func (s *sheet) makeRoom(metrics []ktstr.Metric, n int, names []byte, start, cur, pos, size int) (_ []ktstr.Metric, _ []byte, newStart int, ok bool) {
	small := len(names)-start < 2*cur+2*slack
	// What is to come, if the text goes on as it did.
	piece := max(2*cur+4096, min(int(float64(s.need+start)/float64(pos)*float64(size-pos)*1.02)+slack, s.budget))
	if cur > maxName || n >= s.room || small && s.budget < piece {
		return metrics, names, start, false
	}
	if small {
		s.budget -= piece
		names, start = s.newPiece(names, start, cur, piece), 0
	}
	if n == len(metrics) {
		// As many as the text will give if it goes on as it did.
		want := max(n+n/4, 64)
		if n == 0 {
			want = min(size/24, 4096) + 16
		} else if guess := int(float64(n) / float64(pos) * float64(size) * 1.02); guess > want {
			want = guess + 16
		}
		more := huge.Pages(make([]ktstr.Metric, min(want, s.room)))
		copy(more, metrics)
		metrics = more
	}
	return metrics, names, start, true
}

// newPiece is a new arena that begins with the path at the open end of names,
// whose strings stay where they are.
func (s *sheet) newPiece(names []byte, start, path, size int) []byte {
	s.need += start
	piece := huge.Pages(make([]byte, size))
	copy(piece, names[start:start+path])
	return piece
}

// lengthen is newPiece for a path that fills what there is.
func (s *sheet) lengthen(names []byte, start, path int) []byte {
	return s.newPiece(names, start, path, max(2*path+4*slack, min(len(names), 1<<20)))
}

func space(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

func literal(b []byte, i *int, word string) bool {
	if len(b)-*i < len(word) || string(b[*i:*i+len(word)]) != word {
		return false
	}
	*i += len(word)
	return true
}

// skipString returns where the string whose inside begins at b[i] ends.
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

// escape is the length of the escape sequence that b begins with; 0 if it is none.
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

// hex4 reads \uXXXX.
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

// appendString appends the rest of a string, from b[i] up to its closing quote,
// as UTF-8: what cannot be said in it (bytes that are not UTF-8, half a
// surrogate pair) becomes U+FFFD. bad tells of such bytes.
func appendString(dst, b []byte, i int) (_ []byte, end int, ok, bad bool) {
	for i < len(b) {
		c := b[i]
		switch {
		case c == '"':
			return dst, i + 1, true, bad
		case c < ' ':
			return dst, i, false, bad
		case c == '\\':
			n := escape(b[i:])
			if n == 0 {
				return dst, i, false, bad
			}
			if n == 2 {
				dst = append(dst, unescaped(b[i+1]))
				i += 2
				continue
			}
			r, _ := hex4(b[i:])
			i += 6
			if utf16.IsSurrogate(r) {
				low, _ := hex4(b[i:])
				if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
					i += 6
				}
			}
			dst = utf8.AppendRune(dst, r)
		case c < utf8.RuneSelf:
			dst = append(dst, c)
			i++
		default:
			r, n := utf8.DecodeRune(b[i:])
			bad = bad || r == utf8.RuneError && n == 1
			dst = utf8.AppendRune(dst, r)
			i += n
		}
	}
	return dst, i, false, bad
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

// numberKind says how well a float64 holds a number.
type numberKind uint8

const (
	exact     numberKind = iota // as well as strconv.ParseFloat
	inexact                     // an integer, and only its nearest float64
	infinite                    // beyond the range
	notNumber                   // the text is none
)

// digits counts the digits that w, eight bytes of text, begins with, and gives their value.
func digits(w uint64) (n int, value uint64) {
	w ^= zeros
	mark := (w + overDigits | w) & highs
	n = bits.TrailingZeros64(mark) >> 3 // 8 if all are
	if n == 0 {
		return 0, 0
	}
	w <<= uint(64 - 8*n) // leading zeros come in from below
	// Pairs, then fours, then all eight: Mula's way.
	w = w*10 + w>>8
	const mask = 0x000000FF000000FF
	value = ((w&mask)*(100+1000000<<32) + (w>>16&mask)*(1+10000<<32)) >> 32
	return n, value
}

// number reads the number that begins at b[i], to the bit as strconv.ParseFloat
// would, and returns where it ends.
func number(b []byte, i int) (v float64, end int, kind numberKind) {
	first := i
	neg := b[i] == '-'
	if neg {
		i++
	}
	if i+32 > len(b) {
		return slowNumber(b, first)
	}
	n, m := digits(load(b, i))
	if n == 0 {
		return 0, i, notNumber
	}
	if b[i] == '0' && n > 1 {
		return 0, i + 1, notNumber
	}
	i += n
	if n == 8 {
		k, more := digits(load(b, i))
		m = text.JoinDigits(m, k, more)
		i += k
		if k == 8 {
			return slowNumber(b, first)
		}
	}
	c := b[i]
	if c == '.' {
		i++
		k, more := digits(load(b, i))
		if k == 0 {
			return 0, i, notNumber
		}
		m = text.JoinDigits(m, k, more)
		i += k
		c = b[i]
		if k == 8 || m >= 1<<53 || i-first > 19 || c|0x20 == 'e' {
			return slowNumber(b, first)
		}
		// Clinger's fast path: both are exact, and division rounds once.
		v = text.MovePoint(float64(int64(m)), k)
	} else {
		if c|0x20 == 'e' || m > 1<<53 {
			return slowNumber(b, first)
		}
		v = float64(int64(m))
	}
	if neg {
		v = -v
	}
	return v, i, exact
}

// slowNumber is number for long ones, exponents, and the end of the text.
func slowNumber(b []byte, i int) (v float64, end int, kind numberKind) {
	first := i
	if b[i] == '-' {
		i++
	}
	run := func() bool {
		begin := i
		for i < len(b) && '0' <= b[i] && b[i] <= '9' {
			i++
		}
		return i > begin
	}
	whole := i
	if !run() {
		return 0, i, notNumber
	}
	if b[whole] == '0' && i > whole+1 {
		return 0, whole + 1, notNumber
	}
	integer := i
	if i < len(b) && b[i] == '.' {
		i++
		if !run() {
			return 0, i, notNumber
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if !run() {
			return 0, i, notNumber
		}
	}
	v, err := strconv.ParseFloat(unsafe.String(&b[first], i-first), 64)
	if err != nil || math.IsInf(v, 0) {
		return 0, i, infinite // the grammar was checked: only its size can be wrong
	}
	if i == integer && i-whole > 15 && !exactInteger(v, b[first:i]) {
		return v, i, inexact
	}
	return v, i, exact
}

// exactInteger tells whether v, the float64 nearest to the integer in text, is equal to it.
func exactInteger(v float64, text []byte) bool {
	var buf [320]byte // the largest float64 has 309 digits
	return string(strconv.AppendFloat(buf[:0], v, 'f', 0, 64)) == string(text)
}
