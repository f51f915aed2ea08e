package spawn

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ktstr/ktstr/internal/linux"
	"golang.org/x/sys/unix"
)

// With LeftoversWait the run goes on until its descendants have closed the streams.
func TestLeftoversWait(t *testing.T) { // C12
	both(t, func(t *testing.T, set func(Command) Command) {
		for _, how := range []string{"bg", "setsid", "daemon"} {
			c := set(help(how+"=sleep=300;out=late\n", "exit=3"))
			c.Leftovers, c.Timeout = LeftoversWait, 30*time.Second
			res := mustRun(t, c)
			if res.ExitCode != 3 || res.Cause != CauseNone || !strings.HasSuffix(string(res.Stdout.Data), "\nlate\n") || len(res.Killed) > 0 || len(res.Notices) > 0 {
				t.Errorf("%s: exit %d, cause %q, printed %q, killed %v, notices %q: want 3, none, late, none, none", how, res.ExitCode, res.Cause, res.Stdout.Data, res.Killed, res.Notices)
			}
			if res.Duration < 300*time.Millisecond {
				t.Errorf("%s: duration %v, want the time until the streams ended", how, res.Duration)
			}
		}
		// A descendant without streams is killed.
		c := set(help("bg=drop=1;drop=2;hang", "sleep=50", "exit=3"))
		c.Leftovers, c.Timeout = LeftoversWait, 30*time.Second
		res := mustRun(t, c)
		if list := pids(t, res.Stdout.Data); res.Cause != CauseNone || len(list) != 1 || !dies(t, list[0]) || len(res.Killed) != 1 {
			t.Errorf("without streams: cause %q, printed %q, killed %v: want none, and the child killed", res.Cause, res.Stdout.Data, res.Killed)
		}
		// The timeout and Kill end the wait.
		c = set(help("setsid=hang", "exit=3"))
		c.Leftovers = LeftoversWait
		patiently(t, func(d time.Duration) bool {
			c.Timeout = d
			res = mustRun(t, c)
			return res.ExitCode == 3
		})
		if list := pids(t, res.Stdout.Data); res.ExitCode != 3 || res.Cause != CauseTimeout || len(list) != 1 || !dies(t, list[0]) || len(res.Killed) != 1 {
			t.Errorf("timeout: exit %d, cause %q, printed %q, killed %v: want 3, timeout, and the child killed", res.ExitCode, res.Cause, res.Stdout.Data, res.Killed)
		}
		c.Timeout = 0
		p := printed(t, c, 1)
		res = kill(t, p)
		if res.Cause != CauseKill || len(res.Killed) != 1 {
			t.Errorf("kill: cause %q, killed %v: want kill and the child", res.Cause, res.Killed)
		}
	})
	c := help()
	c.Leftovers = "keep"
	if _, err := Run(context.Background(), c); err == nil || !strings.Contains(err.Error(), "leftovers") {
		t.Errorf("leftovers %q: %v, want an error", c.Leftovers, err)
	}
}

// A process closes its streams after it has begun to exit. So the end of the streams
// finds it still there, and it counts as one that ended by itself.
func TestLeftoversWaitDoesNotListExitingProcesses(t *testing.T) { // C12
	both(t, func(t *testing.T, set func(Command) Command) {
		for range soak(10, 100) {
			c := set(help("setsid=out=late\n", "exit=3"))
			c.Leftovers, c.Timeout = LeftoversWait, 30*time.Second
			if res := mustRun(t, c); len(res.Killed) > 0 || len(res.Notices) > 0 {
				t.Fatalf("killed %v, notices %q: want none", res.Killed, res.Notices)
			}
		}
	})
}

// If only a process that does not belong to the run holds the stream, the run waits
// for its descendants and then ends.
func TestLeftoversWaitDoesNotWaitForOlderProcesses(t *testing.T) { // C12
	both(t, func(t *testing.T, set func(Command) Command) {
		for _, descendant := range []string{"", "setsid=sleep=1500;out=late\n"} {
			b := startBystander(t)
			later(t, b.pid)
			file := filepath.Join(t.TempDir(), "go")
			c, lines := set(help("out=\n", "file="+file, "exit=4")), 1
			if descendant != "" {
				c, lines = set(help(descendant, "file="+file, "exit=4")), 1
			}
			c.Leftovers = LeftoversWait
			p := printed(t, c, lines)
			b.do("open /proc/" + pidText(p) + "/fd/1")
			if err := os.WriteFile(file, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			res := finished(t, p)
			if late := strings.Contains(string(res.Stdout.Data), "late\n"); late != (descendant != "") || len(res.Killed) > 0 {
				t.Errorf("descendant %q: printed %q, killed %v: want its output and none", descendant, res.Stdout.Data, res.Killed)
			}
			if !alive(b.pid) || res.ExitCode != 4 || res.Cause != CauseNone || res.Stdout.Complete {
				t.Errorf("the bystander is alive: %v, exit %d, cause %q, complete %v: want true, 4, none, false", alive(b.pid), res.ExitCode, res.Cause, res.Stdout.Complete)
			}
		}
	})
}

// The same if the process that holds the stream is in the cgroup of the run, too.
func TestLeftoversWaitDoesNotWaitForGuests(t *testing.T) { // C12
	b := startBystander(t)
	later(t, b.pid)
	p, release := during(t, func(c Command) Command { c.Leftovers = LeftoversWait; return c })
	if p.r.leaf == nil {
		t.Skip("this host gives runs no cgroup")
	}
	dir := p.r.leaf.Path()
	if err := os.WriteFile(dir+"/cgroup.procs", []byte(strconv.Itoa(b.pid)), 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // the bystander is killed before
		for start := time.Now(); os.Remove(dir) != nil && time.Since(start) < 10*time.Second; linux.Pause(time.Millisecond) {
		}
	})
	t.Cleanup(func() { unix.Kill(b.pid, unix.SIGKILL) })
	b.do("open /proc/" + pidText(p) + "/fd/1")
	release()
	if res := finished(t, p); !alive(b.pid) || res.ExitCode != 4 || len(res.Killed) > 0 {
		t.Errorf("the bystander is alive: %v, exit %d, killed %v: want true, 4, none", alive(b.pid), res.ExitCode, res.Killed)
	}
}
