package spawn

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/ktstr/ktstr/internal/linux"
	"golang.org/x/sys/unix"
)

// Watcher is a process that outlives this one by moments: when this process
// dies, by whatever signal, it kills what its runs left behind. The
// parent-death signal, which every run has, reaches only the leaders.
//
// It shares two descriptors with this process: the reading end of a pipe,
// whose only writing end is ours, so that its hang-up is our death; and a
// memory file in which every run has a slot while it lasts. Nothing is sent, so
// a run does not wake the watcher.
type Watcher struct {
	lifeline int // writing end
	ledger   int // memory file
	process  *os.Process
	asleep   int // hangs up when the watcher has gone to sleep; -1 when that is known

	mu   sync.Mutex
	free []int // slots to use again
	next int
	used Usage // as it was read last
}

// StartWatcher starts this very program again, with args, for its main to call
// WatcherMain. From then on all runs of this process are watched. There is at
// most one watcher at a time.
func StartWatcher(args ...string) (*Watcher, error) {
	w := &Watcher{lifeline: -1, ledger: -1, asleep: -1}
	if !current.CompareAndSwap(nil, w) {
		return nil, errors.New("watcher: this process has one already")
	}
	if err := w.start(args); err != nil {
		w.shut()
		return nil, fmt.Errorf("watcher: start: %w", err)
	}
	return w, nil
}

func (w *Watcher) start(args []string) error {
	w.mu.Lock() // a run may begin meanwhile, in another goroutine
	defer w.mu.Unlock()
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return os.NewSyscallError("pipe2", err)
	}
	w.lifeline = p[1]
	defer unix.Close(p[0])
	var asleep [2]int
	if err := unix.Pipe2(asleep[:], unix.O_CLOEXEC); err != nil {
		return os.NewSyscallError("pipe2", err)
	}
	w.asleep = asleep[0]
	defer unix.Close(asleep[1])
	ledger, err := unix.MemfdCreate("ktstr-runs", unix.MFD_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("memfd_create", err)
	}
	w.ledger = ledger
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: "/dev/null", Err: err}
	}
	defer unix.Close(null)
	pid, err := self.Fork(func() (int, error) {
		return syscall.ForkExec("/proc/self/exe", append(os.Args[:1:1], args...), &syscall.ProcAttr{
			Dir: "/",
			Env: append(os.Environ(), fmt.Sprintf("%s=%s:%x", watchVar, self.Cookies(), self.Mark())),
			// The streams are not ours to hold open.
			Files: []uintptr{uintptr(null), uintptr(null), uintptr(null), uintptr(p[0]), uintptr(w.ledger), uintptr(asleep[1])},
			// A session of its own: what a terminal sends to us is not for it.
			Sys: &syscall.SysProcAttr{Setsid: true},
		})
	})
	if err != nil {
		return &os.PathError{Op: "exec", Path: "/proc/self/exe", Err: err}
	}
	w.process, err = os.FindProcess(pid)
	return err
}

const slotBytes = 4096

// farewell goes through the lifeline when the host closes the watcher. Without
// it, the end of the lifeline is the death of the host.
var farewell = []byte{'q'}

// Close ends the watcher. Runs that are still going on are killed by it, so
// they are to be ended before. A watcher that does not end, because somebody
// stops it, is killed after twice the time that it gives itself.
func (w *Watcher) Close() error {
	w.mu.Lock()
	if w.lifeline >= 0 {
		unix.Write(w.lifeline, farewell)
	}
	p := w.process
	w.process = nil
	w.mu.Unlock()
	w.shut()
	if p == nil {
		return nil
	}
	p.Signal(unix.SIGCONT)
	if fd, err := unix.PidfdOpen(p.Pid, 0); err == nil {
		end := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		if linux.Poll(end, time.Now(), 2*cleanUpPatience) == nil && end[0].Revents == 0 {
			p.Kill()
		}
		unix.Close(fd)
	}
	state, err := p.Wait()
	self.Reaped(p.Pid)
	if errors.Is(err, unix.ECHILD) {
		return nil // this process ignores SIGCHLD, so the kernel reaps
	}
	if err != nil {
		return fmt.Errorf("watcher: close: %w", err)
	}
	if !state.Success() {
		return fmt.Errorf("watcher: it ended with %v: runs were not watched to their end", state)
	}
	return nil
}

func (w *Watcher) shut() {
	current.CompareAndSwap(w, nil)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, fd := range []*int{&w.lifeline, &w.ledger, &w.asleep} {
		if *fd >= 0 {
			unix.Close(*fd)
			*fd = -1
		}
	}
}

// settle waits until the watcher sleeps, so that no run has its start beside it.
func (w *Watcher) settle() {
	const patience = time.Second
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.asleep < 0 {
		return
	}
	linux.Poll([]unix.PollFd{{Fd: int32(w.asleep)}}, time.Now(), patience)
	unix.Close(w.asleep)
	w.asleep = -1
}

// enter writes a run into the ledger, before its child exists, and returns its
// slot; -1 without a watcher.
func (w *Watcher) enter(leaf string, pipes []string) int {
	if w == nil {
		return -1
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ledger < 0 {
		return -1
	}
	slot := w.next
	if n := len(w.free); n > 0 {
		slot, w.free = w.free[n-1], w.free[:n-1]
	} else {
		w.next++
	}
	var b [slotBytes]byte
	copy(b[:], strings.Join(append([]string{leaf}, pipes...), "\n"))
	unix.Pwrite(w.ledger, b[:], int64(slot)*slotBytes)
	return slot
}

// leave clears a slot when its run is over.
func (w *Watcher) leave(slot int) {
	if w == nil || slot < 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ledger < 0 {
		return
	}
	unix.Pwrite(w.ledger, make([]byte, slotBytes), int64(slot)*slotBytes)
	w.free = append(w.free, slot)
}

// Usage is what the watcher has used in its life so far: its context switches,
// and as User its time on the processor, which the kernel does not split here.
func (w *Watcher) Usage() (Usage, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.process == nil {
		return Usage{}, errors.New("watcher: it was closed")
	}
	cpu, err := linux.CPUTime(w.process.Pid)
	if err != nil {
		return Usage{}, fmt.Errorf("watcher: it is gone: %w", err)
	}
	// To count its switches takes many reads, and who has not been on the
	// processor has not switched.
	if cpu == w.used.User {
		return w.used, nil
	}
	u := Usage{User: cpu}
	if u.Voluntary, u.Involuntary, err = linux.ContextSwitches(w.process.Pid); err != nil {
		return Usage{}, fmt.Errorf("watcher: it is gone: %w", err)
	}
	w.used = u
	return u, nil
}

// since is what was used since a reading; nil without a watcher.
func (w *Watcher) since(before Usage) *Usage {
	if w == nil {
		return nil
	}
	now, err := w.Usage()
	if err != nil {
		return nil
	}
	used := now.minus(before)
	return &used
}
