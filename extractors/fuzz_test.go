package extractors

import (
	"bytes"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/ktstr/ktstr"
)

// FuzzJSON: each text gives metrics or a diagnostic. Values are finite, names
// are UTF-8, and lines lie in the text.
func FuzzJSON(f *testing.F) {
	text, err := os.ReadFile("testdata/fio.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	for _, c := range documentCases {
		f.Add([]byte(c.text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		kept := bytes.Clone(text)
		for _, which := range []string{"first", "last", "all"} {
			e := extract(t, string(text), which)
			if len(e.Metrics) == 0 && len(e.Diagnostics) == 0 {
				t.Fatal("neither a metric nor a diagnostic")
			}
			for _, m := range e.Metrics {
				if math.IsNaN(m.Value) || math.IsInf(m.Value, 0) || m.Name != strings.ToValidUTF8(m.Name, "\uFFFD") {
					t.Fatalf("%s: %q is %v", which, m.Name, m.Value)
				}
				if lines := 1 + bytes.Count(text, []byte{'\n'}); m.Line < 1 || m.Line > lines {
					t.Fatalf("%s: %q is on line %d of %d", which, m.Name, m.Line, lines)
				}
			}
		}
		if !bytes.Equal(text, kept) {
			t.Fatal("the text was changed")
		}
		// A walker whose buffers were used before gives the same.
		first := extract(t, string(text), "")
		var w Walker
		for range 3 {
			e, err := w.Extract(ktstr.Output{Stream: ktstr.Stdout, Data: text})
			if err != nil || render(e) != render(first) {
				t.Fatalf("again: %s, %v; first: %s", render(e), err, render(first))
			}
		}
	})
}
