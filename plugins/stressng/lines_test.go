package stressng

import "testing"

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
