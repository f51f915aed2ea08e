package sandbox

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// decide runs a filter as the kernel does, and returns its action and, where
// that is an error, which.
func decide(t *testing.T, f filter, architecture uint32, number uintptr, args ...uint64) (uint32, unix.Errno) {
	t.Helper()
	raw := make([]bpf.RawInstruction, len(f))
	for i, ins := range f {
		raw[i] = bpf.RawInstruction{Op: ins.Code, Jt: ins.Jt, Jf: ins.Jf, K: ins.K}
	}
	program, ok := bpf.Disassemble(raw)
	if !ok {
		t.Fatal("an instruction is none")
	}
	vm, err := bpf.NewVM(program)
	if err != nil {
		t.Fatal(err)
	}
	// struct seccomp_data; the VM reads words in network order, the kernel in its own.
	data := make([]byte, 64)
	binary.BigEndian.PutUint32(data[0:], uint32(number))
	binary.BigEndian.PutUint32(data[4:], architecture)
	for i, a := range args {
		binary.BigEndian.PutUint32(data[16+8*i:], uint32(a))
		binary.BigEndian.PutUint32(data[20+8*i:], uint32(a>>32))
	}
	// What Run returns is cut to the length of the data; -1 stands for the rest.
	action, err := vm.Run(data)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(action) & unix.SECCOMP_RET_ACTION_FULL, unix.Errno(uint32(action) & unix.SECCOMP_RET_DATA)
}

func TestFilters(t *testing.T) {
	deny, server := denyList(), allowList()
	allowed := unix.Errno(0)
	pid := uint64(os.Getpid())
	for _, c := range []struct {
		name   string
		f      filter
		number uintptr
		args   []uint64
		want   unix.Errno
	}{
		{"read", deny, unix.SYS_READ, nil, allowed},
		{"execve", deny, unix.SYS_EXECVE, nil, allowed},
		{"openat", deny, unix.SYS_OPENAT, nil, allowed},
		{"unix stream", deny, unix.SYS_SOCKET, []uint64{unix.AF_UNIX, unix.SOCK_STREAM | unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK}, allowed},
		{"unix datagram", deny, unix.SYS_SOCKET, []uint64{unix.AF_UNIX, unix.SOCK_DGRAM}, unix.EACCES},
		{"unix packets", deny, unix.SYS_SOCKETPAIR, []uint64{unix.AF_UNIX, unix.SOCK_SEQPACKET | unix.SOCK_CLOEXEC}, unix.EACCES},
		{"stream pair", deny, unix.SYS_SOCKETPAIR, []uint64{unix.AF_UNIX, unix.SOCK_STREAM}, allowed},
		{"inet", deny, unix.SYS_SOCKET, []uint64{unix.AF_INET, unix.SOCK_STREAM}, unix.EAFNOSUPPORT},
		{"inet6", deny, unix.SYS_SOCKET, []uint64{unix.AF_INET6, unix.SOCK_DGRAM}, unix.EAFNOSUPPORT},
		{"netlink", deny, unix.SYS_SOCKET, []uint64{unix.AF_NETLINK, unix.SOCK_RAW}, unix.EAFNOSUPPORT},
		{"vsock", deny, unix.SYS_SOCKET, []uint64{unix.AF_VSOCK, unix.SOCK_STREAM}, unix.EAFNOSUPPORT},
		{"connect", deny, unix.SYS_CONNECT, nil, unix.EACCES},
		{"accept", deny, unix.SYS_ACCEPT4, nil, allowed},
		{"ptrace", deny, unix.SYS_PTRACE, nil, unix.EPERM},
		{"io_uring", deny, unix.SYS_IO_URING_SETUP, nil, unix.EPERM},
		{"fork", deny, unix.SYS_CLONE, []uint64{uint64(unix.SIGCHLD)}, allowed},
		{"thread", deny, unix.SYS_CLONE, []uint64{unix.CLONE_THREAD | unix.CLONE_VM}, allowed},
		{"new user namespace", deny, unix.SYS_CLONE, []uint64{unix.CLONE_NEWUSER | uint64(unix.SIGCHLD)}, unix.EPERM},
		{"clone3", deny, unix.SYS_CLONE3, nil, unix.ENOSYS},
		{"unshare", deny, unix.SYS_UNSHARE, nil, unix.EPERM},
		{"setsid", deny, unix.SYS_SETSID, nil, unix.EPERM},
		{"name of a thread", deny, unix.SYS_PRCTL, []uint64{unix.PR_SET_NAME}, allowed},
		{"parent-death signal", deny, unix.SYS_PRCTL, []uint64{unix.PR_SET_PDEATHSIG}, unix.EPERM},
		{"own limits", deny, unix.SYS_PRLIMIT64, []uint64{0}, allowed},
		{"limits of another", deny, unix.SYS_PRLIMIT64, []uint64{1}, unix.EPERM},
		{"ioctl of a terminal's size", deny, unix.SYS_IOCTL, []uint64{1, unix.TIOCGWINSZ}, allowed},
		{"ioctl that sets inode flags", deny, unix.SYS_IOCTL, []uint64{3, unix.FS_IOC_SETFLAGS}, unix.EPERM},
		{"ioctl that sets inode flags, 32 bits", deny, unix.SYS_IOCTL, []uint64{3, 0x40046602}, unix.EPERM},
		{"ioctl that types into a terminal", deny, unix.SYS_IOCTL, []uint64{0, unix.TIOCSTI}, unix.EPERM},
		{"fchmod", deny, unix.SYS_FCHMOD, nil, unix.EPERM},
		{"fchmodat", deny, unix.SYS_FCHMODAT, nil, unix.EPERM},
		{"fchmodat2", deny, unix.SYS_FCHMODAT2, nil, unix.EPERM},
		{"fchown", deny, unix.SYS_FCHOWN, nil, unix.EPERM},
		{"fchownat", deny, unix.SYS_FCHOWNAT, nil, unix.EPERM},
		{"utimensat", deny, unix.SYS_UTIMENSAT, nil, unix.EPERM},
		{"setxattr", deny, unix.SYS_SETXATTR, nil, unix.EPERM},
		{"lsetxattr", deny, unix.SYS_LSETXATTR, nil, unix.EPERM},
		{"fsetxattr", deny, unix.SYS_FSETXATTR, nil, unix.EPERM},
		{"setxattrat", deny, unix.SYS_SETXATTRAT, nil, unix.EPERM},
		{"removexattr", deny, unix.SYS_REMOVEXATTR, nil, unix.EPERM},
		{"lremovexattr", deny, unix.SYS_LREMOVEXATTR, nil, unix.EPERM},
		{"fremovexattr", deny, unix.SYS_FREMOVEXATTR, nil, unix.EPERM},
		{"removexattrat", deny, unix.SYS_REMOVEXATTRAT, nil, unix.EPERM},
		{"file_setattr", deny, unix.SYS_FILE_SETATTR, nil, unix.EPERM},
		{"shared memory", deny, unix.SYS_SHMGET, nil, unix.EPERM},
		{"message queue", deny, unix.SYS_MSGGET, nil, unix.EPERM},
		{"POSIX message queue", deny, unix.SYS_MQ_OPEN, nil, unix.EPERM},
		{"the last of the list", deny, unix.SYS_LOOKUP_DCOOKIE, nil, unix.EPERM},

		{"read", server, unix.SYS_READ, nil, allowed},
		{"accept", server, unix.SYS_ACCEPT4, nil, allowed},
		{"openat", server, unix.SYS_OPENAT, nil, unix.EPERM},
		{"stat", server, unix.SYS_STATX, nil, unix.EPERM},
		{"execve", server, unix.SYS_EXECVE, nil, unix.EPERM},
		{"socket", server, unix.SYS_SOCKET, []uint64{unix.AF_UNIX, unix.SOCK_STREAM}, unix.EPERM},
		{"connect", server, unix.SYS_CONNECT, nil, unix.EPERM},
		{"bind", server, unix.SYS_BIND, nil, unix.EPERM},
		{"kill", server, unix.SYS_KILL, []uint64{pid}, unix.EPERM},
		{"signal to itself", server, unix.SYS_TGKILL, []uint64{pid}, allowed},
		{"signal to another", server, unix.SYS_TGKILL, []uint64{pid + 1}, unix.EPERM},
		{"thread", server, unix.SYS_CLONE, []uint64{unix.CLONE_THREAD | unix.CLONE_VM}, allowed},
		{"fork", server, unix.SYS_CLONE, []uint64{uint64(unix.SIGCHLD)}, unix.EPERM},
		{"clone3", server, unix.SYS_CLONE3, nil, unix.ENOSYS},
		{"memory's name", server, unix.SYS_PRCTL, []uint64{unix.PR_SET_VMA}, allowed},
		{"parent-death signal", server, unix.SYS_PRCTL, []uint64{unix.PR_SET_PDEATHSIG}, unix.EPERM},
		{"a call of the future", server, 10000, nil, unix.EPERM},
	} {
		action, errno := decide(t, c.f, arch, c.number, c.args...)
		wantAction := uint32(unix.SECCOMP_RET_ERRNO)
		if c.want == allowed {
			wantAction = unix.SECCOMP_RET_ALLOW
		}
		if action != wantAction || errno != c.want {
			t.Errorf("%s: got action %#x, %v; want %#x, %v", c.name, action, errno, wantAction, c.want)
		}
		if action, errno := decide(t, c.f, arch+1, c.number, c.args...); action != unix.SECCOMP_RET_ERRNO || errno != unix.ENOSYS {
			t.Errorf("%s on another architecture: got action %#x, %v", c.name, action, errno)
		}
		if x32 != 0 {
			if action, errno := decide(t, c.f, arch, c.number+x32, c.args...); action != unix.SECCOMP_RET_ERRNO || errno != unix.ENOSYS {
				t.Errorf("%s as x32: got action %#x, %v", c.name, action, errno)
			}
		}
	}
}

func TestReport(t *testing.T) {
	var none Report
	if got := none.String(); got != "no sandbox" || none.Enforced(Files) {
		t.Errorf("nil: got %q", got)
	}
	r := Report{{Files, true, "Landlock ABI 7"}, {Network, false, "no such namespace"}, {Syscalls, true, ""}}
	if got, want := r.String(), "files, system-calls; not enforced: network (no such namespace)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if !r.Enforced(Files) || r.Enforced(Network) || r.Enforced(PIDs) {
		t.Error("Enforced is not what the report says")
	}
}

func TestInterpreter(t *testing.T) {
	for _, c := range []struct{ text, want, err string }{
		{"#!/bin/sh\necho\n", "/bin/sh", ""},
		{"#! /usr/bin/env  python3 -u", "/usr/bin/env", ""},
		{"\x7fELF\x02", "", ""},
		{"#!\n", "", "names no interpreter"},
		{"", "", "EOF"},
	} {
		path := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(path, []byte(c.text), 0o644); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		got, err := interpreterOf(f)
		if got != c.want || c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%q: got %q, %v; want %q, %q", c.text, got, err, c.want, c.err)
		}
	}
}
