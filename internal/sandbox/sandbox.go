// Package sandbox restricts a process whose only task is to turn bytes into
// metrics, and reports the restrictions that the kernel enforces. A launcher
// restricts itself and then executes the plugin's descriptor (Launch). A bundled
// plugin restricts itself and then serves (Enter, then Seal).
//
// Each measure is taken as far as the kernel and the container allow. The Report
// names every measure, also one that is not enforced.
package sandbox

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"github.com/ktstr/ktstr/internal/linux"
	"golang.org/x/sys/unix"
)

// Limits that every plugin lives in.
const (
	AddressSpace = 4 << 30 // bytes. Go and Python start in 1 GiB, also with the race detector
	OpenFiles    = 256
	FileSize     = 1 << 20 // bytes. A plugin writes no file
	Processes    = 128     // threads of all its processes together
	TotalMemory  = 4 << 30 // bytes of all its processes, if a cgroup limits them

	// Without a cgroup, processes times address space bounds the memory.
	SmallAddressSpace = 2 << 30
	FewProcesses      = 32
)

// Policy describes the wanted restrictions. The zero value keeps the user and
// allows no writing.
type Policy struct {
	Write string `json:"write,omitempty"` // the only directory to write to, and to make sockets in
	UID   int    `json:"uid,omitempty"`   // the user and group to become. 0: no change
	// AddressSpace is the limit of one process in bytes. 0: the constant of that name.
	AddressSpace uint64 `json:"address_space,omitempty"`
	// Cgroup is the directory of a cgroup with a memory limit, Memory the limit in
	// bytes. Empty: there is none.
	Cgroup      string       `json:"cgroup,omitempty"`
	Memory      uint64       `json:"memory,omitempty"`
	Interpreter *Interpreter `json:"interpreter,omitempty"` // of a script; nil: it is none
	// Threads is the limit on all threads of the user, including those of other
	// processes. 0: no limit.
	Threads int `json:"threads,omitempty"`
	// The namespaces that the process was made in, for the report.
	PIDNamespace bool `json:"pid_namespace,omitempty"`
	NetNamespace bool `json:"net_namespace,omitempty"`
	IPCNamespace bool `json:"ipc_namespace,omitempty"`
}

// The names of measures.
const (
	User       = "user"         // runs as a user of its own
	Privileges = "privileges"   // cannot gain any (no_new_privs)
	Memory     = "memory"       // of all its processes together
	Limits     = "limits"       // on memory, files and processes
	Files      = "files"        // reads only the files of a language runtime, writes none
	Syscalls   = "system-calls" // cannot connect, trace, mount, …
	Network    = "network"      // a network of its own, without interfaces
	IPC        = "ipc"          // shared memory and message queues of its own
	PIDs       = "processes"    // sees and signals no other process, and ends with all its children
)

// Measure is one restriction: whether it holds, and how, or why not.
type Measure struct {
	Name     string `json:"name"`
	Enforced bool   `json:"enforced"`
	Detail   string `json:"detail,omitempty"`
}

// Report lists the measures. Nil: no sandbox was asked for.
type Report []Measure

// Enforced reports whether the measure of that name holds.
func (r Report) Enforced(name string) bool {
	for _, m := range r {
		if m.Name == name {
			return m.Enforced
		}
	}
	return false
}

// String returns one line: the enforced measures, then the others with the reason.
func (r Report) String() string {
	if len(r) == 0 {
		return "no sandbox"
	}
	var held, missing []string
	for _, m := range r {
		if m.Enforced {
			held = append(held, m.Name)
		} else {
			missing = append(missing, m.Name+" ("+m.Detail+")")
		}
	}
	s := strings.Join(held, ", ")
	if len(missing) > 0 {
		s += "; not enforced: " + strings.Join(missing, ", ")
	}
	return s
}

func (r *Report) add(name string, err error, detail string) {
	m := Measure{Name: name, Enforced: err == nil, Detail: detail}
	if err != nil {
		m.Detail = err.Error()
	}
	*r = append(*r, m)
}

// Answer is the message of a restricted process to its host: one JSON document
// on the report descriptor.
type Answer struct {
	Report Report `json:"report"`
	Error  string `json:"error,omitempty"` // why the plugin was not executed
}

// Launch restricts the calling process and executes file with argv and env. file
// is a descriptor, so that the file cannot be exchanged between its hash and its
// execution. Launch returns only with an error. report gets an Answer in any
// case. The new program has the descriptors 0 to 2 and that of file.
func Launch(p Policy, file, report *os.File, argv, env []string) error {
	runtime.LockOSThread()
	answer := Answer{}
	fail := func(err error) error {
		answer.Error = err.Error()
		json.NewEncoder(report).Encode(answer)
		return err
	}
	unix.CloseRange(3, ^uint(0), unix.CLOSE_RANGE_CLOEXEC)
	// A script's interpreter opens the descriptor by its name.
	if _, err := unix.FcntlInt(file.Fd(), unix.F_SETFD, 0); err != nil {
		return fail(err)
	}
	r := &answer.Report
	p.limitMemory(r)
	r.add(Limits, limit(p), p.limitsDetail())
	becomeUser(p, r, false)
	if err := diesWithHost(); err != nil {
		return fail(err)
	}
	r.add(Privileges, unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
	abi, err := restrictFiles(p, file)
	r.add(Files, err, fmt.Sprintf("Landlock ABI %d", abi))
	r.add(Syscalls, install(denyList(), 0), "seccomp: no connect, trace, mount, new namespace, session, no change of mode, owner, times or extended attributes, no shared memory")
	p.namespaces(r)
	if err := json.NewEncoder(report).Encode(answer); err != nil {
		return err
	}
	*r = nil // it was sent, and an error must not send it again
	err = linux.RetryBusy(func() error { return execute(file, argv, env) })
	switch {
	case errors.Is(err, unix.EACCES) && NoExec(file):
		err = fmt.Errorf("%s: %w: %s", argv[0], err, NoExecAdvice)
	case p.Interpreter != nil && (errors.Is(err, unix.EACCES) || errors.Is(err, unix.ENOENT)):
		err = fmt.Errorf("%s: its interpreter %s: %w: want one that every user may execute, below /usr", argv[0], p.Interpreter.Path, err)
	case errors.Is(err, unix.EACCES) && p.UID != 0:
		err = fmt.Errorf("%s: %w: want a file that every user may read and execute: plugins do not run as root", argv[0], err)
	case errors.Is(err, unix.ENOEXEC):
		err = fmt.Errorf("%s: %w: want an executable for this machine, or a script with a #! line", argv[0], err)
	default:
		err = fmt.Errorf("%s: %w", argv[0], err)
	}
	return fail(err)
}

// NoExecAdvice ends the error for a plugin on a filesystem for which NoExec is true.
const NoExecAdvice = "its filesystem is mounted noexec: want it on another one (installed plugins are below XDG_DATA_HOME)"

// NoExec reports whether nothing of f's filesystem can be executed.
func NoExec(f *os.File) bool {
	var on unix.Statfs_t
	return unix.Fstatfs(int(f.Fd()), &on) == nil && on.Flags&unix.ST_NOEXEC != 0
}

// Enter takes the measures that a process can take before it has made its
// socket. Seal takes the rest.
func Enter(p Policy) (Report, error) {
	var r Report
	r.add(Memory, nil, fmt.Sprintf("address space of one process, %d GiB", AddressSpace>>30))
	r.add(Limits, limit(p), p.limitsDetail())
	becomeUser(p, &r, true)
	return r, diesWithHost()
}

// Seal reduces the process to a server on the sockets that it has: it opens,
// executes, connects and forks nothing any more. It adds to r.
func Seal(p Policy, r Report) Report {
	// The filter is installed in all threads at once, and no_new_privs with it.
	err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	if err == nil {
		err = install(allowList(), unix.SECCOMP_FILTER_FLAG_TSYNC)
	}
	for _, name := range []string{Privileges, Files, Syscalls, Network, IPC, PIDs} {
		r.add(name, err, "seccomp: only what serves the open socket")
	}
	return r
}

func (p Policy) namespaces(r *Report) {
	var net, ipc, pid error
	if !p.NetNamespace {
		net = errors.New("the kernel gives no network namespace to this user")
	}
	if !p.PIDNamespace {
		pid = errors.New("the kernel gives no process namespace to this user")
	}
	if !p.IPCNamespace {
		ipc = errors.New("the kernel gives no IPC namespace to this user")
	}
	r.add(Network, net, "namespace without interfaces")
	r.add(IPC, ipc, "namespace")
	r.add(PIDs, pid, "namespace")
}

// limitMemory bounds the memory of all processes of the plugin: by the cgroup, else
// by the product of processes and address space.
func (p Policy) limitMemory(r *Report) {
	if p.Cgroup != "" {
		err := os.WriteFile(filepath.Join(p.Cgroup, "cgroup.procs"), []byte("0"), 0)
		r.add(Memory, err, fmt.Sprintf("cgroup, %d MiB for all processes", p.Memory>>20))
		return
	}
	var err error
	if p.Threads == 0 || p.Threads > FewProcesses {
		err = fmt.Errorf("no cgroup with a memory limit, and the limit of %d processes is shared with other processes of the user", p.Threads)
	}
	r.add(Memory, err, fmt.Sprintf("%d processes × %d GiB of address space", p.Threads, p.addressSpace()>>30))
}

func (p Policy) addressSpace() uint64 { return cmp.Or(p.AddressSpace, AddressSpace) }

func (p Policy) limitsDetail() string {
	return fmt.Sprintf("%d GiB address space, %d files, %d threads, no core file", p.addressSpace()>>30, OpenFiles, p.Threads)
}

func limit(p Policy) error {
	for _, l := range []struct {
		resource int
		value    uint64
	}{
		{unix.RLIMIT_AS, p.addressSpace()},
		{unix.RLIMIT_NOFILE, OpenFiles},
		{unix.RLIMIT_FSIZE, FileSize},
		{unix.RLIMIT_CORE, 0},
		{unix.RLIMIT_NPROC, uint64(p.Threads)},
	} {
		if l.resource == unix.RLIMIT_NPROC && l.value == 0 {
			continue
		}
		var old syscall.Rlimit
		if err := syscall.Getrlimit(l.resource, &old); err != nil {
			return err
		}
		// A lower limit of the host's own stays.
		v := min(l.value, old.Max)
		if err := syscall.Setrlimit(l.resource, &syscall.Rlimit{Cur: v, Max: v}); err != nil {
			return fmt.Errorf("limit %d: %w", l.resource, err)
		}
	}
	return nil
}

// becomeUser changes user and group of the calling thread, or of all threads.
func becomeUser(p Policy, r *Report, all bool) {
	if p.UID == 0 {
		var err error
		if os.Geteuid() == 0 {
			err = errors.New("runs as root: no other user can be had in this container")
		}
		r.add(User, err, "the host's, who is not root")
		return
	}
	groups := func() error { return syscall.Setgroups(nil) }
	gid := func() error { return syscall.Setresgid(p.UID, p.UID, p.UID) }
	uid := func() error { return syscall.Setresuid(p.UID, p.UID, p.UID) }
	if !all {
		id := uintptr(p.UID)
		groups = func() error { return thread(unix.SYS_SETGROUPS, 0, 0, 0) }
		gid = func() error { return thread(unix.SYS_SETRESGID, id, id, id) }
		uid = func() error { return thread(unix.SYS_SETRESUID, id, id, id) }
	}
	err := groups()
	if err == nil {
		err = gid()
	}
	if err == nil {
		err = uid()
	}
	r.add(User, err, fmt.Sprintf("uid %d, nobody else's", p.UID))
}

// thread is a system call that concerns this thread only.
func thread(trap, a, b, c uintptr) error {
	if _, _, errno := unix.RawSyscall(trap, a, b, c); errno != 0 {
		return errno
	}
	return nil
}

// diesWithHost asks again for the signal that a change of user takes back, and
// looks whether the host is still there: it holds the other end of standard
// input.
func diesWithHost() error {
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return err
	}
	fds := []unix.PollFd{{Fd: 0}}
	if _, err := unix.Poll(fds, 0); err == nil && fds[0].Revents&(unix.POLLHUP|unix.POLLERR) != 0 {
		return errors.New("the host is gone")
	}
	return nil
}

// execute is execveat of the file itself: its path plays no part.
func execute(file *os.File, argv, env []string) error {
	argvp, err := syscall.SlicePtrFromStrings(argv)
	if err != nil {
		return err
	}
	envp, err := syscall.SlicePtrFromStrings(env)
	if err != nil {
		return err
	}
	var empty [1]byte
	_, _, errno := unix.RawSyscall6(unix.SYS_EXECVEAT, file.Fd(), uintptr(unsafe.Pointer(&empty)),
		uintptr(unsafe.Pointer(&argvp[0])), uintptr(unsafe.Pointer(&envp[0])), unix.AT_EMPTY_PATH, 0)
	return errno
}
