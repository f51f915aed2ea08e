package spawn

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ktstr/ktstr/internal/linux"
)

// Many short runs of every kind from eight goroutines leave nothing.
func TestManyRunsLeaveNothing(t *testing.T) {
	mustRun(t, Command{Path: "/bin/true"}) // what is made once is made now
	onLastingThread(func() {})
	before := takeInventory(t)
	sh := func(text string) Command { return Command{Path: "/bin/sh", Args: []string{"-c", text}} }
	kinds := []struct {
		c    Command
		code int
	}{
		{Command{Path: "/bin/true"}, 0},
		{Command{Path: "/bin/false"}, 1},
		{sh("echo out; echo err >&2; exit 3"), 3},
		{sh("sleep 1000 & exit 4"), 4},
		{sh("setsid sleep 1000 & exit 5"), 5},
		{sh("(setsid sleep 1000 >/dev/null 2>&1 &) ; exit 6"), 6},
		{sh("kill -TERM $$"), -1},
		{sh("head -c 300000 /dev/zero; exit 7"), 7},
		{Command{Path: "/no/such/binary"}, -2},
		{sh("sleep 1000"), -3}, // killed
	}
	runs := soak(200, 10_000)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := int(next.Add(1)); i <= runs; i = int(next.Add(1)) {
				k := kinds[i%len(kinds)]
				k.c.NoCgroup = i/len(kinds)%2 == 0
				if k.code == -3 {
					p, err := Start(context.Background(), k.c)
					if err != nil {
						t.Error(err)
						return
					}
					if res, err := p.Kill(); err != nil || res.Signal != "SIGKILL" || res.Cause != CauseKill {
						t.Errorf("killed: %+v, %v", res, err)
					}
					continue
				}
				res, err := Run(context.Background(), k.c)
				if (err != nil) != (k.code == -2) || err == nil && (res.ExitCode != k.code || !res.Stdout.Complete || !res.Stderr.Complete) {
					t.Errorf("%q, no cgroup: %v: exit %d, %v, complete %v %v, killed %v, notices %q",
						k.c.Args, k.c.NoCgroup, res.ExitCode, err, res.Stdout.Complete, res.Stderr.Complete, res.Killed, res.Notices)
				}
				res.Release()
			}
		})
	}
	wg.Wait()
	after := takeInventory(t)
	// A goroutine that has called Done may not have returned yet.
	for start := time.Now(); after.goroutines > before.goroutines && time.Since(start) < 10*time.Second; linux.Pause(time.Millisecond) {
		after.goroutines = runtime.NumGoroutine()
	}
	if after.goroutines > before.goroutines || len(after.descriptors) > len(before.descriptors) || len(after.children) > len(before.children) ||
		len(after.cgroups) > 0 || len(after.cookies) > 0 {
		t.Errorf("left behind:\n%+v\nbefore:\n%+v", after, before)
	}
}

// inventory lists what runs could leave in this process and on the host.
type inventory struct {
	goroutines  int
	descriptors []string
	children    []int
	cgroups     []string
	cookies     []string
}

func takeInventory(t *testing.T) inventory {
	t.Helper()
	inv := inventory{goroutines: runtime.NumGoroutine(), cgroups: leaves(t, os.Getpid()), children: childrenOf(t, os.Getpid(), nil)}
	fds, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if link, err := os.Readlink(fd); err == nil {
			inv.descriptors = append(inv.descriptors, link)
		}
	}
	all, err := linux.Processes()
	if err != nil {
		t.Fatal(err)
	}
	for _, pid := range all {
		env, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		if pid != os.Getpid() && bytes.Contains(env, []byte(self.Cookies())) {
			line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
			inv.cookies = append(inv.cookies, fmt.Sprintf("%q: %s", line, stat))
		}
	}
	return inv
}
