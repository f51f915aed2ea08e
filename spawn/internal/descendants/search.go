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
// Host is the process that starts runs. Search is the search for the processes of
// one run. Read search.go first, then candidates.go (which processes are looked
// at), signs.go and mark.go (each sign), and host.go.
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

	// Pipes names the streams that have not ended, as PipeName does. Processes that
	// hold one are looked for if Kill is asked to.
	Pipes []string

	host   *Host // nil in a watcher
	leader int   // the first process of the run; the others have later pids
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

// Begin counts a run that is about to fork. End must follow.
func (s *Search) Begin() { s.host.runs.Add(1) }

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

// Victim is a process of the run that was sent SIGKILL.
type Victim struct {
	Pid   int
	Name  string // comm, at most 15 bytes
	Group bool   // it was in the leader's process group

	pidfd int
}

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
		if !s.owns(pid) {
			continue
		}
		// From here on the descriptor stands for one process. If a second look
		// finds the same, the descriptor is of the process that has the sign.
		fd, err := unix.PidfdOpen(pid, 0)
		if err == unix.EINVAL || err == unix.ENOENT {
			continue // a thread; its process has another pid
		}
		// The process can be in the middle of a fork, whose child has a pid and is
		// not visible yet. So after a find all are looked at again.
		s.progress.restart()
		if err != nil {
			continue // gone
		}
		if !s.owns(pid) {
			unix.Close(fd)
			continue
		}
		v := Victim{Pid: pid, Name: linux.Name(pid), pidfd: fd}
		pgid, _ := unix.Getpgid(pid)
		v.Group = pgid == s.leader
		if unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) != nil {
			unix.Close(fd) // gone, or we may not kill it
			continue
		}
		found = append(found, v)
	}
	return found, nil
}

// owns reports whether a process has a sign of the run.
func (s *Search) owns(pid int) bool {
	if _, ok := slices.BinarySearch(s.Dead, pid); ok && s.MarkOnly {
		if pgid, err := unix.Getpgid(pid); err != nil || pgid == s.leader {
			return false
		}
	}
	if s.marked(pid) || s.orphans && s.host.orphan(s, pid) {
		return true
	}
	if s.MarkOnly {
		return false
	}
	return s.hasCookie(pid) || s.holders && s.holdsPipe(pid)
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
