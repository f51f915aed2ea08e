package main

import "testing"

func TestWrap(t *testing.T) {
	check := func(line, want string) {
		t.Helper()
		if got := wrap(line, 20); got != want {
			t.Errorf("wrap(%q) = %q, want %q", line, got, want)
		}
	}
	check("short\n", "short\n")
	check("name  stock  a b c d e f g\n", "name  stock  a b c d e f g\n") // no room below
	check("name  one two three four five six\n", "name  one two three\n      four five six\n")
	check("name  averyveryverylongwordindeed\n", "name  averyveryverylongwordindeed\n")
	check("eins  zwölf äöü drei vier fünf\n", "eins  zwölf äöü drei\n      vier fünf\n")
	check("no columns but many words\n", "no columns but many\nwords\n")
}
