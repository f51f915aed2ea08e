package cgroup

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ktstr/ktstr/internal/linux"
	"golang.org/x/sys/unix"
)

// systemLeaf is a leaf on the filesystem.
type systemLeaf struct {
	m   Hierarchy
	top string // the cgroup below which it was made
	dir string
	fd  int // v2: of dir

	memory string // the second cgroup; empty: none

	killed bool // at least once

	// Descriptors of the leafFiles after Preload; -1: that file does not exist.
	files       []int
	controllers []string
}

// descend makes the named cgroup, one component after the other.
func (g *systemLeaf) descend(name string) error {
	if name == "" {
		return nil
	}
	for c := range strings.SplitSeq(name, "/") {
		g.dir = filepath.Join(g.dir, c)
		switch err := unix.Mkdir(g.dir, 0o755); err {
		case nil:
			unix.Setxattr(g.dir, madeByUs, []byte{'1'}, 0)
		case unix.EEXIST:
		default:
			return err
		}
	}
	return nil
}

// madeByUs is the extended attribute of the cgroups that we have made above a leaf.
// It tells the last of several runs, also of several processes, to remove them.
const madeByUs = "user.ktstr"

// prepare makes a fresh leaf ready for a child. A named cgroup can have been set up
// by the user, so prepare checks that a child could start in it.
func (g *systemLeaf) prepare(named bool) error {
	if g.m.Version != 2 {
		if g.m.controller == "cpuset" {
			return g.inheritCPUs()
		}
		return nil
	}
	if err := g.open(); err != nil || !named {
		return err
	}
	events, err := g.read("cgroup.events")
	if err != nil {
		return err
	}
	if field(events, "frozen") == 1 {
		return fmt.Errorf("%s: it is frozen, so a process in it would never start: write 0 to its cgroup.freeze, or to that of a cgroup above it", filepath.Dir(g.dir))
	}
	return nil
}

// open opens the directory of the leaf, on v2.
func (g *systemLeaf) open() (err error) {
	if g.m.Version != 2 {
		return nil
	}
	if g.fd, err = unix.Open(g.dir, unix.O_DIRECTORY|unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
		g.fd = -1
		return &fs.PathError{Op: "open", Path: g.dir, Err: err}
	}
	return nil
}

// inheritCPUs copies the processors and memory nodes of the cgroup above: a fresh
// v1 cpuset has none.
func (g *systemLeaf) inheritCPUs() error {
	for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
		text, err := os.ReadFile(filepath.Join(filepath.Dir(g.dir), name))
		if err != nil {
			return err
		}
		if err := g.write(name, strings.TrimSpace(string(text))); err != nil {
			return err
		}
	}
	return nil
}

func (g *systemLeaf) Path() string { return g.dir }

func (g *systemLeaf) FD() int { return g.fd }

func (g *systemLeaf) Place(pid int) error { return g.write("cgroup.procs", strconv.Itoa(pid)) }

func (g *systemLeaf) SetCPUs(list string) error {
	if g.m.Version == 2 {
		if err := unix.Access(filepath.Join(g.dir, "cpuset.cpus"), unix.F_OK); err != nil {
			return fmt.Errorf("%s: cpuset.cpus is not there: want a cgroup whose parent has +cpuset in cgroup.subtree_control", g.dir)
		}
	}
	return g.write("cpuset.cpus", list)
}

func (g *systemLeaf) Kill(spare func(pid int) bool) error {
	if spare != nil {
		if pids, err := g.Procs(); err != nil || slices.ContainsFunc(pids, spare) {
			return errors.Join(err, g.killMembers(spare))
		}
	}
	if g.m.Version == 2 {
		err := g.write("cgroup.kill", "1")
		if err == nil && g.killed {
			// The kernel signals the first thread of each process. A process whose first
			// thread has ended and others go on does not get that signal.
			err = g.killMembers(nil)
		}
		g.killed = true
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		// Linux before 5.14 has no cgroup.kill. A frozen cgroup cannot fork faster
		// than it is killed.
		g.write("cgroup.freeze", "1")
		defer g.write("cgroup.freeze", "0")
		return g.killMembers(nil)
	}
	if g.m.controller == "freezer" {
		g.write("freezer.state", "FROZEN")
		// On v1 a frozen process dies only when it thaws.
		defer g.write("freezer.state", "THAWED")
		return g.killMembers(nil)
	}
	for range 100 {
		if pids, err := g.Procs(); err != nil || len(pids) == 0 {
			return err
		}
		g.killMembers(nil)
	}
	return nil
}

// killMembers kills the processes in the leaf one by one, except those for which
// spare is true.
func (g *systemLeaf) killMembers(spare func(pid int) bool) error {
	pids, err := g.Procs()
	for _, pid := range pids {
		if spare == nil || !spare(pid) {
			g.killMember(pid, spare)
		}
	}
	return err
}

// killMember kills a process if it is still in the leaf.
func (g *systemLeaf) killMember(pid int, spare func(pid int) bool) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
	if err != nil || spare != nil && spare(pid) {
		return
	}
	if dir, err := g.m.find(string(text)); err == nil && (dir == g.dir || strings.HasPrefix(dir, g.dir+"/")) {
		unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
	}
}

// Procs walks the cgroups below the leaf only if the payload has made some.
func (g *systemLeaf) Procs() (pids []int, err error) {
	add := func(text []byte) {
		for f := range bytes.FieldsSeq(text) {
			if pid, err := strconv.Atoi(string(f)); err == nil && pid > 0 {
				pids = append(pids, pid)
			}
		}
	}
	var st unix.Stat_t
	if g.fd >= 0 && unix.Fstat(g.fd, &st) == nil && st.Nlink == 2 { // no cgroup is below it
		text, err := g.read("cgroup.procs")
		add(text)
		return pids, ignoreGone(err)
	}
	err = filepath.WalkDir(g.dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return ignoreGone(err)
		}
		text, err := os.ReadFile(filepath.Join(p, "cgroup.procs"))
		if err != nil {
			if errors.Is(err, unix.EOPNOTSUPP) {
				return nil // a threaded cgroup: the cgroup above it lists its processes
			}
			return ignoreGone(err)
		}
		add(text)
		return nil
	})
	return pids, err
}

// EventGap is the least time between two notifications of the kernel about one
// cgroup (CGROUP_FILE_NOTIFY_MIN_INTV). A notification can be that late.
const EventGap = 10 * time.Millisecond

// Drain waits for the kernel's notification that the leaf is empty.
func (g *systemLeaf) Drain(timeout time.Duration) error {
	start := time.Now()
	if g.m.Version != 2 {
		// v1 has no notification, so it is polled.
		for {
			pids, err := g.Procs()
			if err != nil || len(pids) == 0 {
				return err
			}
			if time.Since(start) > timeout {
				return fmt.Errorf("%s: still has processes after %v", g.dir, timeout)
			}
			linux.Pause(time.Millisecond)
		}
	}
	g.Preload()
	fds := []unix.PollFd{{Fd: -1, Events: unix.POLLPRI}}
	if g.files != nil {
		fds[0].Fd = int32(g.files[fileEvents])
	}
	var b [256]byte
	for {
		events, err := g.file(fileEvents, b[:])
		if err != nil {
			return ignoreGone(err) // the payload has removed it, so it was empty
		}
		if field(events, "populated") == 0 {
			return nil
		}
		past := time.Since(start)
		if past >= timeout {
			return fmt.Errorf("%s: still has processes after %v", g.dir, timeout)
		}
		// The notification can be late, so the file is read in between: a process that
		// has just closed the last stream is gone after some microseconds.
		look := past + max(past/4, 50*time.Microsecond)
		if err := linux.Poll(fds, start, min(look, timeout)); err != nil {
			return err
		}
	}
}

func (g *systemLeaf) Stat() (Stat, error) {
	s := Stat{Path: g.dir, MemoryPeak: g.memoryPeak()}
	if g.m.Version != 2 {
		return s, nil
	}
	var b [1024]byte
	cpu, err := g.file(fileCPU, b[:])
	if err != nil {
		return s, err
	}
	s.Controllers = g.controllers
	us := func(name string) time.Duration { return time.Duration(field(cpu, name)) * time.Microsecond }
	s.CPU, s.User, s.System = us("usage_usec"), us("user_usec"), us("system_usec")
	s.Throttled, s.ThrottledPeriods = us("throttled_usec"), field(cpu, "nr_throttled")
	if slices.Contains(s.Controllers, "memory") {
		peak, _ := g.read("memory.peak") // since Linux 5.19
		s.MemoryPeak, _ = strconv.ParseInt(strings.TrimSpace(string(peak)), 10, 64)
	}
	for i, p := range []*Pressure{&s.CPUPressure, &s.MemoryPressure, &s.IOPressure} {
		text, _ := g.file(fileCPUPressure+i, b[:]) // it does not exist without CONFIG_PSI
		waited, ok := linux.ParsePressure(text)
		*p = Pressure{waited.Some, waited.Full, ok}
	}
	return s, nil
}

// Remove removes the leaf with the cgroups that the payload has made in it. Then it
// removes the empty cgroups above it that have the attribute madeByUs.
func (g *systemLeaf) Remove() error {
	for _, fd := range g.files {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
	g.files = nil
	if g.fd >= 0 {
		unix.Close(g.fd)
		g.fd = -1
	}
	if g.memory != "" {
		if err := unix.Rmdir(g.memory); err != nil && err != unix.ENOENT {
			return &fs.PathError{Op: "rmdir", Path: g.memory, Err: err}
		}
	}
	if err := unix.Rmdir(g.dir); err != nil && err != unix.ENOENT {
		var inner []string
		filepath.WalkDir(g.dir, func(p string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				inner = append(inner, p)
			}
			return nil
		})
		for i := len(inner) - 1; i >= 0; i-- {
			err = unix.Rmdir(inner[i])
		}
		if err != nil {
			return &fs.PathError{Op: "rmdir", Path: g.dir, Err: err}
		}
	}
	for dir := filepath.Dir(g.dir); dir != g.top; dir = filepath.Dir(dir) {
		var b [1]byte
		if _, err := unix.Getxattr(dir, madeByUs, b[:]); err != nil {
			break
		}
		if unix.Rmdir(dir) != nil {
			break // another run is below it
		}
	}
	return nil
}

// leafFiles are the files of a leaf that are read when its run ends.
var leafFiles = [...]string{"cgroup.events", "cpu.stat", "cpu.pressure", "memory.pressure", "io.pressure"}

const (
	fileEvents = iota
	fileCPU
	fileCPUPressure // and the other two
)

// Preload opens the leafFiles. To open them takes twice as long as to read them,
// and it is done while the payload runs.
func (g *systemLeaf) Preload() {
	if g.fd < 0 || g.files != nil {
		return
	}
	g.files = make([]int, len(leafFiles))
	for i, name := range leafFiles {
		fd, err := unix.Openat(g.fd, name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			fd = -1
		}
		g.files[i] = fd
	}
	text, _ := g.read("cgroup.controllers")
	g.controllers = strings.Fields(string(text))
}

// file reads one of the leafFiles.
func (g *systemLeaf) file(i int, b []byte) ([]byte, error) {
	g.Preload()
	if g.files == nil || g.files[i] < 0 {
		return g.read(leafFiles[i]) // its error says why it cannot be opened
	}
	n, err := unix.Pread(g.files[i], b, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: filepath.Join(g.dir, leafFiles[i]), Err: err}
	}
	return b[:n], nil
}

// read reads one file of the leaf.
func (g *systemLeaf) read(name string) ([]byte, error) {
	if g.fd >= 0 {
		return linux.ReadFile(g.fd, name)
	}
	return linux.ReadFile(unix.AT_FDCWD, filepath.Join(g.dir, name))
}

func (g *systemLeaf) write(name, value string) error {
	return writeFile(filepath.Join(g.dir, name), value)
}

// writeFile writes value to a file of a cgroup.
func writeFile(file, value string) error {
	fd, err := unix.Open(file, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: file, Err: err}
	}
	defer unix.Close(fd)
	if _, err := unix.Write(fd, []byte(value)); err != nil {
		return &fs.PathError{Op: "write", Path: file, Err: err}
	}
	return nil
}

// field reads the value of a line "name value". 0: there is no such line.
func field(text []byte, name string) int64 {
	for line := range bytes.Lines(text) {
		if k, v, ok := bytes.Cut(bytes.TrimSpace(line), []byte{' '}); ok && string(k) == name {
			n, _ := strconv.ParseInt(string(v), 10, 64)
			return n
		}
	}
	return 0
}

// ignoreGone is nil for the errors about a cgroup that was removed.
func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
		return nil
	}
	return err
}
