package corpustest

import (
	"math"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Growth is how many times as long large takes as small: the least of twenty
// tries, or the first that is not above most. Time is that of the processor, of
// this thread alone, so other work of the machine does not matter.
func Growth(t testing.TB, most float64, small, large func()) (ratio float64) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	took := [2]time.Duration{math.MaxInt64, math.MaxInt64}
	for try := 0; try == 0 || ratio > most && try < 20; try++ {
		for i, f := range []func(){small, large} {
			begin := threadTime(t)
			f()
			took[i] = min(took[i], threadTime(t)-begin)
		}
		ratio = float64(took[1]) / float64(took[0])
	}
	return ratio
}

func threadTime(t testing.TB) time.Duration {
	t.Helper()
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &now); err != nil {
		t.Fatal(err)
	}
	return time.Duration(now.Nano())
}
