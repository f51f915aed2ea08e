package export_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ktstr/ktstr/internal/export"
)

// The servers that the formats are for read the exports. It takes a minute and the network: it unpacks packages of Debian without
// installing them, so that no service starts. KTSTR_READERS is a directory in which they are unpacked already.
func TestSoakReadersOfExports(t *testing.T) {
	if os.Getenv("KTSTR_SOAK") == "" {
		t.Skip("long: it downloads and starts servers; `make soak` runs it")
	}
	root := os.Getenv("KTSTR_READERS")
	if root == "" {
		root = t.TempDir()
		script := `cd "$1" && apt-get download -qq prometheus prometheus-node-exporter prometheus-pushgateway influxdb lava-dispatcher && for d in *.deb; do dpkg -x "$d" .; done`
		command(t, nil, "sh", "-ec", script, "sh", root)
	}
	bin := filepath.Join(root, "usr/bin")
	list := hostileRuns()
	good := some(t, 1)
	sets := map[string]export.Source{"runs": {Runs: good}, "hostile": {Runs: list}, "comparison": comparison(t)}

	t.Run("promtool", func(t *testing.T) {
		for name, s := range sets {
			out := command(t, write(t, "openmetrics", s), filepath.Join(bin, "promtool"), "check", "metrics")
			if len(out) > 0 {
				t.Errorf("%s: promtool says %s", name, out)
			}
		}
	})
	t.Run("node_exporter and prometheus", func(t *testing.T) {
		dir := t.TempDir()
		file(t, dir, "ktstr.prom", write(t, "openmetrics", sets["hostile"]))
		exporter := server(t, "/metrics", filepath.Join(bin, "prometheus-node-exporter"), "--web.listen-address=ADDRESS", "--collector.disable-defaults", "--collector.textfile", "--collector.textfile.directory="+dir)
		text := get(t, exporter+"/metrics")
		if !strings.Contains(text, "node_textfile_scrape_error 0") || !strings.Contains(text, `ktstr_runs{host="a b,c=d\"e\\f\n}{#|<LAVA_SIGNAL>`) {
			t.Errorf("node_exporter says %s", text)
		}
		config := file(t, dir, "prometheus.yml", fmt.Appendf(nil, "scrape_configs: [{job_name: node, scrape_interval: 1s, static_configs: [{targets: ['%s']}]}]", strings.TrimPrefix(exporter, "http://")))
		prometheus := server(t, "/-/ready", filepath.Join(bin, "prometheus"), "--config.file="+config, "--storage.tsdb.path="+dir+"/data", "--web.listen-address=ADDRESS")
		until(t, func() string {
			answer := get(t, prometheus+"/api/v1/query?query="+url.QueryEscape(`ktstr_value{better="lower"}`))
			if strings.Contains(answer, `"1.5"`) {
				return ""
			}
			return answer
		})
	})
	t.Run("pushgateway", func(t *testing.T) {
		gateway := server(t, "/-/ready", filepath.Join(bin, "prometheus-pushgateway"), "--web.listen-address=ADDRESS")
		u, err := export.Gateway(gateway)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range sets {
			if err := export.Push(t.Context(), u, s); err != nil {
				t.Error(err)
			}
		}
		text := get(t, gateway+"/metrics")
		for _, want := range []string{`ktstr_value{better="lower",host="here",instance="here",job="ktstr",metric="p99",payload="bench",unit="us"} 50`, `ktstr_comparison_median{`} {
			if !strings.Contains(text, want) {
				t.Errorf("want %s in %s", want, text)
			}
		}
	})
	t.Run("influxd", func(t *testing.T) {
		dir := t.TempDir()
		config := file(t, dir, "influxdb.conf", fmt.Appendf(nil, "bind-address = \"127.0.0.1:0\"\nreporting-disabled = true\n[meta]\ndir = %q\n[data]\ndir = %q\nwal-dir = %q\n[http]\nbind-address = \"ADDRESS\"\n", dir+"/m", dir+"/d", dir+"/w"))
		influx := server(t, "/ping", filepath.Join(bin, "influxd"), "-config", config)
		post(t, influx+"/query?q="+url.QueryEscape("CREATE DATABASE d"), nil)
		post(t, influx+"/write?db=d", write(t, "influx", sets["hostile"]))
		post(t, influx+"/write?db=d", write(t, "influx", sets["comparison"]))
		answer := get(t, influx+"/query?db=d&q="+url.QueryEscape("SELECT COUNT(value) FROM ktstr; SELECT COUNT(seconds) FROM ktstr_run; SELECT COUNT(a_median) FROM ktstr_comparison"))
		// Four good runs of two numbers, five runs, and two metrics of the comparison.
		for _, want := range []string{`,8]`, `,5]`, `,2]`} {
			if !strings.Contains(answer, want) {
				t.Errorf("want %s in %s", want, answer)
			}
		}
	})
	t.Run("lava-test-case", func(t *testing.T) {
		dir := t.TempDir()
		shell := filepath.Join(root, "usr/lib/python3/dist-packages/lava_dispatcher/lava_test_shell")
		text, err := os.ReadFile(filepath.Join(shell, "lava-test-case"))
		if err != nil {
			t.Fatal(err)
		}
		os.Chmod(file(t, dir, "lava-test-case", append([]byte("#!/bin/sh\n"), text...)), 0o755)
		script := file(t, dir, "export", write(t, "lava", sets["runs"]))
		cmd := exec.Command("sh", "-ec", `. "$1"`, "sh", script)
		cmd.Env = append(os.Environ(), "PATH="+dir+":"+shell+":"+os.Getenv("PATH"), "LAVA_RESULT_DIR="+dir)
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=bench.p99 RESULT=fail UNITS=us MEASUREMENT=50>") {
			t.Errorf("%v: %s", err, out)
		}
	})
	t.Run("benchstat", func(t *testing.T) {
		dir := t.TempDir()
		s := comparison(t)
		pooled := file(t, dir, "sides.txt", write(t, "benchfmt", s))
		out := command(t, nil, "go", "run", "golang.org/x/perf/cmd/benchstat", "-col", "side", pooled)
		if strings.Count(out, "A old|1") != 2 || strings.Count(out, "B new") != 2 {
			t.Errorf("-col side: want one table for each of two units in\n%s", out)
		}
		runsOf := func(commit string) string {
			list := some(t, 1)
			for i := range list {
				list[i].Tags = []string{commit}
				list[i].Record.Labels["commit"], list[i].Record.Labels["commit_time"] = commit, "2026-01-0"+commit+"T00:00:00Z"
			}
			return file(t, dir, commit+".txt", write(t, "benchfmt", export.Source{Runs: list}))
		}
		a, b := runsOf("1"), runsOf("2")
		for _, args := range [][]string{{"-ignore", "commit,commit-date,tags", a, b}, {"-col", "commit", "-ignore", "commit-date,tags", a, b}} {
			out := command(t, nil, "go", append([]string{"run", "golang.org/x/perf/cmd/benchstat"}, args...)...)
			if strings.Count(out, "vs base") != 2 {
				t.Errorf("%v: want one table for each of two units in\n%s", args, out)
			}
		}
	})
	t.Run("kcidb", func(t *testing.T) {
		for name, s := range sets {
			out := command(t, write(t, "kcidb", s), "python3", "-c", kcidbCheck)
			if out != "valid\n" {
				t.Errorf("%s: %s", name, out)
			}
		}
	})
}

// kcidbCheck validates a document with Debian's python3-jsonschema against the parts of the schema of KCIDB 5.3 that the export
// uses: the required fields, the patterns, the states, and no other field. kcidb-io, which has the schema, is on no registry.
const kcidbCheck = `
import json, sys, jsonschema
ident = {"type": "string", "pattern": "^[a-z0-9_]+:.*$"}
text = {"type": "string", "pattern": "^[^\\0]*$"}
def obj(required, **properties):
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
def of(schema): return {"type": "array", "items": schema}
origin = {"type": "string", "pattern": "^[a-z0-9_]+$"}
schema = obj(["version"],
  version=obj(["major", "minor"], major={"const": 5}, minor={"type": "integer", "minimum": 0}),
  checkouts=of(obj(["id", "origin"], id=ident, origin=origin, comment=text)),
  builds=of(obj(["checkout_id", "id", "origin"], id=ident, checkout_id=ident, origin=origin, comment=text, architecture={"type": "string", "pattern": "^[a-z0-9_]+$"})),
  tests=of(obj(["build_id", "id", "origin"], id=ident, build_id=ident, origin=origin, comment=text, misc={"type": "object"},
    path={"type": "string", "pattern": r"^([a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)*)?$"}, status={"enum": ["FAIL", "ERROR", "MISS", "PASS", "DONE", "SKIP"]},
    start_time={"type": "string", "format": "date-time"}, duration={"type": "number"},
    number=obj(["value"], value={"type": "number"}, unit=text, prefix={"enum": ["metric", "binary"]}),
    environment=obj([], comment=text, misc={"type": "object"}))))
jsonschema.validate(json.load(sys.stdin), schema, format_checker=jsonschema.FormatChecker())
print("valid")
`

// command runs a program and returns its output.
func command(t *testing.T, stdin []byte, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stdin = bytes.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v: %s", name, args, err, out)
	}
	return string(out)
}

func file(t *testing.T, dir, name string, text []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// server starts a server on a free port, which replaces ADDRESS in its arguments and its configuration, and returns its URL. The server
// ends with the test.
func server(t *testing.T, ready, program string, args ...string) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	for i, arg := range args {
		args[i] = strings.ReplaceAll(arg, "ADDRESS", address)
		if text, err := os.ReadFile(arg); err == nil && bytes.Contains(text, []byte("ADDRESS")) {
			file(t, filepath.Dir(arg), filepath.Base(arg), bytes.ReplaceAll(text, []byte("ADDRESS"), []byte(address)))
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, args...)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); cmd.Wait() })
	until(t, func() string {
		response, err := http.Get("http://" + address + ready)
		if err != nil {
			return err.Error()
		}
		response.Body.Close()
		if response.StatusCode/100 != 2 {
			return response.Status
		}
		return ""
	})
	return "http://" + address
}

// until polls f until it returns "". The test fails with its last answer after a minute.
func until(t *testing.T, f func() string) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		answer := f()
		if answer == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(answer)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	return body(t, response)
}

func post(t *testing.T, url string, text []byte) {
	t.Helper()
	response, err := http.Post(url, "text/plain", bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	body(t, response)
}

func body(t *testing.T, response *http.Response) string {
	t.Helper()
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode/100 != 2 {
		t.Fatalf("%s %s, %v: %s", response.Request.URL, response.Status, err, text)
	}
	return string(text)
}
