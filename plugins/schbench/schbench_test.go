package schbench

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"math"
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

// expectation is what expect.json says; the keys of its maps are explained in
// the corpus' FORMATS.md.
type expectation struct {
	Outcome     string
	Metrics     map[string]any
	Intervals   []map[string]any
	JSON        map[string]any   `json:"json"`
	StdoutLines []map[string]any `json:"stdout_lines"`
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
			block := c.expect.Metrics
			partial := block == nil && len(c.expect.Intervals) > 0
			if partial {
				block = c.expect.Intervals[len(c.expect.Intervals)-1]
			}
			expectBlock(t, want, block, partial)
			expectJSON(t, want, c.expect.JSON)
			expectStdout(t, want, c.expect.StdoutLines)
			corpustest.Match(t, got, want)
			for _, m := range got {
				printed(t, c, m)
			}
			codes := make(map[ktstr.Code]bool)
			for _, d := range res.Diagnostics {
				codes[d.Code] = true
			}
			switch c.expect.Outcome {
			case "ok":
				if res.Status != extract.OK {
					t.Errorf("status %s (%s), want ok", res.Status, res.Error)
				}
				for _, wolf := range []ktstr.Code{ktstr.ToolFailed, ktstr.Truncated, ktstr.NotMyFormat, ktstr.NoMetrics, ktstr.UnsupportedVersion} {
					if codes[wolf] {
						t.Errorf("diagnostics %v of a good run", res.Diagnostics)
					}
				}
			case "failed":
				if res.Status != extract.Error || len(got) != 0 {
					t.Errorf("status %s, %d metrics of a failed run, want error and none", res.Status, len(got))
				}
			case "partial":
				if res.Status != extract.OK || !codes[ktstr.Truncated] {
					t.Errorf("status %s, diagnostics %v of a killed run", res.Status, res.Diagnostics)
				}
			default:
				t.Errorf("outcome %q is not known to the test", c.expect.Outcome)
			}
			corpustest.Golden(t, c.Case, res, *update)
		})
	}
}

// printed holds a metric against the line that it names.
func printed(t *testing.T, c capture, m ktstr.Metric) {
	for _, s := range c.Streams {
		if s.Stream != m.Stream {
			continue
		}
		lines := strings.Split(string(s.Data), "\n")
		if m.Line < 1 || m.Line > len(lines) {
			t.Errorf("%s is of line %d, the stream has %d", m.Name, m.Line, len(lines))
			return
		}
		if v := fmt.Sprint(m.Value); !strings.Contains(lines[m.Line-1], strings.TrimSuffix(fmt.Sprintf("%.2f", m.Value), ".00")) {
			t.Errorf("%s = %s is not in its line %q", m.Name, v, lines[m.Line-1])
		}
		return
	}
	t.Errorf("%s is of stream %q, which there is not", m.Name, m.Stream)
}

var expectPolarity = map[string]ktstr.Polarity{"wakeup": ktstr.Lower, "request": ktstr.Lower, "rps": ktstr.Higher}

func float(t *testing.T, v any) float64 {
	f, ok := v.(float64)
	if !ok {
		t.Fatalf("%v is no number", v)
	}
	return f
}

// family splits a key of expect.json into our family and the statistic.
func split(key string) (family, stat string) {
	for _, p := range []struct{ prefix, family string }{
		{"wakeup_latency_us_", "wakeup"}, {"latency_us_", "wakeup"}, {"request_latency_us_", "request"}, {"rps_", "rps"},
		{"wakeup_latency_pct", "wakeup pct"}, {"wakeup_latency_", "wakeup"}, {"request_latency_pct", "request pct"},
		{"request_latency_", "request"},
	} {
		if stat, ok := strings.CutPrefix(key, p.prefix); ok {
			if family, pct := strings.CutSuffix(p.family, " pct"); pct {
				return family, "p" + strings.ReplaceAll(strings.TrimSuffix(stat, ".0"), ".", "_")
			}
			return p.family, stat
		}
	}
	return "", ""
}

func expectBlock(t *testing.T, want map[string]ktstr.Metric, block map[string]any, partial bool) {
	put := func(name string, v float64, unit string, p ktstr.Polarity) {
		want[name] = ktstr.Metric{Name: name, Value: v, Unit: unit, Polarity: p}
	}
	empty := make(map[string]bool)
	for key, v := range block {
		if family, stat := split(key); stat == "samples" && float(t, v) == 0 {
			empty[family] = true
		}
	}
	for key, v := range block {
		family, stat := split(key)
		switch {
		case empty[family]:
		case stat == "samples":
			put(family+".samples", float(t, v), "count", ktstr.Unknown)
		case stat == "over":
			put(family+".over", float(t, v), "count", ktstr.Unknown)
		case family != "":
			put(family+"."+stat, float(t, v), map[bool]string{true: "req/s", false: "us"}[family == "rps"], expectPolarity[family])
		case key == "runtime_s":
			put("runtime", float(t, v), "s", ktstr.Unknown)
		case key == "average_rps":
			put("rps.average", float(t, v), "req/s", ktstr.Higher)
		case key == "final_rps_goal":
			put("auto.rps_goal", float(t, v), "req/s", ktstr.Unknown)
		case key == "ops_per_s":
			put("transfer.ops", float(t, v), "ops/s", ktstr.Higher)
		case key == "transfer_text":
			bw, unit := transfer(t, v.(string))
			put("transfer.bw", bw, unit, ktstr.Higher)
		case key == "transfer_bytes_per_s", key == "current_rps":
		case key == "sched_delay_message_us", key == "sched_delay_worker_us":
			if partial || float(t, block["sched_delay_message_us"]) != 0 || float(t, block["sched_delay_worker_us"]) != 0 {
				put("sched_delay."+strings.TrimSuffix(strings.TrimPrefix(key, "sched_delay_"), "_us"), float(t, v), "us", ktstr.Lower)
			}
		default:
			t.Errorf("expect.json: key %q is not known to the test", key)
		}
	}
}

func transfer(t *testing.T, text string) (float64, string) {
	var v float64
	var unit string
	if _, err := fmt.Sscanf(text, "%f%s", &v, &unit); err != nil {
		t.Fatal(err)
	}
	return v, strings.Replace(unit, "B/s", "iB/s", 1)
}

func expectJSON(t *testing.T, want map[string]ktstr.Metric, doc map[string]any) {
	for key, v := range doc {
		family, stat := split(key)
		if strings.HasPrefix(key, "rps_pct") {
			stat = "p" + strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(key, "rps_pct"), ".0"), ".", "_")
		}
		switch {
		case family != "":
			unit := map[bool]string{true: "req/s", false: "us"}[family == "rps"]
			want[family+"."+stat] = ktstr.Metric{Value: float(t, v), Unit: unit, Polarity: expectPolarity[family]}
		case key == "runtime":
			want[key] = ktstr.Metric{Value: float(t, v), Unit: "s"}
		case key != "time":
			t.Errorf("expect.json: key %q is not known to the test", key)
		}
	}
}

func expectStdout(t *testing.T, want map[string]ktstr.Metric, lines []map[string]any) {
	put := func(name string, v any, unit string, p ktstr.Polarity) {
		if v != nil {
			want[name] = ktstr.Metric{Value: float(t, v), Unit: unit, Polarity: p}
		}
	}
	for _, l := range lines {
		switch l["label"] {
		case "current rps":
		case "rps", "average rps":
			put("rps.average", l["value"], "req/s", ktstr.Higher)
			put("auto.p95", l["p95_us"], "us", ktstr.Lower)
			put("auto.p99", l["p99_us"], "us", ktstr.Lower)
			put("auto.p95_cputime", l["p95_over_cputime_pct"], "%", ktstr.Lower)
			put("auto.p99_cputime", l["p99_over_cputime_pct"], "%", ktstr.Lower)
		case "avg worker transfer":
			bw, unit := transfer(t, l["transfer_text"].(string))
			put("transfer.bw", bw, unit, ktstr.Higher)
			put("transfer.ops", l["ops_per_s"], "ops/s", ktstr.Higher)
		case "autobench":
			put("auto.cputime", l["cputime"], "us", ktstr.Unknown)
			put("auto.threads", l["threads"], "count", ktstr.Unknown)
			put("auto.p99", l["p99_us"], "us", ktstr.Lower)
		default:
			t.Errorf("expect.json: label %q is not known to the test", l["label"])
		}
	}
}

// TestLineRemoval takes every single line out of every capture: a number that
// is then given must be the one that was given before, and if a headline is
// gone, a diagnostic or its absence says so.
func TestLineRemoval(t *testing.T) {
	for _, c := range captures(t) {
		before := corpustest.ByName(t, run(c.Streams).Metrics)
		for i := range c.Streams {
			whole := c.Streams[i].Data
			lines := bytes.SplitAfter(whole, []byte("\n"))
			for n := range lines {
				if len(lines[n]) == 0 {
					continue
				}
				c.Streams[i].Data = bytes.Join(append(append([][]byte{}, lines[:n]...), lines[n+1:]...), nil)
				res := run(c.Streams)
				for _, m := range res.Metrics {
					old, ok := before[m.Name]
					if (!ok || old.Value != m.Value || old.Unit != m.Unit) && !harmless(lines[n], m.Name) {
						t.Errorf("%s: without line %d of %s (%q) %s is %v, was %v", c.Dir, n+1, c.Streams[i].Stream, lines[n], m.Name, m.Value, old.Value)
					}
				}
			}
			c.Streams[i].Data = whole
		}
	}
}

// harmless says whether a line can go and another number be right: without the
// last rate line of a stream that has nothing else the one before it is, and
// without the line that ends an interval the delays are of the end.
func harmless(removed []byte, name string) bool {
	return strings.HasPrefix(string(removed), "rps: ") && name == "rps.average" ||
		strings.HasPrefix(string(removed), "cputime ") && strings.HasPrefix(name, "auto.")
}

// TestCut stops every capture after every byte: each number that is given must
// be printed in whole in what is left.
func TestCut(t *testing.T) {
	for _, c := range captures(t) {
		all := printedNumbers(c)
		for i := range c.Streams {
			whole := c.Streams[i].Data
			step := 1 + len(whole)/1500
			for n := 0; n < len(whole); n += step {
				out := c.Streams[i]
				out.Data = whole[:n]
				e, err := parse(out)
				if err != nil {
					t.Fatal(err)
				}
				for _, m := range e.Metrics {
					if !all[m.Value] {
						t.Errorf("%s: %s cut after %d bytes: %s is %v, which the tool did not print", c.Dir, out.Stream, n, m.Name, m.Value)
					}
				}
			}
		}
	}
}

func printedNumbers(c capture) map[float64]bool {
	all := make(map[float64]bool)
	for _, s := range c.Streams {
		for _, word := range strings.FieldsFunc(string(s.Data), func(r rune) bool { return (r < '0' || r > '9') && r != '.' }) {
			if v, ok := number([]byte(strings.TrimRight(word, "."))); ok {
				all[v] = true
			}
		}
	}
	return all
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
			if math.IsNaN(m.Value) || math.IsInf(m.Value, 0) || seen[m.Name] || m.Line < 1 || m.Line > 1+bytes.Count(data, []byte("\n")) {
				t.Errorf("%+v", m)
			}
			seen[m.Name] = true
		}
		if len(e.Metrics) == 0 && len(e.Diagnostics) == 0 && bytes.Contains(data, []byte("\nWakeup Latencies percentiles (usec)\n")) {
			t.Errorf("neither a metric nor a diagnostic for %q", data)
		}
	})
}
