package corpustest

import (
	"strings"
	"testing"

	"github.com/ktstr/ktstr"
)

// Linear reads each hostile piece many times in one text: eight times as many must not
// take much longer than eight times as long.
func Linear(t *testing.T, x ktstr.Extractor, pieces ...string) {
	t.Helper()
	const size, times, most = 1 << 14, 8, 32
	for _, piece := range pieces {
		read := func(size int) func() {
			out := ktstr.Output{Data: []byte(strings.Repeat(piece, size/len(piece)))}
			return func() {
				if _, err := x.Extract(t.Context(), out); err != nil {
					t.Fatal(err)
				}
			}
		}
		if ratio := Growth(t, most, read(size), read(times*size)); ratio > most {
			t.Errorf("%q: %d times the text takes %.0f times as long, want about %d", piece, times, ratio, times)
		}
	}
}
