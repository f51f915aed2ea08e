package descendants

import (
	"bytes"
	"os"
	"strconv"
	"time"

	"github.com/ktstr/ktstr/internal/linux"
	"golang.org/x/sys/unix"
)

// A mark is a number that the processes of a run carry as their limit of file
// locks, RLIMIT_LOCKS. Linux has not looked at that limit since 2.4.25, so it
// changes nothing; it is inherited over fork and exec, whatever becomes of the
// environment, the session, the parent and the descriptors; one system call
// reads it of another process; and unprivileged nobody can raise a hard limit
// again. All that a payload can see of it is the number that getrlimit(2) or
// "ulimit -x" gives, which is unlimited otherwise.
//
// Of its bits the highest that is set says whether the process that marks is in
// a run itself, the middle ones are random for that process, and the lowest
// count its runs. A process in a run has no room in its hard limit, where the
// outer run's mark has to stay, and marks its own runs in the soft limit. In a
// third run within those two there is no room at all.
const (
	markRandom = 41 // bits
	markCount  = 20 // bits
	markAlone  = 1 << 62
	markInRun  = 1 << 61
	markHost   = 1<<markCount - 1 // in place of the count: the process that marks
)

// marking is how this process may mark its runs.
type marking struct {
	base  uint64 // what its marks have in common; 0: it cannot mark
	outer uint64 // the mark of the run that it is in itself; 0: of none
}

// markingIn is what limits of file locks leave to a process whose cookies have
// that base.
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
	return marking{} // in two runs already, or somebody's own use of the limit
}

// run is the mark of the run of that number; 0 where there is none.
func (m marking) run(count uint64) uint64 {
	if m.base == 0 {
		return 0
	}
	return m.base | count%markHost
}

// limit is the limit of file locks that carries a mark.
func (m marking) limit(mark uint64) *unix.Rlimit {
	if m.outer != 0 {
		return &unix.Rlimit{Cur: mark, Max: m.outer}
	}
	return &unix.Rlimit{Cur: mark, Max: mark}
}

// markSelf marks this process, as the host of its runs; what it starts from then
// on has that mark from birth.
func (h *Host) markSelf() {
	if m := h.marking(); m.base != 0 {
		unix.Prlimit(0, unix.RLIMIT_LOCKS, m.limit(m.base|markHost), nil)
	}
}

// markLeader marks the leader of a run, which has only just been executed. It
// cannot be done earlier: the limits of a process are those of all its threads,
// so to fork with others would mark what another goroutine forks meanwhile. Where
// it is refused, as to a payload with more rights than ours, the other signs
// remain.
func (h *Host) markLeader(pid int, mark uint64) {
	if mark != 0 {
		unix.Prlimit(pid, unix.RLIMIT_LOCKS, h.marking().limit(mark), nil)
	}
}

// marked tells whether pid is a live process that carries the mark. A zombie
// still has it, and so has who is dying of the signal that the leader's group
// was sent: where the group may be large, it is no matter of the mark.
func (t *Search) marked(pid int) bool {
	if t.mark == 0 {
		return false
	}
	l, ok := LockLimit(pid)
	if !ok || !t.isMark(l.Cur) && !t.isMark(l.Max) {
		return false
	}
	if !t.MarkOnly {
		if group, err := unix.Getpgid(pid); err != nil || t.leader > 0 && group == t.leader {
			return false
		}
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return false // gone, or a thread
	}
	defer unix.Close(fd)
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	linux.Poll(p, time.Now(), 1) // a signal must not pass for its death
	return p[0].Revents == 0
}

func (t *Search) isMark(v uint64) bool {
	if t.anyRun {
		return (v^t.mark)>>markCount == 0 && !(t.noHost && v&markHost == markHost)
	}
	return v == t.mark
}

// LockLimit reads RLIMIT_LOCKS of a process; 0 is this one. Of a process that
// may be killed and not asked, such as a setuid program, /proc tells it.
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

// parseLockLimit finds the line of /proc/PID/limits about file locks.
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
