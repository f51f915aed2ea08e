package spawn

import (
	"fmt"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
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

func TestCoreDumps(t *testing.T) { // C9
	pattern, err := os.ReadFile("/proc/sys/kernel/core_pattern")
	var limit unix.Rlimit
	if err != nil || len(pattern) == 0 || pattern[0] == '|' || pattern[0] == '/' {
		t.Skipf("core_pattern %q (%v): the kernel writes no core file into the working directory", pattern, err)
	}
	if unix.Getrlimit(unix.RLIMIT_CORE, &limit) != nil || limit.Max == 0 {
		t.Skip("the hard limit of core files is 0")
	}
	for blocks, want := range map[string]bool{"0": false, "$(ulimit -Hc)": true} {
		c := Command{Path: "/bin/sh", Args: []string{"-c", "ulimit -Sc " + blocks + "; kill -SEGV $$"}, Dir: t.TempDir()}
		if res := mustRun(t, c); res.CoreDumped != want || res.Signal != "SIGSEGV" || res.ExitCode != -1 {
			t.Errorf("limit %s: core dumped %v, signal %q, exit %d: want %v, SIGSEGV, -1; stderr %q", blocks, res.CoreDumped, res.Signal, res.ExitCode, want, res.Stderr.Data)
		}
	}
}
