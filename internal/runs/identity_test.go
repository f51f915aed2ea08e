package runs_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/internal/compare"
	"github.com/ktstr/ktstr/internal/runs"
)

// good returns a run that passed with one headline metric.
func good(id string, value float64) runs.Run {
	return runs.Run{Record: core.Record{
		Schema: core.Schema, ID: id, Payload: "bench", Start: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Verdict: core.Pass,
		Extraction: core.Extraction{Status: extract.OK},
		Metrics:    []ktstr.Metric{{Name: "iops", Value: value, Polarity: ktstr.Higher}}, Headlines: []string{"iops"},
	}}
}

func TestARunCountsOnce(t *testing.T) {
	for _, id := range []string{"abc", ""} { // records of older builds have no id
		a, b := good(id, 100), good(id, 90)
		a.Record.Bundle, b.Record.Start = "/somewhere/else", b.Record.Start.Add(time.Second)
		if id != "" {
			b.Record.ID = "def"
		}
		report := runs.Comparison{}.Compare("a", slices.Repeat([]runs.Run{a}, 12), "b", slices.Repeat([]runs.Run{b}, 12))
		if report.A.Runs != 1 || report.B.Runs != 1 || report.Rows[0].Verdict != compare.TooFew {
			t.Errorf("id %q: got %+v, want one run per side and too few", id, report)
		}
		if want := "a: 11 repetitions left out, because a run counts once"; !slices.Contains(report.Notes, want) {
			t.Errorf("id %q: notes %q, want %q", id, report.Notes, want)
		}
	}
}

func TestDifferentRunsStayDifferent(t *testing.T) {
	var list []runs.Run
	for i := range 3 { // without an id, one nanosecond or one value suffices
		r := good("", 100)
		r.Record.Start = r.Record.Start.Add(time.Duration(i))
		list = append(list, r)
	}
	list = append(list, good("", 101), good("x", 100), good("y", 100))
	if distinct, repeated := runs.Distinct(list); len(distinct) != 6 || repeated != 0 {
		t.Errorf("%d distinct, %d repeated, want 6, 0", len(distinct), repeated)
	}
	// Runs with an error have no identity.
	broken := runs.Run{Err: os.ErrInvalid}
	if distinct, _ := runs.Distinct([]runs.Run{broken, broken}); len(distinct) != 2 {
		t.Errorf("%d unreadable runs, want 2", len(distinct))
	}
}

func TestACopyOfABundleIsTheSameRun(t *testing.T) {
	root := t.TempDir()
	name := keep(t, root, func(*core.Result) {})
	for i := range 5 {
		if err := os.CopyFS(filepath.Join(root, fmt.Sprint("copy", i)), os.DirFS(filepath.Join(root, name))); err != nil {
			t.Fatal(err)
		}
	}
	list, err := runs.Load(root)
	if err != nil || len(list) != 6 {
		t.Fatalf("%d runs, %v", len(list), err)
	}
	if distinct, repeated := runs.Distinct(list); len(distinct) != 1 || repeated != 5 {
		t.Errorf("%d distinct, %d repeated, want 1, 5", len(distinct), repeated)
	}
}

// Two directories can contain different runs under the same name.
func TestSidesAreTheSameRunsByIdentity(t *testing.T) {
	note := func(a, b []runs.Run) string {
		for _, n := range (runs.Comparison{}).Compare("a", a, "b", b).Notes {
			if strings.Contains(n, "both") || strings.Contains(n, "same runs") {
				return n
			}
		}
		return ""
	}
	named := func(name, id string) runs.Run {
		r := good(id, 1)
		r.Name = name
		return r
	}
	check := func(a, b []runs.Run, want string) {
		t.Helper()
		if got := note(a, b); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	type list = []runs.Run
	check(list{named("x", "1")}, list{named("x", "2")}, "")
	check(list{named("x", "1")}, list{named("y", "1")}, "A and B are the same runs")
	check(list{named("x", "1"), named("y", "2")}, list{named("z", "1")}, "1 run is in both A and B")
	check(list{named("x", "1"), named("y", "2"), named("z", "3")}, list{named("x", "1"), named("y", "2")}, "2 runs are in both A and B")
}

func TestRecordsOfOlderBuildsHaveNoID(t *testing.T) {
	a, b := good("", 1).Record, good("", 1).Record
	text, err := json.Marshal(a)
	if err != nil || strings.Contains(string(text), `"id"`) {
		t.Errorf("an older record gets an id: %s, %v", text, err)
	}
	if runs.Identity(a) != runs.Identity(b) {
		t.Error("equal records of older builds have different identities")
	}
}
