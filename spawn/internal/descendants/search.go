// Package descendants decides which processes belong to a run, and kills the ones
// that live longer than its leader.
//
// A descendant can change its group, session, parent, environment and descriptors.
// So the package looks at several signs, which a child inherits:
//
//   - the cookie: a random word in the environment
//   - the mark: a number as the limit of file locks (RLIMIT_LOCKS)
//   - the pipe: a writing end of one of the run's streams
//   - the parent: in a subreaper, a child that appeared during the run and that the
//     host has not started itself
//
// A sign is not enough to kill a process. Another process can have it too: for
// example an ssh ControlMaster that was started before the run gets the payload's
// stdout from the ssh client. A process that is older than the leader cannot descend
// from it, so it is spared (age.go).
//
// Host is the process that starts runs. Search is the search for the processes of
// one run. Read search.go first, then candidates.go (which processes are looked
// at), age.go (which of them may be killed), signs.go and mark.go (each sign), and
// host.go.
package descendants

import (
	"os"
	"slices"
	"time"

	"github.com/ktstr/ktstr/internal/linux"
	"golang.org/x/sys/unix"
)

// Search finds the processes of one run. Host.NewRun makes it. Its methods are not
// safe for several goroutines.
type Search struct {
	// MarkOnly restricts the search to the mark and the parent, which are the
	// cheapest signs.
	MarkOnly bool

	// Dead lists processes that were killed already, sorted. With MarkOnly they
	// are no longer looked at if they are in the leader's group: many are zombies.
	Dead []int

	// Pipes are the streams that have not ended. Processes that hold one are looked
	// for if Kill is asked to.
	Pipes []Pipe

	// Spared lists the processes that hold one of the Pipes and were not killed,
	// because they are older than the run. Kill adds to it.
	Spared []Holder

	host   *Host  // nil in a watcher
	leader int    // the first process of the run; the others have later pids
	began  uint64 // when the leader was about to be forked, in ticks since boot
	start  uint64 // when the leader was forked; 0: not read yet
	cookie string
	mark   uint64 // 0: none

	anyRun bool // cookie and mark are the common part of those of all runs of a host
	noHost bool // with anyRun: a process with the mark of the host itself is spared

	earlier map[int]bool // our children before the run; nil: this process is no subreaper
	orphans bool         // an unknown child of ours that is not in earlier belongs to the run

	progress progress
	holders  bool   // the last search looked for holders of the pipes too
	buf      []byte // for environments
}

// Process is a process at the time of a search.
type Process struct {
	Pid  int
	Name string // comm, at most 15 bytes
}

// Holder is a process that has a writing end of a pipe.
type Holder struct {
	Process
	Pipe string // name, as PipeName gives it
}

// Began is the time before the leader was forked, in ticks since boot.
func (s *Search) Began() uint64 { return s.began }

// Begin counts a run that is about to fork. End must follow.
func (s *Search) Begin() {
	s.host.runs.Add(1)
	s.began = linux.Now()
}

// End is for a run that is over.
func (s *Search) End() { s.host.runs.Add(-1) }

// Prepare notes which children a subreaper has before the run.
func (s *Search) Prepare() {
	if s.host.subreaper.Load() {
		s.earlier = ownChildren()
	}
}

// Lead sets the leader of the run and marks it.
func (s *Search) Lead(pid int) {
	s.host.markLeader(pid, s.mark)
	s.leader = pid
}

// Victim is a process of the run that was or will be sent SIGKILL.
type Victim struct {
	Process
	Exiting bool // it had begun to exit by itself before
	pidfd   int
}

// Kill sends SIGKILL to the process.
func (v Victim) Kill() error { return unix.PidfdSendSignal(v.pidfd, unix.SIGKILL, nil, 0) }

// MaxVictims is the most processes that one search kills, because it holds a
// descriptor of each. The caller searches again until none is found.
const MaxVictims = 256

// Kill searches once, and sends SIGKILL to the processes of the run. age is the
// time since the run's start: a short run has few candidates. Kill reads the
// descriptors of all candidates only if holders is set, because that is slow.
//
// In a subreaper Kill also finds the orphans that have no other sign, if no other
// run could have left them, and reaps the dead ones. The error says that /proc
// could not be read.
func (s *Search) Kill(age time.Duration, holders bool) ([]Victim, error) {
	if s.earlier == nil {
		return s.kill(age, holders)
	}
	s.host.mu.Lock()
	defer s.host.mu.Unlock()
	s.orphans = s.host.runs.Load() == 1
	found, err := s.kill(age, holders)
	s.host.reapDead(s)
	return found, err
}

func (s *Search) kill(age time.Duration, holders bool) ([]Victim, error) {
	if holders != s.holders {
		s.holders = holders
		s.progress.restart() // another sign counts now
		age = time.Hour
	}
	pids, err := s.candidates(age)
	if err != nil {
		return nil, err
	}
	var found []Victim
	self := os.Getpid()
	for _, pid := range pids {
		if pid <= 1 || pid == self {
			continue
		}
		if len(found) == MaxVictims {
			break
		}
		if s.signOf(pid) == noSign {
			continue
		}
		// From here on the descriptor stands for one process. If a second look
		// finds the same, the descriptor is of the process that has the sign.
		fd, err := unix.PidfdOpen(pid, 0)
		if err == unix.EINVAL || err == unix.ENOENT {
			continue // a thread; its process has another pid
		}
		if err != nil {
			s.progress.restart()
			continue // gone
		}
		by := s.signOf(pid)
		if by != noSign && s.isOlder(pid, by) {
			s.spare(pid)
			unix.Close(fd)
			continue
		}
		// The process can be in the middle of a fork, whose child has a pid and is
		// not visible yet. So after a find all are looked at again.
		s.progress.restart()
		if by == noSign {
			unix.Close(fd)
			continue
		}
		st, err := linux.ReadStat(pid)
		v := Victim{Process: Process{Pid: pid, Name: st.Name}, Exiting: err != nil || st.Exiting(), pidfd: fd}
		if v.Kill() != nil {
			unix.Close(fd) // gone, or we may not kill it
			continue
		}
		found = append(found, v)
	}
	return found, nil
}

// Any reports whether a search finds a process of the run. It kills none. A process
// that is forked during the search can be missed.
func (s *Search) Any() (bool, error) {
	pids, err := linux.Processes()
	if err != nil {
		return false, err
	}
	s.holders = true
	defer func() { s.holders = false }()
	return slices.ContainsFunc(pids, func(pid int) bool {
		if pid <= 1 || pid == os.Getpid() || pid == s.leader {
			return false
		}
		by := s.signOf(pid)
		return by != noSign && !s.isOlder(pid, by)
	}), nil
}

// sign is a sign that a process belongs to the run.
type sign int

const (
	noSign sign = iota
	byMark
	byCookie
	byParent
	byPipe
)

// signOf returns a sign of the run that the process has.
func (s *Search) signOf(pid int) sign {
	if _, ok := slices.BinarySearch(s.Dead, pid); ok && s.MarkOnly {
		if pgid, err := unix.Getpgid(pid); err != nil || pgid == s.leader {
			return noSign
		}
	}
	switch {
	case s.marked(pid):
		return byMark
	case s.orphans && s.host.orphan(s, pid):
		return byParent
	case s.MarkOnly:
		return noSign
	case s.hasCookie(pid):
		return byCookie
	case s.holders && len(s.pipesOf(pid)) > 0:
		return byPipe
	}
	return noSign
}

// spare lists a process that may not be killed, once, if it holds a stream.
func (s *Search) spare(pid int) {
	if !s.holders {
		return
	}
	for _, p := range s.pipesOf(pid) {
		h := Holder{Process{pid, linux.Name(pid)}, p.Name}
		if !slices.Contains(s.Spared, h) {
			s.Spared = append(s.Spared, h)
		}
	}
}

// AwaitDeath waits until all victims are dead, or until the time until since
// start, and closes their descriptors. It reaps those that became children of
// this process.
func (s *Search) AwaitDeath(victims []Victim, start time.Time, until time.Duration) {
	for _, v := range victims {
		fds := []unix.PollFd{{Fd: int32(v.pidfd), Events: unix.POLLIN}}
		linux.Poll(fds, start, max(until, 1))
		if s.host != nil && s.host.subreaper.Load() {
			// It fails for a process that is not our child.
			unix.Waitid(unix.P_PIDFD, v.pidfd, nil, unix.WEXITED|unix.WNOHANG, nil)
		}
		unix.Close(v.pidfd)
	}
}
