package descendants

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"github.com/ktstr/ktstr/internal/linux"
	"golang.org/x/sys/unix"
)

// Host is the process that starts runs. It makes their cookies and marks, and
// knows which children it has started. The zero value is ready. A process needs
// exactly one, because the kernel keeps its marks and the subreaper flag for the
// whole process. Its methods may be called from several goroutines.
type Host struct {
	once    sync.Once
	cookies string  // the beginning of the cookies of its runs
	marks   marking // how it can mark its runs

	count     atomic.Uint64 // runs so far: it numbers cookies and marks
	runs      atomic.Int64  // runs that are going on
	subreaper atomic.Bool   // orphans of the runs become children of this process

	// mu is held for reading from a fork until its child is known, and for writing
	// while unknown children are looked for.
	mu       sync.RWMutex
	children sync.Map // pids of the children that were started here
}

// NewRun makes the cookie and the mark of a run.
func (h *Host) NewRun() Search {
	n := h.count.Add(1)
	// The number has a fixed length, so that no cookie is the beginning of another.
	return Search{host: h, cookie: fmt.Sprintf("%s%012x", h.Cookies(), n), mark: h.marking().run(n)}
}

// OfHost is the search of a watcher for the processes of all runs of a host.
// cookies and mark are the host's Cookies and Mark. noHost spares the processes
// that have the mark of the host itself. since is the start of its first run, in
// ticks since boot.
func OfHost(cookies string, mark uint64, noHost bool, since uint64) Search {
	return Search{cookie: cookies, mark: mark, anyRun: true, noHost: noHost, began: since}
}

// Cookies is the beginning of the cookies of all runs of this process: 24
// hexadecimal digits.
func (h *Host) Cookies() string {
	h.identify()
	return h.cookies
}

// Mark is the common part of the marks of all runs of this process. 0 means that
// it cannot mark.
func (h *Host) Mark() uint64 { return h.marking().base }

func (h *Host) marking() marking {
	h.identify()
	return h.marks
}

// identify chooses the cookies and marks, once. The marks depend on the limits that
// the process was started with.
func (h *Host) identify() {
	h.once.Do(func() {
		var b [12]byte
		rand.Read(b[:]) // it never fails
		h.cookies = hex.EncodeToString(b[:])
		was, _ := LockLimit(0)
		h.marks = markingIn(was, h.cookies)
	})
}

// BecomeSubreaper makes orphaned descendants children of this process, and marks
// it.
func (h *Host) BecomeSubreaper() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl PR_SET_CHILD_SUBREAPER", err)
	}
	h.subreaper.Store(true)
	h.markSelf()
	return nil
}

// Fork calls f, which forks one child and returns its pid, and remembers the child
// until Reaped. Only a subreaper needs to know its children.
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

// Reaped forgets a child that was reaped.
func (h *Host) Reaped(pid int) {
	if h.subreaper.Load() {
		h.children.Delete(pid)
	}
}

// orphan reports whether a process is a live child of this process that was not
// started here, and that became a child during the run.
func (h *Host) orphan(s *Search, pid int) bool {
	if _, ok := h.children.Load(pid); ok || s.earlier[pid] {
		return false
	}
	st, err := linux.ReadStat(pid)
	return err == nil && !st.Ended() && st.Parent == os.Getpid()
}

// reapDead reaps the dead orphans of a run.
func (h *Host) reapDead(s *Search) {
	for pid := range ownChildren() {
		if _, ok := h.children.Load(pid); ok || s.earlier[pid] {
			continue
		}
		if st, err := linux.ReadStat(pid); err == nil && st.Ended() {
			unix.Wait4(pid, nil, unix.WNOHANG, nil)
		}
	}
}

// ownChildren is the set of the children of this process. It is nil on a kernel
// that does not list them (CONFIG_PROC_CHILDREN).
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
