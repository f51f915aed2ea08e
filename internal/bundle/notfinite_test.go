package bundle_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/internal/bundle"
)

// C29 C34 C36: NaN and the infinities stay in the record. exists holds for a NaN, and
// every bound fails with its own message.
func TestValuesThatAreNotFiniteSurviveTheBundle(t *testing.T) {
	x := ktstr.Parser{Description: ktstr.Description{Name: "nan"}, Parse: func(ktstr.Output) (ktstr.Extraction, error) {
		return ktstr.Extraction{Metrics: []ktstr.Metric{
			{Name: "nan", Value: math.NaN(), Unit: "us"}, {Name: "up", Value: math.Inf(1)}, {Name: "down", Value: math.Inf(-1)}, {Name: "good", Value: 1},
		}}, nil
	}}
	run := func(texts ...string) core.Result {
		t.Helper()
		s := spec(create(t, t.TempDir()))
		s.Extractor, s.Payload.Checks = x, nil
		for _, text := range texts {
			c, err := check.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			s.Payload.Checks = append(s.Payload.Checks, c)
		}
		r, err := core.Run(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}

	r := run("exists nan", "exists up", "good >= 1")
	if r.Verdict != core.Pass || r.Extraction.Status != extract.OK || len(r.Extraction.Diagnostics) == 0 || r.Extraction.Diagnostics[0].Code != ktstr.NotFinite {
		t.Errorf("got %s, %+v, %+v, want a pass with a diagnostic", r.Verdict, r.Extraction, r.Details)
	}
	stored, err := bundle.LoadRecord(r.Bundle)
	if got, want := fmt.Sprint(stored.Metrics), fmt.Sprint(r.Metrics); err != nil || got != want || len(stored.Printed()) != 4 {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}

	r = run("nan >= 0", "nan <= 0", "nan in [0, 1]", "up <= 5", "down >= 0")
	want := []string{
		"metric 'nan' is NaN us (not a number): want >= 0", "metric 'nan' is NaN us (not a number): want <= 0",
		"metric 'nan' is NaN us (not a number): want in [0, 1]", "metric 'up' is +Inf: want <= 5", "metric 'down' is -Inf: want >= 0",
	}
	var got []string
	for _, d := range r.Details {
		got = append(got, d.Message)
	}
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) || r.ExitStatus() != core.ExitCheck {
		t.Errorf("got %q, status %d, want %q", got, r.ExitStatus(), want)
	}
}
