package extractors

import (
	"bytes"
	"fmt"
	"math/bits"
	"strings"

	"github.com/ktstr/ktstr"
)

// JSON gives the numbers of JSON documents, named by their dotted paths
// ("jobs.0.read.iops"), in the order of the text, repeated names included.
// Strings, booleans and nulls are skipped. Option "documents" says which ones
// count where the text has several: first (the default), last or all.
//
// A document is an object or an array as RFC 8259 has it, wherever it stands;
// but what could be the brackets of prose (an array without an object in it,
// an empty object) is one only if it is alone on its lines. Documents inside
// one that is malformed do not count; those behind the start of one that was
// never finished do.
func JSON() ktstr.Extractor {
	return ktstr.Parser{
		Description: ktstr.Description{
			Name:    "json",
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

// Walker is the JSON extractor with buffers that it uses again: what Extract
// returned is valid until the next call. The zero value is ready.
type Walker struct {
	sheet
	data []byte
	diag []ktstr.Diagnostic

	at, lineNo, lineBegin int // an offset, its line, and where that line begins
	indented              int // what indent found about the line
	colon                 int // what colonBehind found
	skipped               int // diagnostics about broken documents that were left out
	odd                   odd // of the documents that count
}

// most is how many diagnostics about broken documents are given one by one.
const most = 8

// Extract is the extractor's. An error means that an option is wrong.
func (w *Walker) Extract(out ktstr.Output) (ktstr.Extraction, error) {
	which := out.Options[documents]
	switch which {
	case "first", "last", "all":
	case "":
		which = "first"
	default:
		return ktstr.Extraction{}, fmt.Errorf("option %s=%q: want first, last or all", documents, which)
	}
	need := w.need + w.start + 4*slack
	*w = Walker{
		sheet:    sheet{metrics: w.metrics[:0], names: w.names, stream: out.Stream},
		data:     out.Data,
		diag:     w.diag[:0],
		lineNo:   1,
		indented: -1,
		colon:    -1,
	}
	w.budget, w.room = 16*len(out.Data)+1<<20, len(out.Data)/8+1<<20
	if w.need = need; len(w.names) < need {
		w.names = nil // what was used last time fits into one piece
	} else {
		w.need = 0
	}
	found := w.scan(which)
	w.report(out, which, found)
	return ktstr.Extraction{Metrics: w.metrics, Diagnostics: w.diag}, nil
}

// scan walks the documents of the text that count, and returns how many there are.
//
// It reads the text once, from left to right; what walk gave up on is read a
// second time by skim, and never again. open counts the containers of
// malformed documents around the place at hand; documents met there are held
// back, in case their surroundings turn out to end (then they were parts of
// something malformed) or not to (then something unfinished stood before them).
func (w *Walker) scan(which string) (found int) {
	b := w.data
	var held []span
	open := 0
	for i := 0; i < len(b); {
		if open == 0 {
			if i = w.bracket(i); i == len(b) {
				break
			}
		}
		c := b[i]
		switch c {
		case '{', '[':
		case '}', ']':
			open--
			for len(held) > 0 && held[len(held)-1].open > open {
				held = held[:len(held)-1]
			}
			i++
			continue
		case '"':
			i = afterString(b, i+1)
			continue
		default:
			i++
			continue
		}
		if next := implausible(b, i); next > i {
			if open > 0 {
				open += next - i // those skipped are brackets, or one bracket
			}
			if next == len(b) && c == '[' && w.alone(i, i) {
				w.broken(ktstr.Truncated, i, skimmed{end: len(b), what: "the text ends"})
			}
			i = next
			continue
		}

		was := w.begin()
		end, objects, ok := w.walk(b, i, w.line(i))
		if ok {
			prose := !objects || c == '{' && end == i+2 || c == '{' && empty(b[i+1:end-1])
			switch {
			case prose && !w.alone(i, end):
				w.undo(was)
			case open > 0:
				w.undo(was)
				held = append(held, span{i, end, open})
			default:
				w.count(was, which, found)
				found++
			}
			i = end
			continue
		}
		w.undo(was)
		r := skim(b, i, &layout{w.indent(i)})
		if r.member || r.cut && w.alone(i, i) {
			code := ktstr.Malformed
			if r.cut {
				code = ktstr.Truncated
			}
			w.broken(code, i, r)
		} else {
			r.open = 0 // brackets of prose
		}
		for _, d := range r.lone {
			if d.open = open + min(d.open, r.open); d.open > 0 {
				held = append(held, d)
				continue
			}
			was := w.begin()
			w.walk(b, d.start, w.line(d.start))
			w.count(was, which, found)
			found++
		}
		open += r.open
		i = max(r.end, i+1)
		if r.quoted {
			i = afterString(b, r.end)
		}
	}
	if len(held) > 0 {
		w.at, w.lineNo, w.lineBegin = 0, 1, 0
	}
	for k, d := range held {
		if which == "all" || which == "last" && k == len(held)-1 || which == "first" && found == 0 {
			was := w.begin()
			w.walk(b, d.start, w.line(d.start))
			w.count(was, which, found)
		}
		found++
	}
	return found
}

// begin returns the sheet as it is before a walk.
func (w *Walker) begin() sheet {
	w.sheet.odd = odd{}
	return w.sheet
}

// count keeps the metrics of the document just walked, or those of the ones
// before, or both. was is the sheet before it, which held found documents.
func (w *Walker) count(was sheet, which string, found int) {
	switch {
	case which == "first" && found > 0:
		w.undo(was)
	case which == "last":
		n := copy(w.metrics, w.metrics[len(was.metrics):])
		w.metrics = w.metrics[:n]
		w.odd = w.sheet.odd
	default:
		w.odd.add(w.sheet.odd)
	}
}

// undo forgets a walk. The arena may have moved on to a new piece, which is as good.
func (w *Walker) undo(was sheet) {
	names, start, metrics := w.names, w.start, w.metrics
	w.sheet = was
	if len(names) > 0 && (len(was.names) == 0 || &names[0] != &was.names[0]) {
		w.names, w.start = names, start
	}
	w.metrics = metrics[:len(was.metrics)]
}

// valueBegins has what may stand behind the bracket of an array.
var valueBegins = [256]bool{
	' ': true, '\t': true, '\r': true, '\n': true, '[': true, ']': true, '{': true, '"': true, '-': true,
	'0': true, '1': true, '2': true, '3': true, '4': true, '5': true, '6': true, '7': true, '8': true, '9': true,
	't': true, 'f': true, 'n': true,
}

// bracket returns where the next bracket is that the byte behind it does not
// rule out, or the length of the text.
func (w *Walker) bracket(i int) int {
	b := w.data
	for i < len(b) {
		if i+8 <= len(b) {
			x := load(b, i) | ones*0x20 ^ ones*'{' // '[' is '{' without that bit
			mark := (x - ones) &^ x & highs
			if mark == 0 {
				i += 8
				continue
			}
			i += bits.TrailingZeros64(mark) >> 3
		} else if b[i]|0x20 != '{' {
			i++
			continue
		}
		switch {
		case i+1 == len(b):
			return i
		case b[i] == '[':
			if valueBegins[b[i+1]] {
				return i
			}
			i++
		case b[i+1] != '"' || w.colonBehind(i):
			return i
		default:
			for i+1 < len(b) && b[i] == '{' && b[i+1] == '"' {
				i += 2
			}
		}
	}
	return len(b)
}

// colonBehind tells whether there is a colon behind b[i], without which no
// member is.
func (w *Walker) colonBehind(i int) bool {
	if w.colon < i {
		n := bytes.IndexByte(w.data[i:], ':')
		if n < 0 {
			n = len(w.data)
		}
		w.colon = i + n
	}
	return w.colon < len(w.data)
}

// implausible returns where to go on behind a bracket that cannot begin a
// document, or i if it can. It is here for speed alone: prose is full of brackets.
func implausible(b []byte, i int) int {
	k := i + 1
	if b[i] == '[' {
		for k+8 <= len(b) && load(b, k) == ones*'[' {
			k += 8
		}
		for k < len(b) && b[k] == '[' {
			k++
		}
		run := k
		for k < len(b) && space(b[k]) {
			k++
		}
		if k == len(b) {
			return k
		}
		if valueBegins[b[k]] {
			return i
		}
		return run
	}
	for k < len(b) && space(b[k]) {
		k++
	}
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
	for k++; k < len(b) && space(b[k]); {
		k++
	}
	if k < len(b) && b[k] == ':' {
		return i
	}
	return i + 1
}

// afterString returns where a string of malformed text, whose inside begins at
// b[i], ends: at its quote, else with its line.
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

func empty(b []byte) bool { return len(bytes.TrimSpace(b)) == 0 }

// bom is the mark that some programs put before UTF-8; RFC 8259 lets a reader
// pass over it.
const bom = "\uFEFF"

// alone tells whether b[start:end] fills its lines.
func (w *Walker) alone(start, end int) bool {
	for ; start > 0 && w.data[start-1] != '\n'; start-- {
		if !space(w.data[start-1]) {
			if start == len(bom) && string(w.data[:start]) == bom { // the length first: the race detector looks at each byte
				break
			}
			return false
		}
	}
	return end == start || (*layout)(nil).ends(w.data, end)
}

// indent counts the blanks that the line of b[i] begins with.
func (w *Walker) indent(i int) int {
	w.line(i)
	if w.indented < 0 {
		w.indented = 0
		for begin := w.lineBegin; begin+w.indented < i && space(w.data[begin+w.indented]); {
			w.indented++
		}
	}
	return w.indented
}

// line is the 1-based line of an offset not before the last one that was asked for.
func (w *Walker) line(i int) int {
	passed := w.data[w.at:i]
	if n := bytes.Count(passed, []byte{'\n'}); n > 0 {
		w.lineNo += n
		w.lineBegin = w.at + bytes.LastIndexByte(passed, '\n') + 1
		w.indented = -1
	}
	w.at = i
	return w.lineNo
}

// broken reports a document that begins at b[start] and is none.
func (w *Walker) broken(code ktstr.Code, start int, r skimmed) {
	if len(w.diag) >= most {
		w.skipped++
		return
	}
	begins := w.line(start)
	line := begins + bytes.Count(w.data[start:r.end], []byte{'\n'})
	column := r.end - bytes.LastIndexByte(w.data[:r.end], '\n')
	d := ktstr.Diagnostic{Code: code, Line: line}
	if code == ktstr.Truncated {
		d.Message = fmt.Sprintf("the JSON document that begins on line %d is cut off at line %d, column %d: none of its numbers are taken", begins, line, column)
	} else if word := notFinite(w.data, r.end); word != "" && (r.what == wantValue || r.what == wantDigits) {
		d.Message = fmt.Sprintf("the JSON document that begins on line %d is malformed at line %d, column %d: JSON has no %s (RFC 8259): none of its numbers are taken: want null there, or the member left out", begins, line, column, word)
	} else {
		seen := "the end"
		if r.end < len(w.data) {
			seen = fmt.Sprintf("%q", rune(w.data[r.end]))
			if w.data[r.end] >= 0x80 {
				seen = fmt.Sprintf("byte %#x", w.data[r.end])
			}
		}
		d.Message = fmt.Sprintf("the JSON document that begins on line %d is malformed at line %d, column %d: %s where it has %s: none of its numbers are taken", begins, line, column, r.what, seen)
	}
	w.diag = append(w.diag, d)
}

// notFinite is the word at b[i], behind a sign or not, that some programs write for
// a number that is none or has no end; empty: it is another.
func notFinite(b []byte, i int) string {
	begin := i
	if i < len(b) && (b[i] == '+' || b[i] == '-') {
		i++
	} else if i > 0 && b[i-1] == '-' {
		begin--
	}
	end := i
	for end < len(b) && end-i <= len("infinity") && 'a' <= b[end]|0x20 && b[end]|0x20 <= 'z' {
		end++
	}
	switch strings.ToLower(string(b[i:end])) {
	case "nan", "inf", "infinity":
		return string(b[begin:end])
	}
	return ""
}

// report adds the diagnostics about the text as a whole.
func (w *Walker) report(out ktstr.Output, which string, found int) {
	add := func(code ktstr.Code, line int, format string, args ...any) {
		w.diag = append(w.diag, ktstr.Diagnostic{Code: code, Line: line, Message: fmt.Sprintf(format, args...)})
	}
	if w.skipped > 0 {
		add(ktstr.TooMany, 0, "%d more documents are cut off or malformed", w.skipped)
	}
	if found > 1 {
		switch which {
		case "all":
			add(ktstr.SeveralReports, 0, "%d JSON documents: all count, and their names repeat", found)
		default:
			add(ktstr.SeveralReports, 0, "%d JSON documents: the %s one counts (option documents: first, last or all)", found, which)
		}
	}
	some := func(t tally, code ktstr.Code, one, many string) {
		switch {
		case t.n == 1:
			add(code, t.line, one, t.name)
		case t.n > 1:
			add(code, t.line, many, t.n, t.name)
		}
	}
	some(w.odd.cut, ktstr.TooDeep, "%q is nested deeper than 64 levels: its numbers are left out", "%d values (first %q) are nested deeper than 64 levels: their numbers are left out")
	some(w.odd.inexact, ktstr.Inexact, "%q is an integer that no float64 equals: the nearest one is given", "%d integers (first %q) are equal to no float64: the nearest ones are given")
	some(w.odd.infinite, ktstr.NotFinite, "%q is beyond the range of float64: left out", "%d numbers (first %q) are beyond the range of float64: left out")
	some(w.odd.badText, ktstr.InvalidText, "key %q has bytes that are not UTF-8: replaced by U+FFFD", "%d keys (first %q) have bytes that are not UTF-8: replaced by U+FFFD")
	some(w.odd.dropped, ktstr.TooMany, "%q is left out: its name is too long, or there are too many", "%d numbers (first %q) are left out: their names are too long, or they are too many")
	switch {
	case len(w.metrics) > 0 || len(w.diag) > 0:
	case found > 0:
		add(ktstr.NoMetrics, 0, "the JSON document has no number in it")
	case len(strings.TrimSpace(string(out.Data[:min(len(out.Data), 4096)]))) == 0 && len(out.Data) <= 4096:
		add(ktstr.NotMyFormat, 0, "nothing was printed: want a JSON document")
	default:
		add(ktstr.NotMyFormat, 0, "no JSON document in %d bytes: want an object or an array", len(out.Data))
	}
}
