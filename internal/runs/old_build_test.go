package runs_test

import (
	"fmt"
	"testing"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/internal/compare"
	"github.com/ktstr/ktstr/internal/runs"
)

// The files in testdata/old-build were written by the build of commit 6212b76. They are
// never regenerated, so that later builds stay able to read old records.
const oldBuild = "testdata/old-build/"

func TestRecordsOfAnOldBuildAreReadable(t *testing.T) {
	for file, want := range map[string]struct {
		runs, status int
		broken       bool
	}{
		"record.json":     {1, core.ExitCheck, false},
		"set.json":        {2, core.ExitPass, false},
		"timeout.json":    {1, core.ExitRun, true},
		"exit3.json":      {1, core.ExitCheck, true},
		"none.json":       {1, core.ExitExtraction, true},
		"notstarted.json": {1, core.ExitRun, true},
	} {
		list, err := runs.Load(oldBuild + file)
		if err != nil || len(list) != want.runs {
			t.Errorf("%s: %d runs, %v, want %d", file, len(list), err, want.runs)
			continue
		}
		for _, r := range list {
			if got := r.Record.ExitStatus(); got != want.status {
				t.Errorf("%s: exit status %d, want %d", file, got, want.status)
			}
			if got := runs.Broken(r.Record); got != want.broken {
				t.Errorf("%s: broken is %t, want %t", file, got, want.broken)
			}
		}
	}
}

func TestSetOfAnOldBuildIsFoundAndCompared(t *testing.T) {
	store := runs.Open(oldBuild + "set")
	pair, err := store.Find("pair")
	if err != nil || len(pair) != 2 {
		t.Fatalf("tag pair: %d runs, %v, want 2", len(pair), err)
	}
	set, err := store.Find(pair[0].Record.Labels[runs.LabelSet])
	if err != nil || len(set) != 2 {
		t.Fatalf("set: %d runs, %v, want 2", len(set), err)
	}
	a, b, thresholds := runs.Sides("a", pair, "b", set)
	r := compare.Compare(a, b, compare.Options{MinEffects: thresholds.MinEffects})
	if len(r.Rows) != 3 || r.Rows[0].A.N != 2 || !r.Rows[0].Decides || fmt.Sprint(thresholds) != "{[{p99_us 5}] []}" {
		t.Errorf("got %+v, thresholds %v", r, thresholds)
	}
}
