package export

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/ktstr/ktstr/internal/compare"
	"github.com/ktstr/ktstr/internal/runs"
)

// influxRuns writes the line protocol of InfluxDB: a point of the measurement ktstr_run for
// each run, and a point of ktstr for each metric of a good run. The time is the start of
// the run. https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/
func influxRuns(w io.Writer, s Source) error {
	for _, run := range s.Runs {
		r := run.Record
		if r.NotStarted != "" {
			continue // nothing ran, so there is no time
		}
		tags := []string{"payload", r.Payload, "variant", runs.Variant(r), "host", runs.Host(r), "kernel", r.Host.Kernel, "set", r.Labels[runs.LabelSet]}
		about := influxStrings("run", run.Name, "commit", r.Labels[runs.LabelCommit], "tags", strings.Join(run.Tags, ","))
		fields := append([]string{
			"verdict=" + influxString(r.Verdict), fmt.Sprintf("exit_code=%di", r.ExitCode),
			"seconds=" + strconv.FormatFloat(time.Duration(r.Duration).Seconds(), 'g', -1, 64),
		}, about...)
		if err := influxPoint(w, "ktstr_run", tags, fields, r.Start); err != nil {
			return err
		}
		for _, m := range numbers(r) {
			of := append(tags[:len(tags):len(tags)], "metric", m.Name, "unit", m.Unit, "better", polarityWord(m.Polarity))
			fields := append([]string{"value=" + strconv.FormatFloat(m.Value, 'g', -1, 64)}, about...)
			if err := influxPoint(w, "ktstr", of, fields, r.Start); err != nil {
				return err
			}
		}
	}
	for _, r := range s.Comparisons {
		if err := influxComparison(w, r, s.Runs); err != nil {
			return err
		}
	}
	return nil
}

func influxReport(w io.Writer, s Source) error { return influxComparison(w, *s.Report, s.Other) }

// influxComparison writes a point of ktstr_comparison for each metric. The time is the start
// of the newest of the runs list.
func influxComparison(w io.Writer, r compare.Report, list []runs.Run) error {
	if len(list) == 0 {
		return nil
	}
	at := newest(list).Record.Start
	for _, row := range r.Rows {
		tags := []string{"a", r.A.Name, "b", r.B.Name, "metric", row.Metric, "unit", row.Unit, "better", polarityWord(row.Polarity)}
		fields := []string{"verdict=" + influxString(string(row.Verdict)), "decides=" + strconv.FormatBool(row.Decides)}
		number := func(name string, v float64, measured bool) {
			if text := strconv.FormatFloat(v, 'g', -1, 64); measured && !strings.ContainsAny(text, "NI") { // the format has no NaN and no infinity
				fields = append(fields, name+"="+text)
			}
		}
		number("a_median", row.A.Median, row.A.N > 0)
		number("b_median", row.B.Median, row.B.N > 0)
		number("change", row.Change, row.Measured())
		number("low", row.Low, row.Bounded())
		number("high", row.High, row.Bounded())
		number("p", row.P, row.Measured())
		if err := influxPoint(w, "ktstr_comparison", tags, fields, at); err != nil {
			return err
		}
	}
	return nil
}

// influxPoint writes one line. tags are names and values in turns. A tag with an empty value
// is left out, because the format has no empty values.
func influxPoint(w io.Writer, measurement string, tags, fields []string, at time.Time) error {
	line := measurement
	for i := 0; i+1 < len(tags); i += 2 {
		if value := influxTag(tags[i+1]); value != "" {
			line += "," + tags[i] + "=" + value
		}
	}
	_, err := fmt.Fprintf(w, "%s %s %d\n", line, strings.Join(fields, ","), at.UnixNano())
	return err
}

// influxTag returns the value of a tag. A backslash at its end would escape the next
// character, and the format has no escape for it.
func influxTag(value string) string {
	value = strings.Map(printableRune, strings.ToValidUTF8(value, "\uFFFD"))
	return influxEscapes.Replace(strings.ReplaceAll(value, `\`, "\uFFFD"))
}

var influxEscapes = strings.NewReplacer(" ", `\ `, ",", `\,`, "=", `\=`)

// influxStrings returns the fields that have a value. pairs are names and values in turns.
func influxStrings(pairs ...string) (fields []string) {
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			fields = append(fields, pairs[i]+"="+influxString(pairs[i+1]))
		}
	}
	return fields
}

// influxString returns the value of a field that is text.
func influxString(value string) string {
	value = strings.Map(printableRune, strings.ToValidUTF8(value, "\uFFFD"))
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value) + `"`
}

// printableRune replaces control characters, which can end a line.
func printableRune(r rune) rune {
	if r < ' ' || r == 0x7f {
		return '\uFFFD'
	}
	return r
}
