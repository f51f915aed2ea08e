package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/internal/testenv"
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
	srv := testenv.SSHD{Config: "MaxSessions 10000"}.Start(t)
	key, err := os.ReadFile(filepath.Join(srv.Dir, "key"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"key": string(key), "ssh_config": strings.Replace(srv.Host(t, "host"), "IdentityFile "+srv.Dir, "LogLevel ERROR\nIdentityFile "+a.dir, 1),
	} {
		path := filepath.Join(a.dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if a.cred != nil {
			if err := os.Chown(path, int(a.cred.Uid), int(a.cred.Gid)); err != nil {
				t.Fatal(err)
			}
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
