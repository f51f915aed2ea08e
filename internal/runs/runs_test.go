package runs_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/core/payload"
	"github.com/ktstr/ktstr/internal/bundle"
	"github.com/ktstr/ktstr/internal/compare"
	"github.com/ktstr/ktstr/internal/runs"
)

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// keep writes a bundle as a run would, and returns its name.
func keep(t testing.TB, root string, edit func(*core.Result)) string {
	t.Helper()
	r := &core.Result{
		Record: core.Record{
			Schema: core.Schema, Payload: "bench", Argv: []string{"/bin/bench", "-x"}, Start: start, Verdict: core.Pass,
			Extraction: core.Extraction{Status: extract.OK, Extractor: "json", Version: "1"}, Host: core.Host{Name: "here", Kernel: "6.1"},
			Metrics: []ktstr.Metric{{Name: "x", Value: 1, Polarity: ktstr.Lower}}, Headlines: []string{"x"},
			Labels: map[string]string{"set": "set-1", "commit": "abcdef123"},
		},
		Definition: payload.Payload{Name: "bench", Summary: "x", Binary: "bench", Hints: []payload.Hint{{Hint: ktstr.Hint{Name: "x"}, MinEffect: 7}}},
		Streams:    []ktstr.Output{{Stream: ktstr.Stdout}, {Stream: ktstr.Stderr}},
	}
	if edit != nil {
		edit(r)
	}
	w, err := bundle.Create(root)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Raw(r), w.Emit(r)); err != nil {
		t.Fatal(err)
	}
	return filepath.Base(r.Bundle)
}

func names(list []runs.Run) string {
	var b strings.Builder
	for _, r := range list {
		fmt.Fprintf(&b, "%s ", r.Record.Payload)
		if r.Err != nil {
			b.WriteString("unreadable ")
		}
	}
	return strings.TrimSpace(b.String())
}

func TestList(t *testing.T) {
	root := filepath.Join(t.TempDir(), "absent")
	store := runs.Open(root)
	if list, err := store.List(runs.Filter{}); err != nil || len(list) != 0 {
		t.Errorf("a store that is not there yet: %v, %v", list, err)
	}
	a := keep(t, root, nil)
	b := keep(t, root, func(r *core.Result) {
		r.Record.Payload, r.Start, r.Host.Name = "other", start.Add(time.Hour), "there"
		r.Labels = nil
	})
	os.MkdirAll(filepath.Join(root, "zz-broken"), 0o755)
	os.MkdirAll(filepath.Join(root, ".staging-x"), 0o755)
	if err := store.Tag("t", b); err != nil {
		t.Fatal(err)
	}
	check := func(f runs.Filter, want string) {
		t.Helper()
		list, err := store.List(f)
		if got := names(list); err != nil || got != want {
			t.Errorf("%+v: %s, %v; want %s", f, got, err, want)
		}
	}
	check(runs.Filter{}, "unreadable bench other")
	check(runs.Filter{Payload: "bench"}, "bench")
	check(runs.Filter{Tag: "t"}, "other")
	check(runs.Filter{Tag: "u"}, "")
	check(runs.Filter{Set: "set-1"}, "bench")
	check(runs.Filter{Commit: "abc"}, "bench")
	check(runs.Filter{Host: "there"}, "other")
	check(runs.Filter{Since: start.Add(time.Minute)}, "other")
	check(runs.Filter{Until: start}, "bench")

	find := func(name, want, problem string) {
		t.Helper()
		list, err := store.Find(name)
		if got := names(list); got != want || (err == nil) != (problem == "") || err != nil && !strings.Contains(err.Error(), problem) {
			t.Errorf("Find(%q): %s, %v; want %s, %s", name, got, err, want, problem)
		}
	}
	find("t", "other", "")
	find("set-1", "bench", "")
	find(a, "bench", "")
	find(b[:len(b)-2], "other", "")
	find("2026", "", "2 bundles begin with it")
	find("set-2", "", "did you mean set-1?")
	find("quite-different", "", "want a tag, a set or a bundle")
	find("", "", "begin with it")

	if err := store.Remove(b); err != nil {
		t.Fatal(err)
	}
	find("t", "", "nothing of that name")
	for _, name := range []string{"", "..", ".tags", "a/b", b} {
		if store.Remove(name) == nil {
			t.Errorf("Remove(%q) is accepted", name)
		}
	}
	for _, tag := range []string{"", "-x", "a/b", "..", ".x", "a b"} {
		if store.Tag(tag, a) == nil {
			t.Errorf("Tag(%q) is accepted", tag)
		}
	}
	if store.Tag("t", "absent") == nil {
		t.Error("a bundle that is not there is tagged")
	}
}

// What a killed Remove left is deleted by Sweep, and nothing else is.
func TestSweep(t *testing.T) {
	root := t.TempDir()
	store := runs.Open(root)
	if gone, err := runs.Open(filepath.Join(root, "absent")).Sweep(); len(gone) > 0 || err != nil {
		t.Errorf("of a store that is not there: %q, %v", gone, err)
	}
	kept, left, rescued := keep(t, root, nil), keep(t, root, nil), keep(t, root, nil)
	if err := store.Tag("t", kept, left, rescued); err != nil {
		t.Fatal(err)
	}
	// Remove, killed after its first step.
	if err := os.Rename(filepath.Join(root, left), filepath.Join(root, ".deleting-"+left)); err != nil {
		t.Fatal(err)
	}
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "precious"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, link := range []string{".deleting-20261123T120000Z-link-0123abcd", ".deleting-" + left + "/link"} {
		if err := os.Symlink(outside, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	// Put back by a person, from a copy that a prune did not get far with.
	if err := os.Mkdir(filepath.Join(root, ".deleting-"+rescued), 0o700); err != nil {
		t.Fatal(err)
	}
	others := []string{
		".deleting-", ".deleting-.x", ".deleting-..", ".deletingx", "x.deleting-y", ".deleting-mydata",
		".deleting-" + kept + "-mine", ".deleting-x" + kept, ".deleting-20261123T120000Z-bench-0123ABCD",
		".deleting-20261123T120000Z-bench", ".deleting-20261123T120000Z-0123abcd", ".deleting-20261123-bench-0123abcd",
	}
	for _, name := range others {
		if err := os.Mkdir(filepath.Join(root, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	const file, link = ".deleting-20261123T120000Z-file-0123abcd", ".deleting-20261123T120000Z-link-0123abcd"
	if err := os.WriteFile(filepath.Join(root, file), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 { // another user's can only be made by root
		const foreign = ".deleting-20261123T120000Z-foreign-0123abcd"
		if err := errors.Join(os.Mkdir(filepath.Join(root, foreign), 0o700), os.Chown(filepath.Join(root, foreign), 65534, 65534)); err != nil {
			t.Fatal(err)
		}
		others = append(others, foreign)
	}

	gone, err := store.Sweep()
	if err != nil || len(gone) != 2 || !slices.Contains(gone, left) || !slices.Contains(gone, rescued) {
		t.Errorf("gone: %q, %v; want %s and the rest of %s", gone, err, left, rescued)
	}
	if _, err := os.Lstat(filepath.Join(root, ".deleting-"+left)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what was left is still there: %v", err)
	}
	for _, path := range append(others, kept, rescued, link, file, ".tags/t/"+kept, ".tags/t/"+rescued) {
		if _, err := os.Lstat(filepath.Join(root, path)); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(filepath.Join(outside, "precious")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(root, ".tags", "t", left)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its tag is still there: %v", err)
	}
	if gone, err := store.Sweep(); len(gone) > 0 || err != nil {
		t.Errorf("again: %q, %v", gone, err)
	}
}

// Sweeps and Removes of several processes do not disturb each other.
func TestSweepConcurrently(t *testing.T) {
	root := t.TempDir()
	var all sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		all.Go(func() {
			for {
				if _, err := runs.Open(root).Sweep(); err != nil {
					t.Error(err)
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	var removing sync.WaitGroup
	for range 2 {
		removing.Go(func() {
			store := runs.Open(root)
			for range 25 {
				b := keep(t, root, nil)
				if err := errors.Join(store.Tag("t", b), store.Remove(b)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	removing.Wait()
	close(done)
	all.Wait()
	entries, err := os.ReadDir(root)
	for _, e := range entries {
		if e.Name() != ".tags" {
			t.Errorf("%s is left", e.Name())
		}
	}
	if err != nil {
		t.Error(err)
	}
}

// Several processes tag, add and remove at once; none loses what it did.
func TestConcurrently(t *testing.T) {
	root := t.TempDir()
	bundles := make([]string, 8)
	for i := range bundles {
		bundles[i] = keep(t, root, nil)
	}
	var all sync.WaitGroup
	for i, b := range bundles {
		all.Go(func() {
			store := runs.Open(root)
			for range 50 {
				if err := store.Tag("shared", b); err != nil {
					t.Error(err)
				}
				if err := store.Untag("shared", b); err != nil {
					t.Error(err)
				}
			}
			if i%2 == 0 {
				if err := store.Tag("shared", b); err != nil {
					t.Error(err)
				}
			} else if err := store.Remove(b); err != nil {
				t.Error(err)
			}
			if _, err := store.List(runs.Filter{}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if list, err := runs.Open(root).Find("shared"); err != nil || len(list) != 4 {
		t.Errorf("%d runs have the tag, %v; want 4", len(list), err)
	}
	entries, _ := os.ReadDir(root)
	if len(entries) != 5 {
		t.Errorf("%d entries are left, want 4 bundles and the tags", len(entries))
	}
}

func TestLoad(t *testing.T) {
	root := t.TempDir()
	name := keep(t, root, nil)
	keep(t, root, nil)
	record, err := os.ReadFile(filepath.Join(root, name, "record.json"))
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	check := func(path string, want int, problem string) {
		t.Helper()
		list, err := runs.Load(path)
		if len(list) != want || (err == nil) != (problem == "") || err != nil && !strings.Contains(err.Error(), problem) {
			t.Errorf("%s: %d runs, %v; want %d, %s", path, len(list), err, want, problem)
		}
	}
	one := string(record)
	check(filepath.Join(root, name), 1, "")
	check(root, 2, "")
	check(write("one.json", one), 1, "")
	check(write("lines.jsonl", one+"\n"+one), 2, "")
	check(write("list.json", "["+one+","+one+"]"), 2, "")
	check(write("set.json", `{"schema":"ktstr.runs/v1","runs":[`+one+`]}`), 1, "")
	check(write("empty", ""), 0, "no record in it")
	check(write("text", "hello"), 0, "not JSON")
	check(write("other.json", `{"a":1}`), 0, `schema ""`)
	check(t.TempDir(), 0, "neither a bundle nor a directory of bundles")
	check(filepath.Join(root, "absent"), 0, "no such file")

	// What cannot be read is told apart from what is not there.
	if err := os.WriteFile(filepath.Join(root, name, "record.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{root: 2, filepath.Join(root, name): 1} {
		list, err := runs.Load(path)
		var unreadable *runs.UnreadableError
		if len(list) != want || !errors.As(err, &unreadable) || list[0].Err == nil || list[0].Name != name {
			t.Errorf("%s: %d runs, %v; want %d and an UnreadableError", path, len(list), err, want)
		}
	}
}

func TestSide(t *testing.T) {
	root := t.TempDir()
	keep(t, root, func(r *core.Result) {
		r.Scratch = &core.Scratch{Dir: "/tmp/s1", Filesystem: "ext4"}
		r.Argv = append(r.Argv, "--dir=/tmp/s1")
	})
	keep(t, root, func(r *core.Result) {
		r.Start = start.Add(1)
		r.Verdict, r.Details = core.Fail, []check.Detail{{Kind: check.Above}} // slow, and measured
	})
	keep(t, root, func(r *core.Result) {
		r.Start = start.Add(2)
		r.Verdict, r.Details = core.Fail, []check.Detail{{Kind: check.ExitCode}}
	})
	keep(t, root, func(r *core.Result) { r.Start, r.Verdict, r.TimedOut = start.Add(3), core.Fail, true })
	keep(t, root, func(r *core.Result) {
		r.Start, r.Verdict, r.Extraction.Status = start.Add(4), core.Fail, extract.Error
	})
	list, err := runs.Load(root)
	if err != nil {
		t.Fatal(err)
	}
	side := runs.Side("a", list)
	var broken []bool
	for _, r := range side.Runs {
		broken = append(broken, r.Broken)
	}
	if got, want := fmt.Sprint(broken), "[false false true true true]"; got != want {
		t.Errorf("broken: %s, want %s", got, want)
	}
	facts := map[string]string{}
	for _, f := range side.Runs[0].About {
		facts[f.Name] = f.Value
	}
	if facts["arguments"] != "-x --dir={scratch}" || facts["filesystem"] != "ext4" || facts["kernel"] != "6.1" || facts["extractor version"] != "json 1" {
		t.Errorf("facts: %v", facts)
	}
	if _, _, got := runs.Sides("a", list, "b", list); len(got) != 1 || got[0] != (compare.MinEffect{Name: "x", Percent: 7}) {
		t.Errorf("least effects: %v", got)
	}
}

// Runs of several payloads under one tag are compared each with its like.
func TestSidesOfSeveralPayloads(t *testing.T) {
	root := t.TempDir()
	for i := range 8 {
		keep(t, root, func(r *core.Result) {
			r.Start = start.Add(time.Duration(i))
			if i%2 == 1 {
				r.Record.Payload, r.Definition.Name, r.Argv = "other", "other", []string{"other"}
				r.Metrics[0].Value = 100
			}
		})
	}
	list, err := runs.Load(root)
	if err != nil {
		t.Fatal(err)
	}
	a, b, effects := runs.Sides("a", list, "b", list)
	r := compare.Compare(a, b, compare.Options{MinEffects: effects})
	var got strings.Builder
	for _, row := range r.Rows {
		fmt.Fprintf(&got, "%s %v %v n=%d min %v; ", row.Metric, row.Decides, row.A.Median, row.A.N, row.MinEffect)
	}
	if want := "bench/x true 1 n=4 min 7; other/x true 100 n=4 min 7; "; got.String() != want || len(r.Differences) != 0 {
		t.Errorf("got %s and %v, want %s", got.String(), r.Differences, want)
	}
}

// Runs of several variants are compared each with its like, where the sides
// share one; a payload in turns with another is no variant.
func TestSidesOfSeveralVariants(t *testing.T) {
	list := func(labels ...string) (list []runs.Run) { // PAYLOAD or PAYLOAD:VARIANT
		for _, l := range labels {
			p, v, _ := strings.Cut(l, ":")
			r := core.Record{Verdict: core.Pass, Payload: p, Argv: []string{p, v}, Labels: map[string]string{runs.LabelVariant: v}, Headlines: []string{"x"}}
			r.Metrics = []ktstr.Metric{{Name: "x"}}
			list = append(list, runs.Run{Record: r})
		}
		return list
	}
	check := func(a, b []runs.Run, want ...string) {
		t.Helper()
		sideA, sideB, _ := runs.Sides("a", a, "b", b)
		r := compare.Compare(sideA, sideB, compare.Options{})
		var got []string
		for _, row := range r.Rows {
			got = append(got, fmt.Sprintf("%s %d %d", row.Metric, row.A.N, row.B.N))
		}
		for _, d := range r.Differences {
			got = append(got, d.Name)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	check(list("p:old", "p:new"), list("p:old", "p:new", "p:new"), "new/x 1 2", "old/x 1 1")
	check(list("p:old", "p:new"), list("p:new"), "new/x 1 1", "old/x 1 0")
	check(list("p:old"), list("p:new"), "arguments", "x 1 1")
	check(list("p:old", "p:new"), list("p", "p"), "arguments", "x 2 2")
	check(list("p:old", "p"), list("p", "p"), "old/x 1 0", "x 1 2")
	check(list("p:p", "q:q"), list("p:p", "q:q"), "p/x 1 1", "q/x 1 1")
	check(list("p:old", "p:new", "q"), list("p:old", "p:new", "q"), "p/new/x 1 1", "p/old/x 1 1", "q/x 1 1")
}

func TestRecordsOfRunsThatWereNotKeptHaveNoName(t *testing.T) {
	list, err := runs.ReadRecords(strings.NewReader(`{"schema": "ktstr.run/v1", "bundle": ""} {"schema": "ktstr.run/v1", "bundle": "/x/one"}`))
	if err != nil || len(list) != 2 || list[0].Name != "" || list[1].Name != "one" {
		t.Errorf("got %+v, %v; want names \"\" and \"one\"", list, err)
	}
}

// Two builds of a plugin can call themselves the same version and read other
// numbers.
func TestBuildOfThePluginIsAFact(t *testing.T) {
	run := func(payload string, p *core.Plugin) runs.Run {
		return runs.Run{Record: core.Record{
			Payload: payload, Verdict: core.Pass, Plugin: p,
			Extraction: core.Extraction{Status: extract.OK, Extractor: "mine", Version: "1"},
		}}
	}
	one := &core.Plugin{From: "installed", Path: "/x", SHA256: strings.Repeat("80d9", 16)}
	two := &core.Plugin{From: "--plugin", Path: "/y", SHA256: strings.Repeat("dc3c", 16)}
	for _, c := range []struct {
		a, b *core.Plugin
		want string
	}{
		{one, two, "[{extractor build [80d980d980d9] [dc3cdc3cdc3c]}]"},
		{one, one, "[]"},
		{&core.Plugin{From: "bundled"}, two, "[{extractor build [bundled] [dc3cdc3cdc3c]}]"},
		{nil, two, "[]"}, // of a record without: not known, or seen from the extractor
		{one, &core.Plugin{From: "installed", Path: "/x", SHA256: "80d9"}, "[{extractor build [80d980d980d9] [80d9]}]"}, // by another program
	} {
		a, b, _ := runs.Sides("a", []runs.Run{run("p", c.a)}, "b", []runs.Run{run("p", c.b)})
		if got := fmt.Sprint(compare.Compare(a, b, compare.Options{}).Differences); got != c.want {
			t.Errorf("%v and %v: %s, want %s", c.a, c.b, got, c.want)
		}
	}
	a, b, _ := runs.Sides("a", []runs.Run{run("p", one), run("q", one)}, "b", []runs.Run{run("p", one), run("q", two)})
	if got, want := fmt.Sprint(compare.Compare(a, b, compare.Options{}).Differences), "[{q extractor build [80d980d980d9] [dc3cdc3cdc3c]}]"; got != want {
		t.Errorf("of two payloads: %s, want %s", got, want)
	}
}
