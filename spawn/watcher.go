package spawn

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/ktstr/ktstr/internal/linux"
	"golang.org/x/sys/unix"
)

// Watcher is a process that outlives this one. When this process dies by any
// signal, the watcher kills the descendants of its runs. The parent-death signal,
// which every run has, reaches only the leaders.
//
// The watcher shares two descriptors with this process. The lifeline is the reading
// end of a pipe whose only writing end is ours, so that it hangs up when we die.
// The ledger is a memory file in which every run has a slot while it lasts. A run
// sends nothing, so it does not wake the watcher.
type Watcher struct {
	lifeline int // writing end
	ledger   int // memory file
	process  *os.Process
	asleep   int // hangs up when the watcher sleeps; -1 after that was seen

	mu   sync.Mutex
	free []int // slots that are free again
	next int   // the first slot that was never used
	used Usage // the last reading
}

// StartWatcher executes the program of this process again, with args. Its main
// function must call WatcherMain for these args. From then on the watcher knows
// all runs of this process. A process has at most one watcher at a time: a second
// call is an error until Close.
func StartWatcher(args ...string) (*Watcher, error) {
	w := &Watcher{lifeline: -1, ledger: -1, asleep: -1}
	if !watcher.CompareAndSwap(nil, w) {
		return nil, errors.New("watcher: this process has one already")
	}
	if err := w.start(args); err != nil {
		w.shut()
		return nil, fmt.Errorf("watcher: start: %w", err)
	}
	return w, nil
}

func (w *Watcher) start(args []string) error {
	w.mu.Lock() // another goroutine can start a run now
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
			Env: append(os.Environ(), fmt.Sprintf("%s=%s:%x", watcherVar, self.Cookies(), self.Mark())),
			// It must not hold our streams open.
			Files: []uintptr{uintptr(null), uintptr(null), uintptr(null), uintptr(p[0]), uintptr(w.ledger), uintptr(asleep[1])},
			// A session of its own, because it must survive the signals of our terminal.
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

// farewell goes through the lifeline when the host closes the watcher. If the
// lifeline ends without a farewell, the host has died.
var farewell = []byte{'q'}

// Close ends the watcher. The watcher kills the runs that are still going on, so
// end them before. A watcher that does not end, for example because a debugger
// stops it, is killed after 20 seconds. The error says that the watcher failed.
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
		if linux.Poll(end, time.Now(), 2*cleanUpLimit) == nil && end[0].Revents == 0 {
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
		return fmt.Errorf("watcher: it ended with %v: it may not have killed all processes of the runs", state)
	}
	return nil
}

func (w *Watcher) shut() {
	watcher.CompareAndSwap(w, nil)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, fd := range []*int{&w.lifeline, &w.ledger, &w.asleep} {
		if *fd >= 0 {
			unix.Close(*fd)
			*fd = -1
		}
	}
}

// awaitSleep waits until the watcher sleeps, so that its start does not use CPU
// while a payload is measured.
func (w *Watcher) awaitSleep() {
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

// enter writes a run into the ledger before its child exists. It returns the slot,
// -1 without a watcher.
func (w *Watcher) enter(e entry) int {
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
	copy(b[:], e.text())
	unix.Pwrite(w.ledger, b[:], int64(slot)*slotBytes)
	return slot
}

// leave clears the slot of a run that is over.
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

// Usage is what the watcher has used so far: its context switches, and in User
// its time on the processor in user and kernel mode. The error says that it is
// gone or was closed.
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
	// Counting its context switches takes many reads. A process that was not on the
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

// since is what was used since a reading. nil without a watcher.
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
