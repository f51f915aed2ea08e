package savedtext

import (
	"strings"
	"testing"
)

func TestRewrapped(t *testing.T) {
	long := strings.Repeat("x", 70)
	for _, c := range []struct {
		name, text, want string
		lines            int
	}{
		{"one line", "rd: " + long + "\nyyyyyyyy z\nend\n", "rd: " + long + " yyyyyyyy z\n\nend\n", 1},
		{"the word had room", "rd: " + long + "\ny\n" + long + "xxxxxxxx\n", "", 0},
		{"a longer line", "rd: " + long + "\nyyyyyyyy z\n" + long + long + "\n", "", 0},
		{"short lines", "a\nb\nc\n", "", 0},
		{"indented", "rd: " + long + "\n  yyyyyyyy z\n", "", 0},
		{"a common first word", "rd: " + long + "\nyyyyyyyy 1\nyyyyyyyy 2\nyyyyyyyy 3\n", "", 0},
		{"no end of line", "rd: " + long + "\nyyyyyyyy", "rd: " + long + " yyyyyyyy\n", 1},
		{"empty", "", "", 0},
	} {
		joined, lines := Rewrapped([]byte(c.text))
		if string(joined) != c.want || lines != c.lines {
			t.Errorf("%s: %q, %d lines: want %q, %d", c.name, joined, lines, c.want, c.lines)
		}
	}
}
