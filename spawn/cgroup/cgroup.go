package cgroup

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ktstr/ktstr/internal/linux"
	"golang.org/x/sys/unix"
)

// Creator makes the cgroups that runs are placed in. Command.Cgroups replaces
// the system's, so that callers can be tested without a cgroup filesystem.
type Creator interface {
	// Create makes a fresh leaf for one run: below the named cgroup, which is
	// made if it is absent, or for the empty name a private one below the
	// cgroup that the process itself is in.
	Create(name, leaf string) (Leaf, error)
}

// Leaf is the fresh leaf of one run.
type Leaf interface {
	// Path is the directory of the leaf.
	Path() string

	// FD is a descriptor of that directory, for the kernel to place the child
	// at its birth; -1 asks for Place instead.
	FD() int

	// Place moves a process, which has not executed anything yet, into the leaf.
	Place(pid int) error

	// Preload opens what Drain and Stat are going to read. It is optional, and it
	// may do nothing.
	Preload()

	// Procs lists the processes in the leaf and below it.
	Procs() ([]int, error)

	// Kill kills all of them. The leaf is not to be used for another process
	// afterwards: the kernel may kill that one at its birth.
	Kill() error

	// Drain waits until no live process is left in the leaf.
	Drain(timeout time.Duration) error

	// SetCPUs confines the leaf to a list of processors like "0-3,7".
	SetCPUs(list string) error

	// Stat reads the counters of the leaf, which began at zero.
	Stat() (Stat, error)

	// Remove removes the leaf, and what Create had made above it.
	Remove() error
}

// Stat is what the kernel counted for the cgroup of one run, from zero.
type Stat struct {
	Path        string   // of the leaf, which is gone when a Result shows it
	Controllers []string // in force in the leaf; nil: it only groups and counts

	CPU, User, System time.Duration
	Throttled         time.Duration // time that a CPU quota took away
	ThrottledPeriods  int64
	MemoryPeak        int64 // bytes; 0 where the memory controller is not in force

	// Pressure is zero where the kernel does not measure it.
	CPUPressure, MemoryPressure, IOPressure Pressure
}

// Pressure is how long some, or all, of the tasks of a cgroup waited for a
// resource.
type Pressure struct{ Some, Full time.Duration }

// NameError says why a cgroup name is refused. Nothing was spawned.
type NameError struct{ Op, Name, Problem string }

func (e *NameError) Error() string {
	op := ""
	if e.Op != "" {
		op = e.Op + ": "
	}
	return fmt.Sprintf("%scgroup %q: %s: want a name relative to the cgroup that this process is in, like \"bench/a\"", op, e.Name, e.Problem)
}

// PlacementError says that the payload could not be put into its cgroup. It
// has not run.
type PlacementError struct {
	Binary string // empty: there was none yet
	Cgroup string // the name that was asked for; empty: none, it was to have one of its own
	Procs  string // full path of the cgroup.procs that did not take it
	Err    error
}

func (e *PlacementError) Unwrap() error { return e.Err }

func (e *PlacementError) Error() string {
	wanted := ""
	if errors.Is(e.Err, fs.ErrPermission) {
		wanted = ": want it below a cgroup that is delegated to this user"
	}
	subject, cgroup := e.Binary, fmt.Sprintf("cgroup %q", e.Cgroup)
	if subject == "" {
		subject = "a process"
	}
	if e.Cgroup == "" {
		cgroup = "a cgroup of its own"
	}
	return fmt.Sprintf("%s: cannot be placed in %s (%s): %v%s", subject, cgroup, e.Procs, e.Err, wanted)
}

// CheckName tells whether a name may be given as Command.Cgroup. op is
// the operation that the error is to name; empty: none.
func CheckName(op, name string) error {
	_, err := CleanName(op, name)
	return err
}

func CleanName(op, name string) (string, error) {
	refuse := func(problem string) (string, error) { return "", &NameError{op, name, problem} }
	if strings.ContainsRune(name, 0) {
		return refuse("it contains a NUL byte")
	}
	if strings.ContainsRune(name, '\n') {
		return refuse("it contains a line break")
	}
	for c := range strings.SplitSeq(name, "/") {
		if c == ".." {
			return refuse("it contains \"..\"")
		}
	}
	clean := strings.TrimPrefix(path.Clean("/"+name), "/")
	if clean == "" {
		return refuse("it is empty")
	}
	return clean, nil
}

// Hierarchy is the cgroup hierarchy that runs are placed in.
type Hierarchy struct {
	Version    int    // 1 or 2; 0: there is none
	Dir        string // where it is mounted
	root       string // what part of the hierarchy is mounted there
	controller string // v1: a controller of it, as /proc/self/cgroup spells it
}

// Mounted reads the mount table once: cgroup v2 wherever it is mounted
// (pure at /sys/fs/cgroup, hybrid at /sys/fs/cgroup/unified), else the v1
// hierarchy that is best at killing, or at least at grouping.
var Mounted = sync.OnceValue(func() Hierarchy {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return Hierarchy{}
	}
	return FindHierarchy(string(table))
})

func FindHierarchy(table string) Hierarchy {
	preferred := []string{"freezer", "pids", "memory", "cpu", "devices", "blkio", "cpuset", "name=systemd"}
	var best Hierarchy
	rank := len(preferred)
	for line := range strings.Lines(table) {
		before, after, ok := strings.Cut(line, " - ")
		f, g := strings.Fields(before), strings.Fields(after)
		if !ok || len(f) < 6 || len(g) < 3 {
			continue
		}
		m := Hierarchy{root: unescapeMount(f[3]), Dir: unescapeMount(f[4])}
		switch g[0] {
		case "cgroup2":
			m.Version = 2
			return m
		case "cgroup":
			for opt := range strings.SplitSeq(g[2], ",") {
				for i, name := range preferred[:rank] {
					if opt == name {
						m.Version, m.controller = 1, name
						best, rank = m, i
						break
					}
				}
			}
		}
	}
	return best
}

// unescapeMount undoes the octal escapes of mountinfo.
func unescapeMount(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// own is the directory of the cgroup that this process is in.
func (m Hierarchy) Own() (string, error) {
	if m.Version == 0 {
		return "", errors.New("no cgroup filesystem is mounted")
	}
	text, err := linux.ReadFile(unix.AT_FDCWD, "/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	return m.find(string(text))
}

func (m Hierarchy) find(text string) (string, error) {
	for line := range strings.Lines(text) {
		id, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		controllers, dir, _ := strings.Cut(rest, ":")
		if m.Version == 2 && id != "0" || m.Version == 1 && !contains(controllers, m.controller) {
			continue
		}
		rel := dir
		if m.root != "/" {
			var ok bool
			if rel, ok = strings.CutPrefix(dir, m.root); !ok || rel != "" && rel[0] != '/' {
				return "", fmt.Errorf("the cgroup of this process (%s) is not below what is mounted at %s", dir, m.Dir)
			}
		}
		if strings.HasPrefix(rel, "/..") {
			return "", fmt.Errorf("the cgroup of this process (%s) is outside of its cgroup namespace", dir)
		}
		return filepath.Join(m.Dir, rel), nil
	}
	return "", errors.New("this process is in no cgroup of the mounted hierarchy")
}

func contains(list, item string) bool {
	for s := range strings.SplitSeq(list, ",") {
		if s == item {
			return true
		}
	}
	return false
}

// madeByUs is the extended attribute of the cgroups that we made above a leaf, so
// that of several runs, also of several processes, the last one removes them.
const madeByUs = "user.ktstr"

func (m Hierarchy) Create(name, leaf string) (Leaf, error) {
	parent, err := m.Own()
	if err != nil {
		return nil, err
	}
	l, err := m.create(parent, name, leaf)
	if err != nil {
		return nil, &PlacementError{Cgroup: name, Procs: filepath.Join(parent, name, "cgroup.procs"), Err: err}
	}
	return l, nil
}

func (m Hierarchy) create(parent, name, leaf string) (_ Leaf, err error) {
	g := &systemLeaf{m: m, top: parent, fd: -1}
	// A run that ends may remove the named cgroup between our finding it and
	// our using it; then it is made again.
	for range 10 {
		g.dir = parent
		if err = g.descend(name); err == nil {
			g.dir = filepath.Join(g.dir, leaf)
			err = unix.Mkdir(g.dir, 0o755)
		}
		if err != unix.ENOENT {
			break
		}
	}
	if err != nil {
		return nil, &fs.PathError{Op: "mkdir", Path: g.dir, Err: err}
	}
	if err := g.prepare(name != ""); err != nil {
		g.Remove()
		return nil, err
	}
	return g, nil
}

// descend makes the named cgroup, component by component.
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

// prepare opens the leaf. A named cgroup may be of any making, so it is asked
// whether a child could start in it at all.
func (g *systemLeaf) prepare(named bool) (err error) {
	if g.m.Version != 2 {
		if g.m.controller == "cpuset" {
			return g.inheritCPUs()
		}
		return nil
	}
	g.fd, err = unix.Open(g.dir, unix.O_DIRECTORY|unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: g.dir, Err: err}
	}
	if !named {
		return nil
	}
	events, err := g.read("cgroup.events")
	if err != nil {
		return err
	}
	if field(events, "frozen") == 1 {
		return fmt.Errorf("%s: it is frozen: a process in it would never start; write 0 to its cgroup.freeze, or to that of a cgroup above it", filepath.Dir(g.dir))
	}
	return nil
}

// Open gives a leaf that another process has made, by the path of its directory.
func (m Hierarchy) Open(dir string) (Leaf, error) {
	top, err := m.Own()
	if err != nil {
		return nil, err
	}
	g := &systemLeaf{m: m, dir: dir, top: top, fd: -1}
	if err := g.prepare(false); err != nil {
		return nil, err
	}
	return g, nil
}

// systemLeaf is a leaf on the filesystem.
type systemLeaf struct {
	m   Hierarchy
	top string // the cgroup below which it was made
	dir string
	fd  int // v2: of dir

	killed bool // once

	// While the leaf is watched, of the leafFiles; -1 for one that is not there.
	files       []int
	controllers []string
}

// leafFiles are what is read of a leaf when its run ends.
var leafFiles = [...]string{"cgroup.events", "cpu.stat", "cpu.pressure", "memory.pressure", "io.pressure"}

const (
	fileEvents = iota
	fileCPU
	fileCPUPressure // and the other two
)

// Preload opens what the end of the run is going to read. To open these files
// takes twice as long as to read them, and while the payload runs nobody waits.
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
		return g.read(leafFiles[i]) // which says why it cannot be opened
	}
	n, err := unix.Pread(g.files[i], b, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: filepath.Join(g.dir, leafFiles[i]), Err: err}
	}
	return b[:n], nil
}

func (g *systemLeaf) Path() string { return g.dir }

func (g *systemLeaf) FD() int { return g.fd }

func (g *systemLeaf) Place(pid int) error { return g.write("cgroup.procs", strconv.Itoa(pid)) }

// read reads one file of the leaf.
func (g *systemLeaf) read(name string) ([]byte, error) {
	if g.fd >= 0 {
		return linux.ReadFile(g.fd, name)
	}
	return linux.ReadFile(unix.AT_FDCWD, filepath.Join(g.dir, name))
}

func (g *systemLeaf) write(name, value string) error {
	file := filepath.Join(g.dir, name)
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

// Procs walks where the payload has made cgroups in its own.
func (g *systemLeaf) Procs() (pids []int, err error) {
	add := func(text []byte) {
		for f := range bytes.FieldsSeq(text) {
			if pid, err := strconv.Atoi(string(f)); err == nil && pid > 0 {
				pids = append(pids, pid)
			}
		}
	}
	var st unix.Stat_t
	if g.fd >= 0 && unix.Fstat(g.fd, &st) == nil && st.Nlink == 2 { // no directory is in it
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
				return nil // a threaded cgroup: its processes are listed above it
			}
			return ignoreGone(err)
		}
		add(text)
		return nil
	})
	return pids, err
}

func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
		return nil
	}
	return err
}

func (g *systemLeaf) Kill() error {
	if g.m.Version == 2 {
		err := g.write("cgroup.kill", "1")
		if err == nil && g.killed {
			// The kernel's kill goes to the first thread of each process. One whose
			// first thread has ended, and that goes on in others, does not get it.
			err = g.killMembers()
		}
		g.killed = true
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		// Before Linux 5.14. Frozen, it cannot fork faster than it is killed.
		g.write("cgroup.freeze", "1")
		defer g.write("cgroup.freeze", "0")
	} else if g.m.controller == "freezer" {
		g.write("freezer.state", "FROZEN")
		// Here a frozen process dies only when it thaws.
		defer g.write("freezer.state", "THAWED")
	}
	for range 100 {
		if pids, err := g.Procs(); err != nil || len(pids) == 0 {
			return err
		}
		g.killMembers()
		if g.m.controller == "freezer" || g.m.Version == 2 {
			return nil // all were stopped, so all were seen
		}
	}
	return nil
}

// killMembers kills the processes that are in the leaf, one by one.
func (g *systemLeaf) killMembers() error {
	pids, err := g.Procs()
	for _, pid := range pids {
		g.killMember(pid)
	}
	return err
}

// killMember kills a process if it is still in the leaf.
func (g *systemLeaf) killMember(pid int) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
	if err != nil {
		return
	}
	if dir, err := g.m.find(string(text)); err == nil && (dir == g.dir || strings.HasPrefix(dir, g.dir+"/")) {
		unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
	}
}

// EventGap is the least time between two words of the kernel about one cgroup
// (CGROUP_FILE_NOTIFY_MIN_INTV); the second may come that late.
const EventGap = 10 * time.Millisecond

// Drain waits for the kernel's word that the leaf is empty.
func (g *systemLeaf) Drain(timeout time.Duration) error {
	start := time.Now()
	if g.m.Version != 2 {
		// v1 gives no word, so it is asked.
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
			return ignoreGone(err) // removed by the payload, so nobody was in it
		}
		if field(events, "populated") == 0 {
			return nil
		}
		past := time.Since(start)
		if past >= timeout {
			return fmt.Errorf("%s: still has processes after %v", g.dir, timeout)
		}
		// The word may come late, so we look in between: whoever has just closed
		// the last stream is gone in some microseconds.
		look := past + max(past/4, 50*time.Microsecond)
		if err := linux.Poll(fds, start, min(look, timeout)); err != nil {
			return err
		}
	}
}

func (g *systemLeaf) SetCPUs(list string) error {
	if g.m.Version == 2 {
		if err := unix.Access(filepath.Join(g.dir, "cpuset.cpus"), unix.F_OK); err != nil {
			return fmt.Errorf("%s: cpuset.cpus is not there: want a cgroup whose parent has +cpuset in cgroup.subtree_control", g.dir)
		}
	}
	return g.write("cpuset.cpus", list)
}

// inheritCPUs fills in what a v1 cpuset starts without.
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

func (g *systemLeaf) Stat() (Stat, error) {
	s := Stat{Path: g.dir}
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
	for _, c := range s.Controllers {
		if c == "memory" {
			peak, _ := g.read("memory.peak") // since Linux 5.19
			s.MemoryPeak, _ = strconv.ParseInt(strings.TrimSpace(string(peak)), 10, 64)
		}
	}
	for i, p := range []*Pressure{&s.CPUPressure, &s.MemoryPressure, &s.IOPressure} {
		text, _ := g.file(fileCPUPressure+i, b[:]) // absent without CONFIG_PSI
		*p = parsePressure(text)
	}
	return s, nil
}

// field reads "name value" out of a flat keyed file; 0 where it is absent.
func field(text []byte, name string) int64 {
	for line := range bytes.Lines(text) {
		if k, v, ok := bytes.Cut(bytes.TrimSpace(line), []byte{' '}); ok && string(k) == name {
			n, _ := strconv.ParseInt(string(v), 10, 64)
			return n
		}
	}
	return 0
}

// parsePressure reads "some avg10=0.00 avg60=0.00 avg300=0.00 total=123", in
// microseconds.
func parsePressure(text []byte) (p Pressure) {
	for line := range bytes.Lines(text) {
		kind, _, _ := bytes.Cut(line, []byte{' '})
		_, total, _ := bytes.Cut(bytes.TrimSpace(line), []byte("total="))
		n, _ := strconv.ParseInt(string(total), 10, 64)
		switch d := time.Duration(n) * time.Microsecond; string(kind) {
		case "some":
			p.Some = d
		case "full":
			p.Full = d
		}
	}
	return p
}

// Remove removes the leaf with whatever cgroups the payload made in it, and
// then upwards what bears that attribute and is empty.
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
