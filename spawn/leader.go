package spawn

import (
	"errors"
	"fmt"
	"syscall"
	"time"
	"unsafe"

	"github.com/ktstr/ktstr/internal/linux"
	"golang.org/x/sys/unix"
)

// signalLeader signals the process of a pidfd. A process that is gone is no
// error.
func signalLeader(pidfd, pid int, sig unix.Signal) error {
	err := unix.PidfdSendSignal(pidfd, sig, nil, 0)
	if err == unix.ENOSYS && pid > 1 {
		// The number is safe as well: pid is our child and not reaped.
		err = unix.Kill(pid, sig)
	}
	if err == unix.ESRCH {
		return nil
	}
	return err
}

// signalGroup signals the process group that the process of a pidfd leads.
func signalGroup(pidfd, pid int, sig unix.Signal) error {
	if !noGroupSignal.Load() {
		err := unix.PidfdSendSignal(pidfd, sig, nil, unix.PIDFD_SIGNAL_PROCESS_GROUP)
		switch err {
		case nil, unix.ESRCH:
			return nil
		case unix.EINVAL, unix.ENOSYS:
			noGroupSignal.Store(true)
		default:
			return err
		}
	}
	// The number belongs to the group until its leader is reaped.
	if pid <= 1 || unix.PidfdSendSignal(pidfd, 0, nil, 0) == unix.ESRCH {
		return nil
	}
	if err := unix.Kill(-pid, sig); err != unix.ESRCH {
		return err
	}
	return nil
}

// exit says how a process ended.
type exit struct {
	code   int // -1 when a signal ended it
	signal unix.Signal
	core   bool
}

// siginfo is the part of siginfo_t that waitid sets.
type siginfo struct {
	signo, errno, code int32
	_                  [unsafe.Sizeof(uintptr(0))/4 - 1]int32 // the union is aligned for pointers
	pid                int32
	uid                uint32
	status             int32
	_                  [128]byte
}

// Codes of a siginfo about a child that has ended or stopped.
const (
	cldExited  = 1
	cldDumped  = 3
	cldTrapped = 4
	cldStopped = 5
)

// reap takes the exit status of the child of a pidfd. ok is false while the child
// still runs.
func reap(pidfd int) (e exit, used Usage, ok bool, err error) {
	var (
		info siginfo
		ru   unix.Rusage
	)
	for {
		err = unix.Waitid(unix.P_PIDFD, pidfd, (*unix.Siginfo)(unsafe.Pointer(&info)), unix.WEXITED|unix.WNOHANG, &ru)
		if err != unix.EINTR {
			break
		}
	}
	if err == unix.ECHILD {
		return stolenStatus(pidfd)
	}
	if err != nil || info.pid == 0 {
		return exit{}, Usage{}, false, err
	}
	switch info.code {
	case cldExited:
		e.code = int(info.status)
	default:
		e = exit{code: -1, signal: unix.Signal(info.status), core: info.code == cldDumped}
	}
	return e, usageOf(&ru), true, nil
}

// stolenStatus is for a child that was not reaped by spawn: another part of the
// program waits for all children (wait4 of -1), or began to ignore SIGCHLD during
// the run. Since Linux 6.15 a pidfd remembers the status.
func stolenStatus(pidfd int) (exit, Usage, bool, error) {
	info := unix.PidfdInfo{Mask: unix.PIDFD_INFO_EXIT}
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(pidfd), unix.PIDFD_GET_INFO, uintptr(unsafe.Pointer(&info)))
	if errno != 0 || info.Mask&unix.PIDFD_INFO_EXIT == 0 {
		return exit{}, Usage{}, true, errors.New("its exit status was taken by another wait in this process: let only spawn wait for its children, and do not ignore SIGCHLD during a run")
	}
	ws := syscall.WaitStatus(info.Exit_code)
	if ws.Signaled() {
		return exit{code: -1, signal: ws.Signal(), core: ws.CoreDump()}, Usage{}, true, nil
	}
	return exit{code: ws.ExitStatus()}, Usage{}, true, nil
}

func signalName(sig unix.Signal) string {
	if sig == 0 {
		return ""
	}
	if name := unix.SignalName(sig); name != "" {
		return name
	}
	return fmt.Sprintf("signal %d", int(sig))
}

func usageOf(ru *unix.Rusage) Usage {
	return Usage{
		User:        time.Duration(ru.Utime.Nano()),
		System:      time.Duration(ru.Stime.Nano()),
		Voluntary:   int64(ru.Nvcsw),
		Involuntary: int64(ru.Nivcsw),
		MinorFaults: int64(ru.Minflt),
		MajorFaults: int64(ru.Majflt),
		// The kernel counts bytes, and divides them by this size of a block.
		BytesRead:    int64(ru.Inblock) * 512,
		BytesWritten: int64(ru.Oublock) * 512,
		MaxRSS:       int64(ru.Maxrss) << 10,
	}
}

// dropInherited removes the peak memory of used if it can be ours. own is what this
// process had used after the start. A leader inherits our peak.
func (r *Result) dropInherited(own Usage) {
	r.OwnPeak = own.MaxRSS
	if isInherited(r.Payload.MaxRSS, r.OwnPeak) {
		// getrusage counts the peak that our own parent handed down, too.
		if peak, err := linux.PeakRSS(); err == nil {
			r.OwnPeak = min(r.OwnPeak, peak)
		}
	}
	if isInherited(r.Payload.MaxRSS, r.OwnPeak) {
		r.Payload.MaxRSS = 0
	}
}

// isInherited reports whether a peak is not clearly above that of the parent. The
// kernel's counters are not exact while a process runs: they differ by a few pages
// for each CPU.
func isInherited(peak, parent int64) bool { return peak <= parent+parent/16 }

// selfUsage is what this process has used.
func selfUsage() Usage {
	var ru unix.Rusage
	unix.Getrusage(unix.RUSAGE_SELF, &ru) // it fails for bad arguments only
	return usageOf(&ru)
}

func (u Usage) minus(v Usage) Usage {
	return Usage{
		User:        u.User - v.User,
		System:      u.System - v.System,
		Voluntary:   u.Voluntary - v.Voluntary,
		Involuntary: u.Involuntary - v.Involuntary,
		MinorFaults: u.MinorFaults - v.MinorFaults,
		MajorFaults: u.MajorFaults - v.MajorFaults,
	}
}
