package spawn

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ktstr/ktstr/spawn/internal/descendants"
	"golang.org/x/sys/unix"
)

func TestLeaderFirst(t *testing.T) { // C12
	both(t, func(t *testing.T, set func(Command) Command) {
		c := set(help("bg=hang", "out=\n", "exit=3"))
		c.Timeout = 30 * time.Second
		res := mustRun(t, c)
		if res.ExitCode != 3 || res.Cause != CauseNone || !res.Stdout.Complete {
			t.Errorf("exit %d, cause %q, complete %v: want 3, none, true", res.ExitCode, res.Cause, res.Stdout.Complete)
		}
		child := pids(t, res.Stdout.Data)
		if len(child) != 1 || !dies(t, child[0]) {
			t.Fatalf("printed %q: want the pid of a dead child", res.Stdout.Data)
		}
		want := fmt.Sprintf("killed after the end of the payload: exe (%d)", child[0])
		if len(res.Killed) != 1 || res.Killed[0] != (Survivor{child[0], "exe"}) || len(res.Notices) != 1 || !strings.HasPrefix(res.Notices[0], want) {
			t.Errorf("killed %v, notices %q: want the child %d in both", res.Killed, res.Notices, child[0])
		}
		// At a timeout they are listed as well, and they have not outlived the payload.
		c = set(help("bg=hang", "setsid=hang", "hang"))
		patiently(t, func(d time.Duration) bool {
			c.Timeout = d
			res = mustRun(t, c)
			return len(pids(t, res.Stdout.Data)) == 2
		})
		for _, pid := range pids(t, res.Stdout.Data) {
			if !dies(t, pid) || !slices.ContainsFunc(res.Killed, func(s Survivor) bool { return s.Pid == pid }) {
				t.Errorf("timeout: %d is alive: %v, killed %v: want it killed and listed", pid, alive(pid), res.Killed)
			}
		}
		if len(res.Killed) != 2 || len(res.Notices) != 0 {
			t.Errorf("timeout: killed %v, notices %q: want two, and no notice", res.Killed, res.Notices)
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

// A detached orphan has cleared its environment, closed its streams, left its session
// and lost its parent. It is killed with and without a cgroup.
func TestDetachedOrphans(t *testing.T) { // C13
	both(t, func(t *testing.T, set func(Command) Command) {
		for _, acts := range []string{"hang", "ignore;hang", "detached=hang;hang"} {
			c := set(help("await", "detached="+acts, "exit=4"))
			c.Timeout = 30 * time.Second
			res, err := runAwaited(c)
			if err != nil {
				t.Fatal(err)
			}
			list := pids(t, res.Stdout.Data)
			if res.ExitCode != 4 || res.Cause != CauseNone || len(list) != 1 {
				t.Fatalf("%s: exit %d, cause %q, printed %q: want 4, none and a pid", acts, res.ExitCode, res.Cause, res.Stdout.Data)
			}
			if alive(list[0]) {
				t.Errorf("%s: %d outlived the run", acts, list[0])
			}
			if !slices.ContainsFunc(res.Killed, func(s Survivor) bool { return s.Pid == list[0] && s.Name != "" }) {
				t.Errorf("%s: killed %v, want %d with its name among them", acts, res.Killed, list[0])
			}
		}
	})
}

// A process can go on without its first thread. Then it looks like a zombie, and the
// kernel's kill of its cgroup does not reach it.
func TestProcessWithoutItsFirstThread(t *testing.T) { // C13
	both(t, func(t *testing.T, set func(Command) Command) {
		for _, how := range []string{"bg", "daemon", "detached"} {
			ready := filepath.Join(t.TempDir(), "ready")
			c := set(help("await", how+"=drop=1;drop=2;headless="+ready+";hang", "file="+ready, "exit=4"))
			c.Timeout, c.Grace = 30*time.Second, time.Hour
			res, err := runAwaited(c)
			if err != nil {
				t.Fatal(err)
			}
			list := pids(t, res.Stdout.Data)
			if res.ExitCode != 4 || len(list) != 1 {
				t.Fatalf("%s: exit %d, printed %q: want 4 and a pid", how, res.ExitCode, res.Stdout.Data)
			}
			if !dies(t, list[0]) {
				t.Errorf("%s: %d outlived the run", how, list[0])
				unix.Kill(list[0], unix.SIGKILL)
			}
			if len(res.Notices) != 1 || !strings.HasPrefix(res.Notices[0], "killed after") {
				t.Errorf("%s: notices %q, want one about the process that was killed", how, res.Notices)
			}
		}
	})
}

// A root payload can move its children out of the cgroup.
func TestEscapeFromTheCgroup(t *testing.T) { // C13
	needsCgroup(t)
	own, err := mounted().Own()
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := fmt.Sprintf("%s/spawntest-elsewhere-%d", own, os.Getpid())
	if err := os.Mkdir(elsewhere, 0o755); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(elsewhere)
	for _, how := range []string{"detached", "daemon", "bg"} {
		for _, wait := range []string{"sleep=0", "sleep=60"} { // the search looks at the pids after the leader's, or at all
			c := help("await", how+"=move="+elsewhere+";drop=1;drop=2;hang", "see="+elsewhere, wait, "exit=4")
			c.Timeout = 30 * time.Second
			res, err := runAwaited(c)
			if err != nil {
				t.Fatal(err)
			}
			list := pids(t, res.Stdout.Data)
			if res.Cgroup == nil || res.ExitCode != 4 || len(list) != 1 {
				t.Fatalf("%s: cgroup %v, exit %d, printed %q: want one, 4 and a pid", how, res.Cgroup, res.ExitCode, res.Stdout.Data)
			}
			if alive(list[0]) {
				t.Errorf("%s, %s: %d outlived the run in another cgroup", how, wait, list[0])
			}
		}
	}
}

func TestListOfTheKilledIsBounded(t *testing.T) { // C13
	var r run
	for pid := range descendants.MaxVictims {
		r.listKilled(pid+1, "sleep")
	}
	r.listKilled(1, "sleep") // again
	more := func() bool {
		r.notices = nil
		r.noteKilled()
		return slices.ContainsFunc(r.notices, func(s string) bool { return strings.HasPrefix(s, "more than 256") })
	}
	if len(r.killed) != descendants.MaxVictims || more() {
		t.Errorf("%d are listed, notices %q: want %d and none about more", len(r.killed), r.notices, descendants.MaxVictims)
	}
	r.listKilled(descendants.MaxVictims+1, "sleep")
	if len(r.killed) != descendants.MaxVictims || !more() {
		t.Errorf("%d are listed, notices %q: want %d and one about more", len(r.killed), r.notices, descendants.MaxVictims)
	}
}

func TestEachRunLosesOnlyItsOwn(t *testing.T) { // C13
	both(t, func(t *testing.T, set func(Command) Command) {
		for _, how := range []string{"daemon", "detached"} {
			other, read := startAwaited(t, set(help("await", how+"=hang", "int=5")))
			escaped := read()
			own := startForeign(t)
			for range 3 {
				res, err := runAwaited(set(help("await", how+"=hang")))
				if err != nil {
					t.Fatal(err)
				}
				if list := pids(t, res.Stdout.Data); len(list) != 1 || alive(list[0]) {
					t.Errorf("%s: a run left %v", how, list)
				}
			}
			if !alive(own) {
				t.Errorf("%s: a child of the embedding program was killed", how)
			}
			if !alive(other.Pid()) || !alive(escaped) {
				t.Errorf("%s: another run's leader or escapee was killed", how)
			}
			res := kill(t, other)
			if len(res.Killed) != 1 || res.Killed[0].Pid != escaped || alive(escaped) {
				t.Errorf("%s: the other run killed %v, want its own escapee %d", how, res.Killed, escaped)
			}
		}
	})
}

// A run within a run kills its own detached orphans and spares the outer run's. The
// outer run kills all, also those of an inner run that is still going on.
func TestRunInARun(t *testing.T) { // C13
	both(t, func(t *testing.T, set func(Command) Command) {
		for _, host := range []string{"as=library", "subreaper"} {
			p, read := startAwaited(t, set(help("await", "detached=hang", host, "run=await,detached=hang", "hang")))
			outer, inner, killed := read(), read(), read()
			if !alive(outer) || alive(inner) || killed != 1 {
				t.Errorf("%s: after the inner run the outer detached is alive: %v, the inner one: %v; it killed %d: want true, false, 1", host, alive(outer), alive(inner), killed)
			}
			kill(t, p)
			if alive(outer) {
				t.Errorf("%s: the outer detached outlived its run", host)
			}

			p, read = startAwaited(t, set(help("await", host, "host=alone,search,await,detached=hang,hang")))
			inner = read()
			kill(t, p)
			if alive(inner) {
				t.Errorf("%s: the detached of an inner run outlived the outer run", host)
			}
		}
	})
}

func TestSubreaperKillsOrphans(t *testing.T) { // C13
	// The host has its own process, because a test binary must not become a subreaper.
	res := mustRun(t, help("subreaper", "run=detached=hang,sleep=20,out=\n", "exit=0"))
	list := pids(t, res.Stdout.Data)
	if len(list) != 2 {
		t.Fatalf("host printed %q and %q, want the pid of the detached and the number killed, and no child", res.Stdout.Data, res.Stderr.Data)
	}
	if alive(list[0]) || list[1] != 1 {
		t.Errorf("detached alive %v, %d killed: want it killed", alive(list[0]), list[1])
	}
}

// A run in a subreaper kills the children that appeared during it, except helpers.
func TestHelperOutlivesARun(t *testing.T) {
	for how, want := range map[string]string{"known": "true\n", "unknown": "false\n"} {
		if res := mustRun(t, help("subreaper", "beside="+how)); string(res.Stdout.Data) != want {
			t.Errorf("%s: it lives after the run: %q, want %q", how, res.Stdout.Data, want)
		}
	}
}
