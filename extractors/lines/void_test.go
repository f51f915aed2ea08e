package lines_test

import (
	"testing"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/extractors/lines"
)

// A note with the code no-metrics leaves out the numbers, also those before it.
func TestNoteThatNothingWasMeasured(t *testing.T) { // C44
	p, err := lines.Table{
		Lines: []lines.Line{{Pattern: lines.Match("Time: {time:s}"), Headline: true}},
		Notes: []lines.Note{{Pattern: lines.Match("0 requests"), Code: ktstr.NoMetrics}},
	}.Compile(ktstr.Description{Name: "x"})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]int{"Time: 1\n": 1, "0 requests\nTime: 1\n": 0, "Time: 1\n0 requests\n": 0} {
		x, err := p.Extract(t.Context(), ktstr.Output{Data: []byte(text)})
		if err != nil || len(x.Metrics) != want {
			t.Errorf("%q: %d metrics, %v, want %d", text, len(x.Metrics), err, want)
		}
		if said := len(x.Diagnostics) == 1 && x.Diagnostics[0].Code == ktstr.NoMetrics; said != (want == 0) {
			t.Errorf("%q: diagnostics %v", text, x.Diagnostics)
		}
	}
}
