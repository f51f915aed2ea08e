package text

import (
	"encoding/json"
	"testing"
)

func TestPrintable(t *testing.T) {
	check := func(in, several, one string) {
		t.Helper()
		if got := Printable(in); got != several {
			t.Errorf("Printable(%q) = %q, want %q", in, got, several)
		}
		if got := Line(in); got != one {
			t.Errorf("Line(%q) = %q, want %q", in, got, one)
		}
	}
	check("plain ÄÖ 漢 \U0001F600", "plain ÄÖ 漢 \U0001F600", "plain ÄÖ 漢 \U0001F600")
	check("a\nb\tc", "a\nb\tc", "a\uFFFDb\uFFFDc")
	check("\x1b[31mred\r\x00\x7f", "\uFFFD[31mred\uFFFD\uFFFD\uFFFD", "\uFFFD[31mred\uFFFD\uFFFD\uFFFD")
	check("\u0085\u009b", "\uFFFD\uFFFD", "\uFFFD\uFFFD") // C1
	check("\u202e\u2066\u200f", "\uFFFD\uFFFD\uFFFD", "\uFFFD\uFFFD\uFFFD")
	check("a\xffb", "a\uFFFDb", "a\uFFFDb")
}

func TestEscapeJSONKeepsTheMeaning(t *testing.T) {
	for _, in := range []string{"plain", "ÄÖ", "\x7f", "\u009b31m", "\u202egnp.exe", "\U0001F600 and \u2066"} {
		document, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		safe := EscapeJSON(document)
		if Printable(string(safe)) != string(safe) {
			t.Errorf("EscapeJSON(%q) = %q, which is not printable", document, safe)
		}
		var got string
		if err := json.Unmarshal(safe, &got); err != nil || got != in {
			t.Errorf("EscapeJSON(%q) = %q, which means %q (%v)", document, safe, got, err)
		}
	}
}

func TestWordAndSegment(t *testing.T) {
	check := func(in, word, segment string) {
		t.Helper()
		if got := Word(in); got != word {
			t.Errorf("Word(%q) = %q, want %q", in, got, word)
		}
		if got := Segment(in); got != segment {
			t.Errorf("Segment(%q) = %q, want %q", in, got, segment)
		}
	}
	check("rand.read 4k", "rand.read_4k", "rand_read_4k")
	check("a\tb\u00a0c\x1b", "a_b_c_", "a_b_c_")
	check("\xff", "\uFFFD", "\uFFFD")
}

func TestShortenCutsAtWholeCharacters(t *testing.T) {
	check := func(in string, limit int, want string) {
		t.Helper()
		if got := Shorten(in, limit); got != want {
			t.Errorf("Shorten(%q, %d) = %q, want %q", in, limit, got, want)
		}
	}
	check("short", 5, "short")
	check("longer", 5, "longe…")
	check("ab\U0001F600", 6, "ab\U0001F600")
	check("ab\U0001F600", 5, "ab…")
	check("ab\U0001F600", 2, "ab…")
	check("\U0001F600", 1, "…")
	check("\xff", 3, "\uFFFD")
}

func TestCount(t *testing.T) {
	for n, want := range []string{"0 runs", "1 run", "2 runs"} {
		if got := Count(n, "run"); got != want {
			t.Errorf("Count(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestVersionOrder(t *testing.T) {
	check := func(a, b string, want int) {
		t.Helper()
		if got := CompareVersions(a, b); got != want {
			t.Errorf("CompareVersions(%q, %q) = %d, want %d", a, b, got, want)
		}
		if got := CompareVersions(b, a); got != -want {
			t.Errorf("CompareVersions(%q, %q) = %d, want %d", b, a, got, -want)
		}
	}
	check("3.9", "3.10", -1)
	check("3.1", "3.1.0", 0)
	check("v1.2.3-rc1", "1.2.3", 0)
	check("3.36-77-gdeadbee-dirty", "3.37", -1)
	check("", "0.0.1", -1)
	if got := Version("fio-3.36"); got != nil {
		t.Errorf("Version(fio-3.36) = %v, want none", got)
	}
}
