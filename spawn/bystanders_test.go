package spawn

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ktstr/ktstr/internal/linux"
	"github.com/ktstr/ktstr/spawn/internal/descendants"
	"golang.org/x/sys/unix"
)

// bystander is a process that does not belong to a run, and that carries out
// commands on its standard input, one in each line.
type bystander struct {
	t   *testing.T
	pid int
	in  io.Writer
	out *bufio.Reader
}

func startBystander(t *testing.T) *bystander {
	t.Helper()
	c := help("obey")
	cmd := exec.Command(c.Path, c.Args...)
	cmd.Env = c.Env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return &bystander{t, cmd.Process.Pid, in, bufio.NewReader(out)}
}

// do sends a command and waits until it was carried out.
func (b *bystander) do(command string) {
	b.t.Helper()
	fmt.Fprintln(b.in, command)
	if line, err := b.out.ReadString('\n'); err != nil || line != "done\n" {
		b.t.Fatalf("bystander: %s: answered %q, %v", command, line, err)
	}
}

// obey is the life of a bystander.
func obey() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		verb, arg, _ := strings.Cut(lines.Text(), " ")
		switch verb {
		case "open": // for writing
			if _, err := unix.Open(arg, unix.O_WRONLY|unix.O_CLOEXEC, 0); err != nil {
				panic(err)
			}
		case "receive": // a descriptor, from the socket at that address
			fd, err := receiveDescriptor(arg)
			if err != nil {
				panic(err)
			}
			_ = fd // held open
		case "cookie": // execute this program again with that cookie
			env := []string{"KTSTR_TEST_HELPER=1", CookieVar + "=" + arg}
			fmt.Println("done")
			panic(unix.Exec("/proc/self/exe", []string{os.Args[0], "obey"}, env))
		case "group":
			pgid, _ := strconv.Atoi(arg)
			if err := unix.Setpgid(0, pgid); err != nil {
				panic(err)
			}
		}
		fmt.Println("done")
	}
}

// receiveDescriptor listens at a Unix socket for one descriptor (SCM_RIGHTS).
func receiveDescriptor(path string) (int, error) {
	s, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if err := unix.Bind(s, &unix.SockaddrUnix{Name: path}); err != nil {
		return -1, err
	}
	control := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(s, make([]byte, 1), control, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return -1, err
	}
	messages, err := unix.ParseSocketControlMessage(control[:n])
	if err != nil || len(messages) != 1 {
		return -1, fmt.Errorf("%d messages, %v", len(messages), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return -1, fmt.Errorf("%d descriptors, %v", len(fds), err)
	}
	return fds[0], nil
}

// sendStdout sends descriptor 1 to the socket at path, when that exists.
func sendStdout(path string) error {
	s, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	for {
		err := unix.Sendmsg(s, []byte{0}, unix.UnixRights(1), &unix.SockaddrUnix{Name: path}, 0)
		if err != unix.ENOENT && err != unix.ECONNREFUSED {
			return err
		}
	}
}

// during starts a payload that prints its pid and exits with status 4 when the file
// at the returned path exists.
func during(t *testing.T, set func(Command) Command) (p *Process, release func()) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "go")
	c := set(help("out=\n", "file="+file, "exit=4"))
	c.Grace = time.Hour // a run that waits for the grace does not end
	p = printed(t, c, 1)
	return p, func() {
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Error(err)
		}
	}
}

// finished waits for the end of a run, 30 s at most.
func finished(t *testing.T, p *Process) Result {
	t.Helper()
	select {
	case <-p.Done():
	case <-time.After(30 * time.Second):
		t.Fatal("the run did not end within 30 s")
	}
	res, err := p.Wait()
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// later waits until a new process would have a later start time than pid.
func later(t *testing.T, pid int) {
	t.Helper()
	st, err := linux.ReadStat(pid)
	if err != nil {
		t.Fatal(err)
	}
	for linux.Now() <= st.Start {
		linux.Pause(time.Millisecond)
	}
}

// A process that is older than the run is spared, whatever sign of the run it has.
// If it holds the stream, a notice names it, and the run does not wait for it.
func TestOlderProcessesAreSpared(t *testing.T) { // C11, C13
	both(t, func(t *testing.T, set func(Command) Command) {
		for _, tt := range []struct {
			sign string
			give func(b *bystander, p *Process)
			held bool
		}{
			{"pipe", func(b *bystander, p *Process) { b.do("open /proc/" + pidText(p) + "/fd/1") }, true},
			{"cookie", func(b *bystander, p *Process) { b.do("cookie " + p.r.search.Cookie()) }, false},
			{"cookie and pipe", func(b *bystander, p *Process) {
				b.do("cookie " + p.r.search.Cookie())
				b.do("open /proc/" + pidText(p) + "/fd/1")
			}, true},
			{"mark", func(b *bystander, p *Process) {
				mark, ok := descendants.LockLimit(p.Pid())
				if !ok {
					t.Fatal("the leader has no limit of file locks")
				}
				if err := unix.Prlimit(b.pid, unix.RLIMIT_LOCKS, &mark, nil); err != nil {
					t.Fatal(err)
				}
			}, false},
		} {
			b := startBystander(t)
			later(t, b.pid)
			p, release := during(t, set)
			tt.give(b, p)
			release()
			res := finished(t, p)
			if !alive(b.pid) || len(res.Killed) > 0 {
				t.Errorf("%s: the bystander is alive: %v, killed %v: want true and none", tt.sign, alive(b.pid), res.Killed)
			}
			wants := []string{fmt.Sprintf("stdout: its end was not seen: %s (%d) holds it", linux.Name(b.pid), b.pid)}
			if !tt.held {
				wants = nil
			}
			if res.ExitCode != 4 || res.Stdout.Complete == tt.held || len(res.Notices) != len(wants) || tt.held && !strings.HasPrefix(res.Notices[0], wants[0]) {
				t.Errorf("%s: exit %d, complete %v, notices %q: want 4, %v, %q", tt.sign, res.ExitCode, res.Stdout.Complete, res.Notices, !tt.held, wants)
			}
		}
	})
}

// The payload itself gives its stdout to an older process, as an ssh client gives
// it to its ControlMaster. At the timeout the run is over, without an error.
func TestDescriptorGivenToAnOlderProcess(t *testing.T) { // C11, C14
	both(t, func(t *testing.T, set func(Command) Command) {
		var b *bystander
		var res Result
		patiently(t, func(d time.Duration) bool {
			b = startBystander(t)
			later(t, b.pid)
			socket := filepath.Join(t.TempDir(), "s")
			fmt.Fprintln(b.in, "receive "+socket)
			c := set(help("send-stdout="+socket, "out=\n", "hang"))
			c.Timeout = d
			res = mustRun(t, c)
			return len(res.Stdout.Data) > 0 // the payload has sent the descriptor
		})
		if !alive(b.pid) || res.Cause != CauseTimeout || res.Stdout.Complete {
			t.Errorf("the bystander is alive: %v, cause %q, complete %v: want true, timeout, false", alive(b.pid), res.Cause, res.Stdout.Complete)
		}
		if !slices.ContainsFunc(res.Notices, func(n string) bool { return strings.Contains(n, fmt.Sprintf("(%d) holds it", b.pid)) }) {
			t.Errorf("notices %q: want one that names the bystander %d", res.Notices, b.pid)
		}
	})
}

// A process that has the pipe only, and the same start time as the leader, counts as
// older, because it does not descend from the leader.
func TestSameTickCountsAsOlder(t *testing.T) { // C11
	for range 20 {
		b := startBystander(t)
		p, release := during(t, func(c Command) Command { c.NoCgroup = true; return c })
		leader, err := linux.ReadStat(p.Pid())
		if err != nil {
			t.Fatal(err)
		}
		st, err := linux.ReadStat(b.pid)
		if err != nil {
			t.Fatal(err)
		}
		if st.Start != leader.Start {
			release() // the leader polls, and a hundred of them would make the machine too busy
			finished(t, p)
			continue
		}
		b.do("open /proc/" + pidText(p) + "/fd/1")
		release()
		if res := finished(t, p); !alive(b.pid) || len(res.Killed) > 0 {
			t.Errorf("killed %v: want the bystander %d spared", res.Killed, b.pid)
		}
		return
	}
	t.Skip("no process had the start time of a leader: the machine is too busy")
}

// A process that has only the pipe and is younger than the leader is killed.
func TestYoungerHolderIsKilled(t *testing.T) { // C13
	p, release := during(t, func(c Command) Command { c.NoCgroup = true; return c })
	later(t, p.Pid())
	b := startBystander(t)
	b.do("open /proc/" + pidText(p) + "/fd/1")
	release()
	res := finished(t, p)
	if alive(b.pid) || !res.Stdout.Complete || len(res.Killed) != 1 || res.Killed[0].Pid != b.pid {
		t.Errorf("killed %v, complete %v: want %d", res.Killed, res.Stdout.Complete, b.pid)
	}
}

// An older process that was moved into the cgroup of the run is spared. The cgroup
// stays, and a notice says why.
func TestOlderProcessInTheCgroupIsSpared(t *testing.T) { // C11, C13
	b := startBystander(t)
	later(t, b.pid)
	c := help("bg=hang", "hang")
	p := printed(t, c, 1)
	if p.r.leaf == nil {
		t.Skip("this host gives runs no cgroup")
	}
	dir := p.r.leaf.Path()
	if err := os.WriteFile(dir+"/cgroup.procs", []byte(strconv.Itoa(b.pid)), 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // another cleanup has killed the bystander
		for start := time.Now(); os.Remove(dir) != nil && time.Since(start) < 10*time.Second; linux.Pause(time.Millisecond) {
		}
	})
	t.Cleanup(func() { unix.Kill(b.pid, unix.SIGKILL) })
	res := kill(t, p)
	child := pids(t, res.Stdout.Data)
	if !alive(b.pid) || alive(child[0]) || !slices.ContainsFunc(res.Notices, func(n string) bool { return strings.Contains(n, fmt.Sprintf("(%d) is in it", b.pid)) }) {
		t.Errorf("the bystander is alive: %v, the child: %v, notices %q: want true, false, and one that names %d", alive(b.pid), alive(child[0]), res.Notices, b.pid)
	}
}

// An older process of our session that joins the group of the leader is spared.
func TestOlderProcessInTheGroupIsSpared(t *testing.T) { // C11
	cmd := exec.Command(program, "obey")
	cmd.Env = append(os.Environ(), "KTSTR_TEST_HELPER=1")
	cmd.Stderr = os.Stderr
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	b := &bystander{t, cmd.Process.Pid, in, bufio.NewReader(out)}
	later(t, b.pid)
	both(t, func(t *testing.T, set func(Command) Command) {
		p, release := during(t, set)
		b.do(fmt.Sprintf("group %d", p.Pid()))
		release()
		if res := finished(t, p); !alive(b.pid) || len(res.Killed) > 0 {
			t.Errorf("killed %v: want the bystander %d spared", res.Killed, b.pid)
		}
		b.do("group 0")
	})
}

// A subreaper spares an orphan that was born before the run.
func TestOlderOrphanIsSpared(t *testing.T) { // C13
	if res := mustRun(t, help("subreaper", "older-orphan")); string(res.Stdout.Data) != "true\n" {
		t.Errorf("printed %q and %q, want true", res.Stdout.Data, res.Stderr.Data)
	}
}

// olderOrphan starts a run, makes an older grandchild an orphan during it, and
// prints whether that lives after the run.
func olderOrphan() {
	cmd := exec.Command("/proc/self/exe", "bg=hang", "await")
	in, err := cmd.StdinPipe()
	if err != nil {
		panic(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		panic(err)
	}
	reaped, err := StartHelper(func() (int, error) {
		if err := cmd.Start(); err != nil {
			return 0, err
		}
		return cmd.Process.Pid, nil
	})
	if err != nil {
		panic(err)
	}
	var grandchild int
	if _, err := fmt.Fscan(out, &grandchild); err != nil {
		panic(err)
	}
	for st, _ := linux.ReadStat(grandchild); linux.Now() <= st.Start; {
		linux.Pause(time.Millisecond)
	}
	p, err := Start(context.Background(), Command{Path: "/proc/self/exe", Args: acts("hang"), NoCgroup: true})
	if err != nil {
		panic(err)
	}
	in.Close()
	cmd.Wait()
	reaped()
	if _, err := p.Kill(); err != nil {
		panic(err)
	}
	fmt.Println(alive(grandchild))
	unix.Kill(grandchild, unix.SIGKILL)
}

func pidText(p *Process) string { return strconv.Itoa(p.Pid()) }
