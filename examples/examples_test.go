// Package examples tests the example plugins as a user would use them: the same parser in Go, in Python and as a script.
package examples

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/extractors/plugin"
	"github.com/ktstr/ktstr/internal/testenv"
)

const corpus = "plugin-go/corpus"

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "_launch" { // TestPythonException starts a plugin in this process
		os.Exit(plugin.LauncherMain(os.Args[2:]))
	}
	testenv.DefaultSignals()
	os.Exit(m.Run())
}

// commandLimit is the deadline of a command that a test runs. It is generous because the machine may be busy.
const commandLimit = 10 * time.Minute

// output runs a command in dir and returns what it printed on both streams.
func output(t *testing.T, dir string, argv ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), commandLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = dir
	if argv[0] == "go" {
		cmd.Env = testenv.GoEnv()
	}
	cmd.WaitDelay = time.Second // for a descendant that keeps the output open
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// run is output for a command that must succeed.
func run(t *testing.T, dir string, argv ...string) string {
	t.Helper()
	out, err := output(t, dir, argv...)
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
	return out
}

// command returns the path of the built command. The tests verify plugins with it and not with package verify, because it starts
// plugins hundreds of times, and the race detector of a test binary would multiply the cost of each start.
func command(t *testing.T) string {
	t.Helper()
	return filepath.Join(testenv.Build(t, "./cmd/ktstr"), "ktstr")
}

// goPlugin builds the plugin in Go once for all tests, and returns its path.
func goPlugin(t *testing.T) string {
	t.Helper()
	buildGoPlugin.Do(func() {
		path := filepath.Join(testenv.Build(t, "./cmd/ktstr"), "examples", "ktstr-plugin-sysbench")
		run(t, "plugin-go", "go", "build", "-o", path, ".")
		goPluginPath = path
	})
	if goPluginPath == "" {
		t.Fatal("the plugin in Go was not built")
	}
	return goPluginPath
}

var (
	buildGoPlugin sync.Once
	goPluginPath  string // empty: the build failed
)

// The module of the plugin in Go is not part of ours. It is built, tested and fuzzed (with its seeds) by itself.
func TestGoPlugin(t *testing.T) {
	t.Parallel()
	run(t, "plugin-go", "go", "vet", ".")
	run(t, "plugin-go", "go", "test", ".")
	run(t, ".", command(t), "plugin", "verify", goPlugin(t), "--corpus", corpus)
}

func TestPythonPlugin(t *testing.T) {
	t.Parallel()
	run(t, ".", command(t), "plugin", "verify", "plugin-python/ktstr-plugin-sysbench", "--corpus", corpus)
}

// ktstr starts a script for each capture. All captures are compared with their goldens, but only one is cut and damaged in all
// ways, because that takes hundreds of starts for each capture.
func TestScriptPlugin(t *testing.T) {
	t.Parallel()
	const path = "plugin-script/ktstr-plugin-sysbench"
	run(t, ".", command(t), "plugin", "verify", path, "--corpus", corpus, "--only", "golden")
	run(t, ".", command(t), "plugin", "verify", path, "--corpus", oneCase(t))
}

// oneCase returns a corpus with one case of the corpus.
func oneCase(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "cpu"), os.DirFS(filepath.Join(corpus, "cpu"))); err != nil {
		t.Fatal(err)
	}
	return dir
}

// The messages inside the Python plugin are generated from the .proto of this commit.
func TestPythonMessagesAreCurrent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const program = "ktstr-plugin-sysbench"
	for _, name := range []string{program, "generate.sh"} {
		text, err := os.ReadFile(filepath.Join("plugin-python", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	protos, err := filepath.Abs("../internal/wire")
	if err != nil {
		t.Fatal(err)
	}
	run(t, dir, "./generate.sh", protos)
	got, _ := os.ReadFile(filepath.Join(dir, program))
	want, _ := os.ReadFile(filepath.Join("plugin-python", program))
	if !bytes.Equal(got, want) {
		t.Error("the .proto has changed: want examples/plugin-python/generate.sh run")
	}
}

// The goldens of the corpus agree with expect.json, which was derived from the captures without these parsers.
func TestGoldensAgreeWithExpectations(t *testing.T) {
	names := map[string]string{
		"events_per_second": "events.rate", "total_time_s": "time.total", "total_events": "events.total",
		"latency_ms_min": "latency.min", "latency_ms_avg": "latency.mean", "latency_ms_max": "latency.max",
		"latency_ms_sum": "latency.sum", "latency_ms_p95": "latency.p95", "latency_ms_p99": "latency.p99",
		"reads_per_s": "file.reads", "writes_per_s": "file.writes", "fsyncs_per_s": "file.fsyncs",
		"read_mib_per_s": "file.read", "written_mib_per_s": "file.written",
		"operations_total": "operations.total", "operations_per_second": "operations.rate",
		"mib_transferred": "transfer.total", "mib_per_s": "transfer.rate",
		"thread_events_avg": "threads.events.mean", "thread_events_stddev": "threads.events.stddev",
	}
	cases, err := filepath.Glob(corpus + "/*/expect.json")
	if err != nil || len(cases) != 8 {
		t.Fatalf("%d cases (%v), want 8", len(cases), err)
	}
	for _, path := range cases {
		var expect struct {
			Outcome string
			Metrics map[string]float64
		}
		var doc struct {
			Status  string
			Metrics []struct {
				Name  string
				Value float64
			}
		}
		for file, v := range map[string]any{path: &expect, filepath.Join(filepath.Dir(path), "extract.json"): &doc} {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(text, v); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
		}
		got := map[string]float64{}
		for _, m := range doc.Metrics {
			got[m.Name] = m.Value
		}
		for key, want := range expect.Metrics {
			if v, ok := got[names[key]]; !ok || math.Abs(v-want) > 1e-9*math.Abs(want) {
				t.Errorf("%s: %s (%s) = %v, want %v", path, names[key], key, v, want)
			}
		}
		if (expect.Outcome == "ok") != (doc.Status == "ok") {
			t.Errorf("%s: status %q, the tool's outcome was %q", path, doc.Status, expect.Outcome)
		}
	}
}

// changedPython returns a copy of the plugin in Python in which new replaces old.
func changedPython(t *testing.T, old, new string) (path string) {
	t.Helper()
	program, err := os.ReadFile("plugin-python/ktstr-plugin-sysbench")
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(program, []byte(old)); n != 1 {
		t.Fatalf("%q occurs %d times in the plugin, want once", old, n)
	}
	path = filepath.Join(t.TempDir(), "ktstr-plugin-sysbench")
	if err := os.WriteFile(path, bytes.Replace(program, []byte(old), []byte(new), 1), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// An exception in the parser is reported with its traceback, and the process goes on.
func TestPythonException(t *testing.T) {
	path := changedPython(t, "    diagnostics = []\n", "    raise ValueError('boom')\n")
	p, err := plugin.Start(t.Context(), plugin.Config{Path: path, Launcher: []string{"_launch"}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var e *plugin.Error
	if _, err = p.Extract(t.Context(), ktstr.Output{Data: []byte("x")}); !errors.As(err, &e) || e.Fault != plugin.Panicked || p.Restarts() != 0 || !strings.Contains(err.Error(), "ValueError: boom") ||
		!strings.Contains(err.Error(), "in parse\n\t    raise ValueError('boom')\n\tValueError: boom") {
		t.Errorf("got %v, %d restarts; want the exception and its traceback", err, p.Restarts())
	}
}

// verify shows the traceback under the error, once for all inputs that raise the exception.
func TestVerifyShowsTraceback(t *testing.T) {
	t.Parallel()
	path := changedPython(t, "    diagnostics = []\n", "    raise ValueError('boom')\n")
	got, err := output(t, ".", command(t), "plugin", "verify", path, "--only", "empty")
	if err == nil {
		t.Error("exit status 0: want a failure")
	}
	for _, want := range []string{"extract: panicked: ValueError: boom\": want what can be read", "\n              raise ValueError('boom')\n          ValueError: boom\n", "the same with 5 more inputs"} {
		if !strings.Contains(got, want) {
			t.Errorf("want %q in\n%s", want, got)
		}
	}
}

// Each case breaks one promise about the process in a copy of the plugin in Python. The check of that promise fails.
func TestVerifyFindsBrokenPlugins(t *testing.T) {
	one := oneCase(t) // one case is enough, and quick
	for _, c := range []struct {
		check, old, new string
		want            string
	}{
		{"handshake", `sys.exit("ktstr starts`, `print("ktstr starts`, "exit status 0"},
		{"handshake", `sys.exit("ktstr starts this plugin for sysbench by itself. ` + "`describe`" + ` prints its description.")`, `os._exit(1)`, "says nothing on stderr"},
		{"describe-word", `"version": VERSION,`, `"version": "9",`, "the host"},
		{"extract-word", `    else:
        sys.exit(`, `    elif sys.argv[1:2] == ["extract"]:
        print('{"extractor": "sysbench", "status": "ok", "metrics": []}')
    else:
        sys.exit(`, "prints something else"},
		{"chunks", `b"".join(request.data for request in requests)`, `next(requests).data`, "in pieces of 1 bytes"},
		{"shutdown", `"plugin.GRPCController"`, `"plugin.Other"`, "it was killed"},
		{"nul", "    diagnostics = []\n", "    diagnostics = []\n    if b\"\\x00\" in data:\n        os._exit(3)\n", "exit status 3"},
		{"thousand", "    diagnostics = []\n", "    diagnostics = []\n    globals().setdefault('leak', []).append(bytes([1]) * (64 << 10))\n", "memory grew"},
		{"repeat", "    diagnostics = []\n", "    diagnostics = []\n    globals()['calls'] = globals().get('calls', 0) + 1\n    return [('n', globals()['calls'], 's', '', 0)], []\n", "the second extraction differs"},
		{"parallel", "    diagnostics = []\n", "    diagnostics = []\n    globals()['inside'] = globals().get('inside', 0) + 1\n    threading.Event().wait(0.05)\n" +
			"    n = globals()['inside']\n    globals()['inside'] -= 1\n    return [('n', n, 's', '', 0)], []\n", "beside others"},
	} {
		t.Run(c.check, func(t *testing.T) {
			t.Parallel()
			got, err := output(t, ".", command(t), "plugin", "verify", changedPython(t, c.old, c.new), "--corpus", one, "--only", c.check)
			if err == nil || !strings.Contains(got, c.want) {
				t.Errorf("got %v, want a failure that says %q:\n%s", err, c.want, got)
			}
		})
	}
}
