package check

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ktstr/ktstr/internal/nearest"
	"github.com/ktstr/ktstr/internal/text"
)

// show returns a value with its unit.
func show(v float64, u string) string {
	if u == "" {
		return number(v)
	}
	return number(v) + " " + valid(u)
}

// number returns the shortest text that parses to v. It has an exponent only for
// very small and very large values.
func number(v float64) string {
	if abs := math.Abs(v); abs >= 1e-4 && abs < 1e15 {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

func exitMessage(want int, in Input) string {
	message := fmt.Sprintf("exit code %d", in.ExitCode)
	if in.Signal != "" {
		message += " (" + in.Signal + ")"
	}
	message += fmt.Sprintf(": want %d", want)
	if end := tail(in.Stderr); end != "" {
		message += "; stderr ends with:\n" + end
	}
	return message
}

// tailBytes is the number of bytes of stderr in a message.
const tailBytes = 1024

// tail returns the last KiB of stderr without surrounding white space, as valid
// UTF-8. It begins at a whole character. If something was cut, "..." precedes it.
func tail(stderr []byte) string {
	s := strings.TrimSpace(string(stderr[max(0, len(stderr)-2*tailBytes):]))
	cut := len(stderr) > 2*tailBytes
	if len(s) > tailBytes {
		cut = true
		s = s[len(s)-tailBytes:]
	}
	if cut {
		// At most three bytes at the start belong to a character that began earlier.
		for i := 0; i < utf8.UTFMax-1 && s != "" && !utf8.RuneStart(s[0]); i++ {
			s = s[1:]
		}
	}
	s = valid(s)
	for len(s) > tailBytes { // U+FFFD is longer than the byte that it replaced
		_, n := utf8.DecodeRuneInString(s)
		s, cut = s[n:], true
	}
	if cut && s != "" {
		s = "..." + s
	}
	return s
}

// searched returns the end of a message about a missing metric: the streams that
// were searched and, if suggest is set, the nearest name.
func searched(in Input, name string, suggest bool) string {
	var b strings.Builder
	if len(in.Searched) > 0 {
		b.WriteString(" (looked in ")
		for i, s := range in.Searched {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(valid(string(s)))
		}
		fmt.Fprintf(&b, "; %s there)", text.Count(len(printed(in.Metrics)), "metric"))
	}
	if !suggest {
		return b.String()
	}
	names := make([]string, len(in.Metrics))
	for i, m := range in.Metrics {
		names[i] = m.Name
	}
	if near := nearest.Of(name, names); near != "" {
		b.WriteString("; did you mean " + valid(near) + "?")
	}
	return b.String()
}

func absent(in Input, name string) string {
	if in.Absent == nil {
		return ""
	}
	return in.Absent(name)
}

// valid replaces bytes that are not UTF-8. Records and JSON need valid text.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
