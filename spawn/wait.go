package spawn

import (
	"fmt"
	"time"
)

// watch captures until the leader has ended.
func (r *run) watch() error {
	w := watch{r: r, wait: waiter{r: r}, killAt: r.c.Timeout}
	defer w.wait.close()
	over, err := w.loop()
	if !over {
		// It is going to last. A goroutine that is locked to a thread is woken by
		// way of another thread, so one that is not goes on with the loop.
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, err = w.loop()
		}()
		<-done
	}
	return err
}

// watch is the state of the loop. All times are since the start of the run.
type watch struct {
	r        *run
	wait     waiter
	moved    bool          // to a goroutine of its own
	nap      time.Duration // how long the streams are left alone after a drain; 0: not
	ramp     time.Duration // the last nap
	napEnd   time.Duration
	lastData time.Duration // when something was drained last
	killAt   time.Duration // when the next patience is over; 0: never
	killed   bool
}

// loop goes on until the leader has ended, or, once, until the wait is about to
// be a long one: then over is false.
func (w *watch) loop() (over bool, err error) {
	r := w.r
	for {
		if !w.moved && w.wait.parks() {
			w.moved = true
			return false, nil
		}
		until := w.killAt
		if w.nap > 0 && (until == 0 || w.napEnd < until) {
			until = w.napEnd
		}
		got, err := w.wait.wait(w.nap == 0, until)
		if err != nil {
			r.killAll()
			return true, fmt.Errorf("%s: wait for events: %w", r.c.Path, err)
		}
		if got.exit {
			return true, nil
		}
		now := time.Since(r.start)
		if got.request {
			w.obey(now)
		}
		if w.killAt > 0 && now >= w.killAt {
			if w.killed {
				r.reapLater()
				return true, fmt.Errorf("%s: %w", r.c.Path, r.immortal())
			}
			w.kill(CauseTimeout, now)
		}
		if got.data || w.nap > 0 && now >= w.napEnd {
			w.drain(now)
		}
	}
}

// obey does what was requested.
func (w *watch) obey(now time.Duration) {
	r := w.r
	for _, why := range r.requests() {
		switch {
		case w.killed:
		case why == CauseInterrupt && r.cause != CauseInterrupt:
			r.cause = CauseInterrupt
			if at := addSat(now, r.grace); w.killAt == 0 || at < w.killAt {
				w.killAt = at
			}
			r.interrupt()
		default:
			w.kill(why, now)
		}
	}
}

func (w *watch) kill(why Cause, now time.Duration) {
	if w.r.cause == CauseNone {
		w.r.cause = why
	}
	w.killed, w.killAt = true, addSat(now, w.r.grace)
	w.r.killAll()
}

// The loop naps between two drains of a stream that is being written to, so
// that a payload which prints steadily costs few wake-ups: until the pipe should
// be half full, at the rate of the last drain. A silent stream costs nothing:
// then the kernel wakes us for its first byte.
const (
	firstNap = time.Millisecond
	lastNap  = 100 * time.Millisecond
	drainMax = 4 << 20 // bytes of one stream between two looks at the deadline
)

// drain empties the pipes, and decides how long they are left alone then.
func (w *watch) drain(now time.Duration) {
	bytes, size := w.r.drainSome()
	gap := now - w.lastData
	burst := w.nap == 0 && bytes >= size/16
	w.nap = 0
	switch {
	case bytes == 0:
		// The nap was for nothing; now the kernel wakes us for the next byte.
	case burst, gap > 2*lastNap, w.lastData == 0:
		w.ramp = 0 // for rare output too, waiting for the kernel's word is cheaper
	default:
		// Until the pipe should be half full, coming near in steps. In a flood
		// that is no time, and what a nap gains is lost by a full pipe.
		half := time.Duration(float64(size) / 2 * float64(gap) / float64(bytes))
		w.ramp = min(half, max(2*w.ramp, firstNap), lastNap)
		if w.ramp < firstNap || bytes >= size {
			w.ramp = 0
		}
		w.nap = w.ramp
	}
	w.wait.busy = bytes >= size/8
	if bytes > 0 {
		w.lastData = now
	}
	w.napEnd = time.Since(w.r.start) + w.nap
}

// drainSome drains both streams, and says how much the fuller one gave, and
// what its pipe holds.
func (r *run) drainSome() (bytes, size int64) {
	for _, s := range []*stream{&r.out, &r.err_} {
		if s.fd < 0 {
			continue
		}
		n := s.drain(drainMax, r.null)
		if n >= bytes {
			bytes, size = n, int64(s.size)
		}
		if n > 0 && !s.grown && s.fd >= 0 {
			s.grow()
		}
	}
	return bytes, size
}

func addSat(a, b time.Duration) time.Duration {
	if c := a + b; c >= a {
		return c
	}
	return 1<<63 - 1
}
