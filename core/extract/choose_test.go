package extract

import (
	"bytes"
	"errors"
	"testing"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/savedtext"
)

// Of two sources, the one with measurements counts. If both have some, none counts.
func TestChoose(t *testing.T) {
	try := func(data []byte) (e ktstr.Extraction) {
		for range bytes.Count(data, []byte("metric")) {
			e.Metrics = append(e.Metrics, ktstr.Metric{Name: "m"})
		}
		return e
	}
	for _, tt := range []struct {
		texts  []string
		source string // of the chosen reading
		reason string
	}{
		{[]string{"metric", "prose"}, "0", ""},
		{[]string{"prose", "metric"}, "1", ""},
		{[]string{"prose", "prose"}, "0", ""},
		{[]string{"prose", "metric", "metric"}, "", "both 1 and 2 have measurements: want the lines of one of them"},
	} {
		var readings []savedtext.Reading
		for i, text := range tt.texts {
			readings = append(readings, savedtext.Reading{Data: []byte(text), Source: string(rune('0' + i))})
		}
		best, e, reason := choose(readings, try)
		source := ""
		if best != nil {
			source = best.Source
		}
		if source != tt.source || reason != tt.reason || best != nil && len(e.Metrics) != len(try(best.Data).Metrics) {
			t.Errorf("%q: chose %q with %d metrics, reason %q: want %q, reason %q", tt.texts, source, len(e.Metrics), reason, tt.source, tt.reason)
		}
	}
}

// full is a disk without space.
type full struct{}

var errFull = errors.New("no space left")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestWriteJSONTellsThatNothingWasWritten(t *testing.T) {
	small := Result{Extractor: "x"}
	large := Result{Extractor: "x", Metrics: make([]ktstr.Metric, 5000)}
	for _, r := range []Result{small, large} {
		if err := r.WriteJSON(full{}); !errors.Is(err, errFull) {
			t.Errorf("%d metrics: %v, want %v", len(r.Metrics), err, errFull)
		}
	}
}

func TestErrorWithoutReason(t *testing.T) {
	var r Result
	r.fail("")
	if want := "the extractor gives no reason"; r.Error != want {
		t.Errorf("got %q, want %q", r.Error, want)
	}
	r = Result{}
	r.fail("first")
	r.fail("second")
	if r.Error != "first" {
		t.Errorf("got %q, want the first cause", r.Error)
	}
}
