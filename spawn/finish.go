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

func (r *run) atEnd() bool { return r.out.fd < 0 && r.err_.fd < 0 }

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
