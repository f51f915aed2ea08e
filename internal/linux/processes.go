package linux

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Processes lists the ids of all processes in /proc, in no order. Without /proc,
// or with an empty directory in its place, it is an error.
func Processes() ([]int, error) {
	pids, err := numbers("/proc")
	if err == nil && len(pids) == 0 {
		err = &fs.PathError{Op: "read", Path: "/proc", Err: errors.New("no process is in it: it is not mounted")}
	}
	return pids, err
}

// Hidden reports whether /proc hides processes of other users from this one (its
// mount option hidepid). It is false if /proc is not mounted.
func Hidden() bool {
	return unix.Access("/proc/self/stat", unix.R_OK) == nil && unix.Access("/proc/1/stat", unix.R_OK) != nil
}

// Threads lists the ids of the threads of a process, in no order.
func Threads(pid int) ([]int, error) { return numbers(fmt.Sprintf("/proc/%d/task", pid)) }

// numbers lists the entries of a directory whose names are numbers.
func numbers(path string) ([]int, error) {
	dir, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	list := make([]int, 0, len(names))
	for _, name := range names {
		if n, err := strconv.Atoi(name); err == nil {
			list = append(list, n)
		}
	}
	return list, nil
}

// Children lists the children of all threads of a process, zombies included. A
// kernel without CONFIG_PROC_CHILDREN gives an error.
func Children(pid int) ([]int, error) {
	threads, err := Threads(pid)
	if err != nil {
		return nil, err
	}
	var (
		pids []int
		read bool
	)
	for _, tid := range threads {
		var text []byte
		if text, err = ReadFile(unix.AT_FDCWD, fmt.Sprintf("/proc/%d/task/%d/children", pid, tid)); err != nil {
			continue // the thread has ended
		}
		read = true
		for f := range bytes.FieldsSeq(text) {
			if child, err := strconv.Atoi(string(f)); err == nil {
				pids = append(pids, child)
			}
		}
	}
	if !read {
		return nil, err
	}
	return pids, nil
}

// Name is the name of a process (comm, at most 15 bytes). It is empty if the
// process is gone.
func Name(pid int) string {
	text, _ := read(pid, "comm")
	return string(bytes.TrimSuffix(text, []byte{'\n'}))
}

// Load is one reading of /proc/loadavg.
type Load struct {
	Threads int // of all processes of the machine
	LastPid int // the id that was given to a process or thread last, in this pid namespace
}

// ReadLoad reads /proc/loadavg.
func ReadLoad() (Load, error) {
	text, err := ReadFile(unix.AT_FDCWD, "/proc/loadavg")
	if err != nil {
		return Load{}, err
	}
	return parseLoad(text)
}

// parseLoad parses a line like "0.20 0.18 0.12 1/80 11206".
func parseLoad(text []byte) (l Load, err error) {
	fields := bytes.Fields(text)
	if len(fields) == 5 {
		_, total, _ := bytes.Cut(fields[3], []byte{'/'})
		l.Threads, err = strconv.Atoi(string(total))
		if err == nil {
			l.LastPid, err = strconv.Atoi(string(fields[4]))
		}
	}
	if len(fields) != 5 || err != nil {
		return Load{}, fmt.Errorf("/proc/loadavg: %q: want five fields like 0.20 0.18 0.12 1/80 11206", bytes.TrimSpace(text))
	}
	return l, nil
}

// ContextSwitches counts the context switches of the live threads of a process:
// voluntary (it waited) and involuntary (it was preempted).
func ContextSwitches(pid int) (voluntary, involuntary int64, err error) {
	threads, err := Threads(pid)
	if err != nil {
		return 0, 0, err
	}
	var read bool
	for _, tid := range threads {
		var text []byte
		if text, err = ReadFile(unix.AT_FDCWD, fmt.Sprintf("/proc/%d/task/%d/status", pid, tid)); err != nil {
			continue // the thread has ended
		}
		read = true
		for line := range bytes.Lines(text) {
			name, value, _ := bytes.Cut(line, []byte{':'})
			n, _ := strconv.ParseInt(string(bytes.TrimSpace(value)), 10, 64)
			switch string(name) {
			case "voluntary_ctxt_switches":
				voluntary += n
			case "nonvoluntary_ctxt_switches":
				involuntary += n
			}
		}
	}
	if !read {
		return 0, 0, err
	}
	return voluntary, involuntary, nil
}

// CPUTime is how long all threads of a process have been on a processor, ended
// threads included, to the nanosecond.
func CPUTime(pid int) (time.Duration, error) {
	const scheduled = 2 // CPUCLOCK_SCHED; the clock id of a process is made of the complement of its pid
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|scheduled), &ts); err != nil {
		return 0, os.NewSyscallError("clock_gettime", err)
	}
	return time.Duration(ts.Nano()), nil
}

// Pressure is how long tasks have waited for a resource (pressure stall
// information).
type Pressure struct {
	Some time.Duration // at least one task waited
	Full time.Duration // all tasks waited
}

// ParsePressure parses the totals of a pressure file, for example
// /proc/pressure/cpu or the io.pressure of a cgroup. ok is false if the text has
// none: a kernel without CONFIG_PSI.
func ParsePressure(text []byte) (p Pressure, ok bool) {
	// some avg10=0.00 avg60=0.00 avg300=0.00 total=123 (microseconds)
	for line := range bytes.Lines(text) {
		kind, _, _ := bytes.Cut(line, []byte{' '})
		_, total, _ := bytes.Cut(bytes.TrimSpace(line), []byte("total="))
		n, err := strconv.ParseInt(string(total), 10, 64)
		if err != nil {
			continue
		}
		switch d := time.Duration(n) * time.Microsecond; string(kind) {
		case "some":
			p.Some, ok = d, true
		case "full":
			p.Full = d
		}
	}
	return p, ok
}
