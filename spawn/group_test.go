package spawn

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestSharedGroup(t *testing.T) { // C10
	c := help("print-pgid", "bg=sleep=400;out=late\n", "exit=2")
	c.ShareGroup, c.Grace = true, 30*time.Second
	res := mustRun(t, c)
	list := strings.Fields(string(res.Stdout.Data))
	if len(list) != 3 || list[0] != fmt.Sprint(unix.Getpgrp()) || list[2] != "late" || res.ExitCode != 2 || !res.Stdout.Complete || res.Cgroup != nil {
		t.Errorf("printed %q, exit %d, cgroup %v: want our group %d, and what the child printed later", list, res.ExitCode, res.Cgroup, unix.Getpgrp())
	}
	// A child that holds the stream for longer than the grace is left alone.
	c = help("bg=sleep=3000", "exit=2")
	c.ShareGroup, c.Grace = true, 100*time.Millisecond
	res = mustRun(t, c)
	child := pids(t, res.Stdout.Data)
	if res.ExitCode != 2 || res.Stdout.Complete || len(res.Notices) == 0 || len(child) != 1 || !alive(child[0]) {
		t.Errorf("exit %d, complete %v, notices %q, child %v: want it left alive and said", res.ExitCode, res.Stdout.Complete, res.Notices, child)
	}
	// Only the leader is killed.
	c = help("bg=hang", "hang")
	c.ShareGroup, c.Grace = true, 100*time.Millisecond
	patiently(t, func(d time.Duration) bool {
		c.Timeout = d
		res = mustRun(t, c)
		child = pids(t, res.Stdout.Data)
		return len(child) == 1
	})
	if res.Cause != CauseTimeout || len(child) != 1 || !alive(child[0]) {
		t.Errorf("cause %q, child %v: want it alive", res.Cause, child)
	}
	for _, pid := range child {
		syscall.Kill(pid, syscall.SIGKILL)
	}
}

func TestNoSignalToOthers(t *testing.T) { // C11
	// A pid of 1 or less is never signalled.
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
	// A leader that is gone is not signalled by its number, which another process can
	// have. A signal that does not exist would give an error there.
	gone := exec.Command("/bin/true")
	if err := gone.Start(); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.PidfdOpen(gone.Process.Pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	gone.Wait()
	if err := signalLeader(fd, os.Getpid(), 1000); err != nil {
		t.Errorf("a leader that is gone: %v", err)
	}
	// The code for older kernels kills a group as well.
	res := mustRun(t, func() Command { c := help("bg=hang", "exit=0"); c.NoCgroup = true; return c }())
	for _, pid := range pids(t, res.Stdout.Data) {
		if alive(pid) {
			t.Errorf("%d is alive", pid)
		}
	}
}

// Interrupt of a run that shares our group signals the leader only.
func TestInterruptOfASharedGroup(t *testing.T) { // C10
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGINT)
	defer signal.Stop(signals)
	c := help("int=5")
	c.ShareGroup = true
	p := printed(t, c, 1)
	p.Interrupt()
	res, err := p.Wait()
	if err != nil || res.ExitCode != 5 || res.Cause != CauseInterrupt {
		t.Errorf("exit %d, cause %q, %v: want 5 and interrupt", res.ExitCode, res.Cause, err)
	}
	select {
	case <-signals:
		t.Error("SIGINT came to this process, which is in the group of the run")
	default:
	}
}

// A leader that has moved to another group is killed directly.
func TestLeaderLeavesItsGroup(t *testing.T) { // C11
	c := help(fmt.Sprintf("join=%d", unix.Getpgrp()), "out=\n", "hang")
	c.NoCgroup, c.Grace = true, time.Hour
	p := printed(t, c, 1)
	go p.r.request(CauseKill)
	if res := finished(t, p); res.Signal != "SIGKILL" || res.Cause != CauseKill {
		t.Errorf("signal %q, cause %q: want SIGKILL and kill", res.Signal, res.Cause)
	}
}
