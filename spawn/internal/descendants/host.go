package descendants

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/ktstr/ktstr/internal/linux"
	"golang.org/x/sys/unix"
)

// BecomeSubreaper makes orphaned descendants children of this process, so that
// also one that cleared its environment and closed its streams is found and
// killed with its run, and so that none stays a zombie. It is for a program
// that is about runs, like the ktstr command. From then on spawn takes every
// child that was started during a run, and not by spawn (Start, Run, StartHelper),
// for such an orphan: it is killed and reaped when the run ends. It also marks
// this process, so that a Watcher knows whatever descends from it by its limit
// of file locks (RLIMIT_LOCKS, without meaning since Linux 2.4.25).
func (h *Host) BecomeSubreaper() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl PR_SET_CHILD_SUBREAPER", err)
	}
	h.subreaper.Store(true)
	h.markSelf()
	return nil
}

// Host is the process that starts runs: its cookies and marks, and who of its
// children was started by it.
type Host struct {
	once    sync.Once
	cookies string  // what the cookies of its runs begin with
	marks   marking // how it may mark its runs

	count     atomic.Uint64 // of runs, for their cookies and marks
	runs      atomic.Int64  // that are going on
	subreaper atomic.Bool   // orphans of the runs become children of ours

	// mu is held for reading from a fork until its child is known, and for
	// writing while unknown children are looked for.
	mu       sync.RWMutex
	children sync.Map // pids of the children that were started here
}

// Fork runs f, which forks one child, and remembers the child. Children are
// remembered only by a subreaper: nobody else asks.
func (h *Host) Fork(f func() (int, error)) (int, error) {
	if !h.subreaper.Load() {
		return f()
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	pid, err := f()
	if err == nil {
		h.children.Store(pid, true)
	}
	return pid, err
}

// Reaped is for a child that was reaped.
func (h *Host) Reaped(pid int) {
	if h.subreaper.Load() {
		h.children.Delete(pid)
	}
}

// orphan tells whether a process is a live child of ours that was not started
// here, and came to us during the run.
func (h *Host) orphan(t *Search, pid int) bool {
	if _, ok := h.children.Load(pid); ok || t.older[pid] {
		return false
	}
	s, err := linux.ReadStat(pid)
	return err == nil && !s.Ended() && s.Parent == os.Getpid()
}

// reapDead reaps the dead among the orphans of a run.
func (h *Host) reapDead(t *Search) {
	for pid := range ownChildren() {
		if _, ok := h.children.Load(pid); ok || t.older[pid] {
			continue
		}
		if s, err := linux.ReadStat(pid); err == nil && s.Ended() {
			unix.Wait4(pid, nil, unix.WNOHANG, nil)
		}
	}
}

// ownChildren are the pids of our children; nil where the kernel does not list
// them (CONFIG_PROC_CHILDREN).
func ownChildren() map[int]bool {
	pids, err := linux.Children(os.Getpid())
	if err != nil {
		return nil
	}
	all := map[int]bool{}
	for _, pid := range pids {
		all[pid] = true
	}
	return all
}

// CookieVar is the environment variable that every process of a run carries,
// so that it can be found again. Its value is a list separated by colons: a
// run inside of a run carries both cookies.
const CookieVar = "KTSTR_RUN"

func (h *Host) identity() {
	h.once.Do(func() {
		var b [12]byte
		rand.Read(b[:]) // never fails
		h.cookies = hex.EncodeToString(b[:])
		was, _ := LockLimit(0)
		h.marks = markingIn(was, h.cookies)
	})
}

// Cookies is what the cookies of the runs of this process begin with.
func (h *Host) Cookies() string { h.identity(); return h.cookies }

// Mark is what the marks of the runs of this process have in common; 0: it
// cannot mark.
func (h *Host) Mark() uint64 { return h.marking().base }

// marking is decided by the limits that the process was started with.
func (h *Host) marking() marking { h.identity(); return h.marks }

// Subreaper tells whether BecomeSubreaper was called.
func (h *Host) Subreaper() bool { return h.subreaper.Load() }

// NewRun makes the cookie and the mark of a run.
func (h *Host) NewRun() Search {
	n := h.count.Add(1)
	// Of one length, so that no cookie is the beginning of another.
	return Search{host: h, cookie: fmt.Sprintf("%s%012x", h.Cookies(), n), mark: h.marking().run(n)}
}

// OfHost is the search for the processes of all runs of a host, by what their
// cookies begin with and their marks have in common. noHost leaves those alone
// that have the mark of the host itself.
func OfHost(cookies string, mark uint64, noHost bool) Search {
	return Search{cookie: cookies, mark: mark, anyRun: true, noHost: noHost}
}

// Begin is for a run that is about to fork, and End for one that is over.
func (t *Search) Begin() { t.host.runs.Add(1) }
func (t *Search) End()   { t.host.runs.Add(-1) }

// Before notes who our children are before the run.
func (t *Search) Before() {
	if t.host.subreaper.Load() {
		t.older = ownChildren()
	}
}

// Lead says which process the leader is, and marks it.
func (t *Search) Lead(pid int) {
	t.host.markLeader(pid, t.mark)
	t.leader = pid
}

// Cookie is the cookie of the run.
func (t *Search) Cookie() string { return t.cookie }

// Environ is env with the cookie of the run. It comes first, so that a search
// finds it in the first bytes it reads.
func (t *Search) Environ(env []string) []string {
	all := make([]string, 1, len(env)+1)
	value := t.cookie
	outer := os.Getenv(CookieVar)
	for _, kv := range env {
		if v, ok := strings.CutPrefix(kv, CookieVar+"="); ok {
			outer = v
			continue
		}
		all = append(all, kv)
	}
	if outer != "" {
		value = outer + ":" + value
	}
	all[0] = CookieVar + "=" + value
	return all
}
