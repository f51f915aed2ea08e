package spawn

import (
	"fmt"
	"syscall"
	"testing"
)

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

// A debugger that is attached to the leader gets its exit status first.
func TestTracedLeader(t *testing.T) { // C9
	p := printed(t, Command{Path: "/bin/sh", Args: []string{"-c", "echo; exec sleep 1000"}}, 1)
	host(t, 1, fmt.Sprintf("trace=%d", p.Pid()))
	if res, err := p.Kill(); err != nil || res.Signal != "SIGKILL" {
		t.Errorf("signal %q, %v", res.Signal, err)
	}
}
