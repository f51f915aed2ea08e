package spawn

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ktstr/ktstr/internal/linux"
	"golang.org/x/sys/unix"
)

// printed starts c and returns when it has printed that many lines.
func printed(t *testing.T, c Command, lines int) *Process {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	c.TeeStdout = w
	p, err := Start(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	for b := []byte{0}; lines > 0; {
		if _, err := r.Read(b); err != nil {
			t.Fatal(err)
		}
		if b[0] == '\n' {
			lines--
		}
	}
	return p
}

func TestSignals(t *testing.T) { // C9
	for sig, name := range map[syscall.Signal]string{
		syscall.SIGKILL: "SIGKILL", syscall.SIGTERM: "SIGTERM", syscall.SIGUSR1: "SIGUSR1", syscall.SIGALRM: "SIGALRM", 40: "signal 40",
	} {
		res := mustRun(t, Command{Path: "/bin/sh", Args: []string{"-c", fmt.Sprintf("kill -%d $$", sig)}})
		if res.ExitCode != -1 || res.Signal != name || res.Cause != CauseNone || res.CoreDumped {
			t.Errorf("signal %d: exit %d, signal %q, cause %q, core %v, want -1 by %q", sig, res.ExitCode, res.Signal, res.Cause, res.CoreDumped, name)
		}
	}
}

func TestInterrupt(t *testing.T) { // C9
	both(t, func(t *testing.T, set func(Command) Command) {
		// It prints what it has.
		p := printed(t, set(help("int=0")), 1)
		if err := p.Interrupt(); err != nil {
			t.Fatal(err)
		}
		res, err := p.Wait()
		if err != nil || res.Cause != CauseInterrupt || res.ExitCode != 0 || string(res.Stdout.Data) != "ready\nsummary\n" {
			t.Errorf("cause %q, exit %d, printed %q, %v", res.Cause, res.ExitCode, res.Stdout.Data, err)
		}
		// It does not care: killed after the grace.
		c := set(help("ignore", "out=ready\n", "hang"))
		c.Grace = 200 * time.Millisecond
		p = printed(t, c, 1)
		start := time.Now()
		p.Interrupt()
		res, err = p.Wait()
		if d := time.Since(start); err != nil || res.Cause != CauseInterrupt || res.Signal != "SIGKILL" || d < c.Grace {
			t.Errorf("stubborn: cause %q, signal %q, after %v, %v", res.Cause, res.Signal, d, err)
		}
		// A second interrupt does not wait for the grace.
		c.Grace = time.Hour
		p = printed(t, c, 1)
		p.Interrupt()
		p.Interrupt()
		res, err = p.Wait()
		if err != nil || res.Cause != CauseInterrupt || res.Signal != "SIGKILL" {
			t.Errorf("twice: cause %q, signal %q, %v", res.Cause, res.Signal, err)
		}
		if err := p.Interrupt(); err != nil {
			t.Errorf("after the end: %v", err)
		}
	})
}

func TestContext(t *testing.T) { // C15
	ctx, cancel := context.WithCancel(context.Background())
	c := help("out=some\n", "daemon=hang", "hang")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c.TeeStdout = w
	go func() {
		r.Read(make([]byte, 5))
		cancel()
	}()
	res, err := Run(ctx, c)
	w.Close()
	if err != nil || res.Cause != CauseCancel || res.ExitCode != -1 || !strings.HasPrefix(string(res.Stdout.Data), "some\n") {
		t.Errorf("cause %q, exit %d, printed %q, %v", res.Cause, res.ExitCode, res.Stdout.Data, err)
	}
	if _, err := Start(ctx, help()); !errors.Is(err, context.Canceled) {
		t.Errorf("start with an ended context: %v", err)
	}
}

func TestCloseAndDrop(t *testing.T) { // C15
	p := printed(t, help("out=x\n", "daemon=hang", "hang"), 1)
	pid := p.Pid()
	if err := p.Close(); err == nil || !strings.Contains(err.Error(), p.r.c.Path) || !strings.Contains(err.Error(), "lost") {
		t.Errorf("Close: %v, want a word about what is lost", err)
	}
	if alive(pid) {
		t.Error("the leader is alive after Close")
	}

	warned := make(chan string, 1)
	c := help("hang")
	c.Dropped = func(m string) { warned <- m }
	fd := func() int {
		p, err := Start(context.Background(), c)
		if err != nil {
			t.Fatal(err)
		}
		fd, err := unix.PidfdOpen(p.Pid(), 0)
		if err != nil {
			t.Fatal(err)
		}
		return fd
	}()
	defer unix.Close(fd)
	runtime.GC()
	runtime.GC()
	if m := <-warned; !strings.Contains(m, c.Path) || !strings.Contains(m, "lost") {
		t.Errorf("warned %q", m)
	}
	wantDead(t, "dropped handle", []int{fd})
}

func TestHandleFromManyGoroutines(t *testing.T) { // C15
	for range 50 {
		p, err := Start(context.Background(), help("hang"))
		if err != nil {
			t.Fatal(err)
		}
		var results, errs atomic.Int32
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				var err error
				ok := true
				switch i % 4 {
				case 0:
					_, err = p.Wait()
				case 1:
					_, err = p.Kill()
				case 2:
					_, ok, err = p.TryWait()
				case 3:
					p.Interrupt()
					ok = false
				}
				switch {
				case errors.Is(err, ErrTaken):
					errs.Add(1)
				case err != nil:
					t.Error(err)
				case ok:
					results.Add(1)
				}
			})
		}
		wg.Wait()
		if results.Load() != 1 {
			t.Fatalf("%d results and %d errors, want one result", results.Load(), errs.Load())
		}
	}
}

func TestDeadlineSurvivesSignals(t *testing.T) { // C14
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for {
			select {
			case <-stop:
				return
			default:
				syscall.Kill(os.Getpid(), syscall.SIGURG) // which the Go runtime takes for its own
				linux.Pause(time.Millisecond)
			}
		}
	}()
	c := help("hang")
	c.Timeout = 500 * time.Millisecond
	res := mustRun(t, c)
	if res.Cause != CauseTimeout || res.Duration < c.Timeout || res.Duration > 20*c.Timeout {
		t.Errorf("cause %q after %v, want timeout after %v", res.Cause, res.Duration, c.Timeout)
	}
	c.Timeout = -1
	if _, err := Run(context.Background(), c); err == nil {
		t.Error("a negative timeout was taken")
	}
}

func TestBackgroundTimeout(t *testing.T) { // C14
	c := help("out=partial\n", "daemon=hang", "hang")
	c.Timeout = 300 * time.Millisecond
	p, err := Start(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	res, err := p.Kill() // too late to be the cause
	if err != nil || res.Cause != CauseTimeout || res.ExitCode != -1 {
		t.Errorf("cause %q, exit %d, %v", res.Cause, res.ExitCode, err)
	}
}

func TestSharedGroup(t *testing.T) { // C10
	c := help("print-pgid", "bg=sleep=400;out=late\n", "exit=2")
	c.ShareGroup, c.Grace = true, 30*time.Second
	res := mustRun(t, c)
	list := strings.Fields(string(res.Stdout.Data))
	if len(list) != 3 || list[0] != fmt.Sprint(unix.Getpgrp()) || list[2] != "late" || res.ExitCode != 2 || !res.Stdout.Complete || res.Cgroup != nil {
		t.Errorf("printed %q, exit %d, cgroup %v: want our group %d, and what the child printed later", list, res.ExitCode, res.Cgroup, unix.Getpgrp())
	}
	// A child that holds the stream for longer than the grace is let be.
	c = help("bg=sleep=3000", "exit=2")
	c.ShareGroup, c.Grace = true, 100*time.Millisecond
	res = mustRun(t, c)
	child := pids(t, res.Stdout.Data)
	if res.ExitCode != 2 || res.Stdout.Complete || len(res.Notices) == 0 || len(child) != 1 || !alive(child[0]) {
		t.Errorf("exit %d, complete %v, notices %q, child %v: want it left alive and said", res.ExitCode, res.Stdout.Complete, res.Notices, child)
	}
	// Only the leader is killed.
	c = help("bg=hang", "hang")
	c.ShareGroup, c.Timeout, c.Grace = true, 500*time.Millisecond, 100*time.Millisecond
	res = mustRun(t, c)
	child = pids(t, res.Stdout.Data)
	if res.Cause != CauseTimeout || len(child) != 1 || !alive(child[0]) {
		t.Errorf("cause %q, child %v: want it alive", res.Cause, child)
	}
	for _, pid := range child {
		syscall.Kill(pid, syscall.SIGKILL)
	}
}

func TestStdin(t *testing.T) { // C6
	if res := mustRun(t, help("stdin")); string(res.Stdout.Data) != "0 EOF\n" {
		t.Errorf("stdin gave %q, want the end", res.Stdout.Data)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	w.WriteString("x")
	w.Close()
	c := help("stdin")
	c.Stdin = r
	if res := mustRun(t, c); string(res.Stdout.Data) != "1 <nil>\n" {
		t.Errorf("stdin gave %q, want a byte", res.Stdout.Data)
	}
}

func TestEnvironment(t *testing.T) { // C6
	t.Setenv("LC_ALL", "de_DE.UTF-8")
	t.Setenv("KTSTR_X", "mine")
	env := Environ("KTSTR_X=first", "KTSTR_X=last", "LC_ALL=POSIX", "not a pair")
	seen := map[string]int{}
	for _, kv := range env {
		seen[kv]++
	}
	if seen["KTSTR_X=last"] != 1 || seen["LC_ALL=POSIX"] != 1 || seen["KTSTR_X=mine"]+seen["KTSTR_X=first"]+seen["LC_ALL=C"]+seen["not a pair"] != 0 {
		t.Errorf("environment %q", env)
	}
	res := mustRun(t, Command{Path: "/bin/sh", Args: []string{"-c", "echo $LC_ALL $KTSTR_X"}})
	if string(res.Stdout.Data) != "C mine\n" {
		t.Errorf("printed %q", res.Stdout.Data)
	}
	// A run in a run carries both cookies.
	res = mustRun(t, Command{Path: "/bin/sh", Args: []string{"-c", "echo $" + CookieVar}, Env: []string{CookieVar + "=outer"}})
	if got := string(res.Stdout.Data); !strings.HasPrefix(got, "outer:"+self.Cookies()) {
		t.Errorf("cookie %q", got)
	}
}

func TestTee(t *testing.T) { // C7
	dir := t.TempDir()
	out, err := os.Create(filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	c := help("flood=3000000", "flooderr=200000")
	c.TeeStdout, c.TeeStderr, c.Limit = out, full, 1000
	res := mustRun(t, c)
	out.Close()
	text, err := os.ReadFile(out.Name())
	if err != nil || len(text) != 3000000 || !bytes.HasPrefix(text, res.Stdout.Data) || len(res.Stdout.Data) != 1000 {
		t.Errorf("copy of %d bytes, capture of %d, %v", len(text), len(res.Stdout.Data), err)
	}
	if res.Stderr.Bytes != 200000 || res.ExitCode != 0 {
		t.Errorf("a full disk disturbed the payload: %d bytes seen, exit %d", res.Stderr.Bytes, res.ExitCode)
	}
	notices := strings.Join(res.Notices, "\n")
	for _, want := range []string{"stdout: 3000000 bytes were printed and the first 1000", "stderr: its full copy stopped", "no space left"} {
		if !strings.Contains(notices, want) {
			t.Errorf("notices %q, want %q", notices, want)
		}
	}
}

func TestReleasedBuffersAreUsedAgain(t *testing.T) { // C7
	for i := range 5 {
		res := mustRun(t, help("flood="+fmt.Sprint(2<<20+i), "err=x"))
		for j, b := range res.Stdout.Data {
			if b != "0123456789abcdef"[j%16] {
				t.Fatalf("run %d: byte %d is %q", i, j, b)
			}
		}
		res.Release()
		if res.Stdout.Data != nil {
			t.Error("data after Release")
		}
	}
}

// disposition reads what SIGCHLD does.
func disposition(t *testing.T) uintptr {
	t.Helper()
	var sa sigaction
	if errno := rtSigaction(nil, &sa); errno != 0 {
		t.Fatal(errno)
	}
	return sa.handler
}

// ignoreChildren makes this process ignore SIGCHLD, and gives what ends that.
// What signal.Reset does to it is nothing.
func ignoreChildren(t *testing.T) (heed func()) {
	t.Helper()
	var was sigaction
	if errno := rtSigaction(nil, &was); errno != 0 {
		t.Fatal(errno)
	}
	signal.Ignore(syscall.SIGCHLD)
	if disposition(t) != sigIgn {
		t.Fatal("SIGCHLD is not ignored")
	}
	return func() { rtSigaction(&was, nil) }
}

func TestSIGCHLDIgnored(t *testing.T) { // C16
	defer ignoreChildren(t)()
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			res, err := Run(context.Background(), help(fmt.Sprintf("sleep=%d", 60-3*i), fmt.Sprintf("exit=%d", i)))
			if err != nil || res.ExitCode != i {
				t.Errorf("exit %d, %v, want %d", res.ExitCode, err, i)
			}
		})
	}
	wg.Wait()
	if disposition(t) != sigIgn {
		t.Error("SIGCHLD is not ignored any more")
	}
}

// A host that begins to ignore SIGCHLD during a run takes the status away. The
// kernel may have kept it with the pidfd; if not, that is said.
func TestSIGCHLDIgnoredDuringRun(t *testing.T) { // C16
	p := printed(t, help("out=x\n", "stdin", "sleep=100", "exit=9"), 1)
	heed := ignoreChildren(t)
	res, err := p.Wait()
	heed()
	if err == nil && res.ExitCode != 9 || err != nil && !strings.Contains(err.Error(), "SIGCHLD") {
		t.Errorf("exit %d, %v", res.ExitCode, err)
	}
}

// The kernel has reaped the watcher of such a host, and nobody knows how it
// ended.
func TestSIGCHLDIgnoredWithWatcher(t *testing.T) { // C16
	defer ignoreChildren(t)()
	t.Setenv("KTSTR_TEST_HELPER", "1")
	w, err := StartWatcher("watcher")
	if err != nil {
		t.Fatal(err)
	}
	if res := mustRun(t, help("exit=3")); res.ExitCode != 3 || res.Watcher == nil {
		t.Errorf("exit %d, watcher %v", res.ExitCode, res.Watcher)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}

func TestNoSignalToOthers(t *testing.T) { // C11
	// A pid of 0 or 1 or below is nobody's to signal, whatever the kernel offers.
	noGroupSignal.Store(true)
	defer noGroupSignal.Store(false)
	for _, pid := range []int{-1, 0, 1} {
		fd, err := unix.PidfdOpen(os.Getpid(), 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := signalGroup(fd, pid, unix.SIGKILL); err != nil {
			t.Error(err)
		}
		unix.Close(fd)
	}
	// The way of older kernels kills a group as well.
	res := mustRun(t, func() Command { c := help("bg=hang", "exit=0"); c.NoCgroup = true; return c }())
	for _, pid := range pids(t, res.Stdout.Data) {
		if alive(pid) {
			t.Errorf("%d is alive", pid)
		}
	}
}

// An address in the stream of a closed pipe, a leader that closes one stream, and
// one that leaves a child with the other.
func TestStreamsEndApart(t *testing.T) { // C12
	both(t, func(t *testing.T, set func(Command) Command) {
		c := set(help("err=said", "close=2", "out=more", "exit=1"))
		res := mustRun(t, c)
		if string(res.Stdout.Data) != "more" || string(res.Stderr.Data) != "said" || !res.Stdout.Complete || !res.Stderr.Complete {
			t.Errorf("stdout %q, stderr %q", res.Stdout.Data, res.Stderr.Data)
		}
	})
}

// A debugger that is attached to the leader sees its end first.
func TestTracedLeader(t *testing.T) { // C9
	p := printed(t, Command{Path: "/bin/sh", Args: []string{"-c", "echo; exec sleep 1000"}}, 1)
	host(t, 1, fmt.Sprintf("trace=%d", p.Pid()))
	if res, err := p.Kill(); err != nil || res.Signal != "SIGKILL" {
		t.Errorf("signal %q, %v", res.Signal, err)
	}
}
