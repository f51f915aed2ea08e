package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ktstr/ktstr/core"
)

// The tests run as root and as this ordinary user, whose name is nobody. It is the uid and the gid.
const nobody = 65534

// account is a user who runs commands, with a directory that all users can reach and that this user owns.
type account struct {
	dir  string
	exe  string // a copy of this test binary that the user can execute
	cred *syscall.Credential
}

// newAccount returns the account of a user. The uid -1 stands for the user of the test.
func newAccount(t *testing.T, uid int) account {
	t.Helper()
	dir, err := os.MkdirTemp("", "ktstr-account-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	a := account{dir: dir, exe: filepath.Join(dir, "bin", "ktstr")}
	if err := os.Mkdir(filepath.Dir(a.exe), 0o755); err != nil {
		t.Fatal(err)
	}
	from, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	to, err := os.OpenFile(a.exe, os.O_WRONLY|os.O_CREATE, 0o755)
	if err == nil {
		_, err = io.Copy(to, from)
	}
	if err == nil {
		err = to.Close()
	}
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err == nil && uid >= 0 {
		a.cred = &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}
		err = os.Chown(dir, uid, uid)
	}
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// command returns a program to be run by the user. It is killed after limit.
func (a account) command(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := newCommand(t)
	cmd.Path, cmd.Args, cmd.Dir = name, append([]string{name}, args...), a.dir
	if !filepath.IsAbs(name) {
		if cmd.Path, cmd.Err = exec.LookPath(name); cmd.Err != nil {
			t.Fatal(cmd.Err)
		}
	}
	cmd.Env = append(os.Environ(), "HOME="+a.dir, "TMPDIR="+a.dir, "XDG_STATE_HOME="+a.dir, "XDG_CONFIG_HOME="+a.dir, "XDG_DATA_HOME="+a.dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: a.cred}
	return cmd
}

// ktstr returns ktstr to be run by the user.
func (a account) ktstr(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	return a.command(t, a.exe, args...) // its name makes it the command
}

// script writes an executable shell script into the user's directory.
func (a account) script(t *testing.T, name, text string) (path string) {
	t.Helper()
	path = filepath.Join(a.dir, name)
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// sshMaster is an ssh ControlMaster with a connection to an sshd on this machine.
type sshMaster struct {
	account
	pid    int
	client string // the command line of a client that uses the master, without the remote command
}

// startSSHMaster starts an sshd on a free port, and a ControlMaster of the user. Both end with the test.
func startSSHMaster(t *testing.T, a account) sshMaster {
	t.Helper()
	sshd, err := exec.LookPath("/usr/sbin/sshd")
	if err != nil {
		t.Skip("no sshd: install openssh-server")
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if out, _ := exec.Command("getent", "passwd", me.Username).Output(); strings.Contains(string(out), "nologin") {
		t.Skipf("%s cannot log in: its shell is nologin", me.Username)
	}
	if os.Geteuid() == 0 { // sshd wants this directory, which the system's service makes
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	do := func(cmd *exec.Cmd) string {
		t.Helper()
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%q: %v\n%s", cmd.Args, err, out)
		}
		return string(out)
	}
	do(exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", dir+"/host"))
	do(a.command(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", a.dir+"/key"))
	key, err := os.ReadFile(a.dir + "/key.pub")
	if err != nil {
		t.Fatal(err)
	}
	write(dir+"/authorized", string(key))
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().(*net.TCPAddr)
	free.Close()
	write(dir+"/sshd_config", fmt.Sprintf("ListenAddress %s\nHostKey %s/host\nAuthorizedKeysFile %s/authorized\nPidFile none\n"+
		"UsePAM no\nStrictModes no\nPermitRootLogin yes\nPasswordAuthentication no\n"+
		"SetEnv HOME=%s\nMaxSessions 10000\n", address, dir, dir, dir)) // a shell with a long .bashrc starts slowly
	write(a.dir+"/ssh_config", fmt.Sprintf("Host host\nHostName 127.0.0.1\nPort %d\nUser %s\nIdentityFile %s/key\nIdentitiesOnly yes\n"+
		"UserKnownHostsFile /dev/null\nStrictHostKeyChecking no\nLogLevel ERROR\n", address.Port, me.Username, a.dir))

	server := exec.Command(sshd, "-D", "-e", "-f", dir+"/sshd_config")
	var log bytes.Buffer
	server.Stderr = &log
	server.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	server.WaitDelay = time.Second
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Process.Kill(); server.Wait() })
	for start := time.Now(); ; { // until it listens
		c, err := net.Dial("tcp", address.String())
		if err == nil {
			c.Close()
			break
		}
		if time.Since(start) > limit {
			t.Fatalf("sshd: %v\n%s", err, &log)
		}
		unix.Select(0, nil, nil, nil, &unix.Timeval{Usec: 10_000})
	}

	m := sshMaster{account: a, client: fmt.Sprintf("ssh -F %s/ssh_config -S %s/mux host", a.dir, a.dir)}
	do(a.command(t, "setsid", "ssh", "-F", a.dir+"/ssh_config", "-M", "-N", "-f", "-S", a.dir+"/mux", "-o", "ControlPersist=120", "host"))
	t.Cleanup(func() {
		if out, err := a.command(t, "ssh", "-F", a.dir+"/ssh_config", "-S", a.dir+"/mux", "-O", "exit", "host").CombinedOutput(); err != nil {
			t.Errorf("the master at the end of the test: %v\n%s", err, out)
		}
	})
	m.pid = m.check(t)
	return m
}

// check asks the master for its pid. It fails the test if the master does not live.
func (m sshMaster) check(t *testing.T) (pid int) {
	t.Helper()
	out, err := m.command(t, "ssh", "-F", m.dir+"/ssh_config", "-S", m.dir+"/mux", "-O", "check", "host").CombinedOutput()
	if found := regexp.MustCompile(`pid=(\d+)`).FindSubmatch(out); err == nil && found != nil {
		pid, err = strconv.Atoi(string(found[1]))
	}
	if err != nil || pid == 0 {
		t.Fatalf("the ssh master %d: %v\n%s", m.pid, err, out)
	}
	return pid
}

// eachUser runs a test as the user of the test and, for root, as an ordinary user.
func eachUser(t *testing.T, test func(t *testing.T, a account)) {
	t.Run("own user", func(t *testing.T) {
		t.Parallel()
		test(t, newAccount(t, -1))
	})
	t.Run("nobody", func(t *testing.T) {
		t.Parallel()
		if os.Geteuid() != 0 {
			t.Skip("only root can become another user")
		}
		test(t, newAccount(t, nobody))
	})
}

// sshRun is a run of a payload that uses the master.
type sshRun struct {
	record core.Record
	exit   int
	stderr string
}

// run runs ktstr, and fails the test if the master does not live after that.
func (m sshMaster) run(t *testing.T, args ...string) (got sshRun) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := m.ktstr(t, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Run()
	if pid := m.check(t); pid != m.pid {
		t.Fatalf("%q: the master is %d: want %d, which was there before the run", args, pid, m.pid)
	}
	if err := json.Unmarshal(stdout.Bytes(), &got.record); err != nil {
		t.Fatalf("%q: %v in %q\n%s", args, err, &stdout, &stderr)
	}
	got.exit, got.stderr = cmd.ProcessState.ExitCode(), stderr.String()
	return got
}

// An ssh client gives its streams to the ControlMaster that the user has started before the run. The master survives the run,
// a notice names it, and the run does not wait for the remote command.
func TestSSHMasterSurvives(t *testing.T) { // C11, C12, C13
	eachUser(t, func(t *testing.T, a account) {
		m := startSSHMaster(t, a)
		remote := a.script(t, "remote", "exec "+m.client+` "echo '{\"iops\": 5}'; exec sleep 100"`)
		whole := a.script(t, "whole", "exec "+m.client+` "echo '{\"iops\": 5}'"`)
		left := a.script(t, "left", "mkfifo $$\n"+m.client+` "echo '{\"iops\": 5}'; exec sleep 100" > $$ &`+"\nread line < $$\necho \"$line\"")
		for _, tt := range []struct {
			name      string
			bench     string
			args      []string
			timed     string // a flag with a duration, after which the run ends
			exit      int
			held      bool
			mayBeLeft string // descendant that may be killed
		}{
			{"to its end", whole, nil, "", core.ExitPass, false, ""},
			{"timeout", remote, nil, "--timeout", core.ExitRun, true, ""},
			{"timeout, no cgroup", remote, []string{"--no-cgroup"}, "--timeout", core.ExitRun, true, ""},
			{"stop after", remote, []string{"--no-default-checks", "--check", "iops >= 1"}, "--stop-after", core.ExitPass, true, ""},
			{"client left", left, []string{"--no-cgroup"}, "", core.ExitPass, true, "ssh"},
		} {
			args := append([]string{"run", tt.bench, "-o", "json"}, tt.args...)
			var got sshRun
			for wait := time.Second; ; wait *= 2 { // the remote shell must have printed, which takes seconds on a busy machine
				if tt.timed != "" {
					got = m.run(t, append(args, tt.timed, wait.String())...)
				} else {
					got = m.run(t, args...)
				}
				if len(got.record.Metrics) > 0 || tt.timed == "" || wait > time.Minute {
					break
				}
			}
			if got.exit != tt.exit {
				t.Errorf("%s: exit status %d: want %d\n%s", tt.name, got.exit, tt.exit, got.stderr)
			}
			notice := fmt.Sprintf("ssh (%d) holds it", m.pid)
			if held := strings.Contains(got.stderr, notice); held != tt.held {
				t.Errorf("%s: stderr %q contains %q: %v, want %v", tt.name, got.stderr, notice, held, tt.held)
			}
			for _, k := range got.record.Killed {
				if k.Pid == m.pid || k.Name != tt.mayBeLeft {
					t.Errorf("%s: killed %+v: want only the client", tt.name, got.record.Killed)
				}
			}
		}
	})
}
