package extractors

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/jsonscan"
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

// report adds the diagnostics about the text as a whole.
func (w *Walker) report() {
	if w.unreported > 0 {
		w.diagnose(ktstr.TooMany, 0, "%d more documents are cut off or malformed", w.unreported)
	}
	switch {
	case w.found < 2:
	case w.which == "all":
		w.diagnose(ktstr.SeveralReports, 0, "%d JSON documents: all count, and their names repeat", w.found)
	default:
		w.diagnose(ktstr.SeveralReports, 0, "%d JSON documents: the %s one counts (option documents: first, last or all)", w.found, w.which)
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
	case len(w.leaves.Metrics) > 0 || len(w.diagnostics) > 0:
	case w.found > 0:
		w.diagnose(ktstr.NoMetrics, 0, "the JSON document has no number in it")
	case len(w.text) <= 4096 && len(bytes.TrimSpace(w.text)) == 0:
		w.diagnose(ktstr.NotMyFormat, 0, "nothing was printed: want a JSON document")
	default:
		w.diagnose(ktstr.NotMyFormat, 0, "no JSON document in %d bytes: want an object or an array", len(w.text))
	}
}
