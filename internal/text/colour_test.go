package text

import "testing"

func TestWithoutColour(t *testing.T) {
	for text, want := range map[string]string{
		"":                                  "",
		"plain\n":                           "plain\n",
		"\x1b[32mgreen\x1b[0m\n":            "green\n",
		"a\x1b[1;31mb\x1b[mc\x1b[2Kd":       "abcd",
		"\x1b[38;5;12mx\x1b[0m\x1b[K\r\n":   "x\r\n",
		"\x1b[":                             "\x1b[",
		"\x1b[32":                           "\x1b[32",
		"\x1b[32\nm":                        "\x1b[32\nm",
		"\x1b":                              "\x1b",
		"\x1bc\x1b[?25lhidden\x1b[?25h\x1b": "\x1bchidden\x1b",
	} {
		if got := string(WithoutColour([]byte(text))); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
