package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/internal/fleet"
	"github.com/ktstr/ktstr/internal/fleet/fleettest"
	"github.com/ktstr/ktstr/internal/hostlock"
	"github.com/ktstr/ktstr/internal/runs"
)

// A testFleet runs the command with hosts that are directories. A host that is not in up is
// down.
type testFleet struct {
	t      *testing.T
	home   string
	bench  string
	engine fleettest.Engine
	stdout bytes.Buffer
	stderr bytes.Buffer
}

func newTestFleet(t *testing.T, up ...string) *testFleet {
	t.Helper()
	f := &testFleet{t: t, home: t.TempDir()}
	for _, name := range []string{"HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"} {
		t.Setenv(name, f.home)
	}
	f.engine = fleettest.Engine{Dir: filepath.Join(f.home, "hosts"), Names: up}
	t.Cleanup(func() {
		if err := f.engine.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, name := range up {
		if err := os.MkdirAll(filepath.Join(f.engine.Dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	f.bench = filepath.Join(f.home, "bench")
	f.write("echo '{\"iops\": 1234}'")
	return f
}

// write makes the benchmark a shell script.
func (f *testFleet) write(script string) {
	f.t.Helper()
	if err := os.WriteFile(f.bench, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		f.t.Fatal(err)
	}
}

// ktstr runs a command line and returns its exit status.
func (f *testFleet) ktstr(args ...string) int {
	f.stdout.Reset()
	f.stderr.Reset()
	a := &app{engine: func(fleetOptions) (fleet.Engine, string, error) { return f.engine, "test", nil }}
	return a.execute(f.t.Context(), args, strings.NewReader(""), &f.stdout, &f.stderr)
}

// kept returns the runs in the store.
func (f *testFleet) kept() []runs.Run {
	f.t.Helper()
	list, err := runs.Open(filepath.Join(f.home, "ktstr", "runs")).List(runs.Filter{})
	if err != nil {
		f.t.Fatal(err)
	}
	return list
}

func (f *testFleet) wantOutput(parts ...string) {
	f.t.Helper()
	for _, part := range parts {
		if !strings.Contains(f.stdout.String()+f.stderr.String(), part) {
			f.t.Errorf("the output lacks %q\n%s%s", part, &f.stdout, &f.stderr)
		}
	}
}

// C47
func TestRunsOnSeveralHosts(t *testing.T) {
	f := newTestFleet(t, "n1", "n2")
	if got := f.ktstr("run", f.bench, "--on", "test", "--repeat", "2", "--higher", "iops"); got != core.ExitPass {
		t.Fatalf("exit status %d\n%s%s", got, &f.stdout, &f.stderr)
	}
	f.wantOutput("n1    2     pass", "n2    2     pass", "2 hosts: 2 passed\n")
	kept := f.kept()
	if len(kept) != 4 {
		t.Fatalf("%d runs were kept, want 4", len(kept))
	}
	hosts := map[string]int{}
	for _, r := range kept {
		if r.Record.Where == nil || r.Record.Where.Engine != "test" || r.Record.Bundle != r.Dir {
			t.Errorf("where %v, bundle %s; want the host, and %s", r.Record.Where, r.Record.Bundle, r.Dir)
			continue
		}
		hosts[r.Record.Where.Host]++
		if !r.Record.Exclusive {
			t.Error("the run had not the host to itself")
		}
	}
	if hosts["n1"] != 2 || hosts["n2"] != 2 {
		t.Errorf("runs by host: %v, want 2 of each", hosts)
	}
	for _, host := range f.engine.Names {
		if left, _ := filepath.Glob(filepath.Join(f.engine.Dir, host, "ktstr", "jobs", "*")); left != nil {
			t.Errorf("files are left on %s: %v", host, left)
		}
	}
}

// The payload file, the plugin and the lock of the client are those of the runs on a host.
func TestHostsUseThePayloadPluginAndLockOfTheClient(t *testing.T) {
	f := newTestFleet(t, "n1")
	payloads := filepath.Join(f.home, "payloads")
	if err := os.Mkdir(payloads, 0o700); err != nil {
		t.Fatal(err)
	}
	talk := "name: talk\nsummary: Says its speed\nbinary: /bin/echo\nargs: [-e, 'speed 1.0\\nthroughput: 12.5']\nextractor: speed\n"
	if err := os.WriteFile(filepath.Join(payloads, "talk.yaml"), []byte(talk), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(f.home)
	for _, line := range []string{
		"plugin new speed --lang table", "plugin install ktstr-plugin-speed/speed.ktstr.yaml --corpus ktstr-plugin-speed/corpus", "plugin lock",
		"run talk --on test --payload-dir payloads",
	} {
		if got := f.ktstr(strings.Fields(line)...); got != core.ExitPass {
			t.Fatalf("ktstr %s: exit status %d\n%s%s", line, got, &f.stdout, &f.stderr)
		}
	}
	kept := f.kept()
	if len(kept) != 1 {
		t.Fatalf("%d runs were kept, want 1\n%s", len(kept), &f.stderr)
	}
	r := kept[0].Record
	if len(r.Metrics) == 0 || r.Metrics[0].Name != "throughput" || r.Metrics[0].Value != 12.5 {
		t.Errorf("metrics %v, want throughput 12.5", r.Metrics)
	}
	if p := r.Plugin; p == nil || !p.Locked || !strings.HasPrefix(p.Lock, f.engine.Dir) {
		t.Errorf("plugin %+v, want one that the lock of the client names", p)
	}
}

// Variants run in turns on each host, and the comparison is of all hosts.
func TestVariantsOnHosts(t *testing.T) {
	f := newTestFleet(t, "n1", "n2", "n3")
	f.write("echo \"{\\\"iops\\\": $1}\"")
	got := f.ktstr("run", f.bench, "--on", "test", "--repeat", "2", "--higher", "iops", "--variant", "old=100", "--variant", "new=90", "--tag", "t")
	if got != core.ExitCheck {
		t.Errorf("exit status %d, want %d for a loss\n%s%s", got, core.ExitCheck, &f.stdout, &f.stderr)
	}
	f.wantOutput("worse", "3 hosts: 3 passed\n")
	if got := f.ktstr("runs", "list", "--tag", "t"); got != core.ExitPass || strings.Count(f.stdout.String(), "set-") < 12 {
		t.Errorf("runs list --tag t: exit status %d, want the 12 runs\n%s%s", got, &f.stdout, &f.stderr)
	}
}

// A host that is down is named, and the runs of the others count.
func TestHostThatIsDownIsNamed(t *testing.T) {
	f := newTestFleet(t, "n1")
	f.engine.Names = append(f.engine.Names, "n2")
	if got := f.ktstr("run", f.bench, "--on", "test"); got != core.ExitRun {
		t.Errorf("exit status %d, want %d", got, core.ExitRun)
	}
	f.wantOutput("n2    0     no result  the host is down", "2 hosts: 1 passed, 1 without a result (n2)\n", "1 of 2 runs")
	if got := f.ktstr("run", f.bench, "--on", "test", "-o", "json"); got != core.ExitRun || !strings.Contains(f.stdout.String(), `"host": "n2"`) {
		t.Errorf("-o json: exit status %d, want %d and a record of n2\n%s", got, core.ExitRun, &f.stdout)
	}
	// The saved command goes on with the host that is missing.
	if err := os.Mkdir(filepath.Join(f.engine.Dir, "n2"), 0o700); err != nil {
		t.Fatal(err)
	}
	set, _, _ := strings.Cut(f.kept()[0].Record.Labels[runs.LabelSet], ".")
	if got := f.ktstr("run", "--resume", set); got != core.ExitPass {
		t.Errorf("--resume: exit status %d\n%s%s", got, &f.stdout, &f.stderr)
	}
	f.wantOutput("2 hosts: 2 passed\n")
	if got := f.ktstr("run", "--resume", set); got != core.ExitUsage {
		t.Errorf("--resume of a set that is complete: exit status %d, want %d", got, core.ExitUsage)
	}
}

// A mistake that a host finds is reported with the host, and a mistake that can be found
// here starts no job.
func TestMistakesWithHosts(t *testing.T) {
	f := newTestFleet(t, "n1")
	if got := f.ktstr("run", "/no/such/program", "--on", "test"); got != core.ExitRun {
		t.Errorf("exit status %d, want %d", got, core.ExitRun)
	}
	f.wantOutput("n1: ", "/no/such/program", "1 without a result (n1)")
	for _, args := range [][]string{
		{"--check", "iops >"}, {"--on", "test", "--until-decided", "--baseline", "x"},
		{"--detach"}, {"--on", "test", "--cwd", "here"}, {"--resume", "set-1", "--quiet"}, {"--resume", "../x"},
	} {
		if got := f.ktstr(append([]string{"run", f.bench}, args...)...); got != core.ExitUsage {
			t.Errorf("%v: exit status %d, want %d\n%s", args, got, core.ExitUsage, &f.stderr)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(f.home, "ktstr", "fleet", "*")); len(left) != 0 {
		t.Errorf("%v are saved, want none", left)
	}
}

// C47: a host in use gives an error that names it and the owner of its lock.
func TestHostInUse(t *testing.T) {
	f := newTestFleet(t, "n1", "n2")
	t.Setenv("SLURMD_NODENAME", f.engine.Node("n1"))
	var other hostlock.Host
	defer other.Close()
	if err := other.Acquire(t.Context(), hostlock.Run{Payload: "theirs"}, 0, nil); err != nil {
		t.Fatal(err)
	}
	if got := f.ktstr("run", f.bench, "--on", "test", "--wait", "1ms"); got != core.ExitRun {
		t.Errorf("exit status %d, want %d", got, core.ExitRun)
	}
	f.wantOutput("2 hosts: 1 passed, 1 without a result (n1)", "n1: ktstr: after 1ms (--wait): the host lock ", "/ktstr-"+f.engine.Node("n1")+".lock is held by theirs of ")
	if kept := f.kept(); len(kept) != 1 || kept[0].Record.Where.Host != "n2" {
		t.Errorf("kept %+v, want one run of n2", kept)
	}
}

// On a terminal with fewer lines than hosts, the hosts with news have a row.
func TestRowsOfManyHosts(t *testing.T) {
	h := hostRows{rows: []string{"a", "b", "c", "d"}, recent: []int{3, 1, 0, 2}, names: func(i int) string { return fmt.Sprint("n", i+1) }}
	for _, tt := range []struct {
		columns, lines int
		want           string
	}{
		{80, 10, "\rn1            a\x1b[K\nn2            b\x1b[K\nn3            c\x1b[K\nn4            d\x1b[K\n\x1b[J"},
		{80, 4, "\x1b[4A\rn1            a\x1b[K\nn3            c\x1b[K\n… and 2 more hosts\x1b[K\n\x1b[J"},
		{10, 4, "\x1b[3A\rn1       \x1b[K\nn3       \x1b[K\n… and 2 m\x1b[K\n\x1b[J"},
	} {
		if got := h.draw(tt.columns, tt.lines); got != tt.want {
			t.Errorf("%d columns, %d lines:\n got %q\nwant %q", tt.columns, tt.lines, got, tt.want)
		}
	}
}
