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
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/core/payload"
	"github.com/ktstr/ktstr/internal/bundle"
	"github.com/ktstr/ktstr/internal/runs"
)

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// keep writes a bundle and returns its name.
func keep(t testing.TB, root string, edit func(*core.Result)) string {
	t.Helper()
	r := &core.Result{
		Record: core.Record{
			Schema: core.Schema, Payload: "bench", Argv: []string{"/bin/bench", "-x"}, Start: start, Verdict: core.Pass,
			Extraction: core.Extraction{Status: extract.OK, Extractor: "json", Version: "1"}, Host: core.Host{Name: "here", Kernel: "6.1"},
			Metrics: []ktstr.Metric{{Name: "x", Value: 1, Polarity: ktstr.Lower}}, Headlines: []string{"x"},
			Labels: map[string]string{"set": "set-1", "commit": "abcdef123"},
		},
		Definition: payload.Payload{Name: "bench", Summary: "x", Binary: "bench", Hints: []payload.Hint{{Hint: ktstr.Hint{Name: "x"}, MinEffect: 7, Margin: 9}}},
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

func TestListFindTagAndRemove(t *testing.T) {
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
	find("set-2", "", "Did you mean set-1?")
	find("quite-different", "", "want a tag, set or bundle")
	find("", "", "begin with it")

	if err := store.Remove(b); err != nil {
		t.Fatal(err)
	}
	find("t", "", "there is no run")
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

func TestSweepDeletesOnlyWhatAKilledRemoveLeft(t *testing.T) {
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

func TestSweepAndRemoveMayRunAtTheSameTime(t *testing.T) {
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

func TestSeveralProcessesMayTagAddAndRemove(t *testing.T) {
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
