// Package hostlock is the lock by which one command has a host to itself, and the list of
// the runs that take place on the host.
//
// Every run appends a line about itself to the lock file, and locks the bytes of its line
// while it goes on. A command that wants the host to itself also locks one byte far
// behind the lines. These are POSIX record locks (fcntl(2)), for three reasons: the kernel
// names the process that holds one, releases it when that process dies, and gives it to no
// child process. Every user can write the file. So the locks are facts, and the lines are
// only what other processes say about themselves.
//
// A process that closes the file by any descriptor loses its locks. Only this package
// opens the file, and a process uses one Host.
package hostlock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Host is the part of this process in the runs of the host. The zero value has no part yet.
type Host struct {
	Dirs []string // where the lock file is, the preferred one first; nil: /run and /dev/shm

	files     []*os.File
	exclusive bool
}

// HeldError says that another command has the host to itself.
type HeldError struct {
	File  string
	Owner Run
}

func (e *HeldError) Error() string {
	since := "it has just taken it"
	if t := e.Owner.Start; !t.IsZero() {
		since = fmt.Sprintf("since %s (%v ago)", t.UTC().Format("2006-01-02 15:04:05 UTC"), time.Since(t).Round(time.Second))
	}
	return fmt.Sprintf("the host lock %s is held by %s, %s", e.File, e.Owner, since)
}

// Acquire takes the host lock for this process. me has the payload and the set. If another
// command holds the lock, Acquire calls waiting and waits until wait is over. Then the
// error is a *HeldError. It is ctx.Err() if ctx ended first. Close releases the lock, and
// so does the end of the process.
func (h *Host) Acquire(ctx context.Context, me Run, wait time.Duration, waiting func(*HeldError)) error {
	limited := ctx
	if wait > 0 {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, wait)
		defer cancel()
	}
	for range 10 {
		if err := h.open(); err != nil {
			h.Close()
			return err
		}
		for i, f := range h.files {
			waits, err := acquire(limited, f, wait > 0, waiting)
			if waits {
				h.files = slices.Delete(h.files, i, i+1)
			}
			if ctx.Err() != nil {
				err = ctx.Err()
			}
			if err != nil {
				h.Close()
				return err
			}
		}
		if h.current() {
			h.exclusive = true
			me.Exclusive, me.Start = true, time.Now()
			for _, f := range h.files {
				if len(present(f)) == 0 {
					f.Truncate(0) // the lines of runs that have ended
				}
				register(f, me)
			}
			return nil
		}
		h.Close() // another process made or removed a lock file in between
	}
	return fmt.Errorf("the host lock: other processes make and remove %s all the time", strings.Join(h.paths(), " and "))
}

// acquire takes the lock of one file. If waits is true, a goroutine still waits for the lock
// and closes f later.
func acquire(ctx context.Context, f *os.File, wait bool, waiting func(*HeldError)) (waits bool, err error) {
	for {
		err := setLock(f, unix.F_SETLK, unix.F_WRLCK, hostByte, 1)
		if err == nil || !errors.Is(err, unix.EAGAIN) {
			return false, err
		}
		owner, ok := holder(f)
		if !ok {
			continue // it was released in between
		}
		held := &HeldError{f.Name(), owner}
		if !wait {
			return false, held
		}
		waiting(held)
		// The kernel wakes a waiting process when the lock is released, so nothing polls.
		// Only a signal could end the call early. The goroutine is therefore left behind if
		// ctx ends first, and releases the lock as soon as it is granted.
		got := make(chan error)
		go func() {
			err := setLock(f, unix.F_SETLKW, unix.F_WRLCK, hostByte, 1)
			select {
			case got <- err:
			case <-ctx.Done():
				f.Close()
			}
		}()
		select {
		case err := <-got:
			return false, err
		case <-ctx.Done():
			if now, err := openFile(f.Name()); err == nil { // f belongs to the goroutine
				if owner, ok := holder(now); ok {
					held.Owner = owner
				}
				now.Close()
			}
			return true, held
		}
	}
}

// Begin notes the beginning of a run. me has the payload, the set and the start. Begin never
// waits. The caller
// calls end after the run. If this process has the host to itself, end returns the runs of
// other processes that took place in between, at most 100 of them.
func (h *Host) Begin(me Run) (end func() []Run) {
	if h.files == nil {
		h.open() // a file that cannot be used is an error for Acquire only
	}
	var ends []func() []Run
	for _, f := range h.files {
		if h.exclusive {
			ends = append(ends, watch(f))
		} else {
			ends = append(ends, register(f, me))
		}
	}
	return func() []Run {
		var all []Run
		for _, end := range ends {
			all = append(all, end()...)
		}
		return distinct(all)
	}
}

// Close ends the part of this process, and releases the lock.
func (h *Host) Close() {
	for _, f := range h.files {
		f.Close()
	}
	h.files, h.exclusive = nil, false
}
