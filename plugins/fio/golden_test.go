package fio

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/ktstr/ktstr/core/extract"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// Beside each capture stands what `ktstr extract fio -o json` prints for it
// (without being told of argv and exit code), so that a change shows in review.
func TestGolden(t *testing.T) {
	for _, c := range captures(t) {
		t.Run(c.name, func(t *testing.T) {
			for i := range c.streams {
				c.streams[i].ExitCode, c.streams[i].Argv = nil, nil
			}
			got := append(extract.Run(context.Background(), New(), c.streams, nil).AppendJSON(nil), '\n')
			file := filepath.Join("testdata", c.name, "extract.json")
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				at := 0
				for at < len(got) && at < len(want) && got[at] == want[at] {
					at++
				}
				from := max(0, at-80)
				t.Errorf("differs from %s at byte %d; if that is right, go test -update\ngot  …%.240s\nwant …%.240s", file, at, got[from:], want[from:])
			}
		})
	}
}
