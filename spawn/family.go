package spawn

import (
	"bytes"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// subreaper is set when orphans of the runs become children of ours.
var subreaper atomic.Bool

// BecomeSubreaper makes orphaned descendants children of this process, so that
// also one that cleared its environment and closed its streams is found and
// killed with its run, and so that none stays a zombie. It is for a program
// that is about runs, like the ktstr command. From then on spawn takes every
// child that was started during a run, and not by spawn (Start, Run, StartHelper),
// for such an orphan: it is killed and reaped when the run ends. It also marks
// this process, so that a Watcher knows whatever descends from it by its limit
// of file locks (RLIMIT_LOCKS, without meaning since Linux 2.4.25).
func BecomeSubreaper() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl PR_SET_CHILD_SUBREAPER", err)
	}
	subreaper.Store(true)
	markSelf()
	return nil
}

// kin is who of our children was started by us.
type kin struct {
	// mu is held for reading from a fork until its child is known, and for
	// writing while unknown children are looked for.
	mu    sync.RWMutex
	known sync.Map // pids of the children that were started here
}

var family kin

// fork runs f, which forks one child, and remembers the child. Children are
// remembered only by a subreaper: nobody else asks.
func (k *kin) fork(f func() (int, error)) (int, error) {
	if !subreaper.Load() {
		return f()
	}
	k.mu.RLock()
	defer k.mu.RUnlock()
	pid, err := f()
	if err == nil {
		k.known.Store(pid, true)
	}
	return pid, err
}

// forget is for a child that was reaped.
func (k *kin) forget(pid int) {
	if subreaper.Load() {
		k.known.Delete(pid)
	}
}

// hunt is one search for live processes of a run. In a subreaper it includes
// the orphans that nothing else tells, if no other run could have left them,
// and reaps those that are dead.
func (k *kin) hunt(t *trace, age time.Duration, holders bool) ([]victim, error) {
	if t.older == nil {
		return t.kill(age, holders)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	children.mu.Lock()
	t.orphans = children.runs == 1
	children.mu.Unlock()
	found, err := t.kill(age, holders)
	k.reapDead(t)
	return found, err
}

// orphan tells whether a process is a live child of ours that was not started
// here, and came to us during the run.
func (k *kin) orphan(t *trace, pid int) bool {
	if _, ok := k.known.Load(pid); ok || t.older[pid] {
		return false
	}
	s := procStat("/proc/" + strconv.Itoa(pid))
	return s.alive && s.parent == os.Getpid()
}

// stat is what /proc/PID/stat says of a process; zero if there is none.
type stat struct {
	alive    bool // some thread of it is
	dead     bool // it is a zombie
	headless bool // alive, without the thread that it began with, whose environment it can be asked for
	parent   int
	flags    uint64
	envEnd   bool // it has memory in which its environment is, or would be
}

func procStat(proc string) (s stat) {
	text, err := os.ReadFile(proc + "/stat")
	if err != nil {
		return s
	}
	// The name is in parentheses, and may contain any; then comes field 3.
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	field := func(n int) string { return string(fields[n-3]) }
	if len(fields) <= 51-3 {
		return s
	}
	gone := field(3) == "Z" || field(3) == "X"
	s.headless = gone && field(20) != "1" && field(20) != "0" // threads
	s.dead = gone && !s.headless
	s.alive = !s.dead
	s.parent, _ = strconv.Atoi(field(4))
	s.flags, _ = strconv.ParseUint(field(9), 10, 64)
	s.envEnd = field(51) != "0"
	return s
}

// reapDead reaps the dead among the orphans of a run.
func (k *kin) reapDead(t *trace) {
	for pid := range ownChildren() {
		if _, ok := k.known.Load(pid); ok || t.older[pid] {
			continue
		}
		if procStat("/proc/" + strconv.Itoa(pid)).dead {
			unix.Wait4(pid, nil, unix.WNOHANG, nil)
		}
	}
}

// ownChildren are the pids of our children; nil where the kernel does not list
// them (CONFIG_PROC_CHILDREN).
func ownChildren() map[int]bool {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return nil
	}
	var all map[int]bool
	for _, task := range tasks {
		text, err := os.ReadFile("/proc/self/task/" + task.Name() + "/children")
		if err != nil {
			continue // the thread ended
		}
		if all == nil {
			all = map[int]bool{}
		}
		for f := range bytes.FieldsSeq(text) {
			if pid, err := strconv.Atoi(string(f)); err == nil {
				all[pid] = true
			}
		}
	}
	return all
}
