package plugins_test

import (
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/extractors/plugin/verify"
	"github.com/ktstr/ktstr/plugins"
	"github.com/ktstr/ktstr/plugins/internal/corpustest"
	"github.com/ktstr/ktstr/sdk/plugintest"
)

var update = flag.Bool("update", false, "rewrite testdata/corpus/*/extract.json of the stock tools that run in process")

// inProcess returns the stock tools that ktstr runs in process: tables, and parsers in Go.
// Each has the folder of its name.
func inProcess() map[string]ktstr.Extractor {
	tools := map[string]ktstr.Extractor{}
	for _, x := range plugins.Parsers() {
		tools[x.Describe().Name] = x
	}
	for _, name := range plugins.Tables() {
		tools[name], _ = plugins.Table(name)
	}
	return tools
}

// expectation is expect.json of a capture: what a person reads in it.
type expectation struct {
	Outcome string // ok; partial: the run did not end well, the metrics count; none or error: no metric
	Stream  ktstr.Stream
	Metrics map[string]struct {
		Value    float64
		Unit     string
		Polarity ktstr.Polarity
		Headline bool
	}
}

func TestTablesAreTheFoldersWithATable(t *testing.T) {
	files, err := filepath.Glob("*/*.ktstr.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, f := range files {
		want = append(want, filepath.Dir(f))
	}
	if got := plugins.Tables(); !slices.Equal(got, want) {
		t.Errorf("Tables() = %v, want those with a file NAME/NAME.ktstr.yaml, sorted: %v", got, want)
	}
	if _, ok := plugins.Table("fio"); ok {
		t.Error("Table(fio): want none, fio is written in Go")
	}
}

// captures returns the captures of a tool. Those in testdata/figures are for the figures
// only: they are too long for the checks of verify, or a person left lines out.
func captures(t *testing.T, name string) []verify.Case {
	all := corpustest.Load(t, filepath.Join(name, "testdata", "corpus"))
	if figures := filepath.Join(name, "testdata", "figures"); exists(figures) {
		all = append(all, corpustest.Load(t, figures)...)
	}
	return all
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Each capture of each tool gives exactly the metrics of its expect.json.
func TestToolsReadEveryFigure(t *testing.T) {
	for name, x := range inProcess() {
		for _, k := range captures(t, name) {
			t.Run(name+"/"+k.Name, func(t *testing.T) {
				var want expectation
				corpustest.Expect(t, k, &want)
				res := extract.Run(t.Context(), x, k.Streams, nil)
				corpustest.Golden(t, k, res, *update)
				checkOutcome(t, want, res)
				headlines := map[string]bool{}
				for _, i := range res.Headlines {
					headlines[res.Metrics[i].Name] = true
				}
				got, wanted := corpustest.ByName(t, res.Metrics), map[string]ktstr.Metric{}
				for name, w := range want.Metrics {
					wanted[name] = ktstr.Metric{Value: w.Value, Unit: w.Unit, Polarity: w.Polarity}
					if headlines[name] != w.Headline {
						t.Errorf("%s is a headline: %v, want %v", name, headlines[name], w.Headline)
					}
					if m, ok := got[name]; ok && m.Stream != want.Stream {
						t.Errorf("%s is of %s, want %s", name, m.Stream, want.Stream)
					}
				}
				corpustest.Match(t, got, wanted)
				if t.Failed() {
					t.Logf("status %s, error %q, diagnostics %v", res.Status, res.Error, res.Diagnostics)
				}
			})
		}
	}
}

// checkOutcome compares the status. A tool that failed may give its reason in the
// capture or not: the status is error or none. The reason of a run that was stopped, such
// as hyperfine's after a command that failed, is a diagnostic: earlier numbers count.
func checkOutcome(t *testing.T, want expectation, res extract.Result) {
	t.Helper()
	switch want.Outcome {
	case "ok", "partial":
		if res.Status != extract.OK {
			t.Errorf("status %s, want ok", res.Status)
		}
	case "none", "error":
		if res.Status == extract.OK || len(res.Metrics) > 0 {
			t.Errorf("status %s with %d metrics, want none or error without a metric", res.Status, len(res.Metrics))
		}
		interrupted := func(d ktstr.Diagnostic) bool { return d.Code == ktstr.Interrupted }
		if want.Outcome == "error" && res.Error == "" && !slices.ContainsFunc(res.Diagnostics, interrupted) {
			t.Errorf("status %s, want error with the tool's reason", res.Status)
		}
	default:
		t.Errorf("outcome %q is not known to the test", want.Outcome)
	}
}

// The checks of "ktstr plugin verify" that need the captures of each tool: removed
// lines, cuts and damage. FuzzTools and the engine of the tables have the other checks.
func TestToolsPassTheChecksOfVerify(t *testing.T) {
	checks := []string{"describe", "described", "repeat", "lines", "cut", "empty", "nul", "crlf", "utf8"}
	for name, x := range inProcess() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plugintest.Run(t, plugintest.Config{Extractor: x, Corpus: filepath.Join(name, "testdata", "corpus"), Only: checks})
		})
	}
}

// FuzzTools gives damaged captures to the parser of their tool.
func FuzzTools(f *testing.F) {
	tools := inProcess()
	for name := range tools {
		err := filepath.WalkDir(filepath.Join(name, "testdata", "corpus"), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.HasSuffix(path, ".json") {
				return err
			}
			text, err := os.ReadFile(path)
			f.Add(name, text)
			return err
		})
		if err != nil {
			f.Fatal(err)
		}
	}
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		if x := tools[name]; x != nil {
			if err := plugintest.Sound(x, ktstr.Output{Data: data}); err != nil {
				t.Error(err)
			}
		}
	})
}
