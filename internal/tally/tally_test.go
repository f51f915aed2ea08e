package tally

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// TestTally holds counts and names against a map's, through all sizes of the
// table; names must not change when the text that they were read from does.
func TestTally(t *testing.T) {
	var tally Tally
	var names Names
	want := make(map[string]int)
	if c := tally.Find("cpu"); c != (Count{}) {
		t.Errorf("find in an empty tally: %+v", c)
	}
	text := make([]byte, 0, 64)
	for i := range 20000 {
		text = fmt.Appendf(text[:0], "s%d.x", i*i%7001)
		key := string(text)
		want[key]++
		segment, stat, _ := strings.Cut(key, ".")
		if n := want[key]; n > 1 {
			segment = fmt.Sprintf("%s~%d", segment, n)
		}
		if got := tally.Numbered(text, bytes.IndexByte(text, '.'), &names); got != segment+"."+stat {
			t.Fatalf("occurrence %d of %s is called %s", want[key], key, got)
		}
	}
	if len(tally.Counts) != len(want) {
		t.Errorf("%d names, want %d", len(tally.Counts), len(want))
	}
	for name, n := range want {
		if c := tally.Find(name); c.Name != name || int(c.Times) != n {
			t.Errorf("%s: %+v, want %d times", name, c, n)
		}
	}
	if c := tally.Find("s.x"); c != (Count{}) {
		t.Errorf("find what is not there: %+v", c)
	}
}
