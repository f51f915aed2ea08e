package extractors

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/ktstr/ktstr"
)

// TestField reads texts from public reports that were once read wrongly. The
// skipped ones are UTF-16 or have colours, which are removed before an
// extractor sees the text.
func TestField(t *testing.T) {
	skip := map[string]bool{"j04-utf16le": true, "j15-ansi-in-json": true}
	files, err := filepath.Glob("testdata/field/*/want.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no field cases: %v", err)
	}
	for _, file := range files {
		dir := filepath.Dir(file)
		if skip[filepath.Base(dir)] {
			continue
		}
		t.Run(filepath.Base(dir), func(t *testing.T) {
			var c struct {
				Want map[string]struct{ Value float64 }
				Diag string
				Code ktstr.Code
			}
			text, err := os.ReadFile(filepath.Join(dir, "stdout"))
			if err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(want, &c); err != nil {
				t.Fatal(err)
			}
			e := extract(t, string(text), "")
			got := map[string]float64{}
			for _, m := range e.Metrics {
				got[m.Name] = m.Value
			}
			for name, want := range c.Want {
				if v, ok := got[name]; !ok || v != want.Value {
					t.Errorf("%s = %v, want %v; diagnostics %v", name, v, want.Value, e.Diagnostics)
				}
			}
			if c.Diag != "" && len(e.Diagnostics) == 0 {
				t.Error("no diagnostic")
			}
			coded := c.Code == ""
			for _, d := range e.Diagnostics {
				coded = coded || d.Code == c.Code
			}
			if !coded {
				t.Errorf("no diagnostic %s among %v", c.Code, e.Diagnostics)
			}
		})
	}
}
