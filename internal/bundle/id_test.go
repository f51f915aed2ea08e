package bundle_test

import (
	"testing"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/internal/bundle"
)

func TestEachRunHasItsOwnID(t *testing.T) {
	root := t.TempDir()
	ids := map[string]bool{}
	for range 2 {
		r, err := core.Run(t.Context(), spec(create(t, root)))
		if err != nil {
			t.Fatal(err)
		}
		stored, err := bundle.LoadRecord(r.Bundle)
		if err != nil || stored.ID != r.ID || len(r.ID) < 20 {
			t.Errorf("stored id %q, %v, want %q", stored.ID, err, r.ID)
		}
		ids[r.ID] = true
	}
	if len(ids) != 2 {
		t.Errorf("two runs have the ids %v", ids)
	}
}
