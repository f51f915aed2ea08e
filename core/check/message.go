package check

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ktstr/ktstr/internal/nearest"
)

func show(v float64, u string) string {
	if u == "" {
		return number(v)
	}
	return number(v) + " " + valid(u)
}

// number is the shortest text that reads back as v, without an exponent where
// people would write none.
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
	if tail := Tail(in.Stderr); tail != "" {
		message += "; stderr ends with:\n" + tail
	}
	return message
}

// tailBytes is how much of stderr a message shows.
const tailBytes = 1024

// Tail returns the last KiB of text without surrounding blanks, as valid UTF-8,
// beginning at a whole rune, with "..." in front if something was cut.
func Tail(text []byte) string {
	s := strings.TrimSpace(string(text[max(0, len(text)-2*tailBytes):]))
	cut := len(text) > 2*tailBytes
	if len(s) > tailBytes {
		cut = true
		s = s[len(s)-tailBytes:]
	}
	if cut {
		// At most three bytes in front belong to a rune that began before.
		for i := 0; i < utf8.UTFMax-1 && s != "" && !utf8.RuneStart(s[0]); i++ {
			s = s[1:]
		}
	}
	s = valid(s)
	for len(s) > tailBytes { // replacing bytes by U+FFFD made it longer
		_, n := utf8.DecodeRuneInString(s)
		s, cut = s[n:], true
	}
	if cut && s != "" {
		s = "..." + s
	}
	return s
}

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
		fmt.Fprintf(&b, "; %s there)", metricsCount(len(in.Metrics)))
	}
	if !suggest {
		return b.String()
	}
	names := make([]string, len(in.Metrics))
	for i, m := range in.Metrics {
		names[i] = m.Name
	}
	if near := nearest.Of(name, names); near != "" {
		b.WriteString("; did you mean '" + valid(near) + "'?")
	}
	return b.String()
}

func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
