package export

import (
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/perf/benchfmt"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/runs"
	"github.com/ktstr/ktstr/internal/text"
)

// benchfmtRuns writes the Go benchmark format, which benchstat reads. Each line is
// one metric of one run, for example Ktstr/payload=fio-latency/metric=iops. Failed
// runs are left out, because the format cannot mark them and benchstat would include
// them in its averages.
func benchfmtRuns(w io.Writer, list []runs.Run) error {
	b := benchfmt.NewWriter(w)
	if err := writeUnits(b, list); err != nil {
		return err
	}
	return writeResults(b, list, nil, facts)
}

// benchfmtReport writes both sides. The key "side" distinguishes them, for
// "benchstat -col side". benchstat prints a separate table for each configuration. So
// facts in which the sides differ are left out, and the commits of both sides are on
// each of them, under the names that x/perf's benchseries expects.
func benchfmtReport(w io.Writer, s Source) error {
	b := benchfmt.NewWriter(w)
	both := slices.Concat(s.Runs, s.Other)
	if err := writeUnits(b, both); err != nil {
		return err
	}
	label := func(list []runs.Run, name string) string {
		if len(list) == 0 {
			return ""
		}
		return newest(list).Record.Labels[name]
	}
	series := []pair{
		{"experiment-commit", label(s.Other, runs.LabelCommit)},
		{"experiment-commit-time", label(s.Other, runs.LabelCommitTime)},
		{"baseline-commit", label(s.Runs, runs.LabelCommit)},
	}
	if len(s.Other) > 0 {
		series = append(series, pair{"runstamp", newest(s.Other).Record.Start.UTC().Format(time.RFC3339)})
	}
	var common []func(runs.Run) pair
	for _, fact := range []func(runs.Run) pair{kernel, host} {
		if !slices.ContainsFunc(both, func(r runs.Run) bool { return fact(r) != fact(both[0]) }) {
			common = append(common, fact)
		}
	}
	if err := writeResults(b, s.Runs, append([]pair{{"side", "A " + s.Report.A.Name}}, series...), common); err != nil {
		return err
	}
	return writeResults(b, s.Other, append([]pair{{"side", "B " + s.Report.B.Name}}, series...), common)
}

// A pair is a line of the configuration.
type pair struct{ key, value string }

func kernel(r runs.Run) pair { return pair{"kernel", r.Record.Host.Kernel} }
func host(r runs.Run) pair   { return pair{"host", runs.Host(r.Record)} }

// facts are the lines that each run has for itself.
var facts = []func(runs.Run) pair{
	kernel,
	host,
	func(r runs.Run) pair { return pair{"commit", r.Record.Labels[runs.LabelCommit]} },
	func(r runs.Run) pair { return pair{"commit-date", r.Record.Labels[runs.LabelCommitTime]} },
	func(r runs.Run) pair { return pair{"tags", strings.Join(r.Tags, ",")} },
}

// writeUnits writes the polarity of each unit whose metrics have the same polarity.
func writeUnits(b *benchfmt.Writer, list []runs.Run) error {
	better := map[string]string{}
	var order []string
	add := func(m ktstr.Metric) {
		u, word := unitWord(m.Unit), polarityWord(m.Polarity)
		if known, ok := better[u]; !ok {
			better[u] = word
			order = append(order, u)
		} else if known != word {
			better[u] = ""
		}
	}
	for _, r := range list {
		for _, m := range r.Record.Printed() {
			add(m)
		}
	}
	// The metrics of the run itself must not change the polarity of the payload's units.
	units := maps.Clone(better)
	for _, r := range list {
		for _, m := range r.Record.Measured().Metrics {
			if _, ok := units[unitWord(m.Unit)]; !ok {
				add(m)
			}
		}
	}
	for _, u := range order {
		if better[u] == "" {
			continue
		}
		err := b.Write(&benchfmt.UnitMetadata{UnitMetadataKey: benchfmt.UnitMetadataKey{Unit: u, Key: "better"}, OrigUnit: u, Value: better[u]})
		if err != nil {
			return err
		}
	}
	return nil
}

// writeResults writes the metrics of good runs. Their configuration has the fixed lines, and
// those that the functions return.
func writeResults(b *benchfmt.Writer, list []runs.Run, fixed []pair, of []func(runs.Run) pair) error {
	variants := slices.ContainsFunc(list, func(r runs.Run) bool {
		return r.Record.Labels[runs.LabelVariant] != list[0].Record.Labels[runs.LabelVariant]
	})
	for _, r := range list {
		lines := slices.Clone(fixed)
		if variants {
			lines = append(lines, pair{"variant", r.Record.Labels[runs.LabelVariant]})
		}
		lines = append(lines, pair{"goarch", r.Record.Host.Arch}, pair{"cpu", r.Record.Host.CPU})
		for _, fact := range of {
			lines = append(lines, fact(r))
		}
		var config []benchfmt.Config
		for _, line := range lines {
			if value := strings.TrimSpace(text.Line(line.value)); value != "" {
				config = append(config, benchfmt.Config{Key: line.key, Value: []byte(value), File: true})
			}
		}
		for _, m := range numbers(r.Record) { // benchstat takes NaN into its averages
			err := b.Write(&benchfmt.Result{
				Config: config,
				Name:   benchfmt.Name("Ktstr/payload=" + text.Word(r.Record.Payload) + "/metric=" + text.Word(m.Name)),
				Iters:  1,
				Values: []benchfmt.Value{{Value: m.Value, Unit: unitWord(m.Unit)}},
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// unitWord returns a unit in the format, where each value has one. A metric without a
// unit gets "value".
func unitWord(u string) string {
	if u == "" {
		return "value"
	}
	return text.Word(u)
}

// polarityWord returns the word of the format for a polarity, "" if it has none.
func polarityWord(p ktstr.Polarity) string {
	switch p {
	case ktstr.Higher, ktstr.Lower:
		return string(p)
	}
	return ""
}
