package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/internal/bundle"
	"github.com/ktstr/ktstr/internal/linux"
)

// handover is the name under which this test binary sends or receives descriptors.
const handover = "handover"

// handOver sends its standard output to a Unix socket (SCM_RIGHTS), or receives descriptors there for ever and keeps the last
// 100 open. It prints a line when it listens.
func handOver(verb, path string) {
	s, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		panic(err)
	}
	if verb == "send" {
		unix.Sendmsg(s, []byte{0}, unix.UnixRights(1), &unix.SockaddrUnix{Name: path}, 0)
		return
	}
	if err := unix.Bind(s, &unix.SockaddrUnix{Name: path}); err != nil {
		panic(err)
	}
	fmt.Println("listens")
	var held []int
	for {
		control := make([]byte, unix.CmsgSpace(4))
		_, n, _, _, err := unix.Recvmsg(s, make([]byte, 1), control, unix.MSG_CMSG_CLOEXEC)
		if err != nil {
			panic(err)
		}
		messages, err := unix.ParseSocketControlMessage(control[:n])
		if err != nil || len(messages) != 1 {
			panic(fmt.Sprint(messages, err))
		}
		fds, err := unix.ParseUnixRights(&messages[0])
		if err != nil {
			panic(err)
		}
		if held = append(held, fds...); len(held) > 100 {
			unix.Close(held[0])
			held = held[1:]
		}
	}
}

// startReceiver starts a process of the user that receives descriptors. It ends with the test.
func startReceiver(t *testing.T, a account) (socket string, receiver *exec.Cmd) {
	t.Helper()
	if err := os.Link(a.exe, filepath.Join(filepath.Dir(a.exe), handover)); err != nil {
		t.Fatal(err)
	}
	socket = filepath.Join(a.dir, "socket")
	receiver = exec.Command(filepath.Join(filepath.Dir(a.exe), handover), "receive", socket)
	receiver.SysProcAttr = &syscall.SysProcAttr{Credential: a.cred, Setsid: true}
	out, err := receiver.StdoutPipe()
	if err == nil {
		err = receiver.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { receiver.Process.Kill(); receiver.Wait() })
	if _, err := out.Read(make([]byte, 8)); err != nil {
		t.Fatalf("the receiver of descriptors: %v", err)
	}
	return socket, receiver
}

// survivors lists the processes whose command line contains one of the words and that are not in spared.
func survivors(t *testing.T, spared []int, words ...string) (list []string) {
	t.Helper()
	pids, err := linux.Processes()
	if err != nil {
		t.Fatal(err)
	}
	for _, pid := range pids {
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if !slices.Contains(spared, pid) && slices.ContainsFunc(words, func(w string) bool { return bytes.Contains(line, []byte(w)) }) {
			list = append(list, fmt.Sprintf("%d %q", pid, line))
		}
	}
	return list
}

// SIGKILL of ktstr at random moments of a run, from its start to its end: no process is left and no bundle is torn. An ssh
// master and a daemon that got the stdout of the runs live on.
func TestSoakKillsAtRandomMoments(t *testing.T) { // C11, C18
	soak(t)
	eachUser(t, func(t *testing.T, a account) {
		kills := 300
		if os.Geteuid() == 0 && a.cred == nil {
			kills = 1000
		}
		killAtRandomMoments(t, a, kills)
	})
}

func killAtRandomMoments(t *testing.T, a account, kills int) {
	socket, receiver := startReceiver(t, a)
	client, master := "true", 0
	if _, err := exec.LookPath("/usr/sbin/sshd"); err == nil {
		m := startSSHMaster(t, a)
		client, master = m.client, m.pid
		defer m.check(t)
	} else {
		t.Log("no sshd: without an ssh master")
	}
	spared := []int{receiver.Process.Pid, master}
	mark := fmt.Sprintf("8%d%d", os.Getpid(), kills) // an argument by which the processes of a payload are found
	head := `echo x >> ` + a.dir + `/started
` + a.dir + `/bin/handover send ` + socket + `
setsid sleep ` + mark + ` &
(setsid env -i /bin/sleep ` + mark + ` </dev/null >/dev/null 2>&1 &)
echo '{"iops": 5}'
`
	remote := client + ` "sleep 2" &
`
	payloads := []string{a.script(t, "long", head+"exec sleep "+mark), a.script(t, "short", head), a.script(t, "remote", head+remote+"exec sleep "+mark)}
	runs := filepath.Join(a.dir, "runs")
	// Not killed, the short payload tells how long a run lasts.
	begin := time.Now()
	if out, err := a.ktstr(t, "run", payloads[1], "--out", runs).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	window := 2 * time.Since(begin)

	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	killed, ended, longest := 0, 0, time.Duration(0)
	for i := 0; killed < kills; i++ {
		payload := payloads[i%2]
		if i%20 == 0 {
			payload = payloads[2] // seldom, because a remote command costs much
		}
		args := []string{"run", payload, "--out", runs, "--quiet"}
		if i/2%2 == 1 {
			args = append(args, "--no-cgroup")
		}
		cmd := a.ktstr(t, args...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.NewTimer(time.Duration(random.Int64N(int64(window))))
		<-timer.C // the moment is the subject of the test
		cmd.Process.Kill()
		cmd.Wait()
		if cmd.ProcessState.Exited() {
			ended++
			continue
		}
		killed++
		died := time.Now()
		for left := survivors(t, spared, mark, a.dir); len(left) > 0; left = survivors(t, spared, mark, a.dir) {
			if time.Since(died) > 30*time.Second {
				t.Fatalf("seed %d, kill %d: alive 30 s later: %s", seed, killed, strings.Join(left, "\n"))
			}
			linux.Pause(2 * time.Millisecond)
		}
		longest = max(longest, time.Since(died))
	}
	for _, pid := range spared {
		if pid != 0 && unix.Kill(pid, 0) != nil {
			t.Errorf("seed %d: the bystander %d was killed", seed, pid)
		}
	}
	// The next run removes what the killed ones have left more than a minute ago.
	stale, _ := filepath.Glob(runs + "/.staging-*")
	for _, dir := range stale {
		if err := os.Chtimes(dir, time.Time{}, time.Now().Add(-time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := a.ktstr(t, "run", payloads[1], "--out", runs).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	whole, pending := 0, 0
	entries, err := os.ReadDir(runs)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := bundle.Load(filepath.Join(runs, e.Name()))
		switch {
		case !e.IsDir() || e.Name() == ".tags":
		case !bundle.IsName(e.Name()):
			t.Errorf("seed %d: %s is left", seed, e.Name())
		case err != nil:
			t.Errorf("seed %d: torn bundle: %v", seed, err)
		case b.Record.Verdict == core.Pass:
			whole++
		default:
			pending++
		}
	}
	if left, _ := filepath.Glob(a.dir + "/*scratch*"); len(left) > 0 {
		t.Errorf("seed %d: left in the working directory: %v", seed, left)
	}
	started, _ := os.ReadFile(a.dir + "/started")
	t.Logf("%d kills in the first %v of a run, seed %d: %d payloads had started, %d more commands had ended before their kill; 0 survivors, the last process ended within %v; %d bundles are finished and %d unfinished, %d staging directories were removed",
		kills, window.Round(time.Millisecond), seed, bytes.Count(started, []byte("x"))-2, ended, longest.Round(time.Millisecond), whole, pending, len(stale))
}
