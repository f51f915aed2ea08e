package descendants

import (
	"os"
	"slices"
	"testing"
	"time"
)

// The second list of all processes is for those that the first one missed, and
// for orphans, which may have become ours in between.
func TestSecondList(t *testing.T) { // C13
	for _, orphans := range []bool{false, true} {
		tr := Search{leader: os.Getpid(), orphans: orphans}
		first, err := tr.candidates(time.Hour)
		if err != nil || !slices.Contains(first, 1) {
			t.Fatalf("first list %v, %v", first, err)
		}
		late := startSleep(t).Process.Pid
		tr.progress.seen = 0
		second, err := tr.candidates(time.Hour)
		if err != nil || !slices.Contains(second, late) || slices.Contains(second, 1) != orphans {
			t.Errorf("orphans %v: second list %v, %v; want it with %d", orphans, second, err, late)
		}
	}
}
