// Package corpustest is the test kit of the stock parsers. A capture is a
// directory with the streams of one real run (stdout, stderr, file-NAME),
// meta.json (its command line and exit code), expect.json (numbers that were
// derived without a parser) and extract.json (the golden result).
//
// A test calls Load for the captures, Expect for expect.json and Golden for
// extract.json. Field reads texts of public reports.
// Growth compares processor times, for tests that a parser is linear.
package corpustest

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/extractors/plugin/verify"
)

// Load reads the cases of a directory.
func Load(t testing.TB, dir string) []verify.Case {
	t.Helper()
	cases, err := verify.LoadCorpus(dir)
	if err != nil {
		t.Fatal(err)
	}
	return cases
}

// Read reads a file below a directory.
func Read(t testing.TB, dir, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Expect reads expect.json of a case into v.
func Expect(t testing.TB, k verify.Case, v any) {
	t.Helper()
	if err := json.Unmarshal(Read(t, k.Dir, "expect.json"), v); err != nil {
		t.Fatalf("%s: expect.json: %v", k.Dir, err)
	}
}

// ByName are metrics by their names, none of which may occur twice.
func ByName(t testing.TB, metrics []ktstr.Metric) map[string]ktstr.Metric {
	t.Helper()
	m := make(map[string]ktstr.Metric, len(metrics))
	for _, metric := range metrics {
		if _, twice := m[metric.Name]; twice {
			t.Errorf("%s is given twice", metric.Name)
		}
		m[metric.Name] = metric
	}
	return m
}

// Match holds metrics against those that are wanted: value, unit and polarity.
func Match(t testing.TB, got, want map[string]ktstr.Metric) {
	t.Helper()
	for name, w := range want {
		g, ok := got[name]
		if !ok {
			t.Errorf("%s is missing, want %v %s", name, w.Value, w.Unit)
		} else if g.Value != w.Value || g.Unit != w.Unit || g.Polarity != w.Polarity {
			t.Errorf("%s is %v %s %v, want %v %s %v", name, g.Value, g.Unit, g.Polarity, w.Value, w.Unit, w.Polarity)
		}
	}
	for name, g := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s is %v %s, want nothing of that name", name, g.Value, g.Unit)
		}
	}
}

// Golden holds a result against extract.json of a case, to the byte. update
// writes the file anew.
func Golden(t testing.TB, k verify.Case, res extract.Result, update bool) {
	t.Helper()
	// one line to each metric and diagnostic, so that a change shows as one line in review
	got := res.AppendJSON(nil)
	for _, start := range []string{`{"name":`, `{"code":`, `"diagnostics":`} {
		got = bytes.ReplaceAll(got, []byte(start), []byte("\n"+start))
	}
	got = append(got, '\n')
	if update {
		if err := os.WriteFile(filepath.Join(k.Dir, "extract.json"), got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(got, k.Want) {
		t.Errorf("%s/extract.json differs from what is extracted now (go test -update rewrites it):\n%s", k.Dir, got)
	}
}

// Bench measures how fast an extractor reads data.
func Bench(b *testing.B, x ktstr.Extractor, data []byte) {
	b.Helper()
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	ctx := b.Context()
	for b.Loop() {
		if e, err := x.Extract(ctx, ktstr.Output{Data: data}); err != nil || len(e.Metrics) == 0 {
			b.Fatal(err, e)
		}
	}
}
