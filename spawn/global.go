package spawn

import (
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"github.com/ktstr/ktstr/spawn/internal/descendants"
	"golang.org/x/sys/unix"
)

// self is this process, which starts runs.
var self descendants.Host

// noGroupSignal remembers that the kernel cannot signal a group by its pidfd
// (before Linux 6.9).
var noGroupSignal atomic.Bool

var (
	noCloneInto atomic.Bool // clone3 cannot place: Linux before 5.7, or a seccomp filter
	noPrivate   atomic.Bool // a private cgroup can be made, but not be used
)

var ownExe = sync.OnceValue(func() string {
	exe, _ := os.Readlink("/proc/self/exe")
	return exe
})

// smallBuffers and largeBuffers keep capture memory between runs: a buffer
// whose pages were touched before is more than twice as fast as a fresh one.
var (
	smallBuffers sync.Pool // *[]byte of firstBuffer bytes
	largeBuffers sync.Pool // *[]byte of more
)

// current is the watcher of this process.
var current atomic.Pointer[Watcher]

// lasting runs functions on one thread that lives as long as the process.
var lasting = sync.OnceValue(func() chan<- func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread() // and never unlocked
		for f := range work {
			f()
		}
	}()
	return work
})

// sigaction is the kernel's, not libc's: on every architecture that Go knows,
// but MIPS, the handler comes first and the flags second.
type sigaction struct {
	handler, flags, restorer uintptr
	mask                     [4]uint64
}

// children is the disposition of SIGCHLD while runs are going on. A process
// that ignores SIGCHLD has its children reaped by the kernel, status and all.
var children struct {
	mu    sync.Mutex
	runs  int
	saved *sigaction // as it was before the first run, if we changed it
	ours  sigaction  // what we changed it to
}

const (
	sigIgn      = 1
	saNoCldWait = 2
)

// holdChildren makes the kernel keep exit statuses until dropChildren.
func holdChildren() {
	children.mu.Lock()
	defer children.mu.Unlock()
	children.runs++
	if children.runs > 1 || children.saved != nil {
		return
	}
	var sa sigaction
	if rtSigaction(nil, &sa) != 0 || sa.handler != sigIgn && sa.flags&saNoCldWait == 0 {
		return
	}
	changed := sa
	changed.flags &^= saNoCldWait
	if sa.handler == sigIgn {
		changed = sigaction{} // the default, which is to ignore it too, but to keep zombies
	}
	if rtSigaction(&changed, nil) == 0 {
		children.saved, children.ours = &sa, changed
	}
}

func dropChildren() {
	children.mu.Lock()
	defer children.mu.Unlock()
	children.runs--
	if children.runs == 0 && children.saved != nil {
		var now sigaction
		// What the host has set in the meantime is the host's.
		if rtSigaction(nil, &now) == 0 && now.handler == children.ours.handler {
			rtSigaction(children.saved, nil)
		}
		children.saved = nil
	}
}

func rtSigaction(set, get *sigaction) syscall.Errno {
	const setBytes = 8
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(unix.SIGCHLD),
		uintptr(unsafe.Pointer(set)), uintptr(unsafe.Pointer(get)), setBytes, 0, 0)
	runtime.KeepAlive(set)
	runtime.KeepAlive(get)
	return errno
}
