package spawn

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ktstr/ktstr/internal/linux"
)

// inventory is what a process has that runs could leave behind.
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

// Two thousand short runs of every kind from eight goroutines leave nothing.
func TestSoak(t *testing.T) {
	mustRun(t, Command{Path: "/bin/true"}) // what is made once is made
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
	const runs = 2000
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
					t.Errorf("%q: exit %d, %v, complete %v %v", k.c.Args, res.ExitCode, err, res.Stdout.Complete, res.Stderr.Complete)
				}
				res.Release()
			}
		})
	}
	wg.Wait()
	after := takeInventory(t)
	// A goroutine that has said that it is done may not have returned yet.
	for start := time.Now(); after.goroutines > before.goroutines && time.Since(start) < 10*time.Second; linux.Pause(time.Millisecond) {
		after.goroutines = runtime.NumGoroutine()
	}
	if after.goroutines > before.goroutines || len(after.descriptors) > len(before.descriptors) || len(after.children) > len(before.children) ||
		len(after.cgroups) > 0 || len(after.cookies) > 0 {
		t.Errorf("left behind:\n%+v\nbefore:\n%+v", after, before)
	}
}

// fio's forked jobs are in sessions of their own, and fio killed half-way does
// not end them.
func TestFioKilledHalfway(t *testing.T) { // C13
	both(t, func(t *testing.T, set func(Command) Command) {
		dir := t.TempDir()
		c := set(Command{
			Path: "fio", Dir: dir, Grace: 10 * time.Second,
			Args: []string{"--name=jobs", "--numjobs=4", "--rw=randread", "--size=1m", "--ioengine=psync", "--time_based", "--runtime=600", "--status-interval=1", "--output-format=json"},
		})
		c.Env = Environ("HOME=" + dir)
		p := printed(t, c, 1)
		jobs := map[int]bool{}
		for _, pid := range childrenOf(t, p.Pid(), nil) {
			jobs[pid] = true
		}
		if len(jobs) < 4 {
			t.Fatalf("fio forked %d processes, want 4 jobs", len(jobs))
		}
		res, err := p.Kill()
		if err != nil || res.Signal != "SIGKILL" || !res.Stdout.Complete || !res.Stderr.Complete {
			t.Errorf("signal %q, complete %v %v, %v", res.Signal, res.Stdout.Complete, res.Stderr.Complete, err)
		}
		for pid := range jobs {
			if alive(pid) {
				t.Errorf("job %d is alive", pid)
			}
		}
		if len(res.Killed) < 4 {
			t.Errorf("killed %v, want the jobs", res.Killed)
		}
	})
}

// Asked politely, fio prints its whole report.
func TestFioInterrupted(t *testing.T) { // C9
	dir := t.TempDir()
	c := Command{
		Path: "fio", Dir: dir, Grace: 30 * time.Second,
		Args: []string{"--name=jobs", "--numjobs=2", "--rw=randread", "--size=1m", "--ioengine=psync", "--time_based", "--runtime=600", "--output-format=json", "--output=report", "--status-interval=1"},
	}
	p, err := Start(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	// Its jobs run once the report file has its first status.
	for start := time.Now(); ; linux.Pause(10 * time.Millisecond) {
		if st, err := os.Stat(dir + "/report"); err == nil && st.Size() > 0 {
			break
		}
		if time.Since(start) > 30*time.Second {
			t.Fatal("fio wrote no status")
		}
	}
	p.Interrupt()
	res, err := p.Wait()
	if err != nil || res.Cause != CauseInterrupt || res.Signal != "" {
		t.Errorf("cause %q, signal %q, %v", res.Cause, res.Signal, err)
	}
	text, err := os.ReadFile(dir + "/report")
	if err != nil {
		t.Fatal(err)
	}
	// Among the reports it says on what signal it ends.
	var reports strings.Builder
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "fio: ") {
			reports.WriteString(line)
		}
	}
	for d := json.NewDecoder(strings.NewReader(reports.String())); d.More(); {
		var report struct{ Jobs []any }
		if err := d.Decode(&report); err != nil || len(report.Jobs) == 0 {
			t.Fatalf("the report is not whole: %v", err)
		}
	}
}
