package fio

import (
	"bytes"
	"math"
	"testing"
	"unicode/utf8"

	"github.com/ktstr/ktstr"
)

// Any input gives a result or a diagnostic: finite numbers under names that
// occur once, in lines that exist.
func FuzzFio(f *testing.F) {
	for _, c := range captures(f) {
		for _, out := range c.streams {
			if len(out.Data) < 10<<10 { // larger ones only slow the mutations down
				f.Add(out.Data)
			}
		}
	}
	for _, text := range hostileTexts {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		before := bytes.Clone(data)
		checkSound(t, data, parseStream(t, ktstr.Output{Stream: ktstr.Stdout, Data: data}))
		if !bytes.Equal(data, before) {
			t.Error("the input was changed")
		}
	})
}

func checkSound(t *testing.T, data []byte, x ktstr.Extraction) {
	t.Helper()
	if len(x.Metrics) == 0 && len(x.Diagnostics) == 0 {
		t.Error("neither a metric nor a diagnostic")
	}
	lines := bytes.Count(data, []byte{'\n'}) + 1
	names := make(map[string]bool, len(x.Metrics))
	for _, m := range x.Metrics {
		if names[m.Name] {
			t.Errorf("%q occurs twice", m.Name)
		}
		names[m.Name] = true
		if m.Name == "" || !utf8.ValidString(m.Name) || !utf8.ValidString(m.Unit) {
			t.Errorf("%q in %q is no name and unit", m.Name, m.Unit)
		}
		if math.IsNaN(m.Value) || math.IsInf(m.Value, 0) {
			t.Errorf("%s = %v", m.Name, m.Value)
		}
		if m.Line < 1 || m.Line > lines {
			t.Errorf("%s in line %d of %d", m.Name, m.Line, lines)
		}
	}
	for _, d := range x.Diagnostics {
		if d.Code == "" || d.Message == "" || !utf8.ValidString(d.Message) || d.Line < 0 || d.Line > lines {
			t.Errorf("diagnostic %+v in a text of %d lines", d, lines)
		}
	}
}
