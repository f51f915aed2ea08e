package export_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/shlex"
	"github.com/influxdata/line-protocol/v2/lineprotocol"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchproc"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/internal/compare"
	"github.com/ktstr/ktstr/internal/export"
	"github.com/ktstr/ktstr/internal/runs"
)

// hostile is a name that has a meaning in every format and in the shell.
const hostile = "a b,c=d\"e\\f\n}{#|<LAVA_SIGNAL>$(touch x)`'\x00\u202e"

// hostileRuns returns four good runs and a failed one of a payload with hostile names.
func hostileRuns() (list []runs.Run) {
	for i := range 5 {
		r := core.Record{
			Schema: core.Schema, ID: fmt.Sprint("id", i), Payload: "bench", Verdict: core.Pass, Start: time.Date(2026, 1, 2, 3, 4, i, 0, time.UTC), Duration: core.Seconds(time.Second),
			Extraction: core.Extraction{Status: extract.OK}, Host: core.Host{Name: hostile, Kernel: hostile, Arch: "amd64"},
			Labels:    map[string]string{"set": hostile, "variant": hostile, "commit": "0123abcd", "commit_time": "2026-01-01T00:00:00+01:00"},
			Headlines: []string{hostile},
			Metrics: []ktstr.Metric{
				{Name: hostile, Value: 1.5, Unit: hostile, Polarity: ktstr.Lower},
				{Name: "nan", Value: math.NaN()}, {Name: "inf", Value: math.Inf(1)}, {Name: "big", Value: 1e300}, {Name: "nan", Value: 1},
			},
		}
		if i == 4 {
			r.Verdict, r.ExitCode = core.Fail, -1
			r.Signal = "SIGKILL"
		}
		list = append(list, runs.Run{Name: hostile, Tags: []string{"main", "v1"}, Record: r})
	}
	return list
}

func hostileComparison() export.Source {
	list := hostileRuns()
	r := compare.Compare(runs.Side(hostile, list), runs.Side("new", list), compare.Options{})
	return export.Source{Runs: list, Other: list, Report: &r}
}

// The parser of node_exporter and Pushgateway reads the text. Only measured numbers are in it.
func TestOpenMetrics(t *testing.T) {
	parser := expfmt.NewTextParser(model.LegacyValidation)
	check := func(s export.Source, want map[string]int) {
		t.Helper()
		text := write(t, "openmetrics", s)
		families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
		if err != nil || !bytes.HasSuffix(text, []byte("\n# EOF\n")) {
			t.Fatalf("%v in\n%s", err, text)
		}
		got := map[string]int{}
		for name, f := range families {
			got[name] = len(f.Metric)
			for _, m := range f.Metric {
				if v := m.GetGauge().GetValue(); math.IsNaN(v) || math.IsInf(v, 0) || m.TimestampMs != nil {
					t.Errorf("%s: %v", name, m)
				}
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got %v, want %v in\n%s", got, want, text)
		}
	}
	check(export.Source{Runs: some(t, 1)}, map[string]int{"ktstr_value": 2, "ktstr_value_samples": 2, "ktstr_runs": 2, "ktstr_last_run_timestamp_seconds": 1, "ktstr_last_run_info": 1})
	check(export.Source{Runs: hostileRuns()[4:]}, map[string]int{"ktstr_runs": 2, "ktstr_last_run_timestamp_seconds": 1, "ktstr_last_run_info": 1})
	check(hostileComparison(), map[string]int{"ktstr_comparison_median": 4, "ktstr_comparison_change_ratio": 2, "ktstr_comparison_verdict": 1})
	families, err := parser.TextToMetricFamilies(bytes.NewReader(write(t, "openmetrics", export.Source{Runs: hostileRuns()})))
	if err != nil {
		t.Fatal(err)
	}
	labels := map[string]string{}
	for _, l := range families["ktstr_value"].Metric[0].Label {
		labels[l.GetName()] = l.GetValue()
	}
	want := strings.ReplaceAll(hostile, "\x00", "\uFFFD")
	if labels["metric"] != want || labels["host"] != want || labels["unit"] != want || labels["better"] != "lower" {
		t.Errorf("labels %q, want the name %q", labels, want)
	}
}

// The reader of InfluxData reads the text. A failed run has a point for its verdict only.
func TestInflux(t *testing.T) {
	type point struct{ measurement, metric, run string }
	read := func(s export.Source) (points []point, values int) {
		t.Helper()
		text := write(t, "influx", s)
		d := lineprotocol.NewDecoder(bytes.NewReader(text))
		for d.Next() {
			measurement, err := d.Measurement()
			if err != nil {
				t.Fatalf("%v in\n%s", err, text)
			}
			p := point{measurement: string(measurement)}
			for {
				key, value, err := d.NextTag()
				if err != nil {
					t.Fatalf("%v in\n%s", err, text)
				}
				if key == nil {
					break
				}
				if string(key) == "metric" {
					p.metric = string(value)
				}
			}
			for {
				key, value, err := d.NextField()
				if err != nil {
					t.Fatalf("%v in\n%s", err, text)
				}
				if key == nil {
					break
				}
				switch string(key) {
				case "run":
					p.run = value.StringV()
				case "value":
					values++
				}
			}
			if at, err := d.Time(lineprotocol.Nanosecond, time.Time{}); err != nil || at.Year() != 2026 {
				t.Errorf("time %v, %v", at, err)
			}
			points = append(points, p)
		}
		return points, values
	}
	points, values := read(export.Source{Runs: hostileRuns()})
	if len(points) != 5+4*2 || values != 4*2 {
		t.Errorf("%d points, %d values; want 13, 8", len(points), values)
	}
	// The format has no escape for a line break and for a backslash in a tag.
	want := strings.NewReplacer("\\", "\uFFFD", "\n", "\uFFFD", "\x00", "\uFFFD").Replace(hostile)
	if p := points[1]; p.measurement != "ktstr" || p.metric != want || p.run != strings.NewReplacer("\n", "\uFFFD", "\x00", "\uFFFD").Replace(hostile) {
		t.Errorf("%q, want the metric %q", p, want)
	}
	if points, _ := read(hostileComparison()); len(points) != 4 || points[0].measurement != "ktstr_comparison" {
		t.Errorf("comparison: %q", points)
	}
}

// benchstat -filter and -col find the commits, the kernel, the host and the tags. The test uses
// the packages of benchstat. The keys of a comparison are those of benchseries.DefaultBuilderOptions.
func TestBenchfmtConfiguration(t *testing.T) {
	list := some(t, 1)
	for i := range list {
		list[i].Tags = []string{"main", "v1"}
		list[i].Record.Labels["commit"], list[i].Record.Labels["commit_time"] = fmt.Sprint("c", i), "2026-01-01T00:00:00+01:00"
	}
	for query, want := range map[string]int{"commit:c0": 2, "commit:c9": 0, "kernel:6.1 host:here": 4, "tags:/v1/": 4, `commit-date:"2026-01-01T00:00:00+01:00"`: 4} {
		filter, err := benchproc.NewFilter(query)
		if err != nil {
			t.Fatal(err)
		}
		got := 0
		r := benchfmt.NewReader(bytes.NewReader(write(t, "benchfmt", export.Source{Runs: list})), "export")
		for r.Scan() {
			if result, ok := r.Result().(*benchfmt.Result); ok {
				if match, err := filter.Apply(result); err == nil && match {
					got++
				}
			}
		}
		if got != want {
			t.Errorf("%s: %d results, want %d", query, got, want)
		}
	}
	report := compare.Compare(runs.Side("old", list), runs.Side("new", list), compare.Options{})
	r := benchfmt.NewReader(bytes.NewReader(write(t, "benchfmt", export.Source{Runs: list, Other: list, Report: &report})), "export")
	tables := map[string]bool{} // benchstat -col side prints one for each configuration without the side
	for r.Scan() {
		result, ok := r.Result().(*benchfmt.Result)
		if !ok {
			continue
		}
		table := ""
		for _, c := range result.Config {
			if c.Key != "side" {
				table += c.Key + ": " + string(c.Value) + "\n"
			}
		}
		tables[table] = true
	}
	want := "experiment-commit: c3\nexperiment-commit-time: 2026-01-01T00:00:00+01:00\nbaseline-commit: c3\nrunstamp: 2026-01-02T03:04:08Z\ngoarch: amd64\nkernel: 6.1\nhost: here\n"
	if len(tables) != 1 || !tables[want] {
		t.Errorf("got the tables %v, want %q", tables, want)
	}
}

// GitLab splits each line like a shell: Gitlab::Ci::Parsers::Metrics::Generic calls shellsplit
// and takes the first two words for the name and the value.
func TestGitLab(t *testing.T) {
	for _, s := range []export.Source{{Runs: hostileRuns()}, hostileComparison()} {
		text := string(write(t, "gitlab", s))
		var got [][]string
		for line := range strings.Lines(text) {
			words, err := shlex.Split(line)
			if err != nil {
				t.Fatalf("%v in\n%s", err, text)
			}
			got = append(got, words)
		}
		if len(got) != 1 || len(got[0]) != 2 || got[0][1] != "1.5" || !strings.Contains(got[0][0], "{payload=bench,variant=a b,c=d\"e\\f") {
			t.Errorf("got %q", got)
		}
	}
	if text := write(t, "gitlab", export.Source{Runs: hostileRuns()[4:]}); len(text) > 0 {
		t.Errorf("of a failed run, got\n%s", text)
	}
}

// A shell runs the script with a lava-test-case that prints its arguments.
func TestLAVA(t *testing.T) {
	run := func(s export.Source) string {
		t.Helper()
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "lava-test-case"), []byte("#!/bin/sh\nprintf '%s|' \"$@\"; echo\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("sh", "-eu", "-c", string(write(t, "lava", s)))
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	if got, want := run(export.Source{Runs: some(t, 1)}), `bench|--result|fail|
bench.p99|--result|fail|--measurement|50|--units|us|
bench.iops|--result|pass|--measurement|1234.5|--units|iops|
`; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	name := "a_b_c_d_e_f______LAVA_SIGNAL___touch_x__________"
	if got := run(export.Source{Runs: hostileRuns()[:1]}); !strings.HasPrefix(got, "bench_"+name[:20]) || strings.Count(got, "\n") != 2 || strings.ContainsAny(got, " <>$`") {
		t.Errorf("hostile names: %s", got)
	}
	if got := run(export.Source{Runs: hostileRuns()[4:]}); strings.Contains(got, "--measurement") || strings.Count(got, "\n") != 1 {
		t.Errorf("of a failed run: %s", got)
	}
}

func TestKCIDB(t *testing.T) {
	type test struct {
		ID, Path, Status string
		BuildID          string `json:"build_id"`
		Number           *struct {
			Value float64
			Unit  string
		}
	}
	var d struct {
		Version struct{ Major, Minor int }
		Builds  []struct{ ID string }
		Tests   []test
	}
	if err := json.Unmarshal(write(t, "kcidb", export.Source{Runs: some(t, 1)}), &d); err != nil {
		t.Fatal(err)
	}
	var got []string
	ids := map[string]bool{}
	for _, x := range d.Tests {
		line := x.Path + " " + x.Status
		if x.Number != nil {
			line += fmt.Sprint(" ", x.Number.Value, " ", x.Number.Unit)
		}
		got = append(got, line)
		ids[x.ID] = true
		if x.BuildID != d.Builds[0].ID || x.BuildID != "ktstr:6.1-amd64" {
			t.Errorf("build %s, want %s", x.BuildID, d.Builds[0].ID)
		}
	}
	want := []string{
		"ktstr.bench PASS", "ktstr.bench.p99 DONE 40 us", "ktstr.bench.iops DONE 1234.5 iops",
		"ktstr.bench FAIL", "ktstr.bench.p99 FAIL 60 us", "ktstr.bench.iops DONE 1234.5 iops",
		"ktstr.bench ERROR", "ktstr.bench ERROR",
	}
	if !slices.Equal(got, want) || len(ids) != len(want) || d.Version.Major != 5 {
		t.Errorf("got %q, %d ids, want %q", got, len(ids), want)
	}
}
