// Package linux reads what Linux shows about processes, and wraps the few
// system calls that several packages need in the same way.
//
// The readers take a process id and read /proc. Their errors wrap
// fs.ErrNotExist when the process is gone, or when /proc is not mounted. A
// process id can belong to another process a moment later. A caller that is
// going to send a signal opens a pidfd first and reads afterwards.
//
// Start with Stat (one process), Processes (all of them) and Load (how many).
package linux

import (
	"io/fs"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// ReadFile reads a whole file of /proc, /sys or a cgroup, with four system
// calls for a file that is smaller than 1 KiB. dir is the descriptor that a
// relative name starts from, for example unix.AT_FDCWD.
func ReadFile(dir int, name string) ([]byte, error) {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	defer unix.Close(fd)
	text := make([]byte, 0, 1024)
	for {
		n, err := unix.Read(fd, text[len(text):cap(text)])
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, &fs.PathError{Op: "read", Path: name, Err: err}
		}
		if n == 0 {
			return text, nil
		}
		text = slices.Grow(text[:len(text)+n], 1)
	}
}

// read reads a file of /proc/PID.
func read(pid int, name string) ([]byte, error) {
	return ReadFile(unix.AT_FDCWD, "/proc/"+strconv.Itoa(pid)+"/"+name)
}

// Poll waits until one of fds is ready, or until the duration until has passed
// since start. 0 means no limit. A signal that interrupts the wait does not
// move its end.
func Poll(fds []unix.PollFd, start time.Time, until time.Duration) error {
	for {
		var ts *unix.Timespec
		if until > 0 {
			left := max(until-time.Since(start), 0)
			t := unix.NsecToTimespec(left.Nanoseconds())
			ts = &t
		}
		_, err := unix.Ppoll(fds, ts, nil)
		if err != unix.EINTR {
			return err
		}
	}
}

// Pause blocks the calling thread for d. A signal can end it earlier.
func Pause(d time.Duration) {
	ts := unix.NsecToTimespec(d.Nanoseconds())
	unix.Ppoll(nil, &ts, nil)
}

// busyTries is how often RetryBusy tries: the pauses of 1, 2, 4 … 512 ms add up
// to one second. An exec of a file that a compiler has just written fails for
// some microseconds on an idle machine. On a crowded one the process that still
// holds the file waits for its turn on a processor, which took up to 0.3 s.
const busyTries = 11

// RetryBusy calls start until its error is not ETXTBSY, for one second at most,
// and returns the last error. An executable that was just written can still be
// open for writing in a child that another goroutine has forked and that has
// not executed its own program yet.
func RetryBusy(start func() error) error {
	for try := 0; ; try++ {
		err := start()
		if err == nil || !isBusy(err) || try == busyTries-1 {
			return err
		}
		Pause(time.Millisecond << try)
	}
}
