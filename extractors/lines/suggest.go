package lines

import (
	"bytes"
	"slices"
	"strings"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/text"
)

// suggestion is a pattern for one number of a line.
type suggestion struct {
	pattern, name string
	score         int // the greater, the clearer the line says what the number is
}

// Suggest returns patterns of the match language for numbers in a text, at most n of
// them, in the order of the text. For example, the line "Throughput: 123.4 MB/s" gives
// "Throughput: {throughput} {unit}". Lines with a label and a unit come before others.
// Each pattern has been tried on the text.
func Suggest(output []byte, n int) []string {
	const most = 1000 // lines
	var all []suggestion
	lines := bytes.SplitN(output, []byte{'\n'}, most+1)
	for _, l := range lines[:min(len(lines), most)] {
		l = bytes.TrimRight(l, "\r")
		l = l[bytes.LastIndexByte(l, '\r')+1:]
		s, ok := suggest(l)
		known := func(k suggestion) bool { return k.name == s.name || k.pattern == s.pattern }
		if ok && !slices.ContainsFunc(all, known) && s.reads(output) {
			all = append(all, s)
		}
	}
	byScore := slices.Clone(all)
	slices.SortStableFunc(byScore, func(a, b suggestion) int { return b.score - a.score })
	best := byScore[:min(n, len(byScore))]
	var patterns []string
	for _, s := range all {
		if slices.Contains(best, s) {
			patterns = append(patterns, s.pattern)
		}
	}
	return patterns
}

// reads reports whether the pattern finds its number in a text.
func (s suggestion) reads(output []byte) bool {
	x, err := Table{Lines: []Line{{Pattern: Match(s.pattern)}}}.Compile(ktstr.Description{})
	if err != nil {
		return false
	}
	e, err := x.Parse(ktstr.Output{Data: output})
	return err == nil && len(e.Metrics) == 1 && e.Metrics[0].Name == s.name
}

// suggest returns a pattern for the number of a line that has the clearest label before
// it, or else a word after it.
func suggest(l []byte) (best suggestion, ok bool) {
	for i := 0; i < len(l); i++ {
		var s suggestion
		end, whole := 0, false
		if isDigit(l[i]) || l[i] == '-' || l[i] == '+' || l[i] == '.' {
			end, whole = numberEnd(l, i, false, 0)
		}
		if !whole {
			continue
		}
		label, words := labelBefore(l[:i])
		unit := wordAfter(l[end:])
		switch {
		case words != "":
			s.name, s.score = nameOf(words), 1
			if strings.ContainsAny(label[len(words):], ":=") {
				s.score += 2
			}
			s.pattern = literalOf(label) + "{" + s.name + "}"
			if unit != "" {
				s.score++
				s.pattern += " {unit}"
			}
		case unit != "":
			s.name = nameOf(unit)
			s.pattern = "{" + s.name + "} " + literalOf(unit)
		}
		if s.name != "" && (!ok || s.score > best.score) {
			best, ok = s, true
		}
		i = end - 1
	}
	return best, ok
}

// labelBefore returns the last words before a number, with the punctuation between them
// and the number, and the words alone.
func labelBefore(l []byte) (label, words string) {
	all := string(l)
	end := len(strings.TrimRight(all, " \t:=|,("))
	const most = 4 // words
	start, n := end, 0
	for start > 0 && n < most {
		from := strings.LastIndexAny(all[:start], " \t") + 1
		word := all[from:start]
		if word == "" || strings.ContainsAny(word, "0123456789:=|,;") || !isASCII(word) {
			break
		}
		n++
		if start = from; from > 0 && isBlank(all[from-1]) && len(strings.TrimRight(all[:from], " \t")) == from-1 {
			start = from - 1 // one blank: the words belong together
			continue
		}
		break
	}
	for start < end && isBlank(all[start]) {
		start++
	}
	return all[start:], all[start:end]
}

// wordAfter returns the word after a number, such as MB/s, if it can be a unit.
func wordAfter(l []byte) string {
	rest := strings.TrimLeft(string(l), " \t")
	end := strings.IndexFunc(rest, func(c rune) bool {
		return !(c < 0x80 && isLetter(byte(c)) || c == '%' || c == '/' || c == 'µ')
	})
	if end < 0 {
		end = len(rest)
	}
	const longest = 12 // bytes
	if end > longest || strings.Trim(rest[:end], "/") != rest[:end] {
		return ""
	}
	return rest[:end]
}

// nameOf returns the name of a metric with a label, such as requests_per_second.
func nameOf(label string) string {
	var b strings.Builder
	for _, c := range strings.ToLower(label) {
		switch {
		case c < 0x80 && (isLetter(byte(c)) || isDigit(byte(c))):
			b.WriteRune(c)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "_"):
			b.WriteByte('_')
		}
	}
	name := strings.TrimSuffix(b.String(), "_")
	if name == "unit" {
		return "value" // {unit} has another meaning
	}
	return name
}

// literalOf returns a pattern that matches a piece of a line.
func literalOf(piece string) string {
	pattern := strings.NewReplacer("{", "{{", "}", "}}", "*", "**").Replace(text.Line(piece))
	words := strings.Join(strings.Fields(pattern), " ")
	if last := len(pattern) - 1; last >= 0 && isBlank(pattern[last]) {
		words += " "
	}
	return words
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(c rune) bool { return c >= 0x80 || c < ' ' }) < 0
}
