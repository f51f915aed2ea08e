package fio

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/ktstr/ktstr"
)

// A capture is one case of the corpus.
type capture struct {
	name string
	meta struct {
		Argv     []string
		ExitCode *int `json:"exit_code"`
		Version  string
	}
	streams []ktstr.Output // in the order in which the engine asks: stdout, stderr, files
}

func captures(t testing.TB) []capture {
	t.Helper()
	dirs, err := filepath.Glob("testdata/*/meta.json")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no captures: %v", err)
	}
	list := make([]capture, 0, len(dirs))
	for _, meta := range dirs {
		dir := filepath.Dir(meta)
		c := capture{name: filepath.Base(dir)}
		readJSON(t, meta, &c.meta)
		files, err := filepath.Glob(filepath.Join(dir, "file-*"))
		if err != nil {
			t.Fatal(err)
		}
		sort.Strings(files)
		for _, file := range append([]string{filepath.Join(dir, "stdout"), filepath.Join(dir, "stderr")}, files...) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			stream := ktstr.Stream(filepath.Base(file))
			if name, ok := strings.CutPrefix(string(stream), "file-"); ok {
				stream = ktstr.FileStream(name)
			}
			c.streams = append(c.streams, ktstr.Output{Stream: stream, Data: data, ExitCode: c.meta.ExitCode, Argv: c.meta.Argv})
		}
		list = append(list, c)
	}
	return list
}

func readJSON(t testing.TB, file string, v any) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(strings.NewReader(string(data)))
	d.UseNumber()
	if err := d.Decode(v); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

func parseStream(t testing.TB, out ktstr.Output) ktstr.Extraction {
	t.Helper()
	x, err := New().Extract(context.Background(), out)
	if err != nil {
		t.Fatalf("%s: %v", out.Stream, err)
	}
	return x
}

// firstExtraction does what the engine does: the first stream that gives a
// metric, with its attribution.
func firstExtraction(t testing.TB, c capture) (ktstr.Extraction, ktstr.Stream) {
	t.Helper()
	var notes []ktstr.Diagnostic
	for _, out := range c.streams {
		x := parseStream(t, out)
		notes = append(notes, x.Diagnostics...)
		if len(x.Metrics) > 0 {
			return x, out.Stream
		}
	}
	return ktstr.Extraction{Diagnostics: notes}, ""
}

type expectation struct {
	Outcome    string
	Stream     *string
	Format     string
	Documents  int
	Reports    int
	Truncated  bool
	Metrics    []map[string]any
	JobMetrics []map[string]any `json:"job_metrics"`
	Failed     []map[string]any `json:"rows_from_failed_jobs"`
	DiskUtil   []map[string]any `json:"disk_util"`
	Idle       map[string]any   `json:"cpu_idleness"`
	Precision  string
}

// Every number of every expect.json, under its name, with unit, polarity and
// stream, to the digit that was printed.
func TestExpectations(t *testing.T) {
	numbers := 0
	for _, c := range captures(t) {
		if strings.HasPrefix(c.name, "own-") {
			continue // has no expectations, but TestFormatsAgree and a golden list
		}
		t.Run(c.name, func(t *testing.T) {
			var want expectation
			readJSON(t, filepath.Join("testdata", c.name, "expect.json"), &want)
			x, stream := firstExtraction(t, c)
			v := verifier{t: t, byName: map[string]ktstr.Metric{}, relative: want.Format == "normal"}
			for _, m := range x.Metrics {
				if _, ok := v.byName[m.Name]; ok {
					t.Errorf("%s occurs twice", m.Name)
				}
				v.byName[m.Name] = m
			}
			if len(want.Metrics) > 0 {
				wantStream := strings.Replace(*want.Stream, "file-", "file:", 1)
				if string(stream) != wantStream {
					t.Errorf("metrics from %q, want %q", stream, wantStream)
				}
			}
			occurrence := map[string]int{}
			job, op := "", 0
			for _, row := range want.Metrics {
				// Rows of one entry stand together, in the order of directions.
				next := slices.Index(opNames[:], row["op"].(string))
				if name := row["job"].(string); name != job || next <= op {
					job = name
					occurrence[job]++
				}
				op = next
				v.row(nth(job, occurrence[job]), row)
			}
			clear(occurrence)
			for _, row := range want.JobMetrics {
				name, ok := row["job"].(string)
				if !ok {
					continue // the phantom entry
				}
				occurrence[name]++
				v.job(nth(name, occurrence[name]), row)
			}
			for _, d := range want.DiskUtil {
				v.is("disk."+d["name"].(string)+".util", d["util"], "%", ktstr.Unknown)
			}
			for name, value := range want.Idle {
				unit := "%"
				if strings.HasPrefix(name, "unit_") {
					unit = "us"
				}
				v.is("cpu_idle."+name, value, unit, ktstr.Unknown)
			}
			for _, row := range want.Failed {
				prefix := row["job"].(string) + "." + row["op"].(string) + "."
				for name := range v.byName {
					if strings.HasPrefix(name, prefix) {
						t.Errorf("%s comes from a failed job", name)
					}
				}
			}
			if len(want.Metrics) == 0 {
				for name := range v.byName {
					if strings.HasSuffix(name, ".iops") || strings.HasSuffix(name, ".bw") {
						if !want.Truncated { // of which whole jobs count
							t.Errorf("%s where nothing was measured", name)
						}
					}
				}
			}
			if n := max(want.Documents, want.Reports); n > 1 {
				wantCode(t, x, ktstr.SeveralReports)
			}
			numbers += v.numbers
		})
	}
	if numbers < 3400 {
		t.Errorf("%d numbers were compared, want some thousands", numbers)
	}
}

func wantCode(t *testing.T, x ktstr.Extraction, code ktstr.Code) {
	t.Helper()
	for _, d := range x.Diagnostics {
		if d.Code == code {
			return
		}
	}
	t.Errorf("no diagnostic %s among %v", code, x.Diagnostics)
}

// nth is the segment of the n-th entry of one name.
func nth(name string, n int) string {
	name = strings.NewReplacer(".", "_", " ", "_", "\t", "_", "\n", "_").Replace(name)
	if name == "" {
		name = "job"
	}
	if n > 1 {
		name += "~" + strconv.Itoa(n)
	}
	return name
}

type verifier struct {
	t        *testing.T
	byName   map[string]ktstr.Metric
	relative bool // the expectation was converted from printed text
	numbers  int
}

// is compares one number. A number that the text has converted to want's unit
// beforehand is compared after the same conversion.
func (v *verifier) is(name string, want any, unit string, polarity ktstr.Polarity) {
	v.t.Helper()
	token, ok := want.(json.Number)
	if !ok {
		if want != nil {
			v.t.Errorf("%s: expectation %v is no number", name, want)
		}
		return
	}
	number, err := token.Float64()
	if err != nil {
		v.t.Fatal(err)
	}
	v.numbers++
	got, ok := v.byName[name]
	if !ok {
		v.t.Errorf("%s is missing, want %v %s", name, token, unit)
		return
	}
	if got.Polarity != polarity {
		v.t.Errorf("%s: polarity %q, want %q", name, got.Polarity, polarity)
	}
	if got.Line == 0 {
		v.t.Errorf("%s: no line", name)
	}
	if got.Unit == unit {
		if got.Value != number && !(v.relative && near(got.Value, number)) {
			v.t.Errorf("%s = %v, want %v", name, got.Value, token)
		}
		return
	}
	factor := factors[got.Unit] / factors[unit]
	if !v.relative || factor == 0 || math.IsNaN(factor) {
		v.t.Errorf("%s: unit %q, want %q", name, got.Unit, unit)
		return
	}
	if !near(got.Value*factor, number) {
		v.t.Errorf("%s = %v %s, want %v %s", name, got.Value, got.Unit, token, unit)
	}
}

func near(got, want float64) bool { return math.Abs(got-want) <= 1e-9*math.Abs(want) }

var factors = map[string]float64{
	"ns": 1, "us": 1e3, "ms": 1e6,
	"B/s": 1, "KiB/s": 1 << 10, "MiB/s": 1 << 20, "GiB/s": 1 << 30, "TiB/s": 1 << 40,
	"kB/s": 1e3, "MB/s": 1e6, "GB/s": 1e9,
	"kbit/s": 1e3 / 8., "Mbit/s": 1e6 / 8., "Gbit/s": 1e9 / 8.,
	"Kibit/s": 1 << 10 / 8., "Mibit/s": 1 << 20 / 8., "Gibit/s": 1 << 30 / 8.,
	"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30,
}

func (v *verifier) row(job string, row map[string]any) {
	v.t.Helper()
	base := job + "." + row["op"].(string) + "."
	for key, want := range row {
		if op := row["op"]; op == "sync" && key == "total_ios" {
			continue // sync has latencies only
		}
		switch key {
		case "job", "op", "groupid", "terse_version", "iops_text", "bw_text", "io_text":
		case "error":
			v.is(job+".error", want, "", ktstr.Unknown)
		case "iops":
			v.is(base+"iops", want, "iops", ktstr.Higher)
		case "bw_bytes":
			v.is(base+"bw", want, "B/s", ktstr.Higher)
		case "bw_kib":
			if got := v.byName[base+"bw"]; got.Unit == "B/s" { // redundant where the bytes are printed
				v.numbers++
				if kib := strconv.FormatFloat(math.Floor(got.Value/1024), 'f', 0, 64); kib != want.(json.Number).String() {
					v.t.Errorf("%sbw = %v B/s, want %v KiB/s", base, got.Value, want)
				}
				break
			}
			v.is(base+"bw", want, "KiB/s", ktstr.Higher)
		case "bw_kib_mean", "bw_mean":
			v.is(base+"bw.mean", want, "KiB/s", ktstr.Higher)
		case "bw_min":
			v.is(base+"bw.min", want, "KiB/s", ktstr.Unknown)
		case "bw_max":
			v.is(base+"bw.max", want, "KiB/s", ktstr.Unknown)
		case "iops_mean":
			v.is(base+"iops.mean", want, "iops", ktstr.Higher)
		case "iops_min", "iops_max", "iops_stddev":
			v.is(base+strings.Replace(key, "_", ".", 1), want, "iops", ktstr.Unknown)
		case "io_bytes":
			v.is(base+"io_bytes", want, "B", ktstr.Unknown)
		case "io_kib":
			v.is(base+"io_bytes", want, "KiB", ktstr.Unknown)
		case "total_ios", "short_ios", "drop_ios":
			v.is(base+key, want, "count", ktstr.Unknown)
		case "runtime_ms":
			v.is(base+"runtime", want, "ms", ktstr.Unknown)
		case "usr_cpu_pct":
			v.is(job+".cpu.usr", want, "%", ktstr.Unknown)
		case "sys_cpu_pct":
			v.is(job+".cpu.sys", want, "%", ktstr.Unknown)
		default:
			parts := strings.SplitN(key, "_", 3) // clat_ns_p99_9
			if len(parts) != 3 || !strings.HasSuffix(parts[0], "lat") {
				v.t.Errorf("expectation %q is not compared", key)
				continue
			}
			if strings.HasSuffix(key, "unit_text") {
				continue
			}
			polarity := ktstr.Lower
			if parts[2] == "stddev" {
				polarity = ktstr.Unknown
			}
			v.is(base+parts[0]+"."+parts[2], want, parts[1], polarity)
		}
	}
}

func (v *verifier) job(job string, row map[string]any) {
	v.t.Helper()
	if _, ok := v.byName[job+".cpu.usr"]; !ok {
		// Of a job that failed or did nothing, only the error is of interest.
		if errno := row["error"].(json.Number).String(); errno != "0" {
			v.is(job+".error", row["error"], "", ktstr.Unknown)
		}
		return
	}
	for key, want := range row {
		switch key {
		case "job", "groupid", "desc":
		case "error", "latency_depth", "first_error":
			v.is(job+"."+key, want, "", ktstr.Unknown)
		case "total_err", "ctx":
			v.is(job+"."+map[string]string{"ctx": "cpu.ctx", "total_err": "total_err"}[key], want, "count", ktstr.Unknown)
		case "job_runtime_ms":
			v.is(job+".job_runtime", want, "ms", ktstr.Unknown)
		case "usr_cpu_pct":
			v.is(job+".cpu.usr", want, "%", ktstr.Unknown)
		case "sys_cpu_pct":
			v.is(job+".cpu.sys", want, "%", ktstr.Unknown)
		case "steadystate":
			ss := want.(map[string]any)
			v.is(job+".steadystate.attained", ss["attained"], "", ktstr.Unknown)
			v.is(job+".steadystate.bw_mean", ss["bw_mean"], "B/s", ktstr.Higher)
			v.is(job+".steadystate.iops_mean", ss["iops_mean"], "iops", ktstr.Higher)
		default:
			v.t.Errorf("expectation %q is not compared", key)
		}
	}
}
