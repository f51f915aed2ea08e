package spawn

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/ktstr/ktstr/internal/linux"
	"github.com/ktstr/ktstr/spawn/cgroup"
	"github.com/ktstr/ktstr/spawn/internal/descendants"
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

const slotBytes = 4096

// farewell goes through the lifeline when the host closes the watcher. Without
// it, the end of the lifeline is the death of the host.
var farewell = []byte{'q'}

// cleanUpPatience is how long the watcher tries to end what is left of runs.
const cleanUpPatience = 10 * time.Second

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

// watchVar tells the watcher what the cookies of its host begin with, and its
// marks.
const watchVar = "KTSTR_WATCH"

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

// WatcherMain is the whole life of the process that StartWatcher starts. It
// sleeps until its host is dead, kills what is left, and exits. It does not
// return.
func WatcherMain() {
	const lifeline, ledger, asleep = 3, 4, 5
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGPIPE)
	base, marks, _ := strings.Cut(os.Getenv(watchVar), ":")
	mark, err := strconv.ParseUint(marks, 16, 64)
	if len(base) != len(self.Cookies()) || err != nil {
		fmt.Fprintf(os.Stderr, "%s: this is for a run to start, not for a person\n", os.Args[0])
		os.Exit(2)
	}
	// A read ends with the host, or with its farewell. In the runtime's own poller
	// its monitor sleeps too; beside a thread that blocks in a system call it would
	// tick for another ten milliseconds.
	unix.SetNonblock(lifeline, true)
	host := os.NewFile(lifeline, "lifeline")
	unix.Close(asleep)
	_, err = host.Read(make([]byte, 1))
	if err != nil && err != io.EOF {
		fmt.Fprintf(os.Stderr, "%s: lifeline: %v\n", os.Args[0], err)
		os.Exit(1)
	}
	var st unix.Stat_t
	unix.Fstat(ledger, &st)
	text := make([]byte, st.Size)
	n, _ := unix.Pread(ledger, text, 0)
	cleanUp(base, mark, err == nil, strings.Split(string(text[:max(n, 0)]), "\x00"))
	os.Exit(0)
}

// cleanUp kills what the runs of a host left. Every process that carries one of
// the host's cookies or marks is of such a run. With the mark of the host itself
// it is a plugin, or was forked before the leader got its own: it is left alone
// while the host lives, which has that mark too.
func cleanUp(base string, mark uint64, hostLives bool, slots []string) {
	const patience = cleanUpPatience
	var (
		start  = time.Now()
		t      = descendants.OfHost(base, mark, hostLives)
		leaves []cgroup.Leaf
		m      = cgroup.Mounted()
		own, _ = m.Own()
	)
	for _, slot := range slots {
		if slot == "" {
			continue
		}
		lines := strings.Split(slot, "\n")
		t.Pipes = append(t.Pipes, lines[1:]...)
		if lines[0] != "" {
			if leaf, err := m.Open(lines[0]); err == nil {
				leaves = append(leaves, leaf)
			}
		}
	}
	// A leaf that was made and not entered yet.
	if own != "" {
		more, _ := filepath.Glob(own + "/ktstr-*-" + base + "*")
		for _, dir := range more {
			if leaf, err := m.Open(dir); err == nil {
				leaves = append(leaves, leaf)
			}
		}
	}
	for _, g := range leaves {
		g.Kill()
	}
	if len(leaves) == 0 && len(t.Pipes) == 0 {
		return // no run was going on
	}
	for pass := 0; pass < 2 && time.Since(start) < patience; pass++ {
		victims, err := t.Kill(time.Hour, true)
		if err != nil {
			break
		}
		t.AwaitDeath(victims, start, patience)
		if len(victims) > 0 {
			pass = -1 // whoever was forked meanwhile is found by another search
		}
	}
	for _, g := range leaves {
		if g.Drain(lastNap) != nil {
			g.Kill()
			g.Drain(max(patience-time.Since(start), 0))
		}
		g.Remove()
	}
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
