package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/internal/fleet"
	"github.com/ktstr/ktstr/internal/linux"
	"github.com/ktstr/ktstr/internal/runs"
	"github.com/ktstr/ktstr/internal/testenv"
)

// An sshLab has hosts node1, node2, … which are servers on this machine.
type sshLab struct {
	dir     string // of the client, with its home
	ssh     string // directory of the program ssh, whose configuration has the hosts
	servers []*testenv.Server
}

func newSSHLab(t *testing.T, servers ...testenv.SSHD) *sshLab {
	t.Helper()
	l := &sshLab{dir: t.TempDir()}
	var config strings.Builder
	for i, s := range servers {
		srv := s.Start(t)
		l.servers = append(l.servers, srv)
		config.WriteString(srv.Host(t, fmt.Sprintf("node%d", i+1)))
	}
	l.ssh = testenv.SSHClient(t, config.String())
	return l
}

// install puts ktstr on the hosts, which saves the time of sending it.
func (l *sshLab) install(t *testing.T) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ktstr, err := fleet.NewFile(self)
	if err != nil {
		t.Fatal(err)
	}
	for _, srv := range l.servers {
		kit := filepath.Join(srv.Home, ".cache", fleet.KitDir)
		if err := os.MkdirAll(kit, 0o755); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("cp", self, filepath.Join(kit, ktstr.SHA256)).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
}

// bench writes a benchmark that every user can execute.
func (l *sshLab) bench(t *testing.T, script string) (path string) {
	t.Helper()
	path = filepath.Join(l.servers[0].Dir, "bench")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// command returns ktstr to be run on the client.
func (l *sshLab) command(t *testing.T, args ...string) (cmd *exec.Cmd, out *bytes.Buffer) {
	t.Helper()
	cmd, out = newCommand(t, args...), new(bytes.Buffer)
	cmd.Env = append(cmd.Env, "PATH="+l.ssh+":"+os.Getenv("PATH"), "HOME="+l.dir, "XDG_STATE_HOME="+l.dir, "XDG_CONFIG_HOME="+l.dir, "XDG_DATA_HOME="+l.dir)
	cmd.Stdout, cmd.Stderr = out, out
	return cmd, out
}

// kept returns the runs in the client's store.
func (l *sshLab) kept(t *testing.T) []runs.Run {
	t.Helper()
	list, err := runs.Open(filepath.Join(l.dir, "ktstr", "runs")).List(runs.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// awaitNothing waits until no process of the server's user is left, and reports job directories that are left.
func awaitNothing(t *testing.T, srv *testenv.Server) {
	t.Helper()
	for {
		left := processesOf(srv)
		for _, pid := range left {
			fd, err := unix.PidfdOpen(pid, 0)
			if err != nil {
				continue
			}
			err = awaitEnd(fd)
			unix.Close(fd)
			if err != nil {
				line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
				t.Fatalf("process %d %q: %v", pid, line, err)
			}
		}
		if len(left) == 0 {
			return
		}
	}
}

// processesOf returns the processes that have the home directory of the server's user.
func processesOf(srv *testenv.Server) (pids []int) {
	all, _ := linux.Processes()
	for _, pid := range all {
		env, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		if slices.Contains(strings.Split(string(env), "\x00"), "HOME="+srv.Home) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// The runs of --on are like those on this host, and have the place and the labels of the file.
func TestRunsOverSSH(t *testing.T) { // C47
	t.Parallel()
	l := newSSHLab(t, testenv.SSHD{})
	l.install(t)
	bench := l.bench(t, `echo '{"iops": 1234}'`)
	lab := filepath.Join(l.dir, "lab.yaml")
	if err := os.WriteFile(lab, []byte("engine: ssh\nlabels: {site: fra}\nhosts:\n- name: node1\n  labels: {rack: 12}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd, out := l.command(t, "run", bench, "--on", lab, "--repeat", "2", "-o", "json", "--quiet")
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !json.Valid(out.Bytes()) {
		t.Errorf("the output is not JSON: %s", out)
	}
	kept := l.kept(t)
	if len(kept) != 2 {
		t.Fatalf("%d runs: want 2\n%s", len(kept), out)
	}
	for _, r := range kept {
		got, want := r.Record.Where, core.Where{Engine: "ssh", Host: "node1"}
		if got == nil || *got != want {
			t.Errorf("the place of the run: got %+v, want %+v", got, want)
		}
		if labels := r.Record.Labels; labels["site"] != "fra" || labels["rack"] != "12" {
			t.Errorf("labels %v: want site and rack of the file", labels)
		}
	}
	awaitNothing(t, l.servers[0])
}

// Each host gives its result or the reason why it has none. A host without cgroups makes runs as this one does without them.
func TestSoakHostsOverSSH(t *testing.T) { // C22, C47
	soak(t)
	l := newSSHLab(t,
		testenv.SSHD{},
		testenv.SSHD{User: "nobody"},
		testenv.SSHD{Setup: "mount -t tmpfs none /sys/fs/cgroup || exit"},
		testenv.SSHD{Setup: "mount -t tmpfs -o size=1m none home || exit"},
		testenv.SSHD{Setup: "mount -t tmpfs -o noexec none home || exit"},
		testenv.SSHD{Setup: "printf '#!/bin/sh\necho Linux 4.18.0-553.el8_10.x86_64 x86_64\n' >uname && chmod 755 uname && mount --bind uname /usr/bin/uname || exit"},
		testenv.SSHD{Shell: "/usr/sbin/nologin"},
	)
	bench := l.bench(t, `echo '{"iops": 1234}'`)
	var hosts []string
	for i := range l.servers {
		hosts = append(hosts, fmt.Sprintf("node%d", i+1))
	}
	cmd, out := l.command(t, "run", bench, "--repeat", "2", "--on", "ssh:"+strings.Join(hosts, ","))
	cmd.Run()
	for _, want := range []string{
		"node1  2     pass       iops 1234",
		"node2  2     pass       iops 1234",
		"node3  2     pass       iops 1234",
		"home/.cache/ktstr/kit: head: error writing 'standard output': No space left on device",
		"cannot be executed, for example because its filesystem is mounted noexec: make ~/.cache/ktstr a link",
		"node6  0     no result  it runs Linux 4.18.0-553.el8_10.x86_64: want Linux 5.4 or later",
		"node7  0     no result  its login shell did not run the command of ktstr. It printed: This account is currently not available",
		"7 hosts: 3 passed, 4 without a result (node4, node5, node6, node7)",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the output lacks %q", want)
		}
	}
	if got := cmd.ProcessState.ExitCode(); got != core.ExitRun || t.Failed() {
		t.Errorf("exit status %d: want %d\n%s", got, core.ExitRun, out)
	}
	for _, srv := range l.servers {
		awaitNothing(t, srv)
	}
}

// Hosts with a common home directory make their runs at the same time, and each has its own.
func TestSoakCommonHomeOverSSH(t *testing.T) { // C47
	soak(t)
	first := testenv.SSHD{}.Start(t)
	second := testenv.SSHD{Setup: "mount --bind " + first.Home + " home || exit"}.Start(t)
	l := &sshLab{dir: t.TempDir(), servers: []*testenv.Server{first, second}}
	l.ssh = testenv.SSHClient(t, first.Host(t, "node1")+second.Host(t, "node2"))
	here := t.TempDir()
	bench := l.bench(t, "touch "+here+"/$$\nuntil [ $(ls "+here+" | wc -l) = 2 ]; do sleep 0.1; done\necho '{\"iops\": 1234}'")
	cmd, out := l.command(t, "run", bench, "--timeout", "1m", "--on", "ssh:node1,node2")
	if err := cmd.Run(); err != nil || !strings.Contains(out.String(), "2 hosts: 2 passed") {
		t.Errorf("%v: want that both passed\n%s", err, out)
	}
	if left, _ := filepath.Glob(filepath.Join(first.Home, ".local/state/ktstr/jobs/*")); left != nil {
		t.Errorf("left on the hosts: %v", left)
	}
}

// A cut is a way in which a connection ends before its run.
type cut struct {
	name   string
	server testenv.SSHD
	cut    func(ktstr, session int) error // processes of the client and of the server
	mend   func(ktstr, session int) error // is called after the run has ended on the host; nil: nothing
	exit   int
	want   string // part of the output
}

func killSSH(ktstr, _ int) error  { return signalChild(ktstr, unix.SIGKILL) }
func stopSSH(ktstr, _ int) error  { return signalChild(ktstr, unix.SIGSTOP) }
func contSSH(ktstr, _ int) error  { return signalChild(ktstr, unix.SIGCONT) }
func killKtstr(pid, _ int) error  { return unix.Kill(pid, unix.SIGKILL) }
func killServer(_, pid int) error { return unix.Kill(pid, unix.SIGKILL) }
func stopServer(_, pid int) error { return unix.Kill(pid, unix.SIGSTOP) }
func contServer(_, pid int) error { return unix.Kill(pid, unix.SIGCONT) }

// If the connection is cut, the run ends with all its processes.
func TestCutConnectionEndsTheRunOverSSH(t *testing.T) { // C47
	for _, c := range []cut{
		{"ssh killed", testenv.SSHD{}, killSSH, nil, core.ExitRun, "the connection was lost: ssh ended with signal: killed"},
		{"ktstr killed", testenv.SSHD{}, killKtstr, nil, -1, ""},
	} {
		t.Run(c.name, func(t *testing.T) { t.Parallel(); c.test(t) })
	}
}

// The same in ways that the host sees only after 45 seconds, and for an ordinary user.
func TestSoakCutConnectionEndsTheRunOverSSH(t *testing.T) { // C47
	soak(t)
	for _, c := range []cut{
		{"ordinary user", testenv.SSHD{User: "nobody"}, killSSH, nil, core.ExitRun, "the connection was lost: ssh ended with signal: killed"},
		{"sshd killed", testenv.SSHD{}, killServer, nil, core.ExitRun, "the connection was lost: "},
		{"sshd stopped", testenv.SSHD{}, stopServer, contServer, core.ExitRun, "the connection was lost: Timeout, server 127.0.0.1 not responding"},
		{"ssh stopped", testenv.SSHD{}, stopSSH, contSSH, core.ExitRun, "the connection was lost: "},
	} {
		t.Run(c.name, func(t *testing.T) { t.Parallel(); c.test(t) })
	}
}

func (c cut) test(t *testing.T) {
	l := newSSHLab(t, c.server)
	if c.server.User == "" {
		l.install(t)
	}
	ready := newNamedPipe(t)
	for path, mode := range map[string]os.FileMode{ready.path: 0o666, filepath.Dir(ready.path): 0o755, filepath.Dir(filepath.Dir(ready.path)): 0o755} {
		if err := os.Chmod(path, mode); err != nil { // the payload may run as another user
			t.Fatal(err)
		}
	}
	cmd, out := l.command(t, "run", l.bench(t, "setsid sleep 1000 &\nsetsid env -i sleep 1000 </dev/null >/dev/null 2>&1 &\necho > "+ready.path+"\nexec sleep 1000"), "--on", "ssh:node1")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready.line(t)
	sessions, err := linux.Children(l.servers[0].Pid)
	if err != nil || len(sessions) != 1 {
		t.Fatalf("sshd has the connections %v, %v: want one", sessions, err)
	}
	if err := c.cut(cmd.Process.Pid, sessions[0]); err != nil {
		t.Fatal(err)
	}
	if c.mend != nil {
		awaitNothing(t, l.servers[0])
		if err := c.mend(cmd.Process.Pid, sessions[0]); err != nil {
			t.Error(err)
		}
	}
	cmd.Wait()
	awaitNothing(t, l.servers[0])
	if got := cmd.ProcessState.ExitCode(); got != c.exit || !strings.Contains(out.String(), c.want) {
		t.Errorf("exit status %d: want %d, and the output %q\n%s", got, c.exit, c.want, out)
	}
	if kept := l.kept(t); c.exit >= 0 && (len(kept) != 1 || !kept[0].Record.Interrupted) {
		t.Errorf("%d runs are kept: want the interrupted one\n%s", len(kept), out)
	}
}

// signalChild sends a signal to the ssh that ktstr has started.
func signalChild(ktstr int, s syscall.Signal) error {
	children, err := linux.Children(ktstr)
	for _, pid := range children {
		if linux.Name(pid) == "ssh" {
			return unix.Kill(pid, s)
		}
	}
	return fmt.Errorf("no ssh among the children %v: %v", children, err)
}
