package export

import (
	"io"
	"maps"
	"math"
	"slices"
	"strings"

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
	return writeResults(b, "", list)
}

// benchfmtReport writes both sides. The key "side" distinguishes them, for
// "benchstat -col side".
func benchfmtReport(w io.Writer, s Source) error {
	b := benchfmt.NewWriter(w)
	if err := writeUnits(b, slices.Concat(s.Runs, s.Other)); err != nil {
		return err
	}
	if err := writeResults(b, "A "+s.Report.A.Name, s.Runs); err != nil {
		return err
	}
	return writeResults(b, "B "+s.Report.B.Name, s.Other)
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

// writeResults writes the metrics of good runs.
func writeResults(b *benchfmt.Writer, side string, list []runs.Run) error {
	variants := slices.ContainsFunc(list, func(r runs.Run) bool {
		return r.Record.Labels[runs.LabelVariant] != list[0].Record.Labels[runs.LabelVariant]
	})
	for _, r := range list {
		if runs.Broken(r.Record) {
			continue
		}
		// benchstat prints a separate table for each configuration. So the
		// configuration must not contain keys in which the sides of a comparison
		// differ, such as the commit, the set and the kernel.
		var config []benchfmt.Config
		add := func(key, value string) {
			if value = strings.TrimSpace(text.Line(value)); value != "" {
				config = append(config, benchfmt.Config{Key: key, Value: []byte(value), File: true})
			}
		}
		add("side", side)
		if variants {
			add("variant", r.Record.Labels[runs.LabelVariant])
		}
		add("goarch", r.Record.Host.Arch)
		add("cpu", r.Record.Host.CPU)
		seen := map[string]bool{}
		for _, m := range r.Record.Metrics {
			if seen[m.Name] || math.IsNaN(m.Value) || math.IsInf(m.Value, 0) {
				continue // the first metric with a name counts, and benchstat takes NaN into its averages
			}
			seen[m.Name] = true
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
