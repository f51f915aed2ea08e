package plugintest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/sdk"
	"github.com/ktstr/ktstr/sdk/plugintest"
)

func demo() ktstr.Parser {
	return sdk.Lines{
		Description: ktstr.Description{Name: "demo", Version: "1.0.0"},
		Signature:   `^demo \d`,
		Lines: []sdk.Line{
			{Pattern: `^throughput: (?P<value>[\d.]+) MiB/s$`, Name: "throughput", Unit: "MiB/s", Polarity: ktstr.Higher, Headline: true},
		},
	}.Parser()
}

func TestRun(t *testing.T) {
	plugintest.Run(t, plugintest.Config{Extractor: demo(), Corpus: "testdata/corpus"})
}

// What Run does with a broken extractor is seen from outside: in a test process
// of its own.
func TestRunFails(t *testing.T) {
	if os.Getenv("PLUGINTEST_BROKEN") != "" {
		x := demo()
		parse := x.Parse
		x.Parse = func(out ktstr.Output) (ktstr.Extraction, error) {
			e, err := parse(out)
			e.Diagnostics = nil
			return e, err
		}
		plugintest.Run(t, plugintest.Config{Extractor: x, Corpus: os.Getenv("PLUGINTEST_BROKEN")})
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestRunFails$", "-test.v")
	// Of two lines below the heading the removal of one leaves a metric, so that the
	// extraction is no failure and only the check "lines" can notice.
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/corpus")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "plain", "stdout"), []byte("demo 1.0\nthroughput: 12.5 MiB/s\nthroughput: 13 MiB/s\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd.Env = append(os.Environ(), "PLUGINTEST_BROKEN="+dir)
	out, err := cmd.CombinedOutput()
	for _, want := range []string{"--- FAIL: TestRunFails/golden", "--- FAIL: TestRunFails/lines", `the headline "throughput" silently becomes 12.5, it was 13`, "--- PASS: TestRunFails/empty"} {
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("error %v, want a failure and %q in\n%s", err, want, out)
		}
	}
}
