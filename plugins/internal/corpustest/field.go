package corpustest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/extract"
)

// FieldCase is one directory of testdata/field: a text from a public bug report,
// mail or log that was once read wrongly, and the wanted result. stdout,
// stderr and file-NAME hold the text, want.json the rest.
type FieldCase struct {
	Source string            // where the text comes from
	Want   map[string]Figure // metrics that must be there
	Absent []string          // patterns that no metric's name may match
	Status extract.Status    // ok if empty and there are wanted metrics
	Diag   string            // "diag": there must be a diagnostic
	Code   ktstr.Code        // of a diagnostic that must be there
	Args   []string          // flags of "ktstr extract": --argv "…", --exit-code N
}

// Figure is a wanted value. An empty unit is not compared.
type Figure struct {
	Value float64
	Unit  string
}

// Field runs the cases of a directory as subtests. The extractor gets saved text, as of
// "ktstr extract".
func Field(t *testing.T, x ktstr.Extractor, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*", "want.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no field cases: %v", err)
	}
	for _, file := range files {
		name := filepath.Base(filepath.Dir(file))
		t.Run(name, func(t *testing.T) {
			var c FieldCase
			if err := json.Unmarshal(Read(t, filepath.Dir(file), "want.json"), &c); err != nil {
				t.Fatal(err)
			}
			c.check(t, extract.Run(t.Context(), extract.Saved(x), c.streams(t, filepath.Dir(file)), nil))
		})
	}
}

// streams reads the texts of a case as the engine would give them to the extractor.
func (c FieldCase) streams(t *testing.T, dir string) []ktstr.Output {
	t.Helper()
	var out ktstr.Output
	for i := 0; i+1 < len(c.Args); i += 2 {
		switch flag, value := c.Args[i], c.Args[i+1]; flag {
		case "--argv":
			out.Argv = strings.Fields(value)
		case "--exit-code":
			n, err := strconv.Atoi(value)
			if err != nil {
				t.Fatal(err)
			}
			out.ExitCode = &n
		default:
			t.Fatalf("%s: unknown flag %s", dir, flag)
		}
	}
	var streams []ktstr.Output
	for _, stream := range []ktstr.Stream{ktstr.Stdout, ktstr.Stderr} {
		data, err := os.ReadFile(filepath.Join(dir, string(stream)))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if err == nil {
			out.Stream, out.Data = stream, data
			streams = append(streams, out)
		}
	}
	return streams
}

// check compares the result with the wanted one.
func (c FieldCase) check(t *testing.T, got extract.Result) {
	t.Helper()
	metrics := map[string]ktstr.Metric{}
	for _, m := range slices.Backward(got.Metrics) { // the first one of a name counts
		metrics[m.Name] = m
	}
	for name, want := range c.Want {
		m, ok := metrics[name]
		switch {
		case !ok:
			t.Errorf("%s is missing, want %v %s", name, want.Value, want.Unit)
		case !close(m.Value, want.Value) || want.Unit != "" && m.Unit != want.Unit:
			t.Errorf("%s is %v %s, want %v %s", name, m.Value, m.Unit, want.Value, want.Unit)
		}
	}
	for _, pattern := range c.Absent {
		for name := range metrics {
			if regexp.MustCompile(pattern).MatchString(name) {
				t.Errorf("%s is there, want no name like %s", name, pattern)
				break
			}
		}
	}
	// If the tool says why it failed, the status is error and not none.
	if c.Status != "" && got.Status != c.Status && !(c.Status == extract.None && got.Status == extract.Error) {
		t.Errorf("status %s, want %s", got.Status, c.Status)
	}
	if c.Diag != "" && len(got.Diagnostics) == 0 {
		t.Error("no diagnostic")
	}
	if c.Code != "" && !slices.ContainsFunc(got.Diagnostics, func(d ktstr.Diagnostic) bool { return d.Code == c.Code }) {
		t.Errorf("no diagnostic %s", c.Code)
	}
	if t.Failed() {
		t.Logf("status %s, diagnostics %v", got.Status, got.Diagnostics)
	}
}

// close allows for the digits that a want.json was written with.
func close(a, b float64) bool { return a == b || a-b < 1e-6*b && b-a < 1e-6*b }
