package noise

import (
	"math"
	"runtime"
	"slices"
	"sync/atomic"

	"github.com/ktstr/ktstr/internal/compare"
)

// repetitions is how often the CPU-bound loop is repeated, as runs of a benchmark would be.
const repetitions = 20

// work says how much the time of a CPU-bound loop varies, whose repetitions do the same.
type work struct {
	Time   int64   `json:"time"`   // ns, of one repetition, the median
	Spread percent `json:"spread"` // standard deviation, of the median
	Shows  percent `json:"shows"`  // the change that 5 runs a side of the loop would show
}

// measureWork repeats the loop on one thread that may use any CPU, as a payload would, for about
// the given time in ns. It returns nil if stop was set, or if the times say nothing.
func measureWork(time int64, stop *atomic.Bool) *work {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	target := time / repetitions
	steps, took := 1<<12, int64(0)
	for took < target/8 && steps < 1<<40 { // the least of three, because a disturbance only adds time
		steps *= 2
		took = min(timed(steps), timed(steps), timed(steps))
		if stop.Load() {
			return nil
		}
	}
	steps = max(1, int(float64(steps)*float64(target)/float64(max(1, took))))
	times := make([]float64, repetitions)
	for i := range times {
		times[i] = float64(timed(steps))
		if stop.Load() {
			return nil
		}
	}
	return workOf(times)
}

// workOf summarises the times of the repetitions, in ns and in their order.
func workOf(times []float64) *work {
	noise, ok := compare.NoiseOf(times)
	if !ok {
		return nil
	}
	sorted := slices.Sorted(slices.Values(times))
	return &work{int64(math.Round(sorted[len(sorted)/2])), percent(noise.Spread * 100), percent(noise.Detects(5) * 100)}
}

// timed returns the time of steps of the loop in ns.
func timed(steps int) int64 {
	began := monotonic()
	runtime.KeepAlive(spin(steps)) // so that the compiler keeps the loop
	return monotonic() - began
}

// spin computes steps pseudo-random numbers, each from the one before.
func spin(steps int) uint64 {
	x := uint64(1)
	for range steps {
		x = x*6364136223846793005 + 1442695040888963407
	}
	return x
}
