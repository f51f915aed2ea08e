package spawn

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// trace is what the processes of one run can be recognised by, whatever group,
// session or parent they have.
type trace struct {
	leader   int          // the first of them: the others got their pids after it
	cookie   string       // in their environment
	mark     uint64       // in their limit of file locks; 0: none
	markOnly bool         // nothing else is looked at, but for orphans
	dead     []int        // sorted: of the group, killed with the cgroup, which is empty; many a zombie
	anyRun   bool         // the cookie and the mark are those of all runs of one host
	noHost   bool         // with anyRun: but not the mark of the host itself
	pipes    []string     // whose writing end they hold: "pipe:[123]"
	alone    bool         // when it was searched last, nobody had got a pid after the leader
	seen     int          // the last pid when it was searched last; 0: all are to be looked at
	lists    int          // how many searches since the last find were of all of /proc
	listed   []int        // the pids of the first of them
	holders  bool         // the last search was for holders of the pipes too
	older    map[int]bool // in a subreaper, our children before the run; nil: it is none
	orphans  bool         // and any child of ours that we did not start, and is not of those, is the run's
}

// victim is a process of the run that was sent SIGKILL.
type victim struct {
	Survivor
	pidfd int
	group bool // it was in the leader's process group
}

// maxVictims bounds the descriptors that one search holds; a fork bomb is met
// by searching again.
const maxVictims = 256

// lastPid is the last pid that was given away in our pid namespace; 0 where it
// is not known.
func lastPid() int {
	fd, err := unix.Open("/proc/loadavg", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0
	}
	defer unix.Close(fd)
	var b [128]byte
	n, _ := unix.Read(fd, b[:])
	text := bytes.TrimSpace(b[:max(n, 0)])
	pid, err := strconv.Atoi(string(text[bytes.LastIndexByte(text, ' ')+1:]))
	if err != nil {
		return 0
	}
	return pid
}

// candidates gives the pids that may be of the run and were not given before.
// At first, in a run so short that the pids cannot have come round, they are
// those given away after the leader's: for a payload that forks nothing, on a
// quiet machine, none. In a longer run they are all. Later they are those that were
// given away since the last call, so that whoever was forked behind the back of
// one search is found by the next.
func (t *trace) candidates(age time.Duration) ([]int, error) {
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
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil && pid != t.leader {
			pids = append(pids, pid)
		}
	}
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

// settled tells whether a search that found nobody is the last one: if nobody
// has got a pid since it began (which nobody of the run can, where the leader is
// dead and was alone), and if it was no list of /proc, or the second one. While
// a list is made, a process may be forked behind the place that was reached and
// its parent may exit before that.
func (t *trace) settled() bool {
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

// kill finds the live processes of the run and sends them SIGKILL. It looks at
// the descriptors of processes only if holders is set, because that is slow.
func (t *trace) kill(age time.Duration, holders bool) ([]victim, error) {
	if holders != t.holders {
		t.holders, t.seen, t.lists = holders, 0, 0 // with other eyes, so at all of them again
		age = time.Hour
	}
	pids, err := t.candidates(age)
	if err != nil {
		return nil, err
	}
	var (
		found []victim
		slot  = getBuffer(firstBuffer)
		self  = os.Getpid()
	)
	defer putBuffer(slot)
	for _, pid := range pids {
		if pid <= 1 || pid == self {
			continue
		}
		if len(found) == maxVictims {
			break
		}
		buf := (*slot)[:firstBuffer]
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
		v := victim{Survivor: Survivor{Pid: pid, Name: comm(pid)}, pidfd: fd}
		pgid, _ := unix.Getpgid(pid)
		v.group = pgid == t.leader
		if unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) != nil {
			unix.Close(fd) // gone meanwhile, or not ours to kill
			continue
		}
		found = append(found, v)
	}
	return found, nil
}

func (t *trace) owns(pid int, buf []byte) bool {
	if _, ok := slices.BinarySearch(t.dead, pid); ok && t.markOnly {
		if pgid, err := unix.Getpgid(pid); err != nil || pgid == t.leader {
			return false
		}
	}
	if t.marked(pid) || t.orphans && family.orphan(t, pid) {
		return true
	}
	if t.markOnly {
		return false
	}
	proc := "/proc/" + strconv.Itoa(pid)
	return t.carries(proc, buf) || t.holders && t.holds(proc)
}

// carries tells whether the cookie is in the environment that the process was
// started with.
func (t *trace) carries(proc string, buf []byte) bool {
	const patience = time.Second // on a crowded machine an exec may wait for its turn
	none := 0
	for wait := 50 * time.Microsecond; ; {
		found, empty := t.environ(proc, buf)
		if !empty || wait > patience {
			return found
		}
		if executing(proc) {
			pause(wait)
			wait *= 2
			continue
		}
		// The exec may have come to its end between the two looks.
		if none++; none == 3 {
			return procStat(proc).headless && t.carriedByThread(proc, buf)
		}
	}
}

// carriedByThread is carries for a process that goes on in other threads than
// its first.
func (t *trace) carriedByThread(proc string, buf []byte) bool {
	threads, _ := filepath.Glob(proc + "/task/*")
	return slices.ContainsFunc(threads, func(thread string) bool {
		found, _ := t.environ(thread, buf)
		return found
	})
}

func (t *trace) environ(proc string, buf []byte) (found, empty bool) {
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
func executing(proc string) bool {
	const kernelTask = 0x200000 // PF_KTHREAD: it never has memory
	s := procStat(proc)
	return s.alive && !s.headless && !s.envEnd && s.flags&kernelTask == 0
}

// holds tells whether the process has a writing end of one of the pipes and no
// reading end. A child of this very process that has not executed its program
// yet holds both, and is none of ours to kill.
func (t *trace) holds(proc string) bool {
	if len(t.pipes) == 0 {
		return false
	}
	dir, err := os.Open(proc + "/fd")
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
		for _, p := range t.pipes {
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

// comm is the name of a process, "" if it is gone.
func comm(pid int) string {
	text, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm")
	return string(bytes.TrimSuffix(text, []byte{'\n'}))
}

// awaitDeath waits until all victims are dead, or until that long after start,
// and closes their descriptors. Where they became children of ours it reaps
// them.
func awaitDeath(victims []victim, start time.Time, until time.Duration) (alive int) {
	for _, v := range victims {
		fds := []unix.PollFd{{Fd: int32(v.pidfd), Events: unix.POLLIN}}
		pollUntil(fds, start, max(until, 1))
		if fds[0].Revents == 0 {
			alive++
		}
		if subreaper.Load() {
			reap(v.pidfd) // fails where it is not our child
		}
		unix.Close(v.pidfd)
	}
	return alive
}

// pipeName is what /proc shows for a descriptor of a pipe.
func pipeName(fd int) string {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil {
		return ""
	}
	return "pipe:[" + strconv.FormatUint(st.Ino, 10) + "]"
}
