package bundle_test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/internal/bundle"
)

func TestAddNeverOverwritesARecord(t *testing.T) {
	s := spec(create(t, t.TempDir()))
	s.Scratch = t.TempDir()
	r, err := core.Run(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	b, err := bundle.Load(r.Bundle)
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(filepath.Join(r.Bundle, "record.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			if _, err := b.Add(b.Record); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	records, _ := filepath.Glob(filepath.Join(r.Bundle, "record*.json"))
	if len(records) != 11 {
		t.Errorf("%d records, want 11: %q", len(records), records)
	}
	if left, _ := filepath.Glob(filepath.Join(r.Bundle, ".*")); len(left) != 0 {
		t.Errorf("left behind: %q", left)
	}
	after, err := os.ReadFile(filepath.Join(r.Bundle, "record.json"))
	if err != nil || string(after) != string(before) {
		t.Errorf("the run's own record changed: %v", err)
	}
}
