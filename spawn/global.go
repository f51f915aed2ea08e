package spawn

import (
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"github.com/ktstr/ktstr/spawn/cgroup"
	"github.com/ktstr/ktstr/spawn/internal/descendants"
	"golang.org/x/sys/unix"
)

// This file has all state that exists once per process. The kernel keeps some of
// it for the whole process too (the disposition of SIGCHLD, the subreaper flag),
// so that a struct per user of the package could not separate it.

// self is this process, which starts runs: its cookies and marks, the children
// that it knows, and whether it is a subreaper.
var self descendants.Host

// mounted is the cgroup hierarchy of this host. The mount table is read once.
var mounted = sync.OnceValue(cgroup.Mounted)

// watcher is the watcher of this process, nil without one.
var watcher atomic.Pointer[Watcher]

// These probes remember a refusal of the kernel, so that later runs do not try
// again. They start as false: the facility is tried.
var (
	// noGroupSignal: a process group cannot be signalled by pidfd (Linux before 6.9).
	noGroupSignal atomic.Bool

	// noCloneInto: clone3 cannot place a child in a cgroup (Linux before 5.7, or a
	// seccomp filter).
	noCloneInto atomic.Bool

	// noPrivate: a private cgroup can be made, but no child can start in it.
	noPrivate atomic.Bool
)

// ownExecutable is the path of the program of this process.
var ownExecutable = sync.OnceValue(func() string {
	exe, _ := os.Readlink("/proc/self/exe")
	return exe
})

// These pools keep the memory of captures between runs. A buffer whose pages were
// touched before is more than twice as fast as a fresh one.
var (
	smallBuffers sync.Pool // *[]byte of firstBuffer bytes
	largeBuffers sync.Pool // *[]byte of more
)

// lastingThread runs functions on one thread that lives as long as the process.
// The parent-death signal of a child comes when the thread that forked it ends.
var lastingThread = sync.OnceValue(func() chan<- func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread() // and never unlocked
		for f := range work {
			f()
		}
	}()
	return work
})

// sigchld is the disposition of SIGCHLD while runs are going on. If a process
// ignores SIGCHLD, the kernel reaps its children and drops their exit status.
var sigchld struct {
	mu    sync.Mutex
	runs  int
	saved *sigaction // before the first run, if we changed it
	ours  sigaction  // what we changed it to
}

// holdSIGCHLD makes the kernel keep exit statuses until restoreSIGCHLD has been
// called as often.
func holdSIGCHLD() {
	sigchld.mu.Lock()
	defer sigchld.mu.Unlock()
	sigchld.runs++
	if sigchld.runs > 1 || sigchld.saved != nil {
		return
	}
	var sa sigaction
	if rtSigaction(nil, &sa) != 0 || sa.handler != sigIgn && sa.flags&saNoCldWait == 0 {
		return
	}
	changed := sa
	changed.flags &^= saNoCldWait
	if sa.handler == sigIgn {
		changed = sigaction{} // the default disposition: no action, but zombies are kept
	}
	if rtSigaction(&changed, nil) == 0 {
		sigchld.saved, sigchld.ours = &sa, changed
	}
}

// restoreSIGCHLD sets the old disposition when the last run is over, unless
// another part of the program has set a new one in the meantime.
func restoreSIGCHLD() {
	sigchld.mu.Lock()
	defer sigchld.mu.Unlock()
	sigchld.runs--
	if sigchld.runs == 0 && sigchld.saved != nil {
		var now sigaction
		if rtSigaction(nil, &now) == 0 && now.handler == sigchld.ours.handler {
			rtSigaction(sigchld.saved, nil)
		}
		sigchld.saved = nil
	}
}

// sigaction is the struct of the kernel, not of libc. On every architecture that
// Go supports except MIPS, the handler comes first and the flags second.
type sigaction struct {
	handler, flags, restorer uintptr
	mask                     [4]uint64
}

const (
	sigIgn      = 1
	saNoCldWait = 2
)

// rtSigaction sets and gets the disposition of SIGCHLD. os/signal cannot report
// one that was inherited.
func rtSigaction(set, get *sigaction) syscall.Errno {
	const setBytes = 8
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(unix.SIGCHLD),
		uintptr(unsafe.Pointer(set)), uintptr(unsafe.Pointer(get)), setBytes, 0, 0)
	runtime.KeepAlive(set)
	runtime.KeepAlive(get)
	return errno
}
