package spawn

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ktstr/ktstr/spawn/internal/descendants"
)

// The cgroups that the payload makes are removed with its leaf.
func TestPayloadMakesCgroups(t *testing.T) { // C19
	needsCgroup(t)
	cgroupName(t)
	res := mustRun(t, Command{Path: "/bin/sh", Args: []string{"-c", `d=` + mounted().Dir + `$(sed -n s/^0:://p /proc/self/cgroup); mkdir -p $d/x/y && (echo 0 >$d/x/y/cgroup.procs; sleep 1000 & echo $!)`}})
	list := pids(t, res.Stdout.Data)
	if len(list) != 1 || alive(list[0]) || res.ExitCode != 0 {
		t.Errorf("exit %d, printed %q, stderr %q", res.ExitCode, res.Stdout.Data, res.Stderr.Data)
	}
}

// A child that the payload moves to another cgroup is killed with the run.
func TestPayloadLeavesItsCgroup(t *testing.T) { // C13
	needsCgroup(t)
	own, err := mounted().Own()
	if err != nil {
		t.Fatal(err)
	}
	res := mustRun(t, Command{Path: "/bin/sh", Timeout: 20 * time.Second, Args: []string{"-c", `setsid sh -c 'echo $$ >` + own + `/cgroup.procs; echo $$; exec sleep 1000' & while ! grep -q ` + "'^0::" + strings.TrimPrefix(own, mounted().Dir) + `/*$' /proc/$!/cgroup; do :; done`}})
	list := pids(t, res.Stdout.Data)
	if len(list) != 1 || alive(list[0]) || len(res.Killed) != 1 || !res.Stdout.Complete {
		t.Errorf("printed %q, killed %v, stderr %q", res.Stdout.Data, res.Killed, res.Stderr.Data)
	}
}

// A payload that moves itself to another cgroup leaves an empty leaf. Its later
// children are killed with the run.
func TestPayloadMovesItselfAway(t *testing.T) { // C13
	needsCgroup(t)
	own, err := mounted().Own()
	if err != nil {
		t.Fatal(err)
	}
	script := `echo $$ >` + own + `/cgroup.procs; sleep 1000 & echo $!; setsid sleep 1000 & echo $!; `
	check := func(t *testing.T, res Result) {
		t.Helper()
		list := pids(t, res.Stdout.Data)
		if len(list) != 2 || alive(list[0]) || alive(list[1]) || !res.Stdout.Complete {
			t.Errorf("printed %q, killed %v, stderr %q", res.Stdout.Data, res.Killed, res.Stderr.Data)
		}
	}
	t.Run("exit", func(t *testing.T) {
		res := mustRun(t, Command{Path: "/bin/sh", Timeout: 20 * time.Second, Args: []string{"-c", script + "exit 3"}})
		if res.ExitCode != 3 {
			t.Errorf("exit %d", res.ExitCode)
		}
		check(t, res)
	})
	t.Run("kill", func(t *testing.T) {
		p := printed(t, Command{Path: "/bin/sh", Args: []string{"-c", script + "exec sleep 1000"}}, 2)
		res, err := p.Kill()
		if err != nil {
			t.Fatal(err)
		}
		check(t, res)
	})
}

// A payload can remove the cgroup of its run. The grace time is an hour, so a run
// that waited for a notification of the kernel about it would not end.
func TestLeafThatThePayloadRemoves(t *testing.T) { // C13
	needsCgroup(t)
	own, err := mounted().Own()
	if err != nil {
		t.Fatal(err)
	}
	script := `d=` + mounted().Dir + `$(sed -n s/^0:://p /proc/self/cgroup); echo $$ >` + own + `/cgroup.procs && rmdir $d && echo gone`
	res := mustRun(t, Command{Path: "/bin/sh", Args: []string{"-c", script}, Grace: time.Hour})
	if string(res.Stdout.Data) != "gone\n" || res.Cgroup != nil {
		t.Fatalf("printed %q and %q, cgroup %v: want it gone, and no counters", res.Stdout.Data, res.Stderr.Data, res.Cgroup)
	}
	if len(res.Notices) != 1 || !strings.Contains(res.Notices[0], "counters") {
		t.Errorf("notices %q, want one about the counters", res.Notices)
	}
}

// There are more processes than one read of cgroup.procs lists, and some are in a
// cgroup that the payload has made.
func TestManyProcesses(t *testing.T) { // C13, C19, C23
	needsCgroup(t)
	const many = 800 // of 6 bytes each; the first read gives 4096 at most
	script := `i=0; while [ $i -lt $1 ]; do sleep 1000 & i=$((i+1)); done
		setsid sleep 1000 & until [ "$(cat /proc/$!/comm)" = sleep ]; do :; done; `
	inner := `d=` + mounted().Dir + `$(sed -n s/^0:://p /proc/self/cgroup); mkdir -p $d/x/y
		(echo 0 >$d/x/y/cgroup.procs; echo ready; exec sleep 1000) & `
	for _, tt := range []struct {
		name, script string
		want         int
	}{
		{"flat", script + "echo ready; wait", many + 2},
		{"nested", script + inner + "wait", many + 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cgroupName(t)
			p := printed(t, Command{Path: "/bin/sh", Args: []string{"-c", tt.script, "sh", fmt.Sprint(many)}}, 1)
			list, err := p.r.leaf.Procs()
			if err != nil || len(list) != tt.want {
				t.Errorf("%d processes, %v, want %d", len(list), err, tt.want)
			}
			res, err := p.Kill()
			if err != nil {
				t.Fatal(err)
			}
			for _, pid := range list {
				if alive(pid) {
					t.Errorf("%d is alive", pid)
				}
			}
			if len(res.Killed) != descendants.MaxVictims || res.Killed[0].Name != "sleep" || !res.Stdout.Complete {
				t.Errorf("%d killed, want %d listed; complete %v", len(res.Killed), descendants.MaxVictims, res.Stdout.Complete)
			}
		})
	}
}
