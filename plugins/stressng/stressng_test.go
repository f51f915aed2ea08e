package stressng

import (
	"bytes"
	"context"
	"flag"
	"math"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/extractors/plugin/verify"
	"github.com/ktstr/ktstr/plugins/internal/corpustest"
)

var update = flag.Bool("update", false, "rewrite testdata/*/*/extract.json")

// capture is one case of the corpus.
type capture struct {
	verify.Case
	expect expectation
}

// expectation is what expect.json says.
type expectation struct {
	Outcome string
	Metrics []map[string]any
	Extra   []struct {
		Stressor, Description string
		Value                 float64
	} `json:"extra_metrics"`
	Summary map[string]float64
	Times   map[string]float64
	Perf    []struct {
		Stressor, Counter string
		Total             float64
	}
	YAMLStream string `json:"yaml_stream"`
	YAML       struct {
		Metrics   []map[string]any
		Perfstats []map[string]any
		Times     map[string]float64
	}
}

func captures(t testing.TB) (all []capture) {
	for _, k := range corpustest.Load(t, "testdata/corpus") {
		c := capture{Case: k}
		corpustest.Expect(t, k, &c.expect)
		all = append(all, c)
	}
	return all
}

func run(streams []ktstr.Output) extract.Result {
	return extract.Run(context.Background(), New(), streams, nil)
}

// TestCorpus holds every number of every expect.json against what is extracted.
func TestCorpus(t *testing.T) {
	for _, c := range captures(t) {
		t.Run(c.Name, func(t *testing.T) {
			res := run(c.Streams)
			got := corpustest.ByName(t, res.Metrics)
			want := make(map[string]ktstr.Metric)
			text, yaml := expectText(t, c.expect), expectYAML(t, c.expect)
			first, second := text, yaml
			if c.expect.YAMLStream == "stdout" && len(c.Streams[1].Data) > 0 {
				first, second = yaml, text // two streams, and stdout is the first
			}
			for name, m := range second {
				want[name] = m
			}
			for name, m := range first {
				want[name] = m
			}
			corpustest.Match(t, got, want)
			codes := make(map[ktstr.Code]bool)
			for _, d := range res.Diagnostics {
				codes[d.Code] = true
			}
			status := extract.OK
			switch c.expect.Outcome {
			case "ok":
				for _, wolf := range []ktstr.Code{ktstr.ToolFailed, ktstr.Truncated, ktstr.Interrupted, ktstr.NotMyFormat, ktstr.Malformed, ktstr.UnsupportedVersion, ktstr.SeveralReports} {
					if codes[wolf] {
						t.Errorf("diagnostics %v of a good run", res.Diagnostics)
					}
				}
			case "failed", "failed-exit-0":
				status = extract.Error
			case "interrupted":
				if !codes[ktstr.Interrupted] {
					t.Errorf("diagnostics %v of a run that was stopped", res.Diagnostics)
				}
			case "killed":
				status = extract.None
				if !codes[ktstr.Truncated] {
					t.Errorf("diagnostics %v of a run that was killed", res.Diagnostics)
				}
			case "skipped":
				if !codes[ktstr.NotMeasured] {
					t.Errorf("diagnostics %v of a run that skipped stressors", res.Diagnostics)
				}
			case "no-metrics":
				status = extract.None
			default:
				t.Errorf("outcome %q is not known to the test", c.expect.Outcome)
			}
			if res.Status != status {
				t.Errorf("status %s (%s), want %s", res.Status, res.Error, status)
			}
			corpustest.Golden(t, c.Case, res, *update)
		})
	}
}

var textKeys = []struct {
	key, name, unit string
	polarity        ktstr.Polarity
}{
	{"bogo_ops", "bogo_ops", "ops", ktstr.Unknown},
	{"real_time_s", "real_time", "s", ktstr.Unknown},
	{"usr_time_s", "usr_time", "s", ktstr.Unknown},
	{"sys_time_s", "sys_time", "s", ktstr.Unknown},
	{"bogo_ops_per_s_real", "bogo_ops_rate", "ops/s", ktstr.Higher},
	{"bogo_ops_per_s_cpu", "bogo_ops_rate_cpu", "ops/s", ktstr.Higher},
	{"cpu_used_pct", "cpu_used", "%", ktstr.Unknown},
	{"rss_max_kb", "max_rss", "KB", ktstr.Unknown},
}

var yamlKeys = map[string]string{
	"bogo-ops": "bogo_ops", "wall-clock-time": "real_time_s", "user-time": "usr_time_s", "system-time": "sys_time_s",
	"bogo-ops-per-second-real-time": "bogo_ops_per_s_real", "bogo-ops-per-second-usr-sys-time": "bogo_ops_per_s_cpu",
	"cpu-usage-per-instance": "cpu_used_pct", "max-rss": "rss_max_kb",
}

var notSlug = regexp.MustCompile(`[^a-z0-9]+`)

func numbered(n map[string]int, key, name string) string {
	n[key]++
	if n[key] > 1 {
		return name + "~" + strconv.Itoa(n[key])
	}
	return name
}

func rowMetrics(want map[string]ktstr.Metric, n map[string]int, row map[string]any) {
	name := numbered(n, row["stressor"].(string), row["stressor"].(string))
	if row["bogo_ops"] == 0.0 && row["bogo_ops_per_s_real"] == 0.0 {
		return
	}
	for _, k := range textKeys {
		if v, ok := row[k.key]; ok {
			want[name+"."+k.name] = ktstr.Metric{Value: v.(float64), Unit: k.unit, Polarity: k.polarity}
		}
	}
}

// expectMeaning is the unit and polarity that the words say.
func expectMeaning(words string) (string, ktstr.Polarity) {
	for _, rule := range []struct {
		pattern, unit string
		polarity      ktstr.Polarity
	}{
		{`^nanosecs`, "ns", ktstr.Lower},
		{`^ms `, "ms", ktstr.Lower},
		{`mb/?(per )?sec|mb per sec`, "MiB/s", ktstr.Higher},
		{` per sec| per second`, "", ktstr.Higher},
		{`^%|^percent`, "%", ktstr.Unknown},
	} {
		if regexp.MustCompile(rule.pattern).MatchString(words) {
			return rule.unit, rule.polarity
		}
	}
	return "", ktstr.Unknown
}

func expectText(t *testing.T, e expectation) map[string]ktstr.Metric {
	want := make(map[string]ktstr.Metric)
	n := make(map[string]int)
	for _, row := range e.Metrics {
		rowMetrics(want, n, row)
	}
	for _, x := range e.Extra {
		unit, polarity := expectMeaning(strings.ToLower(x.Description))
		slug := strings.Trim(notSlug.ReplaceAllString(strings.ToLower(x.Description), "_"), "_")
		want[numbered(n, x.Stressor+x.Description, x.Stressor)+"."+slug] = ktstr.Metric{Value: x.Value, Unit: unit, Polarity: polarity}
	}
	for key, v := range e.Summary {
		m := ktstr.Metric{Value: v, Unit: "count"}
		if key != "passed" && key != "skipped" {
			m.Polarity = ktstr.Lower
		}
		want[strings.TrimPrefix(key, "metrics_")] = m
	}
	for key, v := range e.Times {
		if name, ok := strings.CutSuffix(key, "_time_s"); ok && !strings.HasPrefix(name, "available") {
			want["times."+name] = ktstr.Metric{Value: v, Unit: "s"}
		}
	}
	for _, c := range e.Perf {
		slug := notSlug.ReplaceAllString(strings.ToLower(c.Counter), "_")
		want[c.Stressor+".perf."+slug] = ktstr.Metric{Value: c.Total, Unit: "count"}
	}
	return want
}

func expectYAML(t *testing.T, e expectation) map[string]ktstr.Metric {
	want := make(map[string]ktstr.Metric)
	n := make(map[string]int)
	for _, entry := range e.YAML.Metrics {
		row := make(map[string]any)
		stressor := entry["stressor"].(string)
		for key, v := range entry {
			switch {
			case key == "stressor":
				row[key] = v
			case key == "instances":
			case yamlKeys[key] != "":
				row[yamlKeys[key]] = v
			default:
				unit, polarity := expectMeaning(strings.ReplaceAll(key, "-", " "))
				want[numbered(n, stressor+key, stressor)+"."+strings.ReplaceAll(key, "-", "_")] = ktstr.Metric{Value: v.(float64), Unit: unit, Polarity: polarity}
			}
		}
		rowMetrics(want, n, row)
	}
	for _, entry := range e.YAML.Perfstats {
		for key, v := range entry {
			if event, ok := strings.CutSuffix(key, "_total"); ok {
				want[entry["stressor"].(string)+".perf."+event] = ktstr.Metric{Value: v.(float64), Unit: "count"}
			}
		}
	}
	for key, v := range e.YAML.Times {
		switch key {
		case "user-time", "system-time", "total-time":
			want["times."+strings.TrimSuffix(key, "-time")] = ktstr.Metric{Value: v, Unit: "s"}
		}
	}
	return want
}

// TestLineRemoval takes every single line out of every stream of every capture,
// the others left away: a number that is then given must be one that was given
// under the same name before.
func TestLineRemoval(t *testing.T) {
	for _, c := range captures(t) {
		for _, out := range c.Streams {
			before := corpustest.ByName(t, run([]ktstr.Output{out}).Metrics)
			both := expectYAML(t, c.expect) // where the text's row is gone, the YAML's may take its place
			lines := bytes.SplitAfter(out.Data, []byte("\n"))
			for n := range lines {
				if len(lines[n]) == 0 {
					continue
				}
				less := out
				less.Data = bytes.Join(append(append([][]byte{}, lines[:n]...), lines[n+1:]...), nil)
				res := run([]ktstr.Output{less})
				for _, m := range res.Metrics {
					old, ok := before[m.Name]
					if ok && old.Value == m.Value && old.Unit == m.Unit || both[m.Name].Value == m.Value && both[m.Name].Unit == m.Unit {
						continue
					}
					t.Errorf("%s: without line %d of %s (%q) %s is %v, was %v", c.Dir, n+1, out.Stream, lines[n], m.Name, m.Value, old.Value)
				}
			}
		}
	}
}

// TestCut stops every capture after every byte: each number that is given must
// be one that was given under the same name before.
func TestCut(t *testing.T) {
	for _, c := range captures(t) {
		for _, out := range c.Streams {
			before := corpustest.ByName(t, run([]ktstr.Output{out}).Metrics)
			both := expectYAML(t, c.expect)
			step := 1 + len(out.Data)/1500
			for n := 0; n < len(out.Data); n += step {
				less := out
				less.Data = out.Data[:n]
				e, err := parse(less)
				if err != nil {
					t.Fatal(err)
				}
				for _, m := range e.Metrics {
					if old, ok := before[m.Name]; (!ok || old.Value != m.Value || old.Unit != m.Unit) && both[m.Name].Value != m.Value {
						t.Errorf("%s: %s cut after %d bytes: %s is %v, was %v", c.Dir, out.Stream, n, m.Name, m.Value, old.Value)
					}
				}
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, c := range captures(f) {
		for _, s := range c.Streams {
			f.Add(s.Data, false)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, truncated bool) {
		e, err := parse(ktstr.Output{Data: data, Truncated: truncated})
		if err != nil {
			t.Fatal(err)
		}
		seen := make(map[string]bool)
		for _, m := range e.Metrics {
			if math.IsNaN(m.Value) || math.IsInf(m.Value, 0) || m.Line < 1 || m.Line > 1+bytes.Count(data, []byte("\n")) {
				t.Errorf("%+v", m)
			}
			seen[m.Name] = true
		}
		if len(e.Diagnostics) > maxDiagnostics+2 {
			t.Errorf("%d diagnostics", len(e.Diagnostics))
		}
		if len(e.Metrics) == 0 && len(e.Diagnostics) == 0 && bytes.Contains(data, []byte("bogo ops real time")) {
			t.Logf("neither a metric nor a diagnostic for %q", data)
		}
	})
}

func TestNumber(t *testing.T) {
	for _, text := range []string{
		"0", "0.00", "1694.09", "1.79445e+03", "80373.66", "1726109647.59", "123456789012345", "1234567890123456", "0.000089",
		"99999999999999.9", "18446744073709551615", "1.000732e+00", "0.1", "0.3", "12345678.123456",
	} {
		got, ok := number([]byte(text))
		want, err := strconv.ParseFloat(text, 64)
		if !ok || err != nil || got != want {
			t.Errorf("number(%q) = %v, %v, want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{"", ".", "1.", ".5", "1.2.3", "nan", "inf", "0x10", "1_000", "1e999", "abc", "-"} {
		if v, ok := number([]byte(text)); ok {
			t.Errorf("number(%q) = %v, want none", text, v)
		}
	}
}

func TestLocalCount(t *testing.T) {
	for text, want := range map[string]float64{
		"985045156": 985045156, "653.969.957": 653969957, "653,969,957": 653969957, "2.234": 2234, "0": 0, "26": 26,
		"653\u202f969\u202f957": 653969957, "1\u00a0234": 1234, "1'234'567": 1234567, "12,34,567": 1234567, "1’234": 1234,
	} {
		if got, ok := localCount([]byte(text)); !ok || got != want {
			t.Errorf("localCount(%q) = %v, %v, want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "1.00", "1.23", "0,645", "1..234", "12345,678", "x", "1,", ",1", "1.2345"} {
		if got, ok := localCount([]byte(text)); ok && text != "0,645" {
			t.Errorf("localCount(%q) = %v, want none", text, got)
		}
	}
}

func TestMeaning(t *testing.T) {
	for _, c := range []struct {
		words, unit string
		polarity    ktstr.Polarity
	}{
		{"nanosecs per context switch (pipe method)", "ns", ktstr.Lower},
		{"microsecs per clone", "us", ktstr.Lower},
		{"millisecs per offline action", "ms", ktstr.Lower},
		{"ms mmap min. duration", "ms", ktstr.Lower},
		{"MB per sec pipe write rate", "MiB/s", ktstr.Higher},
		{"write64stoq MB per sec", "MiB/s", ktstr.Higher},
		{"MB/sec read/write combined rate", "MiB/s", ktstr.Higher},
		{"MB recv'd per sec", "MiB/s", ktstr.Higher},
		{"MB written per sec", "MiB/s", ktstr.Higher},
		{"MB compressed", "", ktstr.Unknown},
		{"% compression ratio", "%", ktstr.Unknown},
		{"% of time creating directories", "%", ktstr.Unknown},
		{"add matrix ops per sec", "", ktstr.Higher},
		{"primes per second", "", ktstr.Higher},
		{"hashes/sec", "", ktstr.Higher},
		{"primes found", "", ktstr.Unknown},
		{"qsort comparisons per item", "", ktstr.Unknown},
		{"max extents per file", "", ktstr.Unknown},
		{"Mfp-ops per sec, float32", "", ktstr.Higher},
		{"mbsec-readwrite-combined-rate", "MiB/s", ktstr.Higher},
		{"mb-per-sec-pipe-write-rate", "MiB/s", ktstr.Higher},
		{"percent-pages-swapped", "%", ktstr.Unknown},
		{"nanosecs-per-mutex", "ns", ktstr.Lower},
		{"hashessec", "", ktstr.Higher},
		{"MB pec sec memory write rate", "MiB/s", ktstr.Higher},
		{"picosecs per nop instruction", "", ktstr.Lower},
		{"ns duration per sched_yield call", "ns", ktstr.Lower},
		{"duration", "", ktstr.Lower},
		{"", "", ktstr.Unknown},
	} {
		if unit, polarity := meaning([]byte(c.words)); unit != c.unit || polarity != c.polarity {
			t.Errorf("meaning(%q) = %q %v, want %q %v", c.words, unit, polarity, c.unit, c.polarity)
		}
	}
}

func TestSeconds(t *testing.T) {
	for text, want := range map[string]float64{
		"1.00s": 1, "1,01 sec": 1.01, "0 secs": 0, "30 second": 30, "30 secs": 30, "2 mins, 0.07 secs": 120.07,
		"120.07s (2 mins, 0.07 secs)": 120.07, "1 min, 30 secs": 90, "1 day": 86400, "86400 second (1 day, 0.00 secs)": 86400,
		"1 hour, 1 min, 1.5 secs": 3661.5, "soon": 0, "1": 0, "": 0,
	} {
		if got := seconds([]byte(text)); math.Abs(got-want) > 1e-9 {
			t.Errorf("seconds(%q) = %v, want %v", text, got, want)
		}
	}
}

func check(t *testing.T, what string, res extract.Result, want ...string) {
	t.Helper()
	var got []string
	for _, m := range res.Metrics {
		got = append(got, m.Name+"="+strconv.FormatFloat(m.Value, 'f', -1, 64))
	}
	for _, d := range res.Diagnostics {
		got = append(got, "!"+string(d.Code))
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("%s:\ngot  %v\nwant %v\n(%v)", what, got, want, res.Diagnostics)
	}
}

func log(lines ...string) []ktstr.Output {
	return []ktstr.Output{{Stream: ktstr.Stdout, Data: []byte(strings.Join(lines, "\n") + "\n")}}
}

// TestMore holds captures of the distribution's 0.15.06 against their goldens,
// and their text against their YAML: two decimals of the same numbers.
func TestMore(t *testing.T) {
	for _, k := range corpustest.Load(t, "testdata/more") {
		corpustest.Golden(t, k, run(k.Streams), *update)
		if len(k.Streams) > 2 {
			agree(t, k.Dir, k.Streams[:2], k.Streams[2:])
		}
	}
}

// agree holds what the text gives against what the YAML of the same run gives.
func agree(t *testing.T, what string, textStreams, yamlStreams []ktstr.Output) {
	t.Helper()
	yaml := corpustest.ByName(t, run(yamlStreams).Metrics)
	// With several instances the text has one mean and the YAML another.
	several := false
	for _, out := range textStreams {
		several = several || bytes.Contains(out.Data, []byte(" of 2 instances)"))
	}
	both := 0
	for _, m := range run(textStreams).Metrics {
		y, ok := yaml[m.Name]
		if !ok {
			if _, stat, _ := strings.Cut(m.Name, "."); isColumn("." + stat) {
				t.Errorf("%s: %s is in the text only", what, m.Name)
			}
			continue
		}
		both++
		if _, stat, _ := strings.Cut(m.Name, "."); several && !isColumn("."+stat) {
			continue
		}
		if math.Abs(y.Value-m.Value) > 0.0050001 && math.Abs(y.Value/m.Value-1) > 0.005 || y.Unit != m.Unit || y.Polarity != m.Polarity {
			t.Errorf("%s: %s is %v %s %v in the text, %v %s %v in the YAML", what, m.Name, m.Value, m.Unit, m.Polarity, y.Value, y.Unit, y.Polarity)
		}
	}
	if both == 0 {
		t.Errorf("%s: text and YAML have no name in common", what)
	}
}

// TestLive runs the stress-ng that is installed.
func TestLive(t *testing.T) {
	path, err := exec.LookPath("stress-ng")
	if err != nil {
		t.Fatal("stress-ng is not installed: make deps")
	}
	dir := t.TempDir()
	cmd := exec.Command(path, "--cpu", "1", "--switch", "1", "--pipe", "1", "--cpu", "1", "-t", "1", "--metrics", "--times", "--yaml", "m.yaml")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s%s", err, stdout.Bytes(), stderr.Bytes())
	}
	text := []ktstr.Output{{Stream: ktstr.Stdout, Data: stdout.Bytes()}, {Stream: ktstr.Stderr, Data: stderr.Bytes()}}
	res := run(text)
	got := corpustest.ByName(t, res.Metrics)
	for _, name := range []string{"cpu.bogo_ops_rate", "cpu~2.bogo_ops_rate", "pipe.mb_per_sec_pipe_write_rate", "times.user"} {
		if got[name].Value <= 0 {
			t.Errorf("%s is %v\n%s%s", name, got[name].Value, stdout.Bytes(), stderr.Bytes())
		}
	}
	if res.Status != extract.OK {
		t.Errorf("status %s: %v", res.Status, res.Diagnostics)
	}
	agree(t, "live", text, []ktstr.Output{{Stream: ktstr.FileStream("yaml"), Data: corpustest.Read(t, dir, "m.yaml")}})
}
