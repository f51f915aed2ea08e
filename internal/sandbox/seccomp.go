package sandbox

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// filter is a seccomp program in the making: straight down, each system call's
// block returns or is jumped over.
type filter []unix.SockFilter

// Offsets in struct seccomp_data.
const (
	offNumber = 0
	offArch   = 4
	offArgs   = 16 // eight bytes each, the lower half first, because Go's Linux ports here are little-endian
)

func ret(action uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: action}
}

var allow = ret(unix.SECCOMP_RET_ALLOW)

func errno(e unix.Errno) unix.SockFilter { return ret(unix.SECCOMP_RET_ERRNO | uint32(e)) }

func load(offset uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
}

func arg(i uint32) unix.SockFilter { return load(offArgs + 8*i) }

// skipUnless jumps over the next n instructions unless the loaded word, by the
// operation, is k.
func skipUnless(op uint16, k uint32, n int) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | op | unix.BPF_K, K: k, Jf: uint8(n)}
}

// newFilter begins with the system calls of another architecture, which no
// compiler makes.
func newFilter() filter {
	f := filter{load(offArch), {Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: arch, Jt: 1}, errno(unix.ENOSYS), load(offNumber)}
	if x32 != 0 {
		f = append(f, skipUnless(unix.BPF_JGE, x32, 1), errno(unix.ENOSYS))
	}
	return f
}

// on adds a block for one system call. Every path through the block must return,
// or load the number again.
func (f *filter) on(number uintptr, block ...unix.SockFilter) {
	*f = append(append(*f, skipUnless(unix.BPF_JEQ, uint32(number), len(block))), block...)
}

// newNamespaces are the flags of clone that make namespaces.
const newNamespaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET

// denyList is the filter for plugins in any language. It denies the calls that
// reach other processes and machines, for example connect and ptrace.
func denyList() filter {
	f := newFilter()
	streamOnly := []unix.SockFilter{
		arg(0), skipUnless(unix.BPF_JEQ, unix.AF_UNIX, 5),
		arg(1), {Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: 0xf},
		skipUnless(unix.BPF_JEQ, unix.SOCK_STREAM, 1), allow, errno(unix.EACCES),
		errno(unix.EAFNOSUPPORT),
	}
	// A datagram socket could send without connecting.
	f.on(unix.SYS_SOCKET, streamOnly...)
	f.on(unix.SYS_SOCKETPAIR, streamOnly...)
	f.on(unix.SYS_CONNECT, errno(unix.EACCES))
	f.on(unix.SYS_CLONE, arg(0), skipUnless(unix.BPF_JSET, newNamespaces, 1), errno(unix.EPERM), allow)
	// Its flags are behind a pointer. Without it, C libraries take clone.
	f.on(unix.SYS_CLONE3, errno(unix.ENOSYS))
	f.on(unix.SYS_PRCTL, arg(0), skipUnless(unix.BPF_JEQ, unix.PR_SET_PDEATHSIG, 1), errno(unix.EPERM), allow)
	f.on(unix.SYS_PRLIMIT64, arg(0), skipUnless(unix.BPF_JEQ, 0, 1), allow, errno(unix.EPERM))
	// FS_IOC_SETFLAGS, its 32-bit form, FS_IOC_SETVERSION and FS_IOC_FSSETXATTR change
	// a file that is open for reading. TIOCSTI and TIOCLINUX type into a terminal.
	for _, request := range []uint32{unix.FS_IOC_SETFLAGS, 0x40046602, 0x40087602, 0x401c5820, unix.TIOCSTI, unix.TIOCLINUX} {
		f.on(unix.SYS_IOCTL, arg(1), skipUnless(unix.BPF_JEQ, request, 1), errno(unix.EPERM), load(offNumber))
	}
	for _, number := range append([]uintptr{
		// Attributes of files, for which Landlock has no rule.
		unix.SYS_FCHMOD, unix.SYS_FCHMODAT, unix.SYS_FCHMODAT2, unix.SYS_FCHOWN, unix.SYS_FCHOWNAT, unix.SYS_UTIMENSAT,
		unix.SYS_SETXATTR, unix.SYS_LSETXATTR, unix.SYS_FSETXATTR, unix.SYS_SETXATTRAT,
		unix.SYS_REMOVEXATTR, unix.SYS_LREMOVEXATTR, unix.SYS_FREMOVEXATTR, unix.SYS_REMOVEXATTRAT, unix.SYS_FILE_SETATTR,
		// Objects of System V and POSIX IPC, which outlive the plugin.
		unix.SYS_SHMGET, unix.SYS_SHMAT, unix.SYS_SHMCTL, unix.SYS_SHMDT, unix.SYS_MSGGET, unix.SYS_MSGSND, unix.SYS_MSGRCV, unix.SYS_MSGCTL,
		unix.SYS_SEMGET, unix.SYS_SEMOP, unix.SYS_SEMTIMEDOP, unix.SYS_SEMCTL, unix.SYS_MQ_OPEN, unix.SYS_MQ_UNLINK,
		// Other processes.
		unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_KCMP, unix.SYS_PIDFD_GETFD,
		unix.SYS_PIDFD_SEND_SIGNAL, unix.SYS_PROCESS_MADVISE, unix.SYS_MOVE_PAGES, unix.SYS_MIGRATE_PAGES,
		// Leaving the group by which the host stops and ends the plugin.
		unix.SYS_SETSID, unix.SYS_SETPGID,
		// Ways around this filter, and wide doors into the kernel.
		unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER, unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD,
		unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY, unix.SYS_KEYCTL, unix.SYS_FANOTIFY_INIT, unix.SYS_OPEN_BY_HANDLE_AT,
		// The machine.
		unix.SYS_UNSHARE, unix.SYS_SETNS, unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT,
		unix.SYS_FSOPEN, unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_FSPICK, unix.SYS_OPEN_TREE, unix.SYS_OPEN_TREE_ATTR, unix.SYS_MOVE_MOUNT, unix.SYS_MOUNT_SETATTR,
		unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_REBOOT, unix.SYS_KEXEC_LOAD, unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE,
		unix.SYS_SETHOSTNAME, unix.SYS_SETDOMAINNAME, unix.SYS_ACCT, unix.SYS_QUOTACTL, unix.SYS_QUOTACTL_FD, unix.SYS_SYSLOG, unix.SYS_NFSSERVCTL,
		unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME, unix.SYS_CLOCK_ADJTIME, unix.SYS_ADJTIMEX, unix.SYS_LOOKUP_DCOOKIE,
	}, machineDenied...) {
		f.on(number, errno(unix.EPERM))
	}
	return append(f, allow)
}

// allowList is the filter for bundled plugins. It allows the calls of a Go
// program that serves its open sockets, for example read and accept4.
func allowList() filter {
	f := newFilter()
	for _, number := range append([]uintptr{
		unix.SYS_READ, unix.SYS_WRITE, unix.SYS_FUTEX, unix.SYS_EPOLL_PWAIT, unix.SYS_NANOSLEEP,
		unix.SYS_READV, unix.SYS_WRITEV, unix.SYS_PREAD64, unix.SYS_CLOSE, unix.SYS_FCNTL, unix.SYS_DUP3, unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_CREATE1,
		unix.SYS_EVENTFD2, unix.SYS_PIPE2,
		unix.SYS_ACCEPT4, unix.SYS_GETSOCKNAME, unix.SYS_GETPEERNAME, unix.SYS_SETSOCKOPT, unix.SYS_GETSOCKOPT, unix.SYS_SHUTDOWN,
		unix.SYS_MMAP, unix.SYS_MUNMAP, unix.SYS_MPROTECT, unix.SYS_MADVISE, unix.SYS_MINCORE, unix.SYS_MREMAP, unix.SYS_BRK,
		unix.SYS_CLOCK_GETTIME, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_GETTIMEOFDAY, unix.SYS_SCHED_YIELD, unix.SYS_SCHED_GETAFFINITY,
		unix.SYS_GETPID, unix.SYS_GETTID, unix.SYS_GETPPID, unix.SYS_GETUID, unix.SYS_GETEUID, unix.SYS_GETGID, unix.SYS_GETEGID, unix.SYS_GETRUSAGE, unix.SYS_SYSINFO, unix.SYS_UNAME, unix.SYS_GETCPU,
		unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_SIGALTSTACK, unix.SYS_RESTART_SYSCALL,
		unix.SYS_SET_ROBUST_LIST, unix.SYS_RSEQ, unix.SYS_SET_TID_ADDRESS, unix.SYS_MEMBARRIER, unix.SYS_GETRANDOM,
		unix.SYS_TIMER_CREATE, unix.SYS_TIMER_SETTIME, unix.SYS_TIMER_DELETE, unix.SYS_SETITIMER,
		unix.SYS_EXIT, unix.SYS_EXIT_GROUP,
	}, machineAllowed...) {
		f.on(number, allow)
	}
	f.on(unix.SYS_TGKILL, arg(0), skipUnless(unix.BPF_JEQ, uint32(os.Getpid()), 1), allow, errno(unix.EPERM))
	f.on(unix.SYS_CLONE, arg(0), skipUnless(unix.BPF_JSET, unix.CLONE_THREAD, 1), allow, errno(unix.EPERM))
	f.on(unix.SYS_CLONE3, errno(unix.ENOSYS))
	f.on(unix.SYS_PRCTL, arg(0), skipUnless(unix.BPF_JEQ, unix.PR_SET_VMA, 1), allow, errno(unix.EPERM))
	return append(f, errno(unix.EPERM))
}

// install puts f before the calling thread's system calls, or with the flag
// TSYNC before those of all threads. no_new_privs must be set.
func install(f filter, flags uintptr) error {
	program := unix.SockFprog{Len: uint16(len(f)), Filter: &f[0]}
	r, _, e := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&program)))
	switch {
	case e == unix.ENOSYS || e == unix.EINVAL:
		return errors.New("the kernel has no seccomp filters")
	case e != 0:
		return fmt.Errorf("seccomp: %w", e)
	case r != 0:
		return fmt.Errorf("seccomp: thread %d could not be restricted", r)
	}
	return nil
}
