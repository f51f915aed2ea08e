package descendants

import (
	"bytes"
	"os"
	"strconv"
	"time"

	"github.com/ktstr/ktstr/internal/linux"
	"golang.org/x/sys/unix"
)

// A mark is a number that the processes of a run have as their limit of file locks
// (RLIMIT_LOCKS). Linux has ignored that limit since 2.4.25, so it changes nothing.
// A child inherits it over fork and exec, whatever it does with its environment,
// session, parent and descriptors. One system call reads it of another process.
// Only a process with CAP_SYS_RESOURCE can raise a hard limit again. A payload sees
// a number in getrlimit(2) and "ulimit -x", where it would see "unlimited".
//
// The highest bit that is set says whether the process that marks is in a run
// itself. The next 41 bits are random for that process. The lowest 20 bits count
// its runs. A process in a run leaves its hard limit to the mark of the outer run,
// and marks its own runs in the soft limit. In a third run within these two there
// is no room for a mark.
const (
	markRandom = 41 // bits
	markCount  = 20 // bits
	markAlone  = 1 << 62
	markInRun  = 1 << 61
	markHost   = 1<<markCount - 1 // instead of a count: the process that marks
)

// marking is how a process can mark its runs.
type marking struct {
	base  uint64 // the common part of its marks; 0: it cannot mark
	outer uint64 // the mark of the run that it is in; 0: none
}

// markingIn is the marking of a process that was started with the given limits. Its
// random bits are those of its cookies.
func markingIn(was unix.Rlimit, cookies string) marking {
	random, err := strconv.ParseUint(cookies[:(markRandom+3)/4], 16, 64)
	if err != nil {
		return marking{}
	}
	base := random & (1<<markRandom - 1) << markCount
	switch {
	case was.Cur == unix.RLIM_INFINITY && was.Max == unix.RLIM_INFINITY:
		return marking{base: markAlone | base}
	case was.Cur == was.Max && was.Max < 2*markAlone && was.Max&markAlone != 0:
		return marking{base: markInRun | base, outer: was.Max}
	}
	return marking{} // in two runs, or the limit has another use here
}

// run is the mark of the run with that number. 0: no mark.
func (m marking) run(count uint64) uint64 {
	if m.base == 0 {
		return 0
	}
	return m.base | count%markHost
}

// limit is the limit of file locks that contains a mark.
func (m marking) limit(mark uint64) *unix.Rlimit {
	if m.outer != 0 {
		return &unix.Rlimit{Cur: mark, Max: m.outer}
	}
	return &unix.Rlimit{Cur: mark, Max: mark}
}

// markSelf marks this process as the host of its runs. Its later children inherit
// that mark.
func (h *Host) markSelf() {
	if m := h.marking(); m.base != 0 {
		unix.Prlimit(0, unix.RLIMIT_LOCKS, m.limit(m.base|markHost), nil)
	}
}

// markLeader marks the leader of a run right after its exec. It cannot be marked
// earlier: the limits of this process belong to all its threads, so to change them
// for the fork would also mark the children that other goroutines fork. If the
// kernel refuses, as for a payload with more rights than ours, the other signs
// remain.
func (h *Host) markLeader(pid int, mark uint64) {
	if mark != 0 {
		unix.Prlimit(pid, unix.RLIMIT_LOCKS, h.marking().limit(mark), nil)
	}
}

// marked reports whether pid is a live process that has the mark. Zombies keep the
// mark, and so do processes that are still dying from our SIGKILL to the leader's
// group. Unless MarkOnly is set, the mark does not count for that group, because it
// can be large.
func (s *Search) marked(pid int) bool {
	if s.mark == 0 {
		return false
	}
	l, ok := LockLimit(pid)
	if !ok || !s.isMark(l.Cur) && !s.isMark(l.Max) {
		return false
	}
	if !s.MarkOnly {
		if group, err := unix.Getpgid(pid); err != nil || s.leader > 0 && group == s.leader {
			return false
		}
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return false // gone, or a thread
	}
	defer unix.Close(fd)
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	linux.Poll(p, time.Now(), 1) // it ignores signals, which plain ppoll would take for an event
	return p[0].Revents == 0
}

// isMark reports whether a limit is the mark of the run, or one of the host's marks.
func (s *Search) isMark(v uint64) bool {
	if s.anyRun {
		return (v^s.mark)>>markCount == 0 && !(s.noHost && v&markHost == markHost)
	}
	return v == s.mark
}

// LockLimit reads RLIMIT_LOCKS of a process. 0 is this process. Some processes may
// be killed by us but not read with prlimit, for example setuid programs. Their
// limit comes from /proc. ok is false if the process is gone or may not be read.
func LockLimit(pid int) (l unix.Rlimit, ok bool) {
	switch unix.Prlimit(pid, unix.RLIMIT_LOCKS, nil, &l) {
	case nil:
		return l, true
	case unix.EPERM:
		if unix.Kill(pid, 0) != nil {
			return l, false
		}
		text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/limits")
		if err != nil {
			return l, false
		}
		return parseLockLimit(text)
	}
	return l, false
}

// parseLockLimit parses the line about file locks in /proc/PID/limits.
func parseLockLimit(text []byte) (l unix.Rlimit, ok bool) {
	for line := range bytes.Lines(text) {
		rest, ok := bytes.CutPrefix(line, []byte("Max file locks"))
		if !ok {
			continue
		}
		fields := bytes.Fields(rest)
		if len(fields) < 2 {
			return l, false
		}
		for i, v := range []*uint64{&l.Cur, &l.Max} {
			n, err := strconv.ParseUint(string(fields[i]), 10, 64)
			if err != nil { // "unlimited"
				n = unix.RLIM_INFINITY
			}
			*v = n
		}
		return l, true
	}
	return l, false
}
