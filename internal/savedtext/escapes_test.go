package savedtext

import (
	"strings"
	"testing"
)

func TestDecode(t *testing.T) {
	for _, c := range []struct{ name, text, want, removed string }{
		{"clean", "a\nb\n", "a\nb\n", ""},
		{"byte order mark", "\ufeffa\n\ufeffb\n", "a\nb\n", "2 byte order mark"},
		{"mark within a line", "a\ufeffb\n", "a\ufeffb\n", ""},
		{"UTF-16LE", "\xff\xfea\x00\n\x00", "a\n", "the UTF-16 encoding"},
		{"UTF-16BE", "\xfe\xff\x00a\x00\n", "a\n", "the UTF-16 encoding"},
		{"UTF-16, surrogates", "\xff\xfe\x3d\xd8\x00\xde", "😀", "the UTF-16 encoding"},
		{"UTF-16, half a pair", "\xff\xfe\x3d\xd8a\x00", "\ufffda", "the UTF-16 encoding"},
		{"UTF-16, odd byte", "\xff\xfea\x00b", "a\ufffd", "the UTF-16 encoding"},
		{"UTF-16 without a mark", "a\x00\n\x00", "a\x00\n\x00", ""},
		{"colours", "\x1b[1;32ma\x1b[0m\n", "a\n", "2 terminal code"},
		{"cursor", "\x1b[2J\x1b[1;1Ha\x1b[3Cb\n", "a b\n", "3 terminal code"},
		{"hyperlink", "\x1b]8;;http://x\x1b\\a\x1b]8;;\x07\n", "a\n", "2 terminal code"},
		{"character set", "\x1b(Ba\x1b7\n", "a\n", "2 terminal code"},
		{"cut code", "a\x1b[1", "a\x1b[1", ""},
		{"ESC alone", "a\x1b\nb", "a\x1b\nb", ""},
		{"no end of a hyperlink", "\x1b]8;;x\na", "\x1b]8;;x\na", ""},
	} {
		r, reason := Decode([]byte(c.text))
		var removed []string
		for _, x := range r.Removed {
			removed = append(removed, strings.TrimSpace(x.Name+" "+count(x)))
		}
		if got := strings.Join(removed, ", "); string(r.Data) != c.want || got != c.removed || reason != "" {
			t.Errorf("%s: %q, removed %q, %q: want %q, removed %q", c.name, r.Data, got, reason, c.want, c.removed)
		}
	}
	if r, reason := Decode([]byte("\xff\xfe\x00\x00a\x00\x00\x00")); reason == "" || len(r.Removed) > 0 {
		t.Errorf("UTF-32 is taken as UTF-16")
	}
}

func count(r Removal) string {
	if r.Count == 0 {
		return ""
	}
	return string(rune('0'+r.Count)) + " " + r.Noun
}

// C8: the output of a run loses byte order marks and colours, and nothing else.
func TestColours(t *testing.T) {
	for text, want := range map[string]string{
		"a\n":                         "a\n",
		"\ufeffa\n":                   "a\n",
		"\x1b[31m\x1b[Ka\x1b(B\x1b[m": "a",
		"\x1b[2Ja\x1b[1Ab\n":          "\x1b[2Ja\x1b[1Ab\n",
		"a\rb\n":                      "a\rb\n",
		"\xff\xfea\x00":               "\xff\xfea\x00",
		"x-1  | a\n":                  "x-1  | a\n",
	} {
		if got, removed := Colours([]byte(text)); string(got) != want || len(removed) > 0 != (text != want) {
			t.Errorf("%q: %q, %v: want %q", text, got, removed, want)
		}
	}
}

func TestCarriageReturnOverwrites(t *testing.T) {
	for text, want := range map[string]string{
		"1%\r50%\rdone\nx\n":                   "done\nx\n",
		"1%\r   \rdone\n":                      "done\n",
		"1%\r   \r\nx\n":                       "   \r\nx\n",
		"1%\rdone":                             "done",
		"a\r\r\nb\rc\n":                        "a\r\nc\n",
		"x-1  | 1%\rrd\nx-1  | y\n":            "rd\ny\n",
		"\r[  1.234567] a\n\r[  1.234568] b\n": "a\nb\n",
	} {
		r := clean(text)
		if len(r.Readings) != 1 || string(r.Readings[0].Data) != want {
			t.Errorf("%q: %+v: want %q", text, r.Readings, want)
		}
	}
	for _, text := range []string{"a\r\nb\r\n", "a\r\r\n", "a\r"} {
		if r := clean(text); len(r.Readings) != 0 {
			t.Errorf("%q: %+v: want nothing to remove", text, r.Readings)
		}
	}
}
