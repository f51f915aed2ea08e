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

// killAll kills what is left of the run: its cgroup, its group, its leader.
func (r *run) killAll() {
	r.forced = true
	if !r.c.ShareGroup {
		r.killLeaf()
		r.killGroup()
	}
	signalLeader(r.pidfd, r.pid, unix.SIGKILL)
}

// finish kills the descendants of the leader, reads the pipes to their end, and
// reaps the leader. The leader is last, because its pid names its group until it
// is reaped.
func (r *run) finish() error {
	end := addSaturated(time.Since(r.start), r.grace)
	if !r.c.ShareGroup {
		if !r.leafKilled {
			r.killLeaf()
		}
		r.killGroup()
	}
	r.drainAll()
	var err error
	if r.c.ShareGroup {
		err = r.awaitEnds(end)
	} else {
		err = r.killDescendants(end)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", r.c.Path, err)
	}
	e, used, ok, err := reap(r.pidfd)
	// A debugger that is attached gets the status first, and gives it back later.
	for !ok && err == nil && time.Since(r.start) < end {
		linux.Pause(time.Millisecond)
		e, used, ok, err = reap(r.pidfd)
	}
	if err != nil {
		return fmt.Errorf("%s: wait: %w", r.c.Path, err)
	}
	if !ok {
		r.reapLater()
		return fmt.Errorf("%s: it has ended, but a debugger that traces it holds back its exit status: detach the debugger", r.c.Path)
	}
	r.result.ExitCode, r.result.Signal, r.result.CoreDumped = e.code, signalName(e.signal), e.core
	r.result.Payload = used
	r.result.dropInherited(r.selfUsed)
	if r.cause == CauseTimeout && !r.c.ShareGroup && !(r.stdout.ended && r.stderr.ended) && len(r.search.Spared) == 0 {
		return fmt.Errorf("%s: timed out after %v, and its output could not be drained within %v: a process that was not found still holds it", r.c.Path, r.c.Timeout, r.grace)
	}
	return nil
}

// killLeaf kills and lists the processes in the cgroup. It spares a process that
// another one has moved there and that is older than the run. Most runs leave an
// empty cgroup, which it does not touch.
func (r *run) killLeaf() {
	if r.leaf == nil {
		return
	}
	if r.leafEmpty = r.leaf.Drain(0) == nil; r.leafEmpty {
		return
	}
	r.leafGuests, r.leafEmpty = nil, true
	guest := func(pid int) bool {
		st, err := linux.ReadStat(pid)
		if err == nil && r.search.IsForeign(st) {
			if !slices.ContainsFunc(r.leafGuests, func(s Survivor) bool { return s.Pid == pid }) {
				r.leafGuests = append(r.leafGuests, Survivor{pid, st.Name})
			}
			return true
		}
		r.leafKilled, r.leafEmpty = true, false
		if err != nil {
			return false // gone
		}
		if st.Group == r.pid {
			r.search.Dead = append(r.search.Dead, pid)
		}
		if !st.Exiting() {
			r.listKilled(pid, st.Name)
		}
		return false
	}
	if err := r.leaf.Kill(guest); err != nil {
		r.leafEmpty = false
		r.notef("cgroup: kill: %v", err)
	}
	slices.Sort(r.search.Dead)
	r.search.Dead = slices.Compact(r.search.Dead)
}

// killGroup lists and kills the processes in the leader's process group. A process
// can leave the group after the list was made, so each is killed by its descriptor
// as well.
func (r *run) killGroup() {
	r.signalGroup(unix.SIGKILL, func(m descendants.Member) {
		r.listKilled(m.Pid, m.Name)
		if len(r.dying) < descendants.MaxVictims {
			if v, ok := r.search.Hold(m); ok {
				r.dying = append(r.dying, v)
			}
		}
	})
	for _, v := range r.dying {
		v.Kill()
	}
}

// listKilled puts a process on the list, once.
func (r *run) listKilled(pid int, name string) {
	if pid == r.pid || slices.ContainsFunc(r.killed, func(s Survivor) bool { return s.Pid == pid }) {
		return
	}
	if len(r.killed) >= descendants.MaxVictims {
		r.killedMore = true
		return
	}
	r.killed = append(r.killed, Survivor{Pid: pid, Name: name})
}

// foreignDrain is how long a stream is read on when only a process that does not
// belong to the run holds it. An ssh ControlMaster closes the stream some
// milliseconds after its client was killed.
const foreignDrain = time.Second

// killDescendants kills the processes of the run in every group and session,
// until a search finds none and both streams have ended, or until the time end
// since the start. If the run has a cgroup, and that is empty, and the streams
// have ended, only processes that the payload has moved to another cgroup can
// live. The mark finds these.
func (r *run) killDescendants(end time.Duration) error {
	// A dying process closes its streams before it is gone.
	r.search.AwaitDeath(r.dying, r.start, end)
	r.dying = nil
	if r.leaf != nil {
		// A dying process closes its streams before it leaves the cgroup. The
		// kernel reports the end of a stream at once.
		if !r.leafEmpty {
			if err := r.awaitEnds(min(addSaturated(time.Since(r.start), cgroup.EventGap), end)); err != nil {
				return err
			}
		}
		if err := r.emptyLeaf(end); err != nil {
			r.notef("cgroup: %v", err)
		}
		r.drainAll()
		r.search.MarkOnly = r.atEnd()
	}
	if r.leaf == nil && linux.Hidden() {
		r.notef("/proc hides the processes of other users (hidepid): a descendant that became another user's cannot be found: run in a cgroup, or as root")
	}
	wait := time.Millisecond
	holders, bounded := false, false
	for {
		now := time.Since(r.start)
		victims, err := r.search.Kill(now, holders)
		if err != nil {
			r.noteUnsearched(err)
		}
		for _, v := range victims {
			if !v.Exiting {
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
		if (err != nil || len(r.search.Spared) > 0) && !bounded {
			// The holder of the stream is older than the run, or cannot be found.
			end, bounded = min(end, addSaturated(now, foreignDrain)), true
		}
		// No process was found, and one holds a stream. Either it is still dying,
		// or the stream is its only sign.
		if err := r.awaitEnds(min(addSaturated(now, wait), end)); err != nil {
			return err
		}
		holders, r.search.MarkOnly, r.search.Pipes = true, false, r.pipes()
		wait = min(2*wait, longNap)
	}
}

// noteUnsearched adds a notice that /proc cannot be searched, once.
func (r *run) noteUnsearched(err error) {
	if !r.unsearched {
		r.unsearched = true
		r.notef("processes that outlive the payload cannot be searched for: %v: mount /proc, or run in a cgroup", err)
	}
}

// emptyLeaf waits until the cgroup is empty. Processes that were forked while it
// was being killed are killed as well.
func (r *run) emptyLeaf(end time.Duration) error {
	for !r.leafEmpty {
		err := r.leaf.Drain(min(max(end-time.Since(r.start), 0), longNap))
		if err == nil || time.Since(r.start) >= end {
			return err
		}
		r.killLeaf()
	}
	return nil
}

// awaitEnds reads until both streams have ended, or until the time until since
// the start.
func (r *run) awaitEnds(until time.Duration) error {
	for !r.atEnd() && time.Since(r.start) < until {
		fds := []unix.PollFd{{Fd: int32(r.stdout.fd), Events: unix.POLLIN}, {Fd: int32(r.stderr.fd), Events: unix.POLLIN}}
		if err := linux.Poll(fds, r.start, until); err != nil {
			return fmt.Errorf("poll: %w", err)
		}
		r.drainAll()
	}
	return nil
}

func (r *run) atEnd() bool { return r.stdout.fd < 0 && r.stderr.fd < 0 }

// drainAll reads at most drainMax bytes of each stream. It does not continue
// while a process writes, so that an escaped process which writes fast cannot
// delay its own kill.
func (r *run) drainAll() {
	for _, s := range r.streams() {
		if s.fd >= 0 {
			s.drain(drainMax, r.null)
		}
	}
}

// notGone is the error about a leader that SIGKILL did not end in time.
func (r *run) notGone() error {
	return fmt.Errorf("killed (%s), but not gone after %v: it is stuck in the kernel, or traced by a debugger", r.cause, r.grace)
}

// reapLater reaps a leader when it can be reaped, so that it does not stay a
// zombie.
func (r *run) reapLater() {
	fd, err := unix.FcntlInt(uintptr(r.pidfd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return
	}
	go func() { // no goroutine waits for this one: it may last for ever
		defer unix.Close(fd)
		unix.Waitid(unix.P_PIDFD, fd, nil, unix.WEXITED, nil)
	}()
}
