package spawn

import (
	"fmt"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ktstr/ktstr/internal/linux"
	"github.com/ktstr/ktstr/spawn/internal/descendants"
	"golang.org/x/sys/unix"
)

func TestHostDeathKillsTheLeader(t *testing.T) { // C18
	for _, how := range []string{"cgroup", "search"} {
		cmd, pids := host(t, 1, "host=alone,"+how+",pid,hang")
		fds := pidfds(t, pids)
		cmd.Process.Kill()
		wantDead(t, how, fds)
		for _, dir := range leaves(t, cmd.Process.Pid) {
			os.Remove(dir) // there was no watcher
		}
	}
}

func TestWatcherKillsEverything(t *testing.T) { // C18
	needsCgroup(t)
	for _, how := range []string{"watched,cgroup", "watched,named", "watched,search", "guarded,cgroup", "guarded,search"} {
		cmd, pids := host(t, 6, "host="+how+",await,bg=hang,setsid=hang,setpgid=ignore;hang,daemon=close=1;close=2;hang,detached=ignore;hang,pid,hang")
		fds := pidfds(t, pids)
		watcher := childrenOf(t, cmd.Process.Pid, pids)
		fds = append(fds, pidfds(t, watcher)...)
		cmd.Process.Kill()
		wantDead(t, how, fds)
		if left := leaves(t, cmd.Process.Pid); len(left) > 0 {
			t.Errorf("%s: cgroups left: %v", how, left)
		}
	}
}

// All descendants have the mark of the host from the first instruction of the payload
// on, and the host can die while it forks.
func TestWatcherKillsDetachedOrphansAtAnyMoment(t *testing.T) { // C18
	for n := range soak(4, 300) {
		name := fmt.Sprintf("storm-%d-%d", os.Getpid(), n)
		cmd, pids := host(t, 1+n%4, "host=guarded,search,storm="+name)
		fds := pidfds(t, childrenOf(t, cmd.Process.Pid, pids)) // the watcher, the leader, and orphans
		cmd.Process.Kill()
		wantDead(t, name, fds)
		for _, pid := range processesOf(t, name) {
			if alive(pid) {
				t.Errorf("%s: detached %d lives on", name, pid)
			}
		}
	}
}

// A watcher that is closed kills the run that goes on, and removes what a run left. It
// spares the host, which has the mark, and the other children of the host.
func TestWatcherSparesTheLivingHost(t *testing.T) { // C18
	for _, how := range []string{"going", "stopped"} {
		cmd := exec.Command(program, "farewell="+how, "out=lives\n")
		cmd.Env = append(os.Environ(), "KTSTR_TEST_HELPER=1")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var child int
		var closed, word string
		if n, err := fmt.Fscan(out, &child, &closed, &word); n < 3 || closed != "<nil>" || word != "lives" {
			t.Errorf("%s: the host printed %d, %q, %q, %v: want a pid, <nil>, lives", how, child, closed, word, err)
		}
		if child > 0 && !alive(child) {
			t.Errorf("%s: the host's own child was killed", how)
		}
		unix.Kill(child, unix.SIGKILL)
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: the host: %v", how, err)
		}
		if left := leaves(t, cmd.Process.Pid); len(left) > 0 {
			t.Errorf("%s: cgroups left: %v", how, left)
		}
	}
}

// The outer host of a run within a run is killed. Its watcher kills all processes,
// the inner host's watcher included.
func TestWatcherKillsRunsInRuns(t *testing.T) { // C18
	for _, how := range []string{"guarded,search", "guarded,cgroup"} {
		cmd, pids := host(t, 2, "host="+how+",host=guarded|search|detached=hang|pid|hang")
		fds := pidfds(t, pids)
		fds = append(fds, pidfds(t, childrenOf(t, cmd.Process.Pid, nil))...)
		cmd.Process.Kill()
		wantDead(t, how, fds)
	}
}

// The measured cost of a stopped watcher is zero. A watcher that was woken has a cost.
func TestWatcherCost(t *testing.T) {
	t.Setenv("KTSTR_TEST_HELPER", "1")
	w, err := StartWatcher("watcher")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	pid := w.process.Pid
	fd := pidfds(t, []int{pid})[0]
	defer unix.PidfdSendSignal(fd, unix.SIGCONT, nil, 0) // without it Close would wait for 20 s
	if err := unix.PidfdSendSignal(fd, unix.SIGSTOP, nil, 0); err != nil {
		t.Fatal(err)
	}
	if ws, err := wait4(pid, unix.WUNTRACED); err != nil || !ws.Stopped() {
		t.Fatalf("stop the watcher: %v, wait status %#x", err, uint32(ws))
	}
	if res := mustRun(t, help("exit=0")); res.Watcher == nil || *res.Watcher != (Usage{}) {
		t.Errorf("stopped: %+v, want nothing used", res.Watcher)
	}
	res := mustRun(t, help(fmt.Sprintf("wake=%d", pid)))
	if u := res.Watcher; u == nil || u.User <= 0 || u.Voluntary+u.Involuntary <= 0 {
		t.Errorf("woken: %+v, want time and switches", u)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if res := mustRun(t, help("exit=0")); res.Watcher != nil {
		t.Errorf("without a watcher: %+v, want nil", res.Watcher)
	}
	if _, err := w.Usage(); err == nil {
		t.Error("usage of a closed watcher: want an error")
	}
}

// The watcher reports that it sleeps, and the first run waits for that report.
func TestRunsWaitForTheWatcherToSleep(t *testing.T) {
	t.Setenv("KTSTR_TEST_HELPER", "1")
	w, err := StartWatcher("watcher")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	p := []unix.PollFd{{Fd: int32(w.asleep)}}
	if err := linux.Poll(p, time.Now(), 30*time.Second); err != nil || p[0].Revents&unix.POLLHUP == 0 {
		t.Fatalf("the watcher does not say that it sleeps (%v)", err)
	}
	mustRun(t, help("exit=0"))
	if w.asleep >= 0 {
		t.Error("a run did not ask whether the watcher sleeps")
	}
	mustRun(t, help("exit=0")) // the second run does not wait
	// A run that is over is not in the ledger, because the numbers of its pipes can be
	// those of another process.
	var entry [slotBytes]byte
	if n, err := unix.Pread(w.ledger, entry[:], 0); err != nil || w.next != 1 || strings.Trim(string(entry[:n]), "\x00") != "" {
		t.Errorf("after two runs: %d slots, the first is %q, %v; want one, empty", w.next, entry[:n], err)
	}
}

// The watcher of a host that was killed spares an older process that holds a pipe of
// the run or has its cookie.
func TestWatcherSparesOlderProcesses(t *testing.T) { // C11, C18
	for _, how := range []string{"watched,cgroup", "watched,search", "guarded,search"} {
		pipe, cookie := startBystander(t), startBystander(t)
		later(t, cookie.pid)
		cmd, pids := host(t, 2, "host="+how+",await,setsid=hang,pid,hang")
		leader := pids[1]
		fds := pidfds(t, append(pids, childrenOf(t, cmd.Process.Pid, pids)...))
		pipe.do(fmt.Sprintf("open /proc/%d/fd/1", leader))
		env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", leader))
		if err != nil {
			t.Fatal(err)
		}
		_, value, _ := strings.Cut(string(env), CookieVar+"=")
		value, _, _ = strings.Cut(value, "\x00")
		cookie.do("cookie " + value)
		cmd.Process.Kill()
		wantDead(t, how, fds)
		if !alive(pipe.pid) || !alive(cookie.pid) {
			t.Errorf("%s: the holder of the pipe is alive: %v, that of the cookie: %v: want both", how, alive(pipe.pid), alive(cookie.pid))
		}
	}
}

func TestLedgerEntry(t *testing.T) { // C18
	for _, want := range []entry{
		{leaf: "/sys/fs/cgroup/x", began: 123456, pipes: []descendants.Pipe{{Name: "pipe:[1]"}, {Name: "pipe:[2]"}}},
		{began: 7, pipes: []descendants.Pipe{{Name: "pipe:[1]"}}},
		{leaf: "/x", began: 7},
	} {
		if got := parseEntry(want.text()); !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}
