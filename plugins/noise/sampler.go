package noise

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// warmUp is how many wake-ups of each CPU are not counted: the first ones pay
// for page faults and cold caches of the sampler itself.
const warmUp = 10

// A sampler measures one CPU from a thread that is bound to it. All that the
// measuring loop touches lies in it and is allocated beforehand.
type sampler struct {
	cpu    int
	period int64 // ns
	first  int64 // CLOCK_MONOTONIC of the first wake-up, ns
	until  int64 // CLOCK_MONOTONIC of the end, ns
	stop   *atomic.Bool

	wakeup   histogram
	gaps     uint64 // wake-ups that were late by a period or more
	gapTime  uint64 // ns, their lateness together
	switches int64  // involuntary context switches during the loop
	waited   int64  // ns on the run queue, runnable but not running, or -1 if the kernel does not count it
	began    int64  // CLOCK_MONOTONIC, ns
	ended    int64  // CLOCK_MONOTONIC, ns
	err      error

	request, clock unix.Timespec
}

// bind makes the calling thread measure s.cpu and nothing else: bound to the
// CPU, without timer slack (the default would add up to 50 us of lateness
// that the kernel intends), and deaf to signals, for the Go scheduler would
// interrupt every sleep longer than 10 ms with one. The goroutine must be locked to its
// thread, and end without unlocking, so that the thread ends with it.
func (s *sampler) bind() error {
	var set unix.CPUSet
	set.Set(s.cpu)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("cpu %d: sched_setaffinity: %w", s.cpu, err)
	}
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("cpu %d: prctl(PR_SET_TIMERSLACK): %w", s.cpu, err)
	}
	var all unix.Sigset_t
	for i := range all.Val {
		all.Val[i]--
	}
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &all, nil); err != nil {
		return fmt.Errorf("cpu %d: sigprocmask: %w", s.cpu, err)
	}
	return nil
}

// measure binds the calling goroutine's thread, tells ready, waits for start and runs
// the loop. It never unlocks the thread.
func (s *sampler) measure(ready chan<- *sampler, start <-chan struct{}) {
	runtime.LockOSThread()
	s.err = s.bind()
	ready <- s
	<-start
	if s.err != nil {
		return
	}
	var before, after unix.Rusage
	unix.Getrusage(unix.RUSAGE_THREAD, &before)
	waitedBefore := runDelay()
	errno := s.loop()
	waitedAfter := runDelay()
	unix.Getrusage(unix.RUSAGE_THREAD, &after)

	s.switches = after.Nivcsw - before.Nivcsw
	s.waited = -1
	if waitedBefore >= 0 && waitedAfter >= 0 {
		s.waited = waitedAfter - waitedBefore
	}
	if errno != 0 {
		s.err = fmt.Errorf("cpu %d: clock_nanosleep: %w", s.cpu, errno)
	}
}

// loop sleeps to absolute deadlines, one period apart, and records how late
// each wake-up was. Deadlines that passed during a gap are skipped: they would
// count one disturbance many times. The system calls are raw and the function makes
// no other calls, so that the Go scheduler has no say between the wake-up and
// the reading of the clock.
func (s *sampler) loop() unix.Errno {
	next := s.first
	for n := 0; !s.stop.Load(); n++ {
		if next >= s.until {
			break
		}
		s.request = unix.NsecToTimespec(next)
		for {
			_, _, errno := unix.RawSyscall6(unix.SYS_CLOCK_NANOSLEEP, unix.CLOCK_MONOTONIC,
				unix.TIMER_ABSTIME, uintptr(unsafe.Pointer(&s.request)), 0, 0, 0)
			if errno == 0 {
				break
			}
			if errno != unix.EINTR {
				return errno
			}
		}
		unix.RawSyscall(unix.SYS_CLOCK_GETTIME, unix.CLOCK_MONOTONIC, uintptr(unsafe.Pointer(&s.clock)), 0)
		now := s.clock.Nano()
		late := now - next
		if n == warmUp {
			s.began = next
		}
		if n >= warmUp {
			s.ended = now
			s.wakeup.record(uint64(max(late, 0)))
			if late >= s.period {
				s.gaps++
				s.gapTime += uint64(late)
			}
		}
		if late >= s.period {
			next += late / s.period * s.period
		}
		next += s.period
	}
	return 0
}

// runDelay returns how long the calling thread has waited on a run queue so
// far, in ns (second field of schedstat, see sched-stats.rst of the kernel).
// It returns -1 if the kernel does not give it.
func runDelay() int64 {
	text, err := os.ReadFile("/proc/thread-self/schedstat")
	if err != nil {
		return -1
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return -1
	}
	v, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return -1
	}
	return v
}

// monotonic returns CLOCK_MONOTONIC in ns.
func monotonic() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0
	}
	return ts.Nano()
}
