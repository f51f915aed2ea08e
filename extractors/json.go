package extractors

import (
	"bytes"
	"fmt"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/jsonscan"
)

// JSON returns the extractor "json". It gives the numbers of JSON documents,
// named by their dotted paths, such as "jobs.0.read.iops", in the order of the
// text. Two numbers may have one name. Strings, booleans and nulls are skipped.
//
// The option "documents" says which documents count if the text has several:
// first (the default), last or all. A document without a number does not count.
// If the option is not given, JSON lines of one shape all count, see
// (*Walker).lines.
//
// A document is an object or an array as RFC 8259 defines it, at any place in
// the text. Brackets that may be prose, such as "[1343] starting" or "{}", are
// a document only if they are alone on their lines. A document inside a
// malformed one does not count. A document after the start of one that never
// ends does count.
func JSON() ktstr.Extractor {
	return ktstr.Parser{
		Description: ktstr.Description{
			Name:    "json",
			Summary: "Each number of a JSON document.",
			Version: "1",
			Options: []ktstr.Option{{
				Name:    documents,
				Values:  []string{"first", "last", "all"},
				Summary: "which documents count where the text has several",
			}},
		},
		Parse: func(out ktstr.Output) (ktstr.Extraction, error) { return new(Walker).Extract(out) },
	}
}

const documents = "documents"

// Walker is the JSON extractor with buffers that it uses again. An extraction
// is valid until the next call of Extract. The zero value is ready.
type Walker struct {
	leaves jsonscan.Leaves
	text   []byte
	stream ktstr.Stream
	which  string // the option
	found  int    // documents with a number
	empty  int    // documents without one
	worded int    // of them, those with digits in a string

	counted, most int    // numbers of the first document, and of the largest one after it
	mostLine      int    // where that starts
	mostIsLast    bool   // no document with a number follows it
	onLines       []line // the documents, while each one is alone on one line
	offLines      bool   // a document is not

	open int             // containers around the current byte that belong to malformed documents
	held []jsonscan.Span // whole documents inside them

	at, atLine, lineStart int // an offset, its line, and where that line starts
	indented              int // result of indent for that line, or -1
	colon                 int // result of colonAfter

	names       nameSet
	diagnostics []ktstr.Diagnostic
	unreported  int // broken documents beyond maxBroken
}

// Extract returns the numbers of out. An error means that an option has a
// wrong value.
func (w *Walker) Extract(out ktstr.Output) (ktstr.Extraction, error) {
	which, byDefault := out.Options[documents], false
	switch which {
	case "first", "last", "all":
	case "":
		which = "first"
		byDefault = true
	default:
		return ktstr.Extraction{}, fmt.Errorf("option %s=%q: want first, last or all", documents, which)
	}
	*w = Walker{
		leaves:      w.leaves,
		names:       w.names,
		text:        out.Data,
		stream:      out.Stream,
		which:       which,
		held:        w.held[:0],
		onLines:     w.onLines[:0],
		offLines:    !byDefault,
		diagnostics: w.diagnostics[:0],
		atLine:      1,
		indented:    -1,
		colon:       -1,
	}
	w.leaves.Reset(len(out.Data), out.Stream)
	w.scan()
	lines := w.lines()
	w.report(lines, out.Truncated)
	return ktstr.Extraction{Metrics: w.leaves.Metrics, Diagnostics: w.diagnostics}, nil
}

// scan walks the documents of the text that count. It reads the text once, from
// left to right.
func (w *Walker) scan() {
	for i := 0; i < len(w.text); {
		if w.open == 0 {
			if i = w.bracket(i); i == len(w.text) {
				break
			}
		}
		switch w.text[i] {
		case '{', '[':
			i = w.container(i)
		case '}', ']':
			w.open--
			for len(w.held) > 0 && w.held[len(w.held)-1].Open > w.open {
				w.held = w.held[:len(w.held)-1]
			}
			i++
		case '"':
			i = afterString(w.text, i+1)
		default:
			i++
		}
	}
	// The text around these documents never ended, so it is not a document.
	if len(w.held) > 0 {
		w.at, w.atLine, w.lineStart, w.indented = 0, 1, 0, -1
	}
	for _, d := range w.held {
		w.count(d.Start, d.End)
	}
}

// container reads the text from the bracket at offset i, and returns the offset
// at which the scan goes on.
func (w *Walker) container(i int) int {
	if next := implausible(w.text, i); next > i {
		if w.open > 0 {
			w.open += next - i // these bytes are brackets
		}
		if next == len(w.text) && w.text[i] == '[' && w.alone(i, i) {
			w.broken(i, jsonscan.Document{End: next, Truncated: true})
		}
		return next
	}
	mark := w.leaves.Mark()
	d := w.leaves.Walk(w.text, i, w.line(i), w.indent(i))
	switch {
	case d.Valid && w.isProse(i, d) && !w.alone(i, d.End):
		w.leaves.Undo(mark)
	case d.Valid && w.open > 0:
		w.leaves.Undo(mark)
		w.held = append(w.held, jsonscan.Span{Start: i, End: d.End, Open: w.open})
	case d.Valid:
		w.keep(mark, i, d.End)
	default:
		w.leaves.Undo(mark)
		return w.malformed(i, d)
	}
	return d.End
}

// isProse reports whether a document may be the brackets of a sentence: it has
// no object in it, or it is an empty object.
func (w *Walker) isProse(start int, d jsonscan.Document) bool {
	return !d.Objects || w.text[start] == '{' && len(bytes.TrimSpace(w.text[start+1:d.End-1])) == 0
}

// malformed handles a document that ends with a fault, and returns the offset
// at which the scan goes on.
func (w *Walker) malformed(start int, d jsonscan.Document) int {
	if d.Member || d.Truncated && w.alone(start, start) {
		w.broken(start, d)
	} else {
		d.Open = 0 // brackets of prose
	}
	for _, inner := range d.Inner {
		if inner.Open = w.open + min(inner.Open, d.Open); inner.Open > 0 {
			w.held = append(w.held, inner)
			continue
		}
		w.count(inner.Start, inner.End)
	}
	w.open += d.Open
	if d.InString {
		return max(afterString(w.text, d.End), start+1)
	}
	return max(d.End, start+1)
}

// count walks a document that is known to be valid.
func (w *Walker) count(start, end int) {
	mark := w.leaves.Mark()
	w.leaves.Walk(w.text, start, w.line(start), 0)
	w.keep(mark, start, end)
}

// keep decides whether the document text[start:end] that was just walked
// counts, or the ones before it, or all.
func (w *Walker) keep(mark jsonscan.Mark, start, end int) {
	numbers := w.leaves.Since(mark)
	if numbers == 0 {
		if bytes.ContainsAny(w.text[start:end], "0123456789") {
			w.worded++
		}
		if w.empty++; w.found > 0 {
			w.leaves.Undo(mark)
		} else {
			w.leaves.Keep(mark) // for the diagnostics about its numbers
		}
		return
	}
	w.mostIsLast = false
	if w.found == 0 {
		w.counted = numbers
	} else if numbers > w.most {
		w.most, w.mostLine, w.mostIsLast = numbers, w.line(start), true
	}
	if !w.offLines && bytes.IndexByte(w.text[start:end], '\n') < 0 && w.alone(start, end) {
		w.onLines = append(w.onLines, line{start, end, w.line(start)})
	} else {
		w.offLines = true
	}
	switch {
	case w.which == "first" && w.found > 0:
		w.leaves.Undo(mark)
	case w.which == "last":
		w.leaves.KeepOnly(mark)
	default:
		w.leaves.Keep(mark)
	}
	w.found++
}

// alone reports whether text[start:end] fills its lines.
func (w *Walker) alone(start, end int) bool {
	const bom = "\uFEFF" // RFC 8259 lets a reader ignore it
	for ; start > 0 && w.text[start-1] != '\n'; start-- {
		if !jsonscan.IsSpace(w.text[start-1]) {
			if start == len(bom) && string(w.text[:start]) == bom {
				break
			}
			return false
		}
	}
	return end == start || jsonscan.EndsLine(w.text, end)
}

// line returns the 1-based line of offset i, which must not lie before the
// offset of the last call.
func (w *Walker) line(i int) int {
	passed := w.text[w.at:i]
	if n := bytes.Count(passed, []byte{'\n'}); n > 0 {
		w.atLine += n
		w.lineStart = w.at + bytes.LastIndexByte(passed, '\n') + 1
		w.indented = -1
	}
	w.at = i
	return w.atLine
}

// indent counts the blanks at the start of the line of offset i.
func (w *Walker) indent(i int) int {
	w.line(i)
	if w.indented < 0 {
		w.indented = 0
		for w.lineStart+w.indented < i && jsonscan.IsSpace(w.text[w.lineStart+w.indented]) {
			w.indented++
		}
	}
	return w.indented
}
