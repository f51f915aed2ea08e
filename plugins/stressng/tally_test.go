package stressng

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// TestTally holds counts and names against a map's, through all sizes of the
// table; names must not change when the text that they were read from does.
func TestTally(t *testing.T) {
	var tally tally
	var names names
	want := make(map[string]int)
	if c := tally.find("cpu"); c != (count{}) {
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
		if got := tally.numbered(text, bytes.IndexByte(text, '.'), &names); got != segment+"."+stat {
			t.Fatalf("occurrence %d of %s is called %s", want[key], key, got)
		}
	}
	if len(tally.counts) != len(want) {
		t.Errorf("%d names, want %d", len(tally.counts), len(want))
	}
	for name, n := range want {
		if c := tally.find(name); c.name != name || int(c.times) != n {
			t.Errorf("%s: %+v, want %d times", name, c, n)
		}
	}
	if c := tally.find("s.x"); c != (count{}) {
		t.Errorf("find what is not there: %+v", c)
	}
}

// TestRoom holds how lists grow: by what the rest of the text makes likely, and
// neither without bounds nor one by one.
func TestRoom(t *testing.T) {
	for _, c := range []struct{ have, read, all, want int }{
		{0, 10, 1000, 16}, {100, 500, 1000, 204}, {100, 1000, 1000, 200}, {100, 10, 100000, 1600},
	} {
		if got := room(make([]int, c.have), c.read, c.all); len(got) != c.have || cap(got) != c.want {
			t.Errorf("%d of %d bytes gave %d: room for %d, want %d", c.read, c.all, c.have, cap(got), c.want)
		}
	}
}
