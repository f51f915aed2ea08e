package descendants

import (
	"os"
	"slices"
	"testing"
	"time"
)

// The second list of all processes has those that the first one missed. With orphans
// it has all, because a process can have become our child in between.
func TestSecondList(t *testing.T) { // C13
	for _, orphans := range []bool{false, true} {
		s := Search{leader: os.Getpid(), orphans: orphans}
		first, err := s.candidates(time.Hour)
		if err != nil || !slices.Contains(first, 1) {
			t.Fatalf("first list %v, %v", first, err)
		}
		late := startSleep(t).Process.Pid
		s.progress.seen = 0
		second, err := s.candidates(time.Hour)
		if err != nil || !slices.Contains(second, late) || slices.Contains(second, 1) != orphans {
			t.Errorf("orphans %v: second list %v, %v; want it with %d", orphans, second, err, late)
		}
	}
}
