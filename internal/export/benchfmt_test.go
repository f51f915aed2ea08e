package export_test

import (
	"bytes"
	"testing"

	"golang.org/x/perf/benchfmt"

	"github.com/ktstr/ktstr/internal/export"
)

// The test uses the reader of benchstat.
func TestBenchfmt(t *testing.T) {
	read := func(text []byte) (results, sides int) {
		t.Helper()
		r := benchfmt.NewReader(bytes.NewReader(text), "export")
		seen := map[string]bool{}
		for r.Scan() {
			switch rec := r.Result().(type) {
			case *benchfmt.SyntaxError:
				t.Errorf("%v in\n%s", rec, text)
			case *benchfmt.Result:
				results++
				seen[rec.GetConfig("side")] = true
				if v, ok := rec.Value("us"); ok && string(rec.Name) != "Ktstr/payload=bench/metric=p99" || ok && v < 40 {
					t.Errorf("%s: %v us", rec.Name, v)
				}
			}
		}
		if err := r.Err(); err != nil {
			t.Error(err)
		}
		units := r.Units()
		if m := units.Get("us", "better"); m == nil || m.Value != "lower" {
			t.Errorf("us: %v, want lower", m)
		}
		if m := units.Get("iops", "better"); m == nil || m.Value != "higher" {
			t.Errorf("iops: %v, want higher", m)
		}
		return results, len(seen)
	}
	// Two of four runs are good, with two finite metrics each.
	if results, sides := read(write(t, "benchfmt", export.Source{Runs: some(t, 1)})); results != 4 || sides != 1 {
		t.Errorf("%d results, %d sides; want 4, 1", results, sides)
	}
	if results, sides := read(write(t, "benchfmt", comparison(t))); results != 8 || sides != 2 {
		t.Errorf("%d results, %d sides; want 8, 2", results, sides)
	}
}
