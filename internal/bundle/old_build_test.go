package bundle_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/extractors"
	"github.com/ktstr/ktstr/internal/bundle"
)

// The bundle in testdata/old-build was written by the build of commit 6212b76. It is
// never regenerated, so that later builds stay able to read old bundles.
func TestBundleOfAnOldBuildIsReadable(t *testing.T) {
	dirs, err := filepath.Glob("testdata/old-build/*")
	if err != nil || len(dirs) != 1 {
		t.Fatalf("%q, %v", dirs, err)
	}
	b, err := bundle.Load(dirs[0])
	if err != nil {
		t.Fatal(err)
	}
	r := b.Record
	if r.Payload != "mybench" || r.Verdict != core.Fail || r.ExitStatus() != core.ExitCheck || r.ExitCode != 0 || r.Duration <= 0 || r.Start.IsZero() {
		t.Errorf("got %+v", r)
	}
	wantChecks := []check.Outcome{
		{Check: "exit == 0", Status: check.Held}, {Check: "p99_us <= 2ms", Status: check.Held},
		{Check: "exists iops", Status: check.Held}, {Check: "iops >= 60000", Status: check.Failed},
	}
	if !reflect.DeepEqual(r.Checks, wantChecks) {
		t.Errorf("checks %v, want %v", r.Checks, wantChecks)
	}
	if len(r.Killed) != 1 || r.Killed[0].Name != "sleep" {
		t.Errorf("killed %v, want the orphaned sleep", r.Killed)
	}
	wantMetrics := []ktstr.Metric{
		{Name: "p99_us", Value: 1234.5, Unit: "us", Polarity: ktstr.Lower, Stream: ktstr.Stdout, Line: 1},
		{Name: "iops", Value: 50000, Unit: "iops", Polarity: ktstr.Higher, Stream: ktstr.Stdout, Line: 1},
		{Name: "deep.a<b", Value: 1, Polarity: "target=1", Stream: ktstr.Stdout, Line: 1},
	}
	if !reflect.DeepEqual(r.Metrics, wantMetrics) {
		t.Errorf("metrics %v, want %v", r.Metrics, wantMetrics)
	}
	if p := b.Payload; p.Name != "mybench" || len(p.Checks) != 4 || len(p.Hints) != 3 || p.Hints[0].MinEffect != 5 || p.Bounds.MinMetrics != 2 || len(p.Outputs) != 1 {
		t.Errorf("payload %+v", p)
	}
	if len(b.Streams) != 3 || b.Streams[2].Stream != "file:lines" || string(b.Streams[2].Data) != "{\"lines\": 3}\n" {
		t.Errorf("streams %+v", b.Streams)
	}

	// The raw output gives the same metrics again.
	again := extract.Run(t.Context(), extractors.JSON(), b.Streams, b.Payload.MetricHints())
	if !reflect.DeepEqual(again.Metrics, wantMetrics) {
		t.Errorf("extracted again: %v, want %v", again.Metrics, wantMetrics)
	}

	// Today's record keeps every value of the old one.
	text, err := os.ReadFile(filepath.Join(dirs[0], "record.json"))
	if err != nil {
		t.Fatal(err)
	}
	written, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	decode := func(text []byte) (v map[string]any) {
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	was, is := decode(text), decode(written)
	for key, value := range was {
		if !reflect.DeepEqual(is[key], value) {
			t.Errorf("%s: got %v, want %v", key, is[key], value)
		}
	}
}
