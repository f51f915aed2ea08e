package testenv

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// An SSHD is an OpenSSH server for a test. If the test runs as root, the server is like another host: it has a mount namespace
// with an empty /run, and an /etc/passwd in which its user has a home directory and a shell that the test chooses.
type SSHD struct {
	User   string // who logs in; empty: the user of the test. Another one needs root.
	Shell  string // the login shell; empty: /bin/sh. Needs root.
	Setup  string // shell commands before the start, in the mount namespace. Their working directory is Server.Dir. Needs root.
	Config string // more lines of sshd_config
}

// A Server is a running SSHD.
type Server struct {
	Dir  string // of all its files, belongs to the user
	Home string // of the user
	User string
	Port int
	Pid  int
}

// Start starts the server on a free port. The server ends with the test.
func (s SSHD) Start(t testing.TB) *Server {
	t.Helper()
	sshd, err := exec.LookPath("/usr/sbin/sshd")
	if err != nil {
		t.Skip("no sshd: install openssh-server")
	}
	dir, err := os.MkdirTemp("", "ktstr-sshd-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		os.RemoveAll(dir)
		for _, shared := range []string{"/run", "/dev/shm"} {
			os.Remove(filepath.Join(shared, "ktstr-"+filepath.Base(dir)+".lock"))
		}
	})
	srv := &Server{Dir: dir, Home: filepath.Join(dir, "home"), User: s.User}
	if srv.User == "" {
		me, err := user.Current()
		if err != nil {
			t.Fatal(err)
		}
		srv.User = me.Username
	}
	for _, key := range []string{"host", "key"} {
		if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ktstr-test", "-f", filepath.Join(dir, key)).CombinedOutput(); err != nil {
			t.Fatalf("ssh-keygen: %v\n%s", err, out)
		}
	}
	if err := os.Mkdir(srv.Home, 0o755); err != nil {
		t.Fatal(err)
	}
	setup := "cd " + dir + "\n"
	if os.Geteuid() == 0 {
		setup += srv.asRoot(t, s.Shell)
	} else if s.User != "" || s.Shell != "" || s.Setup != "" {
		t.Skip("needs root for a mount namespace")
	} else if me, err := user.Current(); err != nil || !isDir(me.HomeDir) {
		t.Skip("the account of this user has no home directory, so sshd refuses it")
	}
	for attempt := 1; ; attempt++ { // another process may take the port in between
		if err := srv.start(t, setup+s.Setup, sshd, s.Config); err == nil {
			return srv
		} else if attempt == 3 {
			t.Fatal(err)
		}
	}
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// asRoot gives the files to the user, and returns the commands that make the user's account.
func (srv *Server) asRoot(t testing.TB, shell string) (setup string) {
	t.Helper()
	if shell == "" {
		shell = "/bin/sh"
	}
	u, err := user.Lookup(srv.User)
	if err != nil {
		t.Fatal(err)
	}
	passwd, err := os.ReadFile("/etc/passwd")
	if err != nil {
		t.Fatal(err)
	}
	accounts := fmt.Sprintf("%s:x:%s:%s::%s:%s\n", srv.User, u.Uid, u.Gid, srv.Home, shell)
	for line := range strings.Lines(string(passwd)) {
		if !strings.HasPrefix(line, srv.User+":") {
			accounts += line
		}
	}
	srv.write(t, "passwd", accounts)
	if out, err := exec.Command("chown", "-R", u.Uid+":"+u.Gid, srv.Home).CombinedOutput(); err != nil {
		t.Fatalf("chown: %v\n%s", err, out)
	}
	if err := os.Chmod(srv.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return "mount --bind passwd /etc/passwd && mount -t tmpfs none /run && mkdir /run/sshd || exit\n" // sshd wants /run/sshd
}

func (srv *Server) write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(srv.Dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// start starts the server and waits until it listens.
func (srv *Server) start(t testing.TB, setup, sshd, config string) error {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv.Port = free.Addr().(*net.TCPAddr).Port
	free.Close()
	srv.write(t, "sshd_config", fmt.Sprintf("ListenAddress 127.0.0.1:%d\nHostKey %s/host\nAuthorizedKeysFile %[2]s/key.pub\nPidFile none\nUsePAM no\n"+
		"StrictModes no\nPermitRootLogin yes\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPrintMotd no\n%s\n"+
		"SetEnv SLURMD_NODENAME=%s\n", srv.Port, srv.Dir, config, filepath.Base(srv.Dir))) // each server is a host with a lock of its own
	cmd := exec.Command("/bin/sh", "-c", setup+"\nexec "+sshd+" -D -e -f sshd_config")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr.Unshareflags = unix.CLONE_NEWNS
	} else {
		cmd.Env = append(os.Environ(), "HOME="+srv.Home)
	}
	log, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	defer late.Stop()
	var said strings.Builder
	for lines := bufio.NewScanner(log); lines.Scan(); {
		fmt.Fprintln(&said, lines.Text())
		if strings.Contains(lines.Text(), "Server listening on") {
			srv.Pid = cmd.Process.Pid
			drained := make(chan struct{})
			go func() { io.Copy(io.Discard, log); close(drained) }()
			t.Cleanup(func() {
				cmd.Process.Kill()
				select { // the servers of single connections hold the pipe
				case <-drained:
				case <-time.After(time.Minute):
					t.Error("sshd: a connection is there a minute after the test")
				}
				cmd.Wait()
			})
			return nil
		}
	}
	return fmt.Errorf("sshd does not start: %v\n%s", cmd.Wait(), &said)
}

// Host returns the lines of an ssh_config that make alias a name of the server for its user.
func (srv *Server) Host(t testing.TB, alias string) string {
	t.Helper()
	key, err := os.ReadFile(filepath.Join(srv.Dir, "host.pub"))
	if err != nil {
		t.Fatal(err)
	}
	srv.write(t, "known_hosts", fmt.Sprintf("[127.0.0.1]:%d %s", srv.Port, key))
	return fmt.Sprintf("Host %s\nHostName 127.0.0.1\nPort %d\nUser %s\nIdentityFile %s/key\nIdentitiesOnly yes\nUserKnownHostsFile %[4]s/known_hosts\n"+
		"GlobalKnownHostsFile /dev/null\nStrictHostKeyChecking yes\n", alias, srv.Port, srv.User, srv.Dir)
}

// SSHClient returns the directory of a program `ssh`, which is OpenSSH's client with the text as its whole configuration.
func SSHClient(t testing.TB, config string) (dir string) {
	t.Helper()
	ssh, err := exec.LookPath("ssh")
	if err != nil {
		t.Skip("no ssh: install openssh-client")
	}
	dir = t.TempDir()
	for name, text := range map[string]string{"config": config, "ssh": "#!/bin/sh\nexec " + ssh + " -F " + dir + "/config \"$@\"\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(dir, "config"), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}
