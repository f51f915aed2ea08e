package export

import (
	"io"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/perf/benchfmt"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/runs"
)

// benchfmtRuns writes the Go benchmark format, for benchstat: a line a metric
// of a run, named Ktstr/payload=P/metric=M. Runs that did not end well are left
// out: the format has no word for them, and benchstat would average them in.
func benchfmtRuns(w io.Writer, list []runs.Run) error {
	b := benchfmt.NewWriter(w)
	if err := writeUnits(b, list); err != nil {
		return err
	}
	return writeResults(b, "", list)
}

// benchfmtReport writes both sides, told apart by the key "side", for
// benchstat -col side.
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

// writeUnits says which way a unit is better where all metrics in it agree.
func writeUnits(b *benchfmt.Writer, list []runs.Run) error {
	better := map[string]string{}
	var order []string
	for _, r := range list {
		for _, m := range r.Record.Metrics {
			u, word := unitWord(m.Unit), polarityWord(m.Polarity)
			if known, ok := better[u]; !ok {
				better[u] = word
				order = append(order, u)
			} else if known != word {
				better[u] = ""
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

func writeResults(b *benchfmt.Writer, side string, list []runs.Run) error {
	variants := slices.ContainsFunc(list, func(r runs.Run) bool {
		return r.Record.Labels[runs.LabelVariant] != list[0].Record.Labels[runs.LabelVariant]
	})
	for _, r := range list {
		if runs.Broken(r.Record) {
			continue
		}
		// benchstat makes a table of its own for each configuration, so what
		// the two files of a comparison differ in (commit, set, kernel) must
		// not be one.
		var config []benchfmt.Config
		add := func(key, value string) {
			if value = line(value); value != "" {
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
			if seen[m.Name] {
				continue // the first of a name counts
			}
			seen[m.Name] = true
			err := b.Write(&benchfmt.Result{
				Config: config,
				Name:   benchfmt.Name("Ktstr/payload=" + word(r.Record.Payload) + "/metric=" + word(m.Name)),
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

// unitWord is a unit as the format can hold it. A metric without a unit gets
// one: a value needs it.
func unitWord(u string) string {
	if u == "" {
		return "value"
	}
	return word(u)
}

// word replaces what would end a word.
func word(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.IsControl(r) {
			return '_'
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
}

func line(text string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD")))
}

// polarityWord is what the benchmark format calls a polarity; "" where it has
// no word.
func polarityWord(p ktstr.Polarity) string {
	switch p {
	case ktstr.Higher, ktstr.Lower:
		return string(p)
	}
	return ""
}
