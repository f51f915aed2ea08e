package plugin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/extractors/plugin/internal/testkit"
	"github.com/ktstr/ktstr/internal/sandbox"
	"github.com/ktstr/ktstr/sdk"
)

func init() {
	testPlugins["hostile"] = func() { sdk.Serve(parser("hostile", hostile)) }
}

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

func must(err error, what string) {
	if err != nil {
		panic(what + ": " + err.Error())
	}
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

func TestHostilePlugin(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	must(err, "tcp")
	defer tcp.Close()
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(err, "udp")
	defer udp.Close()
	home := t.TempDir()
	must(os.Chmod(home, 0o777), "chmod")
	sockets := t.TempDir()
	stream := filepath.Join(sockets, "stream")
	l, err := net.Listen("unix", stream)
	must(err, "unix")
	defer l.Close()
	datagram := filepath.Join(sockets, "datagram")
	d, err := net.ListenPacket("unixgram", datagram)
	must(err, "unixgram")
	defer d.Close()
	must(errors.Join(os.Chmod(stream, 0o777), os.Chmod(datagram, 0o777), os.Chmod(sockets, 0o777)), "chmod")
	abstract := fmt.Sprintf("@ktstr-test-%d", os.Getpid())
	a, err := net.Listen("unix", abstract)
	must(err, "abstract")
	defer a.Close()
	file := filepath.Join(t.TempDir(), "file")
	must(os.WriteFile(file, []byte("a user's"), 0o644), "file")
	// The directories of the test must not be what keeps a plugin out.
	for dir := filepath.Dir(file); dir != os.TempDir() && len(dir) > 1; dir = filepath.Dir(dir) {
		must(os.Chmod(dir, 0o755), "chmod")
	}
	must(os.Chmod(filepath.Dir(home), 0o755), "chmod")

	other := startConfig(t, own(t, "echo")) // a plugin of the same host
	another := exec.Command("/bin/sleep", "98765")
	must(another.Start(), "sleep")
	defer func() { another.Process.Kill(); another.Wait() }()

	args := map[string]string{
		"read-file": file, "list": file, "read-environ": strconv.Itoa(another.Process.Pid), "write-home": home, "connect-tcp": tcp.Addr().String(), "send-udp": udp.LocalAddr().String(),
		"connect-unix": stream, "connect-abstract": abstract, "send-unixgram": datagram, "send-unixgram-pair": datagram,
		"ptrace-parent": strconv.Itoa(os.Getpid()), "read-parent": strconv.Itoa(os.Getpid()),
		"signal": strconv.Itoa(other.Pid()), "signal-group": strconv.Itoa(other.Pid()), "limit-other": strconv.Itoa(another.Process.Pid), "mount": home,
	}
	for _, c := range []struct {
		name   string
		config Config
	}{{"no sandbox", bare(self("hostile"))}, {"own executable", own(t, "hostile")}, {"bundled", self("hostile")}} {
		t.Run(c.name, func(t *testing.T) {
			p := startConfig(t, c.config)
			report := p.Sandbox()
			t.Logf("sandbox: %v", report)
			for verb, attack := range attacks {
				sandboxed := report != nil
				if !sandboxed && !attack.control {
					continue
				}
				x, err := p.Extract(context.Background(), ktstr.Output{Data: []byte(verb + " " + args[verb])})
				if err != nil {
					t.Errorf("%s: the run did not survive: %v", verb, err)
					continue
				}
				could, why := x.Metrics[0].Value == 1, x.Diagnostics[0].Message
				if could == sandboxed {
					t.Errorf("%s: could = %v (%s)", verb, could, why)
				}
			}
			if report != nil {
				for _, name := range []string{sandbox.User, sandbox.Privileges, sandbox.Limits, sandbox.Files, sandbox.Syscalls, sandbox.Network, sandbox.PIDs} {
					if !report.Enforced(name) {
						t.Errorf("%s is not enforced: %v", name, report)
					}
				}
			}
			if p.Restarts() != 0 {
				t.Errorf("it was restarted %d times", p.Restarts())
			}
		})
	}
	if x, err := other.Extract(context.Background(), ktstr.Output{}); err != nil || len(x.Metrics) != 2 || other.Restarts() != 0 {
		t.Errorf("the other plugin: got %+v, %v", x, err)
	}
}

// A script plugin is kept in by the same walls.
func TestHostileScript(t *testing.T) {
	home := t.TempDir()
	must(os.Chmod(home, 0o777), "chmod")
	p := startConfig(t, Config{Launcher: []string{"_launch"}, Path: testkit.Script(t, "#!/bin/sh\n"+testkit.DescribeLine+`
could() { echo '{"metric": "'$1'", "value": 1}'; }
(cat /etc/shadow >/dev/null) 2>/dev/null && could shadow
(echo x >`+home+`/written) 2>/dev/null && could write
(ls /root /home >/dev/null) 2>/dev/null && could list
[ "$(id -u)" = 0 ] && could root
(kill -0 `+strconv.Itoa(os.Getpid())+`) 2>/dev/null && could signal
i=0
while [ $i -lt 200 ]; do sleep 98765.`+strconv.Itoa(os.Getpid())+` & i=$((i+1)); done 2>/dev/null && could fork
echo '{"metric": "end", "value": 1}'
`)})
	x, err := p.Extract(context.Background(), ktstr.Output{})
	var e *Error
	switch {
	case errors.As(err, &e) && e.Fault == Exited: // the shell gives up when it cannot fork
	case err != nil:
		t.Error(err)
	case len(x.Metrics) != 1 || x.Metrics[0].Name != "end":
		t.Errorf("it could: %+v", x.Metrics)
	}
	if left := testkit.Running(t, "sleep\x0098765."+strconv.Itoa(os.Getpid())); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
