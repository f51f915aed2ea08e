package jsonscan

import (
	"encoding/binary"
	"math/bits"
	"strconv"
)

// MaxDepth is the number of levels whose numbers are read.
const MaxDepth = 64

// MaxName is the length in bytes of the longest name that a number gets. The
// engine refuses longer names.
const MaxName = 16 << 10

// Document is the result of Walk.
type Document struct {
	Valid   bool // the text is a container as RFC 8259 defines it
	End     int  // the offset after the container, or of the first byte that is not valid
	Objects bool // an object is in it, or it is one

	// The other fields say why the document is not valid.
	Want      string // the part that is missing at End
	Truncated bool   // the text ends there
	InString  bool   // End is inside a string
	Open      int    // the number of containers that are open at End
	Member    bool   // the colon of a member was read
	Inner     []Span // whole containers directly inside the open ones, alone on their lines
}

// Values of Document.Want.
const (
	WantValue  = "want a value"
	WantDigits = "a number that is none: want digits, and no zero before others"
	wantEscape = "a character that a string cannot hold: want it escaped"
	textEnds   = "the text ends"
)

// Span is a piece of the text with the number of containers that are open
// around it.
type Span struct{ Start, End, Open int }

// maxInner bounds the number of open containers that may become a Span.
const maxInner = 1 << 16

// frame is the state of a container while the walk is inside another one.
type frame struct {
	prefix int // length of the path that its members share, with the dot
	index  int // of the element that is being read, -1 in an object
}

// walk is the state of one Walk.
type walk struct {
	Leaves
	Document
	text         []byte
	i, line      int
	start        int // of the document
	indent       int // of the line on which it starts
	opened       bool
	depth        int
	frame        // of the innermost container
	closer       byte
	path         int // length of the path of the value that is being read
	stack        [MaxDepth + 1]frame
	deep         []uint64 // of the containers below MaxDepth: one bit a level, set for objects
	startsOfLine []Span   // of the open containers, those that start a line
}

// Walk reads the container at text[start], which is on the given line, and
// adds its numbers. indent is the number of blanks at the start of that line.
// If the document is not valid, the caller has to undo the walk.
func (l *Leaves) Walk(text []byte, start, line, indent int) Document {
	w := walk{Leaves: *l, text: text, i: start, line: line, start: start, indent: indent}
	for w.value() && w.next() {
	}
	w.End = w.i
	*l = w.Leaves
	return w.Document
}

// fail ends the walk at the current byte.
func (w *walk) fail(want string) bool { return w.failAt(w.i, want) }

func (w *walk) failAt(i int, want string) bool {
	w.i = i
	w.Want, w.Truncated, w.Open = want, w.i >= len(w.text), w.depth
	if w.Truncated {
		w.Want = textEnds
	}
	return false
}

// value reads a scalar or the start of a container.
func (w *walk) value() bool {
	if w.i >= len(w.text) {
		return w.fail("")
	}
	switch c := w.text[w.i]; c {
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		v, end, kind := number(w.text, w.i)
		w.i = end
		if kind == Exact && w.depth <= MaxDepth {
			w.add(w.path, w.prefix, v, w.line, end)
			return true
		}
		return w.rareNumber(v, kind)
	case '"':
		end, ok := skipString(w.text, w.i+1)
		w.i = end
		if !ok {
			w.InString = true
			return w.fail(wantEscape)
		}
		return true
	case '{', '[':
		w.open(c)
		return true
	case 't':
		return w.literal("true")
	case 'f':
		return w.literal("false")
	case 'n':
		return w.literal("null")
	}
	return w.fail(WantValue)
}

func (w *walk) literal(word string) bool {
	if rest := w.text[w.i:]; len(rest) < len(word) || string(rest[:len(word)]) != word {
		return w.fail(WantValue)
	}
	w.i += len(word)
	return true
}

// rareNumber handles a number that ends the walk or has a diagnostic.
func (w *walk) rareNumber(v float64, kind NumberKind) bool {
	switch {
	case kind == NotNumber:
		return w.fail(WantDigits)
	case w.depth > MaxDepth:
	case kind == Infinite:
		w.Infinite.add(w.Leaves.path(w.path), w.line)
	case kind == Inexact:
		w.Inexact.add(w.Leaves.path(w.path), w.line)
		w.add(w.path, w.prefix, v, w.line, w.i)
	}
	return true
}

// open enters the container that starts with the bracket c.
func (w *walk) open(c byte) {
	if w.i > w.start && len(w.startsOfLine) < maxInner && w.startsLine() {
		w.startsOfLine = append(w.startsOfLine, Span{Start: w.i, Open: w.depth})
	}
	switch {
	case w.depth <= MaxDepth:
		w.stack[w.depth] = w.frame
	default:
		level := w.depth - MaxDepth - 1
		if level>>6 == len(w.deep) {
			w.deep = append(w.deep, 0)
		}
		w.deep[level>>6] &^= 1 << (level & 63)
		if w.index < 0 {
			w.deep[level>>6] |= 1 << (level & 63)
		}
	}
	if w.depth == MaxDepth {
		w.TooDeep.add(w.Leaves.path(w.path), w.line)
	}
	w.prefix = w.path
	if w.depth > 0 && w.depth < MaxDepth {
		w.names[w.Leaves.start+w.path] = '.'
		w.prefix++
	}
	w.depth++
	w.i++
	w.opened = true
	w.index, w.closer = 0, ']'
	if c == '{' {
		w.index, w.closer = -1, '}'
		w.Objects = true
	}
}

// close leaves the innermost container, whose closing bracket is at text[i].
func (w *walk) close(i int) {
	w.depth--
	if w.depth <= MaxDepth {
		w.frame = w.stack[w.depth]
	} else {
		level := w.depth - MaxDepth - 1
		w.index = -int(w.deep[level>>6] >> (level & 63) & 1)
	}
	w.closer = ']'
	if w.index < 0 {
		w.closer = '}'
	}
	if len(w.startsOfLine)+len(w.Inner) > 0 {
		w.closeSpan(i + 1)
	}
}

// closeSpan keeps the container that was closed if it stands alone on its
// lines. It replaces the spans inside it.
func (w *walk) closeSpan(end int) {
	n := len(w.startsOfLine)
	for len(w.Inner) > 0 && w.Inner[len(w.Inner)-1].Open > w.depth {
		w.Inner = w.Inner[:len(w.Inner)-1]
	}
	if n > 0 && w.startsOfLine[n-1].Open == w.depth {
		if EndsLine(w.text, end) {
			w.Inner = append(w.Inner, Span{w.startsOfLine[n-1].Start, end, w.depth})
		}
		w.startsOfLine = w.startsOfLine[:n-1]
	}
}

// startsLine reports whether only blanks stand before the current byte on its
// line, and no more of them than before the document.
func (w *walk) startsLine() bool {
	for i, n := w.i, 0; i > 0 && w.text[i-1] != '\n'; i-- {
		if n++; n > w.indent || !IsSpace(w.text[i-1]) {
			return false
		}
	}
	return true
}

// EndsLine reports whether only blanks stand on the line from text[i] on.
func EndsLine(text []byte, i int) bool {
	for ; i < len(text) && text[i] != '\n'; i++ {
		if !IsSpace(text[i]) {
			return false
		}
	}
	return true
}

// next goes from a value, or from the bracket of a container, to the next
// value. It returns false at the end of the document and at a fault.
func (w *walk) next() bool {
	b, i := w.text, w.i
	first := w.opened
	w.opened = false
	for {
		if i < len(b) && b[i] <= ' ' {
			i, w.line = blank(b, i, w.line)
		}
		if i >= len(b) {
			return w.failAt(i, "")
		}
		if b[i] == w.closer {
			w.close(i)
			i++
			if w.depth == 0 {
				w.i, w.Valid = i, true
				return false
			}
			first = false
			continue
		}
		if first {
			break
		}
		if b[i] != ',' {
			if w.index < 0 {
				return w.failAt(i, "want a comma, or the end of the object")
			}
			return w.failAt(i, "want a comma, or the end of the array")
		}
		i++
		if i < len(b) && b[i] <= ' ' {
			i, w.line = blank(b, i, w.line)
		}
		break
	}
	if w.index < 0 {
		return w.key(i)
	}
	if !first {
		w.index++
	}
	w.i = i
	if w.depth <= MaxDepth {
		w.lengthen(w.prefix, 20)
		l := &w.Leaves
		w.path = len(strconv.AppendInt(l.names[l.start:l.start+w.prefix:len(l.names)], int64(w.index), 10))
	}
	return true
}

// key reads the key at text[i], which becomes the last part of the path, and
// the colon.
func (w *walk) key(i int) bool {
	b := w.text
	if i >= len(b) || b[i] != '"' {
		return w.failAt(i, "want a key in quotes")
	}
	begin := i + 1
	i++
	// Copies eight bytes at once, up to the quote at the end.
	names, at := w.names, w.Leaves.start+w.prefix
	for i+8 <= len(b) && at+slack <= len(names) {
		word := load(b, i)
		binary.LittleEndian.PutUint64(names[at:], word)
		mark := notPlain(word)
		n := bits.TrailingZeros64(mark) >> 3
		i += n
		at += n
		if mark != 0 {
			break
		}
	}
	if i < len(b) && b[i] == '"' && w.depth <= MaxDepth && at+slack <= len(names) {
		i++
		w.path = at - w.Leaves.start
	} else {
		var ok bool
		if i, ok = w.rareKey(begin); !ok {
			w.InString = true
			return w.failAt(i, wantEscape)
		}
	}
	if i < len(b) && b[i] == ' ' {
		i++
	}
	if i < len(b) && b[i] <= ' ' {
		i, w.line = blank(b, i, w.line)
	}
	if i >= len(b) || b[i] != ':' {
		return w.failAt(i, "want a colon")
	}
	w.Member = true
	i++
	if i < len(b) && b[i] == ' ' {
		i++
	}
	if i < len(b) && b[i] <= ' ' {
		i, w.line = blank(b, i, w.line)
	}
	w.i = i
	return true
}

// rareKey reads any key. It is slower than the loop in key.
func (w *walk) rareKey(begin int) (end int, ok bool) {
	end, ok = skipString(w.text, begin)
	if !ok || w.depth > MaxDepth {
		return end, ok
	}
	const growth = 3 // a byte that is not UTF-8 becomes three
	w.lengthen(w.prefix, growth*(end-begin))
	l := &w.Leaves
	path, _, _, replaced := appendString(l.names[l.start:l.start+w.prefix], w.text, begin)
	w.path = len(path)
	if replaced {
		w.InvalidText.add(path, w.line)
	}
	return end, true
}

// blank returns the offset and the line after the white space at b[i].
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
				if w := load(b, i) ^ spaces; w != 0 {
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
