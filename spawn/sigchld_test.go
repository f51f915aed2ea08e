package spawn

import (
	"context"
	"fmt"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
)

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

// The disposition stays changed until the last of two overlapping runs has ended.
func TestSIGCHLDIgnoredDuringTwoRuns(t *testing.T) { // C16
	defer ignoreChildren(t)()
	for _, firstEndsFirst := range []bool{true, false} {
		var runs [2]*Process
		for i := range runs {
			runs[i] = printed(t, help(fmt.Sprintf("int=%d", 5+i)), 1)
		}
		order := []int{0, 1}
		if !firstEndsFirst {
			order = []int{1, 0}
		}
		for n, i := range order {
			runs[i].Interrupt()
			if res, err := runs[i].Wait(); err != nil || res.ExitCode != 5+i {
				t.Errorf("run %d: exit %d, %v, want %d", i, res.ExitCode, err, 5+i)
			}
			if ignored := disposition(t) == sigIgn; ignored != (n == 1) {
				t.Errorf("after %d of 2 runs: ignored %v", n+1, ignored)
			}
		}
	}
}

// A host that begins to ignore SIGCHLD during a run loses the exit status. The kernel
// can have kept it with the pidfd. Otherwise the run is an error.
func TestSIGCHLDIgnoredDuringRun(t *testing.T) { // C16
	for _, tt := range []struct {
		end    string
		code   int
		signal string
	}{{"exit 9", 9, ""}, {"kill -TERM $$", -1, "SIGTERM"}} {
		p := printed(t, Command{Path: "/bin/sh", Args: []string{"-c", "echo x; sleep 0.1; " + tt.end}}, 1)
		heed := ignoreChildren(t)
		res, err := p.Wait()
		heed()
		if err == nil && (res.ExitCode != tt.code || res.Signal != tt.signal) || err != nil && !strings.Contains(err.Error(), "SIGCHLD") {
			t.Errorf("%s: exit %d, signal %q, %v", tt.end, res.ExitCode, res.Signal, err)
		}
	}
}

// The kernel has reaped the watcher of such a host, so its exit status is unknown.
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

// disposition is the handler of SIGCHLD.
func disposition(t *testing.T) uintptr {
	t.Helper()
	var sa sigaction
	if errno := rtSigaction(nil, &sa); errno != 0 {
		t.Fatal(errno)
	}
	return sa.handler
}

// ignoreChildren makes this process ignore SIGCHLD until heed is called.
// signal.Reset would not restore the disposition.
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
