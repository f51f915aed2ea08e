package extractors

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"math/bits"
	"strings"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/jsonscan"
	"github.com/ktstr/ktstr/internal/text"
)

// maxBroken is the number of broken documents that get a diagnostic each.
const maxBroken = 8

func (w *Walker) diagnose(code ktstr.Code, line int, format string, args ...any) {
	w.diagnostics = append(w.diagnostics, ktstr.Diagnostic{Code: code, Line: line, Message: fmt.Sprintf(format, args...)})
}

// broken reports a document that starts at text[start] and is not valid.
func (w *Walker) broken(start int, d jsonscan.Document) {
	if len(w.diagnostics) >= maxBroken {
		w.unreported++
		return
	}
	starts := w.line(start)
	line := starts + bytes.Count(w.text[start:d.End], []byte{'\n'})
	column := d.End - bytes.LastIndexByte(w.text[:d.End], '\n')
	if d.Truncated {
		w.diagnose(ktstr.Truncated, line, "the JSON document that begins on line %d is cut off at line %d, column %d: none of its numbers are taken", starts, line, column)
		return
	}
	where := fmt.Sprintf("the JSON document that begins on line %d is malformed at line %d, column %d", starts, line, column)
	if word := notFinite(w.text, d.End); word != "" && (d.Want == jsonscan.WantValue || d.Want == jsonscan.WantDigits) {
		w.diagnose(ktstr.Malformed, line, "%s: JSON has no %s (RFC 8259): none of its numbers are taken: want null there, or the member left out", where, word)
		return
	}
	seen := "the end"
	if d.End < len(w.text) {
		seen = fmt.Sprintf("%q", rune(w.text[d.End]))
		if w.text[d.End] >= 0x80 {
			seen = fmt.Sprintf("byte %#x", w.text[d.End])
		}
	}
	w.diagnose(ktstr.Malformed, line, "%s: %s where it has %s: none of its numbers are taken", where, d.Want, seen)
}

// notFinite returns the word at b[i], with its sign, if it is one that programs
// print for a number that is not finite, such as "-nan". Otherwise it returns "".
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

// report adds the diagnostics about the text as a whole. lines is the field by
// which JSON lines were named, or "".
func (w *Walker) report(lines string, truncated bool) {
	if w.unreported > 0 {
		w.diagnose(ktstr.TooMany, 0, "%d more documents are cut off or malformed", w.unreported)
	}
	left := ""
	if w.worded > 0 {
		left = fmt.Sprintf("; %s without a number, but with digits in a text, were left out", text.Count(w.worded, "document"))
	}
	switch {
	case w.found == 0:
	case w.found == 1:
		if left != "" {
			w.diagnose(ktstr.SeveralReports, 0, "1 JSON document has numbers%s", left)
		}
	case lines != "":
		w.diagnose(ktstr.SeveralReports, 0, "%d JSON lines of one shape: all count, named by their %s%s. To change this: --documents first, last or all", w.found, lines, left)
	case w.which == "all":
		w.diagnose(ktstr.SeveralReports, 0, "%d JSON documents: all count, and their names repeat", w.found)
	default:
		w.diagnose(ktstr.SeveralReports, 0, "%d JSON documents: the %s one counts. To change this: --documents %s, or all", w.found, w.which, map[string]string{"first": "last", "last": "first"}[w.which])
	}
	if w.which == "first" && lines == "" && w.most > w.counted {
		which := "all"
		if w.mostIsLast {
			which = "last"
		}
		w.diagnose(ktstr.MissingHeadline, w.mostLine, "the first JSON document counts and has %s, the one on line %d has %d: read it with --documents %s", text.Count(w.counted, "number"), w.mostLine, w.most, which)
	}
	if w.which != "all" || w.found < 2 {
		w.shared()
	}
	some := func(t jsonscan.Tally, code ktstr.Code, one, many string) {
		switch {
		case t.Count == 1:
			w.diagnose(code, t.Line, one, t.First)
		case t.Count > 1:
			w.diagnose(code, t.Line, many, t.Count, t.First)
		}
	}
	some(w.leaves.TooDeep, ktstr.TooDeep, "%q is nested deeper than 64 levels: its numbers are left out", "%d values (first %q) are nested deeper than 64 levels: their numbers are left out")
	some(w.leaves.Inexact, ktstr.Inexact, "%q is an integer that no float64 equals: the nearest one is given", "%d integers (first %q) are equal to no float64: the nearest ones are given")
	some(w.leaves.Infinite, ktstr.NotFinite, "%q is beyond the range of float64: left out", "%d numbers (first %q) are beyond the range of float64: left out")
	some(w.leaves.InvalidText, ktstr.InvalidText, "key %q has bytes that are not UTF-8: replaced by U+FFFD", "%d keys (first %q) have bytes that are not UTF-8: replaced by U+FFFD")
	some(w.leaves.Dropped, ktstr.TooMany, "%q is left out: its name is too long, or there are too many", "%d numbers (first %q) are left out: their names are too long, or they are too many")
	switch {
	case len(w.leaves.Metrics) > 0:
	case truncated:
		w.diagnose(ktstr.Truncated, 0, "the capture was cut after %d bytes, before the end of a JSON document: want a larger --max-capture", len(w.text))
	case len(w.diagnostics) > 0:
	case w.empty > 0:
		w.diagnose(ktstr.NoMetrics, 0, "the JSON document has no number in it")
	case len(w.text) <= 4096 && len(bytes.TrimSpace(w.text)) == 0:
		w.diagnose(ktstr.NotMyFormat, 0, "nothing was printed: want a JSON document")
	default:
		w.diagnose(ktstr.NotMyFormat, 0, "the output is not JSON: its first line is %q", firstLine(w.text))
	}
}

// shared reports names that two numbers have. A check or a comparison takes the
// first one.
func (w *Walker) shared() {
	w.names.reset(len(w.leaves.Metrics))
	n, first := 0, -1
	for i := range w.leaves.Metrics {
		if w.names.has(w.leaves.Metrics[i].Name) {
			if n++; first < 0 {
				first = i
			}
		}
	}
	if n > 0 {
		m := w.leaves.Metrics[first]
		w.diagnose(ktstr.Duplicate, m.Line, "%d numbers have a name that another one has (first %q): a check takes the first of them", n, m.Name)
	}
}

// A nameSet tells whether a name was there before. It is a hash table of hashes
// of 64 bits with a random seed, in which two names never meet in practice. A
// map of the names takes four times as long, and twice as long as the walk.
type nameSet struct {
	seed  maphash.Seed
	slots []uint64
}

// reset makes the set empty, with room for n names.
func (s *nameSet) reset(n int) {
	size := 1 << bits.Len(uint(2*n))
	if cap(s.slots) < size {
		s.seed = maphash.MakeSeed()
		s.slots = make([]uint64, size)
		return
	}
	s.slots = s.slots[:size]
	clear(s.slots)
}

// has adds a name and reports whether it was there.
func (s *nameSet) has(name string) bool {
	hash := max(maphash.String(s.seed, name), 1) // 0 is a free slot
	last := uint64(len(s.slots) - 1)
	for i := hash & last; ; i = (i + 1) & last {
		switch s.slots[i] {
		case hash:
			return true
		case 0:
			s.slots[i] = hash
			return false
		}
	}
}

// firstLine returns the start of the first line that is not blank.
func firstLine(text []byte) string {
	line, _, _ := bytes.Cut(bytes.TrimSpace(text[:min(len(text), 4096)]), []byte("\n"))
	return strings.ToValidUTF8(string(line[:min(len(line), 60)]), "")
}
