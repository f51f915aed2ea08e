package descendants

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/ktstr/ktstr/internal/linux"
	"golang.org/x/sys/unix"
)

// Search is what the processes of one run can be recognised by, whatever group,
// session or parent they have.
type Search struct {
	host     *Host        // nil: this is no host, but its watcher
	leader   int          // the first of them: the others got their pids after it
	cookie   string       // in their environment
	mark     uint64       // in their limit of file locks; 0: none
	MarkOnly bool         // nothing else is looked at, but for orphans
	Dead     []int        // sorted: of the group, killed with the cgroup, which is empty; many a zombie
	anyRun   bool         // the cookie and the mark are those of all runs of one host
	noHost   bool         // with anyRun: but not the mark of the host itself
	Pipes    []string     // whose writing end they hold: "pipe:[123]"
	alone    bool         // when it was searched last, nobody had got a pid after the leader
	seen     int          // the last pid when it was searched last; 0: all are to be looked at
	lists    int          // how many searches since the last find were of all of /proc
	listed   []int        // the pids of the first of them
	buf      []byte       // for environments
	holders  bool         // the last search was for holders of the pipes too
	older    map[int]bool // in a subreaper, our children before the run; nil: it is none
	orphans  bool         // and any child of ours that we did not start, and is not of those, is the run's
}

// Victim is a process of the run that was sent SIGKILL.
type Victim struct {
	Pid   int
	Name  string // comm, at most 15 bytes
	Group bool   // it was in the leader's process group

	pidfd int
}

// environBuffer is how much of an environment is read at once.
const environBuffer = 16 << 10

// MaxVictims bounds the descriptors that one search holds; a fork bomb is met
// by searching again.
const MaxVictims = 256

// lastPid is the last pid that was given away in our pid namespace; 0 where it
// is not known.
func lastPid() int {
	load, err := linux.ReadLoad()
	if err != nil {
		return 0
	}
	return load.LastPid
}

// candidates gives the pids that may be of the run and were not given before.
// At first, in a run so short that the pids cannot have come round, they are
// those given away after the leader's: for a payload that forks nothing, on a
// quiet machine, none. In a longer run they are all. Later they are those that were
// given away since the last call, so that whoever was forked behind the back of
// one search is found by the next.
func (t *Search) candidates(age time.Duration) ([]int, error) {
	const (
		short = 50 * time.Millisecond
		few   = 2048
	)
	from, last := t.seen, lastPid()
	if from == 0 && age < short {
		from = t.leader
	}
	t.seen, t.alone = last, false
	if from > 0 && last >= from && last-from <= few {
		t.alone = last == t.leader
		var pids []int
		for pid := from + 1; pid <= last; pid++ {
			if pid != t.leader {
				pids = append(pids, pid)
			}
		}
		return pids, nil
	}
	t.lists++
	all, err := linux.Processes()
	if err != nil {
		return nil, err
	}
	pids := slices.DeleteFunc(all, func(pid int) bool { return pid == t.leader })
	switch {
	case t.lists == 1:
		t.listed = slices.Sorted(slices.Values(pids))
	case t.lists == 2 && !t.orphans:
		// Whoever was there, and was none of the run, does not become one, except
		// by the death of its parent.
		pids = slices.DeleteFunc(pids, func(pid int) bool {
			_, was := slices.BinarySearch(t.listed, pid)
			return was
		})
	}
	return pids, nil
}

// Settled tells whether a search that found nobody is the last one: if nobody
// has got a pid since it began (which nobody of the run can, where the leader is
// dead and was alone), and if it was no list of /proc, or the second one. While
// a list is made, a process may be forked behind the place that was reached and
// its parent may exit before that.
func (t *Search) Settled() bool {
	if t.alone {
		return true
	}
	if t.seen == 0 || lastPid() != t.seen {
		return false
	}
	if t.lists == 1 {
		t.seen = 0
		return false
	}
	return true
}

// Kill is one search for live processes of a run. In a subreaper it includes
// the orphans that nothing else tells, if no other run could have left them,
// and reaps those that are dead.
func (t *Search) Kill(age time.Duration, holders bool) ([]Victim, error) {
	if t.older == nil {
		return t.kill(age, holders)
	}
	t.host.mu.Lock()
	defer t.host.mu.Unlock()
	t.orphans = t.host.runs.Load() == 1
	found, err := t.kill(age, holders)
	t.host.reapDead(t)
	return found, err
}

// kill finds the live processes of the run and sends them SIGKILL. It looks at
// the descriptors of processes only if holders is set, because that is slow.
func (t *Search) kill(age time.Duration, holders bool) ([]Victim, error) {
	if holders != t.holders {
		t.holders, t.seen, t.lists = holders, 0, 0 // with other eyes, so at all of them again
		age = time.Hour
	}
	pids, err := t.candidates(age)
	if err != nil {
		return nil, err
	}
	var (
		found []Victim
		self  = os.Getpid()
	)
	for _, pid := range pids {
		if pid <= 1 || pid == self {
			continue
		}
		if len(found) == MaxVictims {
			break
		}
		if t.buf == nil {
			t.buf = make([]byte, environBuffer)
		}
		buf := t.buf
		if !t.owns(pid, buf) {
			continue
		}
		// From here on the descriptor stands for one process. If a look at it
		// says the same again, it is the right one.
		fd, err := unix.PidfdOpen(pid, 0)
		if err == unix.EINVAL || err == unix.ENOENT {
			continue // a thread; its process has a pid of its own
		}
		// It may be in the middle of a fork, whose child has a pid and cannot be
		// seen yet. So after a find all are looked at again.
		t.seen, t.lists = 0, 0
		if err != nil {
			continue // gone
		}
		if !t.owns(pid, buf) {
			unix.Close(fd)
			continue
		}
		v := Victim{Pid: pid, Name: linux.Name(pid), pidfd: fd}
		pgid, _ := unix.Getpgid(pid)
		v.Group = pgid == t.leader
		if unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) != nil {
			unix.Close(fd) // gone meanwhile, or not ours to kill
			continue
		}
		found = append(found, v)
	}
	return found, nil
}

func (t *Search) owns(pid int, buf []byte) bool {
	if _, ok := slices.BinarySearch(t.Dead, pid); ok && t.MarkOnly {
		if pgid, err := unix.Getpgid(pid); err != nil || pgid == t.leader {
			return false
		}
	}
	if t.marked(pid) || t.orphans && t.host.orphan(t, pid) {
		return true
	}
	if t.MarkOnly {
		return false
	}
	return t.carries(pid, buf) || t.holders && t.holds(pid)
}

// carries tells whether the cookie is in the environment that the process was
// started with.
func (t *Search) carries(pid int, buf []byte) bool {
	const patience = time.Second // on a crowded machine an exec may wait for its turn
	none := 0
	for wait := 50 * time.Microsecond; ; {
		found, empty := t.environ("/proc/"+strconv.Itoa(pid), buf)
		if !empty || wait > patience {
			return found
		}
		if executing(pid) {
			linux.Pause(wait)
			wait *= 2
			continue
		}
		// The exec may have come to its end between the two looks.
		if none++; none == 3 {
			s, err := linux.ReadStat(pid)
			return err == nil && s.WithoutFirst() && t.carriedByThread(pid, buf)
		}
	}
}

// carriedByThread is carries for a process that goes on in other threads than
// its first.
func (t *Search) carriedByThread(pid int, buf []byte) bool {
	threads, _ := linux.Threads(pid)
	return slices.ContainsFunc(threads, func(tid int) bool {
		found, _ := t.environ(fmt.Sprintf("/proc/%d/task/%d", pid, tid), buf)
		return found
	})
}

func (t *Search) environ(proc string, buf []byte) (found, empty bool) {
	fd, err := unix.Open(proc+"/environ", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false, false
	}
	defer unix.Close(fd)
	kept, total := 0, 0
	for {
		n, err := unix.Read(fd, buf[kept:])
		if n <= 0 || err != nil {
			return false, total == 0
		}
		total += n
		text := buf[:kept+n]
		if bytes.Contains(text, []byte(t.cookie)) {
			return true, false
		}
		if len(text) < len(buf) {
			return false, false // that was the last of it
		}
		kept = copy(buf, text[max(0, len(text)-len(t.cookie)):])
	}
}

// executing tells whether the process is in the middle of an exec: its new
// memory is there already, and its environment is not. A process that really has
// none has a place where it would be.
func executing(pid int) bool {
	s, err := linux.ReadStat(pid)
	return err == nil && !s.Ended() && !s.WithoutFirst() && !s.EnvironEnd && s.Flags&linux.KernelThread == 0
}

// holds tells whether the process has a writing end of one of the pipes and no
// reading end. A child of this very process that has not executed its program
// yet holds both, and is none of ours to kill.
func (t *Search) holds(pid int) bool {
	if len(t.Pipes) == 0 {
		return false
	}
	dir, err := os.Open("/proc/" + strconv.Itoa(pid) + "/fd")
	if err != nil {
		return false
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return false
	}
	writes := false
	var link [64]byte
	for _, name := range names {
		n, err := unix.Readlinkat(int(dir.Fd()), name, link[:])
		if err != nil {
			continue
		}
		for _, p := range t.Pipes {
			if string(link[:n]) != p {
				continue
			}
			// The permissions of the link are the mode the file is open in.
			var st unix.Stat_t
			if unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
				continue
			}
			if st.Mode&0o400 != 0 {
				return false
			}
			writes = writes || st.Mode&0o200 != 0
		}
	}
	return writes
}

// AwaitDeath waits until all victims are dead, or until that long after start,
// and closes their descriptors. Where they became children of ours it reaps
// them.
func (t *Search) AwaitDeath(victims []Victim, start time.Time, until time.Duration) {
	for _, v := range victims {
		fds := []unix.PollFd{{Fd: int32(v.pidfd), Events: unix.POLLIN}}
		linux.Poll(fds, start, max(until, 1))
		if t.host != nil && t.host.subreaper.Load() {
			unix.Waitid(unix.P_PIDFD, v.pidfd, nil, unix.WEXITED|unix.WNOHANG, nil) // fails where it is not our child
		}
		unix.Close(v.pidfd)
	}
}

// PipeName is what /proc shows for a descriptor of a pipe.
func PipeName(fd int) string {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil {
		return ""
	}
	return "pipe:[" + strconv.FormatUint(st.Ino, 10) + "]"
}
