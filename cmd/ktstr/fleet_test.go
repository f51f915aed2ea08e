package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/internal/fleet"
	"github.com/ktstr/ktstr/internal/fleet/fleettest"
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
	t.Logf("%s%s", &f.stdout, &f.stderr)
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
