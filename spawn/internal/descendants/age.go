package descendants

import (
	"errors"
	"io/fs"
	"slices"
	"time"

	"github.com/ktstr/ktstr/internal/linux"
	"golang.org/x/sys/unix"
)

// isOlder reports whether a process that has a sign of the run is older than the
// leader. Then it cannot descend from the leader, and it must not be killed. It got
// the sign in another way, for example a descriptor by SCM_RIGHTS.
//
// Start times have ticks of 10 ms, so the order within the leader's tick is unknown.
// There a process must descend from the leader. The mark and the cookie prove that:
// only a fork or an exec within the run gives them to a process of that age. An
// orphan of this process that was not there before the run must have a later pid
// than the leader. A pipe proves nothing, so the parents of its holder are followed
// up to the leader.
func (s *Search) isOlder(pid int, by sign) bool {
	st, err := linux.ReadStat(pid)
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ESRCH) // an unknown age counts as older
	}
	since := s.since()
	if by == byPipe {
		since = s.sincePipe(pid)
	}
	if st.Start != since {
		return st.Start < since
	}
	switch by {
	case byMark, byCookie:
		return false
	case byParent:
		return pid < s.leader
	}
	return s.leader == 0 || !descends(st, s.leader)
}

// Foreign reports whether a process that is in the cgroup or in the process group
// of the run is older than the leader. Only a process of the run is born there, so
// the pid decides within the leader's tick.
func (s *Search) Foreign(pid int) bool {
	st, err := linux.ReadStat(pid)
	return err == nil && s.IsForeign(st) // or else it is gone
}

// IsForeign is Foreign for a process whose /proc/PID/stat was read.
func (s *Search) IsForeign(st linux.Stat) bool {
	since := s.since()
	return st.Start < since || st.Start == since && s.leader > 0 && st.Pid < s.leader && !descends(st, s.leader)
}

// since is the start of the leader. A watcher knows only the time before it.
func (s *Search) since() uint64 {
	if s.start == 0 {
		s.start = s.began
		if s.leader > 0 {
			// The leader is a zombie until the run is over, so its pid is its own.
			if st, err := linux.ReadStat(s.leader); err == nil && st.Start > s.began {
				s.start = st.Start
			}
		}
	}
	return s.start
}

// sincePipe is the start of the earliest leader whose pipes the process holds.
func (s *Search) sincePipe(pid int) uint64 {
	least := ^uint64(0)
	for _, p := range s.pipesOf(pid) {
		since := p.Since
		if since == 0 {
			since = s.since()
		}
		least = min(least, since)
	}
	return least
}

// descends reports whether the parents of a process lead to the leader.
func descends(st linux.Stat, leader int) bool {
	for range 1000 { // a chain that changes while it is followed could be a circle
		if st.Parent == leader {
			return true
		}
		if st.Parent <= 1 {
			return false
		}
		var err error
		if st, err = linux.ReadStat(st.Parent); err != nil {
			return false
		}
	}
	return false
}

// Member is a process in the leader's process group.
type Member struct {
	Process
	Foreign bool // it does not belong to the run
}

// Group lists the processes in the leader's process group, without the leader, the
// Dead, and those that have begun to exit. The list is empty if none of them belongs to
// the run. age is the time since the run's start, as for Kill. The error says that
// /proc could not be read.
func (s *Search) Group(age time.Duration) ([]Member, error) {
	if pids, ok := s.after(s.leader, lastPid()); ok && age < short {
		if list := s.inGroup(pids); len(list) == 0 {
			return nil, nil
		}
	}
	pids, err := linux.Processes()
	if err != nil {
		return nil, err
	}
	return s.inGroup(pids), nil
}

// inGroup returns those of the pids that are in the leader's process group.
func (s *Search) inGroup(pids []int) (list []Member) {
	for _, pid := range pids {
		if group, err := unix.Getpgid(pid); err != nil || group != s.leader || pid == s.leader {
			continue
		}
		if _, dead := slices.BinarySearch(s.Dead, pid); dead {
			continue
		}
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			continue // gone, or a thread
		}
		if st, err := linux.ReadStat(pid); err == nil && !st.Exiting() {
			list = append(list, Member{Process{pid, st.Name}, s.IsForeign(st)})
		}
		unix.Close(fd)
	}
	return list
}

// Hold returns a member of the leader's group as a Victim for AwaitDeath. The caller
// kills it. ok is false if it is gone, or has left the group.
func (s *Search) Hold(m Member) (v Victim, ok bool) {
	fd, err := unix.PidfdOpen(m.Pid, 0)
	if err != nil {
		return Victim{}, false
	}
	if group, err := unix.Getpgid(m.Pid); err != nil || group != s.leader {
		unix.Close(fd)
		return Victim{}, false
	}
	return Victim{Process: m.Process, pidfd: fd}, true
}

// Signal signals one process, if isIt is still true after a descriptor stands for
// the process.
func Signal(pid int, sig unix.Signal, isIt func(pid int) bool) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	if isIt(pid) {
		unix.PidfdSendSignal(fd, sig, nil, 0)
	}
}
