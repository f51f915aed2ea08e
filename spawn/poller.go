package spawn

import (
	"os"
	"syscall"
	"time"
	"unsafe"

	"github.com/ktstr/ktstr/internal/linux"
	"golang.org/x/sys/unix"
)

// poller is where the loop of a run sleeps.
//
// It has two ways to sleep. At first, and while the payload prints much, it blocks
// its thread in ppoll, which is the fastest. But the Go runtime's monitor watches a
// thread that blocks in a system call. It ticks about fifty times before it goes
// to sleep, and again after each wake-up. So in a run that lasts, the poller parks
// its goroutine on an epoll descriptor in the runtime's own poller, and makes
// system calls that the monitor does not see. Then a silent payload costs nothing,
// and a nap costs about two context switches.
type poller struct {
	r    *run
	busy bool // the last read gave much

	ended bool // the leader has ended: its pidfd gives no more news

	parkable bool
	tried    bool     // to set up the epoll descriptor
	file     *os.File // of the epoll descriptor
	conn     syscall.RawConn
	epoll    int
	timer    int
	armed    bool // the streams are in the epoll set
}

// events is what ended a wait. The zero value means that the time was over.
type events struct{ exit, request, data bool }

// direct is how long a run sleeps in ppoll before it parks.
const direct = 20 * time.Millisecond

// parks reports whether the next wait is going to park the goroutine.
func (w *poller) parks() bool {
	return !w.busy && time.Since(w.r.start) > direct && w.canPark()
}

// wait waits for the exit of the leader, a request, or data if streams is set, at
// most until the time until since the start of the run. 0 means no limit.
func (w *poller) wait(streams bool, until time.Duration) (events, error) {
	if w.parks() {
		return w.park(streams, until)
	}
	fds := [4]unix.PollFd{
		{Fd: int32(w.r.pidfd), Events: unix.POLLIN},
		{Fd: int32(w.r.wake), Events: unix.POLLIN},
		{Fd: -1, Events: unix.POLLIN},
		{Fd: -1, Events: unix.POLLIN},
	}
	if w.ended {
		fds[0].Fd = -1
	}
	if streams {
		fds[2].Fd, fds[3].Fd = int32(w.r.stdout.fd), int32(w.r.stderr.fd)
	}
	err := linux.Poll(fds[:], w.r.start, until)
	return events{fds[0].Revents != 0, fds[1].Revents != 0, fds[2].Revents|fds[3].Revents != 0}, err
}

func (w *poller) canPark() bool {
	if !w.tried {
		w.tried = true
		w.parkable = w.setUp()
	}
	return w.parkable
}

func (w *poller) setUp() bool {
	var err error
	if w.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return false
	}
	unix.SetNonblock(w.epoll, true) // os.NewFile uses the runtime's poller for such a descriptor
	w.file = os.NewFile(uintptr(w.epoll), "epoll")
	if w.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK); err != nil {
		w.timer = -1
		return false
	}
	if w.conn, err = w.file.SyscallConn(); err != nil {
		return false
	}
	for _, s := range w.r.streams() {
		if s.fd >= 0 && w.control(unix.EPOLL_CTL_ADD, s.fd, tagStream, unix.EPOLLIN|unix.EPOLLONESHOT) != 0 {
			return false
		}
	}
	w.armed = true
	if !w.ended && w.control(unix.EPOLL_CTL_ADD, w.r.pidfd, tagExit, unix.EPOLLIN) != 0 {
		return false
	}
	return w.control(unix.EPOLL_CTL_ADD, w.r.wake, tagRequest, unix.EPOLLIN) == 0 &&
		w.control(unix.EPOLL_CTL_ADD, w.timer, tagTimer, unix.EPOLLIN) == 0
}

func (w *poller) park(streams bool, until time.Duration) (got events, err error) {
	// The streams are one-shot: after an event of one of them, they give no events
	// until they are armed again. A descriptor that was closed has left the set.
	if streams != w.armed {
		mask := uint32(unix.EPOLLONESHOT)
		if streams {
			mask |= unix.EPOLLIN
		} else {
			mask = 0
		}
		for _, s := range w.r.streams() {
			if s.fd < 0 {
				continue
			}
			if mask == 0 {
				w.control(unix.EPOLL_CTL_DEL, s.fd, tagStream, 0)
				continue
			}
			if w.control(unix.EPOLL_CTL_MOD, s.fd, tagStream, mask) == unix.ENOENT {
				w.control(unix.EPOLL_CTL_ADD, s.fd, tagStream, mask)
			}
		}
		w.armed = streams
	}
	for {
		var at unix.ItimerSpec // the zero value disarms
		if until > 0 {
			at.Value = unix.NsecToTimespec(max(until-time.Since(w.r.start), 1).Nanoseconds())
		}
		if _, _, errno := unix.RawSyscall6(unix.SYS_TIMERFD_SETTIME, uintptr(w.timer), 0, uintptr(unsafe.Pointer(&at)), 0, 0, 0); errno != 0 {
			return got, errno
		}
		late := false
		var fault error
		err = w.conn.Read(func(uintptr) bool {
			var evs [8]unix.EpollEvent
			n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(w.epoll), uintptr(unsafe.Pointer(&evs[0])), uintptr(len(evs)), 0, 0, 0)
			if errno != 0 {
				if errno != unix.EINTR {
					fault = errno
					return true
				}
				n = 0
			}
			for _, ev := range evs[:n] {
				switch ev.Fd {
				case tagExit:
					got.exit = true
					w.control(unix.EPOLL_CTL_DEL, w.r.pidfd, tagExit, 0)
				case tagRequest:
					got.request = true
				case tagTimer:
					late = true
				case tagStream:
					got.data, w.armed = true, false
				}
			}
			return n > 0
		})
		if err == nil {
			err = fault
		}
		if err != nil || late || got != (events{}) {
			return got, err
		}
	}
}

func (w *poller) control(op, fd, tag int, mask uint32) syscall.Errno {
	ev := unix.EpollEvent{Events: mask, Fd: int32(tag)}
	_, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(w.epoll), uintptr(op), uintptr(fd), uintptr(unsafe.Pointer(&ev)), 0, 0)
	return errno
}

// Tags of the epoll events.
const (
	tagExit = iota
	tagRequest
	tagTimer
	tagStream
)

func (w *poller) close() {
	if w.file != nil {
		w.file.Close()
	}
	if w.tried && w.timer >= 0 {
		unix.Close(w.timer)
	}
}
