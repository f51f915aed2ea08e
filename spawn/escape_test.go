package spawn

import (
	"context"
	"testing"
	"time"
)

// both runs a check with and without a cgroup.
func both(t *testing.T, check func(t *testing.T, set func(Command) Command)) {
	t.Run("cgroup", func(t *testing.T) {
		check(t, func(c Command) Command { return c })
	})
	t.Run("search", func(t *testing.T) {
		check(t, func(c Command) Command { c.NoCgroup = true; return c })
	})
}

func TestLeaderFirst(t *testing.T) { // C12
	both(t, func(t *testing.T, set func(Command) Command) {
		c := set(help("bg=hang", "out=\n", "exit=3"))
		c.Timeout = 30 * time.Second
		res := mustRun(t, c)
		if res.ExitCode != 3 || res.Cause != CauseNone || !res.Stdout.Complete {
			t.Errorf("exit %d, cause %q, complete %v: want 3, none, true", res.ExitCode, res.Cause, res.Stdout.Complete)
		}
		for _, pid := range pids(t, res.Stdout.Data) {
			if alive(pid) {
				t.Errorf("the background child %d is alive", pid)
			}
		}
		if len(res.Killed) != 0 {
			t.Errorf("killed %v: want none, a child in the group is no escapee", res.Killed)
		}
	})
}

func TestEscapees(t *testing.T) { // C13
	both(t, func(t *testing.T, set func(Command) Command) {
		for _, how := range []string{"setsid", "setpgid", "daemon"} {
			for _, acts := range []string{"hang", "close=1;close=2;hang", "ignore;hang"} {
				c := set(help(how+"="+acts, "sleep=20", "exit=4"))
				c.Timeout = 30 * time.Second
				res := mustRun(t, c)
				if res.ExitCode != 4 || res.Cause != CauseNone || !res.Stdout.Complete || !res.Stderr.Complete {
					t.Errorf("%s %s: exit %d, cause %q, complete %v %v", how, acts, res.ExitCode, res.Cause, res.Stdout.Complete, res.Stderr.Complete)
				}
				list := pids(t, res.Stdout.Data)
				if len(list) != 1 {
					t.Fatalf("%s %s: printed %q, want one pid", how, acts, res.Stdout.Data)
				}
				if alive(list[0]) {
					t.Errorf("%s %s: %d outlived the run", how, acts, list[0])
				}
				if len(res.Killed) != 1 || res.Killed[0].Pid != list[0] || res.Killed[0].Name == "" {
					t.Errorf("%s %s: killed %v, want %d with its name", how, acts, res.Killed, list[0])
				}
			}
		}
	})
}

func TestEachRunLosesOnlyItsOwn(t *testing.T) { // C13
	both(t, func(t *testing.T, set func(Command) Command) {
		other, err := Start(context.Background(), set(help("daemon=hang", "int=5")))
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		own := startForeign(t)
		for range 3 {
			mustRun(t, set(help("daemon=hang")))
		}
		if !alive(own) {
			t.Error("a child of the embedding program was killed")
		}
		if !alive(other.Pid()) {
			t.Error("another run's leader was killed")
		}
		res, err := other.Kill()
		if err != nil {
			t.Fatal(err)
		}
		if len(res.Killed) != 1 {
			t.Errorf("the other run killed %v, want its own escapee", res.Killed)
		}
	})
}
