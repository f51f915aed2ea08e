package plugin

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/extractors/plugin/internal/testkit"
	"golang.org/x/sys/unix"
)

// go-plugin's Kill waits without end for a plugin that does not answer.
func TestCloseOfDeafPlugin(t *testing.T) {
	t.Parallel()
	for _, c := range []Config{bare(self("deaf")), own(t, "deaf"), bare(self("raw"))} {
		startConfig(t, c).Close()
	}
	p := startConfig(t, self("echo"))
	unix.Kill(p.Pid(), unix.SIGSTOP)
	p.Close()
}

// A plugin that leaves its process group is stopped and ended all the same.
func TestLeavesGroup(t *testing.T) {
	t.Parallel()
	p := startConfig(t, bare(self("trouble")))
	if _, err := p.Extract(context.Background(), ktstr.Output{Data: []byte("leave")}); err != nil {
		t.Fatal(err)
	}
	thaw, err := p.Freeze()
	if err != nil {
		t.Fatal(err)
	}
	if got := state(t, p.Pid()); got != "T" {
		t.Errorf("frozen: state %s, want T", got)
	}
	if _, err := thaw(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Extract(context.Background(), ktstr.Output{}); err != nil {
		t.Error(err)
	}
	unix.Kill(p.Pid(), unix.SIGSTOP)
	p.Close()
}

// What a plugin starts neither blocks its end nor outlives it.
func TestGrandchildren(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		verb    string
		config  Config
		started float64
	}{
		{"grandchild", bare(self("trouble")), 1},
		{"daemon", bare(self("trouble")), 1},
		{"grandchild", own(t, "trouble"), 1},
		{"daemon", own(t, "trouble"), 0},
		{"grandchild", self("trouble"), 0},
	} {
		mark := "mark-" + filepath.Base(filepath.Dir(t.TempDir())) + c.verb + strconv.Itoa(os.Getpid())
		p := startConfig(t, c.config)
		x, err := p.Extract(context.Background(), ktstr.Output{Data: []byte(c.verb + " " + mark)})
		if err != nil || x.Metrics[0].Value != c.started {
			t.Errorf("%s, sandbox %v: got %+v, %v; want started = %v", c.verb, p.Sandbox(), x, err, c.started)
		}
		if c.started == 1 && len(testkit.Running(t, mark)) == 0 {
			t.Errorf("%s: is not there, so its end proves nothing", c.verb)
		}
		p.Close()
		if left := testkit.Running(t, mark); len(left) > 0 {
			t.Errorf("%s, sandbox %v: left behind: %v", c.verb, p.Sandbox(), left)
		}
	}
}

func TestSweep(t *testing.T) {
	t.Parallel()
	gone := exec.Command("/bin/true")
	must(gone.Run(), "true")
	old := filepath.Join("/tmp", fmt.Sprintf("ktstr-%d-1", gone.Process.Pid))
	fresh, alive := old+"2", filepath.Join("/tmp", fmt.Sprintf("ktstr-%d-1", os.Getpid()))
	for _, dir := range []string{old, fresh, alive} {
		must(os.MkdirAll(filepath.Join(dir, "plugin-dir"), 0o700), "mkdir")
		defer os.RemoveAll(dir)
	}
	past := time.Now().Add(-time.Hour)
	must(errors.Join(os.Chtimes(old, past, past), os.Chtimes(alive, past, past)), "chtimes")
	sweep()
	for dir, want := range map[string]bool{old: false, fresh: true, alive: true} {
		if _, err := os.Stat(dir); (err == nil) != want {
			t.Errorf("%s is there = %v, want %v", dir, err == nil, want)
		}
	}
}

// C18
func TestHostKilled(t *testing.T) {
	t.Parallel()
	host := exec.Command("/proc/self/exe", "_host", testkit.Executable(t, "deaf"), testkit.Executable(t, "echo"))
	host.Stderr = os.Stderr
	out, err := host.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var fds []int
	for _, word := range strings.Fields(line) {
		pid, err := strconv.Atoi(word)
		if err != nil {
			t.Fatalf("the host says %s", line)
		}
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		fds = append(fds, fd)
	}
	host.Process.Kill()
	host.Wait()
	for i, fd := range fds {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(poll, 10_000)
		for errors.Is(err, unix.EINTR) {
			n, err = unix.Poll(poll, 10_000)
		}
		if n != 1 {
			t.Errorf("plugin %d of %s lives on after its host was killed (%v)", i, line, err)
			unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
		}
	}
	dirs, err := filepath.Glob(filepath.Join("/tmp", fmt.Sprintf("ktstr-%d-*", host.Process.Pid)))
	if err != nil || len(dirs) > 0 {
		t.Errorf("left behind: %q, %v", dirs, err)
	}
}

func TestClose(t *testing.T) {
	t.Parallel()
	p := start(t, "echo")
	begin := time.Now()
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	t.Logf("closed in %v", time.Since(begin))
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	var e *Error
	if _, err := p.Extract(context.Background(), ktstr.Output{}); !errors.As(err, &e) || e.Fault != Closed {
		t.Errorf("got %v, want fault %q", err, Closed)
	}
}
