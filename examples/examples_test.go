// Package examples tests the example plugins as a stranger would use them:
// three times the same parser, in Go, in Python and as a script.
package examples

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/extractors/plugin"
	"github.com/ktstr/ktstr/extractors/plugin/verify"
)

const corpus = "plugin-go/corpus"

// TestMain is also the launcher of the plugins, and the host that the check "orphan"
// kills.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 {
		switch os.Args[1] {
		case "_launch":
			os.Exit(plugin.LauncherMain(os.Args[2:]))
		case "_host":
			os.Exit(verify.Host(os.Args[2:]))
		}
	}
	os.Exit(m.Run())
}

func run(t *testing.T, dir string, argv ...string) string {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
	return string(out)
}

func holds(t *testing.T, path string) {
	t.Helper()
	report, err := verify.Run(t.Context(), verify.Config{Path: path, Corpus: corpus, Launcher: []string{"_launch"}, Host: []string{"_host"}})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	report.Print(&b)
	if !report.OK() {
		t.Errorf("%s", b.Bytes())
	}
	t.Logf("%s", b.Bytes())
}

// A module of its own, built, tested and fuzzed (its seeds) outside of ours.
func TestGo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ktstr-plugin-sysbench")
	run(t, "plugin-go", "go", "build", "-o", path, ".")
	run(t, "plugin-go", "go", "vet", ".")
	run(t, "plugin-go", "go", "test", ".")
	holds(t, path)
}

func TestPython(t *testing.T) {
	holds(t, "plugin-python/ktstr-plugin-sysbench")
}

func TestScript(t *testing.T) {
	holds(t, "plugin-script/ktstr-plugin-sysbench")
}

// The messages inside the Python plugin are those of today's .proto.
func TestPythonIsGenerated(t *testing.T) {
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

// What the parsers are to give was derived from the captures by other means.
func TestCorpusAgainstExpectations(t *testing.T) {
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

// An exception in the parser is told with its traceback, and the process goes on.
func TestPythonException(t *testing.T) {
	program, err := os.ReadFile("plugin-python/ktstr-plugin-sysbench")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ktstr-plugin-sysbench")
	if err := os.WriteFile(path, bytes.Replace(program, []byte("    diagnostics = []\n"), []byte("    raise ValueError('boom')\n"), 1), 0o755); err != nil {
		t.Fatal(err)
	}
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

// verify shows the traceback under the error, once for all inputs that meet it.
func TestVerifyShowsTraceback(t *testing.T) {
	program, err := os.ReadFile("plugin-python/ktstr-plugin-sysbench")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ktstr-plugin-sysbench")
	if err := os.WriteFile(path, bytes.Replace(program, []byte("    diagnostics = []\n"), []byte("    raise ValueError('boom')\n"), 1), 0o755); err != nil {
		t.Fatal(err)
	}
	report, err := verify.Run(t.Context(), verify.Config{Path: path, Launcher: []string{"_launch"}, Only: []string{"empty"}})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	report.Print(&b)
	for _, want := range []string{"extract: panicked: ValueError: boom\": want what can be read", "\n              raise ValueError('boom')\n          ValueError: boom\n", "the same with 5 more inputs"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("want %q in\n%s", want, b.Bytes())
		}
	}
}

// Each promise about the process is broken in a copy of the Python plugin, and the
// check that is about it notices.
func TestVerifyFindsBrokenPlugins(t *testing.T) {
	program, err := os.ReadFile("plugin-python/ktstr-plugin-sysbench")
	if err != nil {
		t.Fatal(err)
	}
	one := t.TempDir() // one case is enough, and quick
	if err := os.CopyFS(filepath.Join(one, "cpu"), os.DirFS(filepath.Join(corpus, "cpu"))); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		check, old, new string
		want            string
	}{
		{"handshake", `sys.exit("a plugin of`, `print("a plugin of`, "exit status 0"},
		{"handshake", `sys.exit("a plugin of ktstr for sysbench, which ktstr starts by itself; ` + "`describe`" + ` says what it is")`, `os._exit(1)`, "says nothing on stderr"},
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
		if n := bytes.Count(program, []byte(c.old)); n != 1 {
			t.Fatalf("%s: %q occurs %d times in the plugin, want once", c.check, c.old, n)
		}
		path := filepath.Join(t.TempDir(), "ktstr-plugin-sysbench")
		if err := os.WriteFile(path, bytes.Replace(program, []byte(c.old), []byte(c.new), 1), 0o755); err != nil {
			t.Fatal(err)
		}
		report, err := verify.Run(t.Context(), verify.Config{Path: path, Corpus: one, Launcher: []string{"_launch"}, Host: []string{"_host"}, Only: []string{c.check}})
		if err != nil {
			t.Errorf("%s: %v", c.check, err)
			continue
		}
		var b bytes.Buffer
		report.Print(&b)
		if report.OK() || !strings.Contains(b.String(), c.want) {
			t.Errorf("%s: want a failure that says %q:\n%s", c.check, c.want, b.Bytes())
		}
	}
}
