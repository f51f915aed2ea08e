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
	"testing"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/extractors/plugin/internal/testkit"
	"github.com/ktstr/ktstr/internal/sandbox"
)

func TestProbe(t *testing.T) {
	t.Parallel()
	r, err := Probe(context.Background(), []string{"_launch"})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{sandbox.Limits, sandbox.Privileges, sandbox.Syscalls} {
		if !r.Enforced(name) {
			t.Errorf("%s is not enforced: %v", name, r)
		}
	}
}

func TestHostilePlugin(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
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
