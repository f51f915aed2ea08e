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

	"github.com/ktstr/ktstr/internal/compare"
	"github.com/ktstr/ktstr/internal/runs"
)

// number returns v for a cell, with all its digits. A spreadsheet takes an infinity
// for text. So Inf has no sign, and -Inf is guarded.
func number(v float64) string {
	if math.IsInf(v, 0) {
		return guarded(strings.TrimPrefix(strconv.FormatFloat(v, 'g', -1, 64), "+"))
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// guarded returns text for a cell. It inserts ' where a spreadsheet could begin a
// formula, because a payload chooses the names of its metrics. For example, "=1+1"
// becomes "'=1+1". A formula can begin at the start of a cell, and after a
// semicolon, a tab or a line break, where some programs end the cell even inside
// quotes. See OWASP's "CSV Injection",
// https://owasp.org/www-community/attacks/CSV_Injection.
func guarded(cell string) string {
	var b strings.Builder
	begins := true
	for _, r := range cell {
		switch {
		case r == ';' || unicode.IsControl(r):
			begins = true
		case r == ' ' || r == '"':
		case strings.ContainsRune("=+-@\uff1d\uff0b\uff0d\uff20", r): // the last four are full-width forms
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

// csvRuns writes one metric of one run per line (RFC 4180).
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

// csvReport writes one metric of the comparison per line. A value that was not
// measured is an empty cell.
func csvReport(w io.Writer, s Source) error {
	c := csv.NewWriter(w)
	c.Write([]string{"metric", "verdict", "decides", "unit", "polarity", "a_n", "a_median", "a_spread", "b_n", "b_median", "b_spread", "change", "p", "level", "min_effect_percent", "need", "note", "low", "high", "margin_percent", "margin_given", "seen", "per"})
	for _, r := range s.Report.Rows {
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
			where(r.Bounded(), number(r.Low)), where(r.Bounded(), number(r.High)), number(r.Margin), strconv.FormatBool(r.MarginGiven),
			where(r.Verdict == compare.Unclear, number(r.Seen)), string(r.Per),
		})
	}
	c.Flush()
	return c.Error()
}
