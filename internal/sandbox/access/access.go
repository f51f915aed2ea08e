// Package access tries each kind of access that the sandbox refuses. A host runs
// it inside a sandbox, so that a test, `ktstr plugin verify` or `ktstr doctor`
// reports an observation and not an assumption.
package access

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/ktstr/ktstr/internal/sandbox"
)

// Access is one kind of access.
type Access struct {
	Name string
	// By are the measures of the sandbox that refuse it. Each suffices.
	By []string
	// Control is true if a process without a sandbox can do it, so that a refusal
	// proves something. Some kinds need root.
	Control bool

	try func(Targets) error // nil: the access succeeded
}

// Result is the outcome of one attempt.
type Result struct {
	Name    string `json:"name"`
	Refused bool   `json:"refused"`
	Detail  string `json:"detail,omitempty"` // the error
}

// Unexpected returns the accesses that succeeded although r names a measure that
// refuses them.
func Unexpected(results []Result, r sandbox.Report) []string {
	var names []string
	for _, a := range All() {
		i := slices.IndexFunc(results, func(x Result) bool { return x.Name == a.Name })
		if i >= 0 && !results[i].Refused && slices.ContainsFunc(a.By, r.Enforced) {
			names = append(names, a.Name)
		}
	}
	return names
}

// Try attempts the access of that name.
func Try(name string, t Targets) Result {
	all := All()
	i := slices.IndexFunc(all, func(a Access) bool { return a.Name == name })
	if i < 0 {
		return Result{Name: name, Detail: "unknown kind of access"}
	}
	err := all[i].try(t)
	return Result{Name: name, Refused: err != nil, Detail: detail(err)}
}

func detail(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// All returns every kind of access, in the order of docs/sandbox.md.
func All() []Access {
	return slices.Concat(files(), attributes(), network(), processes(), kernel(), limits())
}

// read and write of files
func files() []Access {
	by := []string{sandbox.Files}
	return []Access{
		{"read-file", by, true, func(t Targets) error { _, err := os.ReadFile(t.File); return err }},
		{"list-directory", by, true, func(t Targets) error { _, err := os.ReadDir(t.Dir); return err }},
		{"write-file", by, true, func(t Targets) error {
			return os.WriteFile(filepath.Join(t.Dir, "written"), []byte("x"), 0o644)
		}},
		{"write-program", by, false, func(Targets) error {
			f, err := os.OpenFile("/proc/self/exe", os.O_WRONLY, 0)
			if err == nil {
				f.Close()
			}
			return err
		}},
		{"read-environment", []string{sandbox.Files, sandbox.PIDs}, true, func(t Targets) error {
			_, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", t.PID))
			return err
		}},
	}
}

// attributes are the calls that change a file without opening it. Landlock has
// no rule for them.
func attributes() []Access {
	by := []string{sandbox.Syscalls}
	root := os.Geteuid() == 0
	return []Access{
		{"change-mode", by, true, func(t Targets) error { return attributeCalls(t.Own, modeCalls) }},
		{"change-owner", by, root, func(t Targets) error { return attributeCalls(t.Own, ownerCalls) }},
		{"change-times", by, true, func(t Targets) error { return attributeCalls(t.Own, timeCalls) }},
		{"change-xattr", by, false, func(t Targets) error { return attributeCalls(t.Own, xattrCalls) }},
		{"change-flags", by, false, func(t Targets) error { return attributeCalls(t.Own, flagCalls) }},
	}
}

func network() []Access {
	by := []string{sandbox.Syscalls, sandbox.Network}
	calls := []string{sandbox.Syscalls}
	return []Access{
		{"connect-tcp", by, true, func(t Targets) error { return dial("tcp", t.TCP) }},
		{"send-udp", by, true, func(t Targets) error {
			c, err := net.ListenPacket("udp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			defer c.Close()
			to, err := net.ResolveUDPAddr("udp", t.UDP)
			if err != nil {
				return err
			}
			_, err = c.WriteTo([]byte("x"), to)
			return err
		}},
		{"connect-unix", calls, true, func(t Targets) error { return dial("unix", t.Stream) }},
		{"connect-abstract", by, true, func(t Targets) error { return dial("unix", t.Abstract) }},
		{"send-unix-datagram", calls, true, func(t Targets) error {
			fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			return unix.Sendto(fd, []byte("x"), 0, &unix.SockaddrUnix{Name: t.Datagram})
		}},
		{"send-by-socket-pair", calls, true, func(t Targets) error {
			fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fds[0])
			defer unix.Close(fds[1])
			return unix.Sendto(fds[0], []byte("x"), 0, &unix.SockaddrUnix{Name: t.Datagram})
		}},
	}
}

func dial(network, addr string) error {
	c, err := net.Dial(network, addr)
	if err == nil {
		c.Close()
	}
	return err
}

func processes() []Access {
	calls, pids := []string{sandbox.Syscalls}, []string{sandbox.PIDs}
	root := os.Geteuid() == 0
	return []Access{
		{"signal-process", pids, true, func(t Targets) error { return unix.Kill(t.PID, unix.SIGCONT) }},
		{"signal-group", pids, true, func(t Targets) error { return unix.Kill(-t.Group, unix.SIGCONT) }},
		{"trace-process", calls, false, func(t Targets) error { return unix.PtraceAttach(t.PID) }},
		{"read-memory", calls, false, func(t Targets) error {
			var b [8]byte
			local := []unix.Iovec{{Base: &b[0], Len: 8}}
			_, err := unix.ProcessVMReadv(t.PID, local, []unix.RemoteIovec{{Base: 0x400000, Len: 8}}, 0)
			return err
		}},
		{"limit-process", calls, true, func(t Targets) error { return unix.Prlimit(t.PID, unix.RLIMIT_CORE, nil, new(unix.Rlimit)) }},
		{"outlive-host", calls, true, func(Targets) error { return unix.Prctl(unix.PR_SET_PDEATHSIG, 0, 0, 0, 0) }},
		{"leave-session", calls, false, func(Targets) error { return call(unix.SYS_SETSID, 0, 0, 0) }},
		{"become-root", []string{sandbox.User}, root, func(Targets) error {
			if root {
				return nil
			}
			return call(unix.SYS_SETRESUID, 0, 0, 0)
		}},
		{"shared-memory", []string{sandbox.Syscalls, sandbox.IPC}, true, func(Targets) error {
			id, _, errno := unix.Syscall(unix.SYS_SHMGET, 0, 4096, 0o600|ipcCreate)
			if errno != 0 {
				return errno
			}
			return call(unix.SYS_SHMCTL, id, ipcRemove, 0)
		}},
		{"message-queue", []string{sandbox.Syscalls, sandbox.IPC}, true, func(Targets) error {
			id, _, errno := unix.Syscall(unix.SYS_MSGGET, 0, 0o600|ipcCreate, 0)
			if errno != 0 {
				return errno
			}
			return call(unix.SYS_MSGCTL, id, ipcRemove, 0)
		}},
		{"semaphore", []string{sandbox.Syscalls, sandbox.IPC}, true, func(Targets) error {
			id, _, errno := unix.Syscall(unix.SYS_SEMGET, 0, 1, 0o600|ipcCreate)
			if errno != 0 {
				return errno
			}
			return call(unix.SYS_SEMCTL, id, 0, ipcRemove)
		}},
	}
}

func kernel() []Access {
	by := []string{sandbox.Syscalls}
	root := os.Geteuid() == 0
	return []Access{
		{"io-uring", by, false, ioUring},
		{"new-namespace", by, root, func(Targets) error { return unix.Unshare(unix.CLONE_NEWUTS) }},
		{"mount", by, false, func(t Targets) error { return unix.Mount("none", t.Dir, "tmpfs", 0, "") }},
		{"load-bpf", by, false, func(Targets) error { return call(unix.SYS_BPF, 0, 0, 0) }},
		{"other-abi", by, false, func(Targets) error { return call(0x40000000+39, 0, 0, 0) }},
	}
}

func limits() []Access {
	by := []string{sandbox.Limits}
	return []Access{
		{"allocate", by, true, func(Targets) error {
			b, err := unix.Mmap(-1, 0, 16<<30, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
			if err == nil {
				unix.Munmap(b)
			}
			return err
		}},
		{"raise-limit", by, false, func(Targets) error {
			return unix.Setrlimit(unix.RLIMIT_AS, &unix.Rlimit{Cur: 64 << 30, Max: 64 << 30})
		}},
		{"fork", by, false, fork},
		{"open-files", by, false, func(Targets) error {
			var open []int
			defer func() {
				for _, fd := range open {
					unix.Close(fd)
				}
			}()
			for range 2 * sandbox.OpenFiles {
				fd, err := unix.Dup(0)
				if err != nil {
					return err
				}
				open = append(open, fd)
			}
			return nil
		}},
		{"fill-disk", by, true, fillDisk},
	}
}

// fillDisk writes 64 MiB to the directory of the process.
func fillDisk(Targets) error {
	f, err := os.Create(filepath.Join(os.Getenv("TMPDIR"), "big"))
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	for range 64 {
		if _, err := f.Write(make([]byte, 1<<20)); err != nil {
			return err
		}
	}
	return nil
}

// Constants of System V IPC.
const (
	ipcCreate = 0o1000
	ipcRemove = 0
)

// call makes a system call for its error.
func call(trap, a, b, c uintptr) error {
	if _, _, errno := unix.Syscall(trap, a, b, c); errno != 0 {
		return errno
	}
	return nil
}

// anyForm returns nil if one of the errors is nil: one form of the access succeeded.
func anyForm(errs []error) error {
	if slices.Contains(errs, nil) {
		return nil
	}
	return errors.Join(errs...)
}
