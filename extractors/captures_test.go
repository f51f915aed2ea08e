package extractors

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ktstr/ktstr"
)

// C27: documents among text, several documents, and documents that are cut off
// in what fio really printed. The test finds documents in its own way: from a
// brace alone on a line to the next one. Each has to give what it gives alone.
func TestCaptures(t *testing.T) {
	files, _ := filepath.Glob("../plugins/fio/testdata/*/stdout")
	if len(files) < 20 {
		t.Fatalf("%d captures of fio, want them in ../plugins/fio/testdata", len(files))
	}
	whole, several, cut := 0, 0, 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var documents [][]ktstr.Metric
		begin, lines := -1, bytes.SplitAfter(text, []byte{'\n'})
		at := 0
		for _, line := range lines {
			switch trimmed := bytes.TrimRight(line, "\r\n"); {
			case string(trimmed) == "{":
				begin = at
			case string(trimmed) == "}" && begin >= 0:
				if document := text[begin : at+1]; json.Valid(document) {
					documents = append(documents, extract(t, string(document), "").Metrics)
				}
				begin = -1
			}
			at += len(line)
		}
		if len(documents) == 0 {
			if begin >= 0 {
				cut++
				if e := extract(t, string(text), ""); len(e.Metrics) != 0 || !strings.Contains(render(e), "!truncated") {
					t.Errorf("%s: got %d metrics, %v, want truncated", file, len(e.Metrics), e.Diagnostics)
				}
			}
			continue
		}
		whole++
		compare(t, extract(t, string(text), "first").Metrics, documents[0])
		compare(t, extract(t, string(text), "last").Metrics, documents[len(documents)-1])
		compare(t, extract(t, string(text), "all").Metrics, slices.Concat(documents...))
		if len(documents) > 1 {
			several++
			if got := render(extract(t, string(text), "")); !strings.Contains(got, "!several-reports") {
				t.Errorf("%s: %d documents, and no word about it", file, len(documents))
			}
		}
	}
	if whole < 30 || several < 2 || cut < 1 {
		t.Errorf("%d captures with documents, %d with several, %d cut off: want more to test with", whole, several, cut)
	}
}

// compare compares names and the bits of values.
func compare(t *testing.T, got, want []ktstr.Metric) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d metrics, want %d", len(got), len(want))
	}
	for i := range got {
		if got[i].Name != want[i].Name || math.Float64bits(got[i].Value) != math.Float64bits(want[i].Value) {
			t.Fatalf("metric %d: got %q %v, want %q %v", i, got[i].Name, got[i].Value, want[i].Name, want[i].Value)
		}
	}
}
