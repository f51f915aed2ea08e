package ssh

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ktstr/ktstr/internal/fleet"
	"github.com/ktstr/ktstr/internal/fleet/remote"
	"github.com/ktstr/ktstr/internal/testenv"
)

// limit is the deadline of each test, which a loaded machine must not reach.
const limit = 2 * time.Minute

// order returns an order whose executable is a shell script.
func order(t testing.TB, script string) fleet.Order {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ktstr")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := fleet.NewFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return fleet.Order{Name: "set-20260102T030405Z-abcdef", Ktstr: f}
}

// attach connects with the host of the name.
func attach(t testing.TB, e Engine, job fleet.Order, name string) (conn fleet.Conn, states []string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	e.Hosts = ParseHosts(name)
	hosts, err := e.Submit(ctx, job)
	if err != nil {
		t.Fatal(err)
	}
	conn, err = hosts[0].Attach(ctx, func(state string) { states = append(states, state) })
	return conn, states, err
}

// talk sends text to the program on the host and returns what it prints to its end.
func talk(t testing.TB, c fleet.Conn, send string) string {
	t.Helper()
	if _, err := io.WriteString(c, send); err != nil {
		t.Error(err)
	}
	c.(*remote.Conn).CloseWrite()
	got, err := io.ReadAll(c)
	if err != nil {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	return string(got)
}

// The executable goes to the host once. After that, the connection runs it from there.
func TestExecutableIsSentOnce(t *testing.T) { // C47
	srv := testenv.SSHD{}.Start(t)
	e := Engine{Ssh: filepath.Join(testenv.SSHClient(t, srv.Host(t, "node1")), "ssh")}
	job := order(t, `umask; echo "$@"; cat`)
	umask, err := exec.Command("sh", "-c", "umask").Output() // the payload inherits it
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"logs in, receives ktstr (0 MB), connected", "logs in, connected"} {
		c, states, err := attach(t, e, job, "node1")
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(states, ", "); got != want {
			t.Errorf("states: got %s\nwant %s", got, want)
		}
		binary := string([]byte{0, 255, '\n', '~', '.'})
		if got, want := talk(t, c, binary), string(umask)+"_host-attach "+jobName(job.Name, "node1")+"\n"+binary; got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
	kit := filepath.Join(srv.Home, ".cache", fleet.KitDir)
	entries, err := os.ReadDir(kit)
	if err != nil || len(entries) != 1 || entries[0].Name() != job.Ktstr.SHA256 {
		t.Errorf("the kit has %v, %v: want %s alone", entries, err, job.Ktstr.SHA256)
	}
	sent, _ := os.ReadFile(job.Ktstr.Path)
	if got, err := os.ReadFile(filepath.Join(kit, job.Ktstr.SHA256)); !bytes.Equal(got, sent) {
		t.Errorf("the kit has %q, %v: want %q", got, err, sent)
	}
}

// The error of a host that ssh cannot reach has the words of ssh, and a command that shows them again.
func TestErrorsOfSSH(t *testing.T) { // C47
	t.Parallel()
	srv := testenv.SSHD{}.Start(t)
	known := filepath.Join(srv.Dir, "other_known_hosts")
	other := fmt.Sprintf("[127.0.0.1]:%d ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIiWgsV5kf2WTuSeiLpVFj0nQhyZEo6ZjJU3y6aL8F6u\n", srv.Port)
	if err := os.WriteFile(known, []byte(other), 0o600); err != nil {
		t.Fatal(err)
	}
	config := "Host changed\nUserKnownHostsFile " + known + "\nHost unknown\nUserKnownHostsFile /dev/null\nHost user\nUser nosuchuser\nHost down\nPort 1\n" +
		"Host nowhere\nHostName a..b\n" + srv.Host(t, "*")
	e := Engine{Ssh: filepath.Join(testenv.SSHClient(t, config), "ssh")}
	job := order(t, "cat")
	for host, want := range map[string]string{
		"changed": "Host key verification failed",
		"unknown": "No ED25519 host key is known for [127.0.0.1]:PORT and you have requested strict checking. Host key verification failed",
		"user":    "nosuchuser@127.0.0.1: Permission denied (publickey)",
		"down":    "ssh: connect to host 127.0.0.1 port 1: Connection refused",
		"nowhere": "ssh: Could not resolve hostname a..b: ",
	} {
		_, states, err := attach(t, e, job, host)
		if err == nil {
			t.Fatalf("%s: %v: want an error", host, states)
		}
		got := strings.ReplaceAll(err.Error(), fmt.Sprintf(":%d ", srv.Port), ":PORT ")
		if remedy := "ssh -o BatchMode=yes " + host + " true"; !strings.Contains(got, want) || !strings.HasSuffix(got, remedy) {
			t.Errorf("%s: got  %s\nwant %s, and %s", host, got, want, remedy)
		}
	}
}
