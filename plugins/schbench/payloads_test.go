package schbench

import (
	"testing"

	"github.com/ktstr/ktstr/core/payload"
	"github.com/ktstr/ktstr/plugins/internal/corpustest"
)

// TestPayloads holds the stock payloads to the strict reader, and to what each
// revision can do.
func TestPayloads(t *testing.T) {
	files := New().Describe().Payloads
	if len(files) != 3 {
		t.Fatalf("%d payloads, want 3", len(files))
	}
	for _, f := range files {
		p, err := payload.Parse(f.Name+".yaml", f.YAML)
		if err != nil {
			t.Fatal(err)
		}
		if p.Binary != "schbench" || p.Extractor != "schbench" {
			t.Errorf("%s: binary %s, extractor %s", p.Name, p.Binary, p.Extractor)
		}
		newest, note, err := payload.Resolve(p, payload.Found{Help: string(corpustest.Read(t, "testdata/corpus/fail-badoption-24e32b8", "stderr"))})
		if err != nil || note != "" || len(newest.Outputs) != 1 {
			t.Errorf("%s with --json: outputs %v, note %q, %v", p.Name, newest.Outputs, note, err)
		}
		oldest, _, err := payload.Resolve(p, payload.Found{Help: "schbench usage:\n\t-c (--cputime): How long to think during loop\n"})
		if err != nil || len(oldest.Outputs) != 0 || len(oldest.Checks) > len(newest.Checks) {
			t.Errorf("%s of an old revision: outputs %v, checks %v, %v", p.Name, oldest.Outputs, oldest.Checks, err)
		}
	}
}
