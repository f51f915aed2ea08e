package spawn

import (
	"fmt"
	"slices"
	"time"

	"github.com/ktstr/ktstr/spawn/cgroup"
	"github.com/ktstr/ktstr/spawn/internal/descendants"
	"golang.org/x/sys/unix"
)

// await captures the streams until the leader has ended.
func (r *run) await() error {
	w := waitLoop{r: r, poller: poller{r: r}, killAt: r.c.Timeout, stopAt: r.c.StopAfter}
	defer w.poller.close()
	over, err := w.run()
	if !over {
		// This run is going to last. A goroutine that is locked to a thread is woken
		// by way of another thread, so one without a thread continues the loop.
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, err = w.run()
		}()
		<-done
	}
	return err
}

// waitLoop is the state of the loop. All times are since the start of the run.
type waitLoop struct {
	r      *run
	poller poller
	moved  bool          // to a goroutine without a thread
	stopAt time.Duration // when StopAfter interrupts the run; 0: never
	killAt time.Duration // when the run is killed, or given up if it was killed; 0: never
	killed bool
	ended  bool // the leader has ended, and the run waits for its descendants

	searchAt  time.Duration // when descendants are searched for next, without a cgroup
	searchGap time.Duration
	unseen    int // searches in a row that found none

	// The loop naps between two reads of a stream that is being written to, so
	// that a payload which prints steadily costs few wake-ups. During a silence it
	// does not nap: the kernel wakes it for the first byte.
	nap      time.Duration // the current nap; 0: the streams are polled
	napEnd   time.Duration
	lastNap  time.Duration
	lastData time.Duration // when a read gave bytes last
}

// run returns when the leader has ended, or once when the next wait is going to
// be a long one. Then over is false.
func (w *waitLoop) run() (over bool, err error) {
	r := w.r
	for {
		if !w.moved && w.poller.parks() {
			w.moved = true
			return false, nil
		}
		until := earliest(w.killAt, w.stopAt)
		if w.nap > 0 {
			until = earliest(until, w.napEnd)
		}
		if w.ended {
			until = earliest(until, max(w.searchAt, addSaturated(time.Since(r.start), longNap)))
		}
		got, err := w.poller.wait(w.nap == 0, until)
		if err != nil {
			r.killAll()
			return true, fmt.Errorf("%s: wait for events: %w", r.c.Path, err)
		}
		if got.exit {
			if r.c.Leftovers != LeftoversWait || w.killed {
				return true, nil
			}
			w.ended, w.poller.ended = true, true
		}
		now := time.Since(r.start)
		if got.request {
			w.obey(now)
		}
		if w.stopAt > 0 && now >= w.stopAt {
			w.stopAt = 0
			if r.cause == CauseNone {
				w.interrupt(CauseStop, now)
			}
		}
		if w.killAt > 0 && now >= w.killAt {
			if w.killed && !w.ended {
				r.reapLater()
				r.search.AwaitDeath(r.dying, r.start, 0)
				return true, fmt.Errorf("%s: %w", r.c.Path, r.notGone())
			}
			w.kill(CauseTimeout, now)
		}
		if got.data || w.nap > 0 && now >= w.napEnd {
			w.drain(now)
		}
		if w.ended && (w.killed || r.atEnd() || w.descendantsGone(now)) {
			if !w.killed && r.leaf != nil {
				r.leaf.Drain(cgroup.EventGap) // a process that exits closes its streams first
			}
			return true, nil
		}
	}
}

// descendantsGone reports whether no descendant of the leader is alive, which has
// ended. Then only a process that does not belong to the run holds a stream. A search
// of /proc costs more than a look at the cgroup, so it is made more and more seldom.
func (w *waitLoop) descendantsGone(now time.Duration) bool {
	const longGap = time.Second
	r := w.r
	if r.leaf != nil {
		return r.onlyGuestsInLeaf()
	}
	if now < w.searchAt {
		return false
	}
	w.searchGap = min(max(2*w.searchGap, longNap), longGap)
	w.searchAt = addSaturated(now, w.searchGap)
	r.search.Pipes = r.pipes()
	if found, err := r.search.Any(); found || err != nil {
		w.unseen = 0
		return false
	}
	w.unseen++
	return w.unseen == 2 // the first search can miss a process that is forked during it
}

// onlyGuestsInLeaf reports whether no process of the run is in the cgroup.
func (r *run) onlyGuestsInLeaf() bool {
	if r.leaf.Drain(0) == nil {
		return true
	}
	pids, err := r.leaf.Procs()
	return err == nil && len(pids) > 0 && !slices.ContainsFunc(pids, func(pid int) bool { return !r.search.Foreign(pid) })
}

// obey carries out the requests of Interrupt, Kill and the context.
func (w *waitLoop) obey(now time.Duration) {
	r := w.r
	for _, why := range r.takeRequests() {
		switch {
		case w.killed:
		case why == CauseInterrupt && r.cause != CauseInterrupt:
			w.interrupt(why, now)
		default:
			w.kill(why, now)
		}
	}
}

// interrupt asks the payload to stop, and sets the time when it is killed.
func (w *waitLoop) interrupt(why Cause, now time.Duration) {
	w.r.cause = why
	w.killAt = earliest(w.killAt, addSaturated(now, w.r.grace))
	w.r.interrupt()
}

func (w *waitLoop) kill(why Cause, now time.Duration) {
	if w.r.cause == CauseNone {
		w.r.cause = why
	}
	w.killed, w.killAt = true, addSaturated(now, w.r.grace)
	w.r.killAll()
}

// interrupt asks the payload to stop.
func (r *run) interrupt() {
	if r.c.ShareGroup {
		signalLeader(r.pidfd, r.pid, unix.SIGINT)
		return
	}
	// A second SIGINT has another meaning for many programs, so the leader gets one.
	if !r.signalGroup(unix.SIGINT, func(descendants.Member) {}) {
		signalLeader(r.pidfd, r.pid, unix.SIGINT)
	}
}

// signalGroup signals the processes in the leader's process group, and calls each
// for them. leader reports whether the leader was among them. Any process of our
// session can move itself into that group. If one that is older than the run has
// done so, the others are signalled one by one.
func (r *run) signalGroup(sig unix.Signal, each func(descendants.Member)) (leader bool) {
	members, err := r.search.Group(time.Since(r.start))
	foreign := false
	for _, m := range members {
		if foreign = foreign || m.Foreign; !m.Foreign {
			each(m)
		}
	}
	if err != nil || len(members) > 0 && !foreign {
		signalGroup(r.pidfd, r.pid, sig) // without /proc it is the only way
		return true
	}
	for _, m := range members {
		descendants.Signal(m.Pid, sig, func(pid int) bool {
			group, err := unix.Getpgid(pid)
			return err == nil && group == r.pid && !r.search.Foreign(pid)
		})
	}
	return false
}

const (
	firstNap = time.Millisecond
	longNap  = 100 * time.Millisecond
	drainMax = 4 << 20 // bytes of one stream that are read before the next look at the deadline
)

// drain empties the pipes, and decides how long the next nap is.
func (w *waitLoop) drain(now time.Duration) {
	bytes, size := w.r.drainSome()
	gap := now - w.lastData
	burst := w.nap == 0 && bytes >= size/16
	w.nap = 0
	switch {
	case bytes == 0:
		// The nap was useless. The kernel wakes the loop for the next byte.
	case burst, gap > 2*longNap, w.lastData == 0:
		w.lastNap = 0 // rare output: to be woken by the kernel is cheaper than to nap
	default:
		// Nap until the pipe should be half full at the rate of this read. Approach
		// that length in steps. In a flood there is no nap, because a full pipe costs
		// more than a nap saves.
		half := time.Duration(float64(size) / 2 * float64(gap) / float64(bytes))
		w.lastNap = min(half, max(2*w.lastNap, firstNap), longNap)
		if w.lastNap < firstNap || bytes >= size {
			w.lastNap = 0
		}
		w.nap = w.lastNap
	}
	w.poller.busy = bytes >= size/8
	if bytes > 0 {
		w.lastData = now
	}
	w.napEnd = time.Since(w.r.start) + w.nap
}

// drainSome reads both streams. It returns how many bytes the fuller one gave,
// and the size of its pipe.
func (r *run) drainSome() (bytes, size int64) {
	for _, s := range r.streams() {
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

// earliest is the smaller of two times. 0 means never.
func earliest(a, b time.Duration) time.Duration {
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}

// addSaturated is a+b, or the longest duration if that overflows.
func addSaturated(a, b time.Duration) time.Duration {
	if c := a + b; c >= a {
		return c
	}
	return 1<<63 - 1
}
