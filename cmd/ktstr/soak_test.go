package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ktstr/ktstr/core"
)

// soak skips a test that is too long for CI. `make soak` runs it.
func soak(t *testing.T) {
	t.Helper()
	if os.Getenv("KTSTR_SOAK") == "" {
		t.Skip("a soak test: run `make soak`")
	}
}

// C18, many times: SIGKILL of ktstr at the same point of a run leaves no process, with and without a cgroup. The figure is the
// time from the SIGKILL to the end of the last process.
func TestSoakKilledCommands(t *testing.T) {
	soak(t)
	const kills = 500
	for _, placement := range []string{"--no-cgroup=false", "--no-cgroup"} {
		t.Run(placement, func(t *testing.T) {
			var took []time.Duration
			for range kills {
				// A subtest removes its directories and closes its pipes when it ends.
				t.Run("kill", func(t *testing.T) { took = append(took, killCommand(t, placement)) })
				if t.Failed() {
					break
				}
			}
			slices.Sort(took)
			t.Logf("%d kills: median %v, 99 %% within %v, longest %v", len(took), took[len(took)/2], took[len(took)*99/100], took[len(took)-1])
		})
	}
}

// Many runs, one after the other: each passes and leaves one bundle, and none leaves a scratch directory or a staging directory.
func TestSoakRuns(t *testing.T) {
	soak(t)
	const wanted = 2000
	dir := t.TempDir()
	bench := filepath.Join(dir, "bench")
	if err := os.WriteFile(bench, []byte("#!/bin/sh\necho '{\"iops\": 1234}'\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	for i := range wanted {
		cmd := newCommand(t, "run", bench, "--check", "iops >= 1000", "--out", filepath.Join(dir, "runs"), "--quiet")
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("run %d: %v: want exit status %d\n%s", i+1, err, core.ExitPass, out)
		}
	}
	t.Logf("%d runs in %v", wanted, time.Since(begin).Round(time.Second))
	bundles, err := os.ReadDir(filepath.Join(dir, "runs"))
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, b := range bundles {
		switch {
		case strings.Contains(b.Name(), "-bench-"):
			count++
		case strings.Contains(b.Name(), "staging"):
			t.Errorf("%s is left", b.Name())
		}
	}
	if count != wanted {
		t.Errorf("%d bundles: want %d", count, wanted)
	}
	left, err := exec.Command("find", dir, "-maxdepth", "1", "-mindepth", "1", "!", "-name", "bench", "!", "-name", "runs").Output()
	if err != nil || len(left) > 0 {
		t.Errorf("left in the working directory: %s %v", left, err)
	}
}
