package plugin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/extractors/plugin/internal/testkit"
	"github.com/ktstr/ktstr/internal/sandbox"
	"github.com/ktstr/ktstr/internal/sandbox/access"
	"github.com/ktstr/ktstr/internal/testenv"
)

func TestProbe(t *testing.T) {
	t.Parallel()
	p, err := Probe(context.Background(), []string{"_launch"})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{sandbox.Limits, sandbox.Privileges, sandbox.Syscalls} {
		if !p.Report.Enforced(name) {
			t.Errorf("%s is not enforced: %v", name, p.Report)
		}
	}
	if len(p.Accesses) != len(access.All()) {
		t.Errorf("got %d attempts, want %d", len(p.Accesses), len(access.All()))
	}
	for _, r := range p.Accesses {
		t.Logf("%s: refused %v: %s", r.Name, r.Refused, r.Detail)
	}
	if holes := p.Holes(); len(holes) > 0 {
		t.Errorf("the sandbox allows %q: %v", holes, p.Report)
	}
}

// Each access fails in the sandbox, and succeeds without one where that is
// possible.
func TestHostilePlugin(t *testing.T) {
	t.Parallel()
	other := startConfig(t, own(t, "echo")) // a plugin of the same host
	target := exec.Command("/bin/sleep", "98765")
	target.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := target.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { target.Process.Kill(); target.Wait() }()
	targets, stop, err := access.OpenTargets("/tmp", target.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	arg, err := json.Marshal(targets)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		config Config
	}{{"no sandbox", bare(self("hostile"))}, {"own executable", own(t, "hostile")}, {"bundled", self("hostile")}} {
		t.Run(c.name, func(t *testing.T) {
			p := startConfig(t, c.config)
			report := p.Sandbox()
			t.Logf("sandbox: %v", report)
			for _, a := range access.All() {
				sandboxed := report != nil
				if !sandboxed && (!a.Control || a.Name == "fill-disk") { // it has no directory any more
					continue
				}
				x, err := p.Extract(context.Background(), ktstr.Output{Data: []byte(a.Name + " " + string(arg))})
				if err != nil {
					t.Errorf("%s: the run did not survive: %v", a.Name, err)
					continue
				}
				if could := x.Metrics[0].Value == 1; could == sandboxed {
					t.Errorf("%s: could = %v (%s)", a.Name, could, x.Diagnostics[0].Message)
				}
			}
			if report != nil {
				for _, name := range []string{sandbox.User, sandbox.Privileges, sandbox.Limits, sandbox.Files, sandbox.Syscalls, sandbox.Network, sandbox.IPC, sandbox.PIDs} {
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

// An ordinary user gets the same protection as root.
func TestSandboxOfOrdinaryUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("the other tests run as an ordinary user already")
	}
	const nobody = 65534
	dir := t.TempDir()
	for _, d := range []string{filepath.Dir(dir), dir} {
		must(os.Chmod(d, 0o755), "chmod")
	}
	self, err := testenv.Program()
	must(err, "build")
	text, err := os.ReadFile(self)
	must(err, "read")
	program := filepath.Join(dir, "plugin.test")
	must(os.WriteFile(program, text, 0o755), "write")
	home := filepath.Join(dir, "home")
	must(os.Mkdir(home, 0o755), "mkdir")
	must(os.Chown(home, nobody, nobody), "chown")
	c := exec.CommandContext(t.Context(), program, "-test.v", "-test.run=^(TestProbe|TestHostilePlugin|TestHostileScript)$")
	c.Dir, c.Env = home, append(os.Environ(), "TMPDIR="+home, "HOME="+home)
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if out, err := c.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("--- PASS: TestProbe")) {
		t.Errorf("%v\n%s", err, out)
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

// The #! line of a script does not widen the set of readable files.
func TestInterpreterOpensNothing(t *testing.T) {
	t.Parallel()
	const file = "/var/lib/dpkg/status"
	if _, err := os.ReadFile(file); err != nil {
		t.Skip("this needs a file in /var/lib: ", err)
	}
	p := startConfig(t, Config{Launcher: []string{"_launch"}, Path: testkit.Script(t, "#!/var/run/../bin/sh\n"+testkit.DescribeLine+`
if cat `+file+` >/dev/null 2>&1; then echo '{"metric": "could", "value": 1}'; else echo '{"metric": "could", "value": 0}'; fi
`)})
	if x, err := p.Extract(context.Background(), ktstr.Output{}); err != nil || len(x.Metrics) != 1 || x.Metrics[0].Value != 0 {
		t.Errorf("got %+v, %v; want the file refused", x, err)
	}
	root := t.TempDir()
	must(os.MkdirAll(filepath.Join(root, "bin"), 0o755), "mkdir")
	must(os.Symlink("/bin/sh", filepath.Join(root, "bin/sh")), "symlink")
	must(os.Symlink("/", filepath.Join(root, "lib")), "symlink")
	_, err := startPatiently(context.Background(), Config{Launcher: []string{"_launch"}, Path: testkit.Script(t, "#!"+filepath.Join(root, "bin/sh")+"\n"+testkit.DescribeLine)})
	var e *Error
	if !errors.As(err, &e) || e.Fault != Refused || !strings.Contains(e.Error(), "leads to /") {
		t.Errorf("got %v, want the plugin refused", err)
	}
}
