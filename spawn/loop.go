package spawn

import (
	"fmt"
	"slices"
	"time"

	"github.com/ktstr/ktstr/internal/linux"
	"github.com/ktstr/ktstr/spawn/cgroup"
	"github.com/ktstr/ktstr/spawn/internal/descendants"
	"golang.org/x/sys/unix"
)

// The loop naps between two drains of a stream that is being written to, so
// that a payload which prints steadily costs few wake-ups: until the pipe should
// be half full, at the rate of the last drain. A silent stream costs nothing:
// then the kernel wakes us for its first byte.
const (
	firstNap = time.Millisecond
	lastNap  = 100 * time.Millisecond
	drainMax = 4 << 20 // bytes of one stream between two looks at the deadline
)

// request asks the loop to end the run.
func (r *run) request(why Cause) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over || r.wake < 0 {
		return
	}
	r.asked = append(r.asked, why)
	one := [8]byte{1} // any value but 0 in either byte order
	unix.Write(r.wake, one[:])
}

func (r *run) requests() []Cause {
	r.mu.Lock()
	defer r.mu.Unlock()
	var count [8]byte
	unix.Read(r.wake, count[:])
	asked := r.asked
	r.asked = nil
	return asked
}

// serve brings the run to its end and publishes the result.
func (r *run) serve() {
	r.mu.Lock()
	r.result.Pid = r.pid
	r.mu.Unlock()
	if r.leaf != nil {
		r.leaf.Preload()
	}
	err := r.watch()
	r.result.Duration = time.Since(r.start)
	r.result.Harness = selfUsage().minus(r.before)
	r.result.Watcher = r.watcher.since(r.watched)
	if err == nil {
		err = r.finish()
	}
	r.closeLeaf()
	r.unwatch()
	self.Reaped(r.result.Pid)
	r.result.Start = r.start
	r.result.Cause = r.cause
	r.result.Stdout = r.out.capture()
	r.result.Stderr = r.err_.capture()
	r.result.Killed = r.killed
	r.note()
	r.result.Notices = r.notices
	r.err = err

	r.mu.Lock()
	r.over = true
	r.pid = 0
	if r.stopWatch != nil {
		r.stopWatch()
	}
	r.mu.Unlock()
	r.release()
	dropChildren()
	r.search.End()
	close(r.done)
}

// note writes the notices about the streams, and about the list of the killed.
func (r *run) note() {
	if r.killedMore {
		r.notices = append(r.notices, fmt.Sprintf("more than %d processes that had left the payload's group were killed: the first ones are listed", descendants.MaxVictims))
	}
	for i, s := range []*stream{&r.out, &r.err_} {
		c := []*Capture{&r.result.Stdout, &r.result.Stderr}[i]
		if c.Truncated {
			r.notices = append(r.notices, fmt.Sprintf("%s: %d bytes were printed and the first %d kept (the cap)", s.name, c.Bytes, len(c.Data)))
		}
		if !c.Complete {
			r.notices = append(r.notices, fmt.Sprintf("%s: its end was not seen: a process that was not ours to kill still holds it; what it prints later is lost", s.name))
		}
		if s.fault != nil {
			r.notices = append(r.notices, fmt.Sprintf("%s: its full copy stopped: %v", s.name, s.fault))
		}
	}
}

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

// interrupt asks the payload to stop.
func (r *run) interrupt() {
	if r.c.ShareGroup {
		signalLeader(r.pidfd, r.pid, unix.SIGINT)
		return
	}
	signalGroup(r.pidfd, r.pid, unix.SIGINT)
}

// killAll kills what is left of the run: its cgroup, its group, its leader.
func (r *run) killAll() {
	if !r.c.ShareGroup {
		r.killLeaf()
		signalGroup(r.pidfd, r.pid, unix.SIGKILL)
	}
	signalLeader(r.pidfd, r.pid, unix.SIGKILL)
}

// killLeaf kills the cgroup, and notes who in it had left the group. A cgroup
// with nobody in it is left alone: most runs leave nothing behind.
func (r *run) killLeaf() {
	if r.leaf == nil {
		return
	}
	if r.leafEmpty = r.leaf.Drain(0) == nil; r.leafEmpty {
		return
	}
	pids, _ := r.leaf.Procs()
	for _, pid := range pids {
		switch pgid, err := unix.Getpgid(pid); {
		case err != nil:
		case pgid == r.pid:
			r.search.Dead = append(r.search.Dead, pid)
		default:
			r.listKilled(pid, "")
		}
	}
	slices.Sort(r.search.Dead)
	r.leafKilled = true
	if err := r.leaf.Kill(); err != nil {
		r.notices = append(r.notices, fmt.Sprintf("cgroup: kill: %v", err))
	}
}

// immortal is the error about a leader that SIGKILL did not end in time.
func (r *run) immortal() error {
	return fmt.Errorf("killed (%s), but not gone after %v: it is stuck in the kernel, or traced by a debugger", r.cause, r.grace)
}

// reapLater is for a leader that cannot be reaped yet, so that it does not stay
// a zombie when it can.
func (r *run) reapLater() {
	fd, err := unix.FcntlInt(uintptr(r.pidfd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return
	}
	go func() { // nobody waits for it: it may be for ever
		defer unix.Close(fd)
		unix.Waitid(unix.P_PIDFD, fd, nil, unix.WEXITED, nil)
	}()
}

// finish ends what the leader left behind, drains the pipes to their end, and
// reaps the leader: last, because its pid is the group's name until then.
func (r *run) finish() error {
	end := addSat(time.Since(r.start), r.grace)
	if !r.c.ShareGroup {
		if !r.leafKilled {
			r.killLeaf()
		}
		signalGroup(r.pidfd, r.pid, unix.SIGKILL)
	}
	r.drainAll()
	var err error
	if r.c.ShareGroup {
		err = r.awaitEnds(end)
	} else {
		err = r.hunt(end)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", r.c.Path, err)
	}
	e, used, ok, err := reap(r.pidfd)
	// A debugger that is attached gets the status first, and gives it back.
	for !ok && err == nil && time.Since(r.start) < end {
		linux.Pause(time.Millisecond)
		e, used, ok, err = reap(r.pidfd)
	}
	if err != nil {
		return fmt.Errorf("%s: wait: %w", r.c.Path, err)
	}
	if !ok {
		r.reapLater()
		return fmt.Errorf("%s: it has ended, and its exit status is held back: want the debugger that traces it to let it go", r.c.Path)
	}
	r.result.ExitCode, r.result.Signal, r.result.CoreDumped = e.code, signalName(e.signal), e.core
	r.result.Payload = used
	if r.cause == CauseTimeout && !r.c.ShareGroup && !(r.out.ended && r.err_.ended) {
		return fmt.Errorf("%s: timed out after %v, and its output could not be drained within %v: a process that was not found still holds it", r.c.Path, r.c.Timeout, r.grace)
	}
	return nil
}

// drainAll reads what was in the pipes when it was called, which is less than
// drainMax. It does not go on while somebody writes: an escaped process that
// keeps pace must not keep itself from being hunted.
func (r *run) drainAll() {
	for _, s := range []*stream{&r.out, &r.err_} {
		if s.fd >= 0 {
			s.drain(drainMax, r.null)
		}
	}
}

func (r *run) atEnd() bool { return r.out.fd < 0 && r.err_.fd < 0 }

// awaitEnds drains until the streams have ended, or until that long after the
// start.
func (r *run) awaitEnds(until time.Duration) error {
	for !r.atEnd() && time.Since(r.start) < until {
		fds := []unix.PollFd{{Fd: int32(r.out.fd), Events: unix.POLLIN}, {Fd: int32(r.err_.fd), Events: unix.POLLIN}}
		if err := linux.Poll(fds, r.start, until); err != nil {
			return fmt.Errorf("poll: %w", err)
		}
		r.drainAll()
	}
	return nil
}

// hunt kills whoever is left of the run, wherever it went, until nobody is
// found and both streams have ended, or until that long after the start. Of a
// run in a cgroup hardly anybody is left when that is empty and the streams have
// ended: only what the payload itself moved elsewhere, which its mark tells.
func (r *run) hunt(end time.Duration) error {
	if r.leaf != nil {
		// Who dies closes the streams before it leaves the cgroup, and of that
		// the kernel tells at once.
		if !r.leafEmpty {
			if err := r.awaitEnds(min(addSat(time.Since(r.start), cgroup.EventGap), end)); err != nil {
				return err
			}
		}
		if err := r.emptyLeaf(end); err != nil {
			r.notices = append(r.notices, fmt.Sprintf("cgroup: %v", err))
		}
		r.drainAll()
		r.search.MarkOnly = r.atEnd()
	}
	wait := time.Millisecond
	holders := false
	for {
		now := time.Since(r.start)
		victims, err := r.search.Kill(now, holders)
		if err != nil {
			r.notices = append(r.notices, fmt.Sprintf("processes that left the group could not be searched for: %v", err))
		}
		for _, v := range victims {
			if !v.Group {
				r.listKilled(v.Pid, v.Name)
			}
		}
		r.search.AwaitDeath(victims, r.start, end)
		r.drainAll()
		now = time.Since(r.start)
		if now >= end {
			return nil
		}
		if len(victims) > 0 || err == nil && !r.search.Settled() {
			continue
		}
		if r.atEnd() {
			return nil
		}
		// Nobody was found, and somebody holds a stream: either the last ones are
		// still dying, or they are to be known by what they hold.
		if err := r.awaitEnds(min(addSat(now, wait), end)); err != nil {
			return err
		}
		holders, r.search.MarkOnly, r.search.Pipes = true, false, r.pipes()
		wait = min(2*wait, lastNap)
	}
}

// emptyLeaf waits until nobody lives in the cgroup. What was forked while it
// was being killed is killed as well.
func (r *run) emptyLeaf(end time.Duration) error {
	for !r.leafEmpty {
		err := r.leaf.Drain(min(max(end-time.Since(r.start), 0), lastNap))
		if err == nil || time.Since(r.start) >= end {
			return err
		}
		r.killLeaf()
	}
	return nil
}

// listKilled puts a process on the list, once. Its name is looked up if it is
// empty.
func (r *run) listKilled(pid int, name string) {
	if slices.ContainsFunc(r.killed, func(s Survivor) bool { return s.Pid == pid }) {
		return
	}
	if len(r.killed) >= descendants.MaxVictims {
		r.killedMore = true
		return
	}
	if name == "" {
		name = linux.Name(pid)
	}
	r.killed = append(r.killed, Survivor{Pid: pid, Name: name})
}

// closeLeaf reads the counters of the cgroup and removes it.
func (r *run) closeLeaf() {
	if r.leaf == nil {
		return
	}
	if stat, err := r.leaf.Stat(); err == nil {
		r.result.Cgroup = &stat
	} else {
		r.notices = append(r.notices, fmt.Sprintf("cgroup: its counters could not be read: %v", err))
	}
	if err := r.leaf.Remove(); err != nil {
		r.notices = append(r.notices, fmt.Sprintf("cgroup: it was left behind: %v", err))
	}
	r.leaf = nil
}
