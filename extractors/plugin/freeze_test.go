package plugin

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/linux"
	"github.com/ktstr/ktstr/spawn"
)

func TestFreezeInSandbox(t *testing.T) {
	t.Parallel()
	for _, c := range []Config{own(t, "busy"), bare(self("busy"))} {
		p := startConfig(t, c)
		thaw, err := p.Freeze()
		if err != nil {
			t.Fatal(err)
		}
		awaitSwitches(t, 50)
		used, err := thaw()
		if err != nil || used.Voluntary != 0 || used.Involuntary != 0 || used.User != 0 {
			t.Errorf("a frozen plugin used %+v, %v; want nothing", used, err)
		}
		if _, err := p.Extract(context.Background(), ktstr.Output{}); err != nil {
			t.Error(err)
		}
	}
}

// An idle plugin of the SDK's does not wake up.
func TestIdle(t *testing.T) {
	t.Parallel()
	for _, c := range []Config{own(t, "echo"), self("echo")} {
		p := startConfig(t, c)
		if _, err := p.Extract(context.Background(), ktstr.Output{}); err != nil {
			t.Fatal(err)
		}
		// What a call leaves to be done is done when two readings agree.
		var before spawn.Usage
		for try := 0; ; try++ {
			last, err := p.current.process.readUsage()
			must(err, "usage")
			awaitSwitches(t, 200)
			if before, err = p.current.process.readUsage(); err != nil || before == last {
				break
			}
			if try == 50 {
				t.Fatalf("it never rests: %+v, then %+v", last, before)
			}
		}
		awaitSwitches(t, 200)
		if after, err := p.current.process.readUsage(); err != nil || after.Voluntary-before.Voluntary > 2 {
			t.Errorf("an idle plugin woke up: %+v, then %+v, %v", before, after, err)
		}
	}
}

func TestFreeze(t *testing.T) {
	t.Parallel()
	p := start(t, "busy")
	ask := func() {
		t.Helper()
		if x, err := p.Extract(context.Background(), ktstr.Output{Data: []byte("x")}); err != nil || len(x.Metrics) != 2 {
			t.Fatalf("got %+v, %v", x, err)
		}
	}
	ask()
	thaw, err := p.Freeze()
	if err != nil {
		t.Fatal(err)
	}
	// The window is as long as it takes the busy plugin to show up in a reading of
	// a process that is not stopped: this one.
	awaitSwitches(t, 50)
	used, err := thaw()
	if err != nil {
		t.Fatal(err)
	}
	if used.Voluntary != 0 || used.Involuntary != 0 || used.User != 0 {
		t.Errorf("a frozen plugin used %+v, want nothing", used)
	}
	ask()

	// Two runs at once: a call in the middle is served, and the plugin rests again.
	thaw1, err1 := p.Freeze()
	thaw2, err2 := p.Freeze()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	ask()
	if got := state(t, p.current.process.proc.Pid); got != "T" {
		t.Errorf("after a call while frozen: state %s, want T", got)
	}
	thaw1()
	if got := state(t, p.current.process.proc.Pid); got != "T" {
		t.Errorf("after the first of two thaws: state %s, want T", got)
	}
	if used, err := thaw2(); err != nil || used.Voluntary == 0 {
		t.Errorf("a freeze with a call in it: got %+v, %v; want the call's context switches", used, err)
	}
	thaw2()
	ask()

	// Closed while frozen.
	if _, err := p.Freeze(); err != nil {
		t.Fatal(err)
	}
	p.Close()
}

// awaitSwitches returns when the test's own process was switched n times.
func awaitSwitches(t *testing.T, n int64) {
	t.Helper()
	self := process{proc: &os.Process{Pid: os.Getpid()}, exited: make(chan struct{})}
	first, err := self.readUsage()
	for u := first; err == nil && u.Voluntary+u.Involuntary < first.Voluntary+first.Involuntary+n; u, err = self.readUsage() {
		<-time.After(time.Millisecond)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func state(t *testing.T, pid int) string {
	t.Helper()
	s, err := linux.ReadStat(pid)
	if err != nil {
		t.Fatal(err)
	}
	return string(s.State)
}
