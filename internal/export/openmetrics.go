package export

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/internal/compare"
	"github.com/ktstr/ktstr/internal/runs"
)

// A family is one gauge of OpenMetrics with its samples. All samples of a family must be
// next to each other.
type family struct {
	name, help string
	samples    []string
}

// add appends a sample. labels are names and values in turns. A label with an empty value
// is left out, which means the same.
func (f *family) add(value float64, labels ...string) {
	f.samples = append(f.samples, f.name+labelSet(labels)+" "+strconv.FormatFloat(value, 'g', -1, 64)+"\n")
}

// labelSet returns labels as OpenMetrics and Prometheus write them, for example
// {metric="p99",unit="us"}.
func labelSet(labels []string) string {
	var parts []string
	for i := 0; i+1 < len(labels); i += 2 {
		if labels[i+1] != "" {
			parts = append(parts, labels[i]+`="`+labelEscapes.Replace(strings.ToValidUTF8(labels[i+1], "\uFFFD"))+`"`)
		}
	}
	return "{" + strings.Join(parts, ",") + "}"
}

var labelEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", "\uFFFD", "\x00", "\uFFFD")

// writeFamilies writes the gauges that have samples. The text is valid both as OpenMetrics and
// in the older format of Prometheus. It has no timestamps, because node_exporter refuses a
// textfile with timestamps.
//
// The client libraries of Prometheus would write the same text. Their initialisation costs
// every command about half a millisecond, so only the tests use them.
func writeFamilies(w io.Writer, families ...*family) error {
	for _, f := range families {
		if len(f.samples) == 0 {
			continue
		}
		if _, err := fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s gauge\n%s", f.name, f.help, f.name, strings.Join(f.samples, "")); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, "# EOF\n")
	return err
}

// openMetricsRuns writes the median of each metric over the good runs, the number of runs
// that passed and failed, and the facts of the newest run. A metric without a good run has
// no sample.
func openMetricsRuns(w io.Writer, s Source) error {
	value := family{name: "ktstr_value", help: "Median of a metric over the successful runs, in the unit of the label."}
	samples := family{name: "ktstr_value_samples", help: "Number of runs that the median of ktstr_value is over."}
	count := family{name: "ktstr_runs", help: "Number of runs with this verdict."}
	last := family{name: "ktstr_last_run_timestamp_seconds", help: "Start of the newest run."}
	about := family{name: "ktstr_last_run_info", help: "Facts of the newest run."}
	for _, group := range byHost(s.Runs) {
		r := newest(group).Record
		base := []string{"payload", r.Payload, "variant", runs.Variant(r), "host", runs.Host(r)}
		with := func(more ...string) []string { return append(base[:len(base):len(base)], more...) }
		for _, row := range summaries(group) {
			labels := with("metric", row.Metric, "unit", row.Unit, "better", polarityWord(row.Polarity))
			value.add(row.B.Median, labels...)
			samples.add(float64(row.B.N), labels...)
		}
		verdicts := map[string]int{core.Pass: 0, core.Fail: 0}
		for _, r := range group {
			if r.Record.Verdict == core.Pass {
				verdicts[core.Pass]++
			} else {
				verdicts[core.Fail]++
			}
		}
		count.add(float64(verdicts[core.Pass]), with("verdict", core.Pass)...)
		count.add(float64(verdicts[core.Fail]), with("verdict", core.Fail)...)
		if !r.Start.IsZero() {
			last.add(float64(r.Start.UnixNano())/1e9, base...)
		}
		about.add(1, with("kernel", r.Host.Kernel, "arch", r.Host.Arch, "commit", r.Labels[runs.LabelCommit], "set", r.Labels[runs.LabelSet], "tool", r.Tool)...)
	}
	families := []*family{&value, &samples, &count, &last, &about}
	return writeFamilies(w, append(families, comparisonFamilies(s.Comparisons)...)...)
}

func openMetricsReport(w io.Writer, s Source) error {
	return writeFamilies(w, comparisonFamilies([]compare.Report{*s.Report})...)
}

// comparisonFamilies returns the medians, the changes and the verdicts of comparisons.
func comparisonFamilies(reports []compare.Report) []*family {
	median := family{name: "ktstr_comparison_median", help: "Median of one side of a comparison, in the unit of the label."}
	change := family{name: "ktstr_comparison_change_ratio", help: "Change from the median of a to the median of b, as a fraction."}
	verdict := family{name: "ktstr_comparison_verdict", help: "1 for the verdict of a metric that decides."}
	for _, r := range reports {
		for _, row := range r.Rows {
			base := []string{"a", r.A.Name, "b", r.B.Name, "metric", row.Metric, "unit", row.Unit, "better", polarityWord(row.Polarity)}
			with := func(more ...string) []string { return append(base[:len(base):len(base)], more...) }
			if row.A.N > 0 {
				median.add(row.A.Median, with("side", "a")...)
			}
			if row.B.N > 0 {
				median.add(row.B.Median, with("side", "b")...)
			}
			if row.Measured() {
				change.add(row.Change, base...)
			}
			if row.Decides {
				verdict.add(1, with("verdict", string(row.Verdict))...)
			}
		}
	}
	return []*family{&median, &change, &verdict}
}
