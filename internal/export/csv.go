package export

import (
	"encoding/csv"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/ktstr/ktstr/internal/runs"
)

// number is v for a cell of a csv file, with all its digits. An infinity is text
// to a spreadsheet: Inf needs no sign, and the other is guarded.
func number(v float64) string {
	if math.IsInf(v, 0) {
		return guarded(strings.TrimPrefix(strconv.FormatFloat(v, 'g', -1, 64), "+"))
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// guarded is text for a cell of a csv file, with a ' where a spreadsheet could
// take what follows for a formula: metrics are named by what a payload prints.
// That is at the beginning, and behind what some take for the end of a cell
// (a semicolon, a tab, a line break), whatever quotes say. After OWASP's "CSV
// Injection", https://owasp.org/www-community/attacks/CSV_Injection.
func guarded(text string) string {
	var b strings.Builder
	begins := true
	for _, r := range text {
		switch {
		case r == ';' || unicode.IsControl(r):
			begins = true
		case r == ' ' || r == '"':
		case strings.ContainsRune("=+-@\uff1d\uff0b\uff0d\uff20", r): // the last four are the full width forms
			if begins {
				b.WriteByte('\'')
			}
			begins = false
		default:
			begins = false
		}
		b.WriteRune(r)
	}
	return b.String()
}

// csvRuns writes a metric of a run a line (RFC 4180).
func csvRuns(w io.Writer, list []runs.Run) error {
	c := csv.NewWriter(w)
	c.Write([]string{"payload", "run", "set", "start", "verdict", "metric", "value", "unit", "polarity", "stream", "headline"})
	for _, r := range list {
		for _, m := range r.Record.Metrics {
			c.Write([]string{
				guarded(r.Record.Payload), guarded(r.Name), guarded(r.Record.Labels[runs.LabelSet]), r.Record.Start.Format(time.RFC3339Nano), guarded(r.Record.Verdict),
				guarded(m.Name), number(m.Value), guarded(m.Unit), m.Polarity.String(), guarded(string(m.Stream)), strconv.FormatBool(slices.Contains(r.Record.Headlines, m.Name)),
			})
		}
	}
	c.Flush()
	return c.Error()
}

func csvReport(w io.Writer, s Source) error {
	c := csv.NewWriter(w)
	c.Write([]string{"metric", "verdict", "decides", "unit", "polarity", "a_n", "a_median", "a_spread", "b_n", "b_median", "b_spread", "change", "p", "level", "min_effect_percent", "need", "note"})
	for _, r := range s.Report.Rows {
		// What nobody measured is an empty cell.
		where := func(says bool, text string) string {
			if !says {
				return ""
			}
			return text
		}
		both, inA, inB := r.Measured(), r.A.N > 0, r.B.N > 0
		c.Write([]string{
			guarded(r.Metric), string(r.Verdict), strconv.FormatBool(r.Decides), guarded(r.Unit), r.Polarity.String(),
			strconv.Itoa(r.A.N), where(inA, number(r.A.Median)), where(inA, number(r.A.Spread)),
			strconv.Itoa(r.B.N), where(inB, number(r.B.Median)), where(inB, number(r.B.Spread)),
			where(both, number(r.Change)), where(both, number(r.P)), where(both, number(r.Level)),
			number(r.MinEffect), where(both, strconv.Itoa(r.Need)), guarded(r.Note),
		})
	}
	c.Flush()
	return c.Error()
}
