package plugin

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"unsafe"

	"github.com/ktstr/ktstr"
	"golang.org/x/sys/unix"
)

// hostile tries what the capture says, and reports whether it could.
func hostile(out ktstr.Output) (ktstr.Extraction, error) {
	verb, arg, _ := strings.Cut(string(out.Data), " ")
	err := attacks[verb].try(arg)
	could := 0.0
	if err == nil {
		could = 1
	}
	return ktstr.Extraction{
		Metrics:     []ktstr.Metric{{Name: "could", Value: could}},
		Diagnostics: []ktstr.Diagnostic{{Code: "attack", Message: fmt.Sprint(err)}},
	}, nil
}

func raw(trap, a, b, c uintptr) error {
	if _, _, errno := unix.Syscall(trap, a, b, c); errno != 0 {
		return errno
	}
	return nil
}

// attacks are what a plugin must not be able to do. try returns nil if it could.
var attacks = map[string]struct {
	try     func(arg string) error
	control bool // must succeed without a sandbox, so that its failure in one means something
}{
	"read-shadow": {func(string) error { _, err := os.ReadFile("/etc/shadow"); return err }, os.Geteuid() == 0},
	"read-file":   {func(path string) error { _, err := os.ReadFile(path); return err }, true},
	"list":        {func(path string) error { _, err := os.ReadDir(filepath.Dir(path)); return err }, true},
	"read-environ": {func(arg string) error {
		_, err := os.ReadFile("/proc/" + arg + "/environ")
		return err
	}, true},
	"write-home": {func(dir string) error { return os.WriteFile(filepath.Join(dir, "written"), []byte("x"), 0o644) }, true},
	"fill-disk": {func(string) error {
		f, err := os.Create(filepath.Join(os.Getenv("TMPDIR"), "big"))
		if err != nil {
			return err
		}
		defer os.Remove(f.Name())
		for range 64 {
			if _, err := f.Write(make([]byte, 1<<20)); err != nil {
				return err
			}
		}
		return nil
	}, false}, // its directory is gone as soon as it serves
	"write-program": {func(string) error {
		f, err := os.OpenFile("/proc/self/exe", os.O_WRONLY, 0)
		if err == nil {
			f.Close()
		}
		return err
	}, false},
	"connect-tcp": {func(addr string) error { return dial("tcp", addr) }, true},
	"send-udp": {func(addr string) error {
		c, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer c.Close()
		to, err := net.ResolveUDPAddr("udp", addr)
		if err != nil {
			return err
		}
		_, err = c.WriteTo([]byte("x"), to)
		return err
	}, true},
	"connect-unix":     {func(path string) error { return dial("unix", path) }, true},
	"connect-abstract": {func(name string) error { return dial("unix", name) }, true},
	"send-unixgram": {func(path string) error {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.Sendto(fd, []byte("x"), 0, &unix.SockaddrUnix{Name: path})
	}, true},
	"send-unixgram-pair": {func(path string) error {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
		if err != nil {
			return err
		}
		return unix.Sendto(fds[0], []byte("x"), 0, &unix.SockaddrUnix{Name: path})
	}, true},
	"io-uring": {func(string) error {
		var params [120]byte
		fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 4, uintptr(unsafe.Pointer(&params)), 0)
		if errno != 0 {
			return errno
		}
		return unix.Close(int(fd))
	}, false},
	"fork": {func(string) error {
		// Bounded by itself, should nothing else bound it.
		for i := range 300 {
			c := exec.Command("/bin/sleep", "98765")
			if err := c.Start(); err != nil {
				return fmt.Errorf("after %d: %w", i, err)
			}
		}
		return nil
	}, false},
	"allocate": {func(string) error {
		b, err := unix.Mmap(-1, 0, 16<<30, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
		if err == nil {
			unix.Munmap(b)
		}
		return err
	}, true},
	"raise-limit": {func(string) error {
		return unix.Setrlimit(unix.RLIMIT_AS, &unix.Rlimit{Cur: 64 << 30, Max: 64 << 30})
	}, false},
	"ptrace-parent": {func(pid string) error {
		n, _ := strconv.Atoi(pid)
		return unix.PtraceAttach(n)
	}, false},
	"read-parent": {func(pid string) error {
		n, _ := strconv.Atoi(pid)
		var b [8]byte
		local := []unix.Iovec{{Base: &b[0], Len: 8}}
		_, err := unix.ProcessVMReadv(n, local, []unix.RemoteIovec{{Base: 0x400000, Len: 8}}, 0)
		return err
	}, false},
	"signal": {func(pid string) error {
		n, _ := strconv.Atoi(pid)
		return unix.Kill(n, unix.SIGCONT)
	}, true},
	"signal-group": {func(pid string) error {
		n, _ := strconv.Atoi(pid)
		return unix.Kill(-n, unix.SIGCONT)
	}, true},
	"limit-other": {func(pid string) error {
		n, _ := strconv.Atoi(pid)
		return unix.Prlimit(n, unix.RLIMIT_CORE, nil, new(unix.Rlimit))
	}, true},
	"survive-host":   {func(string) error { return unix.Prctl(unix.PR_SET_PDEATHSIG, 0, 0, 0, 0) }, true},
	"leave-group":    {func(string) error { return raw(unix.SYS_SETSID, 0, 0, 0) }, false},
	"new-namespace":  {func(string) error { return unix.Unshare(unix.CLONE_NEWUTS) }, os.Geteuid() == 0},
	"mount":          {func(dir string) error { return unix.Mount("none", dir, "tmpfs", 0, "") }, false},
	"become-root":    {func(string) error { return raw(unix.SYS_SETRESUID, 0, 0, 0) }, os.Geteuid() == 0},
	"trace-any":      {func(string) error { return raw(unix.SYS_PTRACE, unix.PTRACE_TRACEME, 0, 0) }, false},
	"load-bpf":       {func(string) error { return raw(unix.SYS_BPF, 0, 0, 0) }, false},
	"other-abi-call": {func(string) error { return raw(0x40000000+39, 0, 0, 0) }, false},
}

func dial(network, addr string) error {
	c, err := net.Dial(network, addr)
	if err == nil {
		c.Close()
	}
	return err
}
