package linux

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// TicksPerSecond is the unit of Stat.Start: the kernel counts in ticks of 10 ms
// on every architecture that Go supports (USER_HZ).
const TicksPerSecond = 100

// Stat is one reading of /proc/PID/stat.
type Stat struct {
	Pid     int
	Name    string // comm: at most 15 bytes, any bytes
	State   byte   // R, S, D, T, t, Z, X, I, as in proc_pid_stat(5)
	Parent  int    // process id; 0 for a process whose parent is outside of the pid namespace
	Group   int    // process group
	Session int
	Flags   uint64 // PF_*, below
	Threads int    // 0 or 1 for a zombie that has no other threads
	Start   uint64 // ticks from boot to its fork; exec does not change it

	// EnvironEnd is false for a kernel thread, for a zombie, and for a process
	// in the middle of an exec, whose environment cannot be read yet.
	EnvironEnd bool
}

// Flags of a Stat.
const (
	exiting      = 0x4      // PF_EXITING
	ForkedNoExec = 0x40     // PF_FORKNOEXEC: forked, and has not executed a program
	KernelThread = 0x200000 // PF_KTHREAD: it never has an environment
)

// ReadStat reads /proc/PID/stat.
func ReadStat(pid int) (Stat, error) {
	text, err := read(pid, "stat")
	if err != nil {
		return Stat{}, err
	}
	s, err := ParseStat(text)
	if err != nil {
		return Stat{}, fmt.Errorf("/proc/%d/stat: %w", pid, err)
	}
	return s, nil
}

// ParseStat parses the text of /proc/PID/stat or /proc/PID/task/TID/stat.
func ParseStat(text []byte) (Stat, error) {
	// The name is in parentheses and can contain blanks and parentheses.
	open, shut := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if open < 1 || shut < open {
		return Stat{}, errors.New("no name in parentheses")
	}
	const first, last = 3, 51 // the fields after the name that are read, as proc_pid_stat(5) counts
	fields := bytes.Fields(text[shut+1:])
	if len(fields) <= last-first {
		return Stat{}, fmt.Errorf("%d fields after the name, want at least %d", len(fields), last-first+1)
	}
	field := func(n int) string { return string(fields[n-first]) }
	var err error
	number := func(text string) int {
		n, e := strconv.Atoi(text)
		err = errors.Join(err, e)
		return n
	}
	unsigned := func(n int) uint64 {
		v, e := strconv.ParseUint(field(n), 10, 64)
		err = errors.Join(err, e)
		return v
	}
	s := Stat{
		Pid:        number(string(bytes.TrimSpace(text[:open]))),
		Name:       string(text[open+1 : shut]),
		State:      field(3)[0],
		Parent:     number(field(4)),
		Group:      number(field(5)),
		Session:    number(field(6)),
		Flags:      unsigned(9),
		Threads:    number(field(20)),
		Start:      unsigned(22),
		EnvironEnd: field(51) != "0",
	}
	if err != nil {
		return Stat{}, err
	}
	return s, nil
}

// Ended reports whether all threads of the process have ended: it is a zombie
// until its parent reaps it.
func (s Stat) Ended() bool { return s.firstEnded() && s.Threads <= 1 }

// Exiting reports whether all threads of the process have begun to exit. Such a
// process ends by itself. It closes its files after it has begun.
func (s Stat) Exiting() bool {
	if !s.WithoutFirst() {
		return s.Ended() || s.Flags&exiting != 0
	}
	threads, _ := Threads(s.Pid)
	return !slices.ContainsFunc(threads, func(tid int) bool {
		text, err := read(s.Pid, "task/"+strconv.Itoa(tid)+"/stat")
		if err != nil {
			return false // gone
		}
		thread, err := ParseStat(text)
		return err == nil && thread.Flags&exiting == 0
	})
}

// WithoutFirst reports whether the thread that the process began with has ended
// and others go on. Such a process looks like a zombie. The files of /proc/PID
// that belong to the first thread (environ, fd, maps) are empty, and those of
// /proc/PID/task/TID are not.
func (s Stat) WithoutFirst() bool { return s.firstEnded() && s.Threads > 1 }

func (s Stat) firstEnded() bool { return s.State == 'Z' || s.State == 'X' }

// Now is the current time in ticks since boot, to be compared with Stat.Start:
// a process that is forked afterwards has the same Start or a later one.
func Now() uint64 {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) != nil {
		return 0 // since Linux 2.6.39 it exists
	}
	return uint64(ts.Nano()) / (1e9 / TicksPerSecond)
}

func isBusy(err error) bool { return errors.Is(err, unix.ETXTBSY) }

// PeakRSS returns the peak of the memory that this process has had since it executed
// its program (VmHWM), in bytes.
func PeakRSS() (int64, error) {
	const file = "/proc/self/status"
	text, err := ReadFile(unix.AT_FDCWD, file)
	if err != nil {
		return 0, err
	}
	_, rest, _ := bytes.Cut(text, []byte("\nVmHWM:"))
	number, _, _ := bytes.Cut(bytes.TrimSpace(rest), []byte(" kB"))
	kib, err := strconv.ParseInt(string(number), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: VmHWM %q: want a number of kB", file, number)
	}
	return kib << 10, nil
}
