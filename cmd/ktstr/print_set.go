package main

import (
	"bufio"
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/instrument/counters"
	"github.com/ktstr/ktstr/core/unit"
	"github.com/ktstr/ktstr/internal/compare"
	"github.com/ktstr/ktstr/internal/export"
	"github.com/ktstr/ktstr/internal/runs"
)

// printSet prints the statistics of several runs. wanted is the number of requested runs,
// or 0 if it is unknown. Interrupted runs are not part of the statistics.
func (a *app) printSet(list []runs.Run, wanted int, all bool) error {
	list, interrupted := runs.Uninterrupted(list)
	if len(list) == 0 && interrupted > 0 {
		during := "a run"
		if wanted > 0 {
			during = fmt.Sprintf("run 1 of %d", wanted)
		}
		_, err := fmt.Fprintf(a.stdout, "interrupted during %s; no run finished, so there is no summary\n", during)
		return err
	}
	report := compare.Compare(compare.Side{}, runs.Side("", list), compare.Options{})
	w := bufio.NewWriter(a.stdout)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	hidden := 0
	for _, row := range report.Rows {
		if isCount := row.Own && strings.HasPrefix(row.Metric, counters.Prefix); !row.Shown && !all && !isCount {
			if !row.Own {
				hidden++
			}
			continue
		}
		text := row.Note
		if row.B.N > 0 {
			text = summaryText(row.B, row.Unit)
		}
		fmt.Fprintf(t, "%s\t%s\tn=%d\t%s\n", line(row.Metric), line(text), row.B.N, arrow(row.Polarity))
	}
	t.Flush()
	s := styleOf(a.stdout)
	for _, f := range export.Failures(list) {
		subject := cmp.Or(f.Runs[0].Name, fmt.Sprintf("run %d", 1+f.At))
		if len(f.Runs) > 1 {
			subject = fmt.Sprintf("%d of %s", len(f.Runs), count(len(list), "run"))
		}
		fmt.Fprintf(w, "%s %s: %s\n", s.bad("failed:"), printable(subject), printable(f.Message))
	}
	verdict := s.good(core.Pass)
	failed := 0
	for _, r := range list {
		if r.Record.Verdict != core.Pass {
			failed++
			verdict = s.bad(core.Fail)
		}
	}
	more := ""
	if hidden > 0 {
		more = s.dim(fmt.Sprintf("  (%s: --all, or -o json)", count(hidden, "more metric")))
	}
	made := count(len(list), "run")
	if len(list) < wanted {
		made = fmt.Sprintf("%d of %s", len(list), count(wanted, "run"))
		verdict = s.bad(core.Fail)
	}
	stopped := ""
	if interrupted > 0 {
		stopped = fmt.Sprintf(", %d interrupted, left out", interrupted)
		verdict = s.bad(core.Fail)
	}
	checks := checksText(export.SetOf(list).Runs...)
	if checks != "" {
		checks = "  " + checks
	}
	fmt.Fprintf(w, "%s  %s, %d failed%s%s%s\n", verdict, made, failed, stopped, checks, more)
	return w.Flush()
}

// summaryText returns the median of runs and, for more than one run, the spread. For
// example: "1250.5 ±0 ops/s". The median has as many decimals as the spread, but not more
// digits than in the unit of the measurement. If the spread is 0, it has all of these.
func summaryText(s compare.Sample, u string) string {
	best := unit.Best(s.Median, u)
	median, err := unit.Convert(s.Median, u, best)
	spread, errSpread := unit.Convert(s.Spread, u, best)
	if err != nil || errSpread != nil {
		median, spread, best = s.Median, s.Spread, u
	}
	text := unit.Digits(median)
	digits, _ := scientific(s.Median)
	if strings.Contains(text, "e") {
		if spread == 0 {
			text = strconv.FormatFloat(median, 'g', max(4, digits), 64) // 4: as unit.Digits
		}
	} else {
		_, exponent := scientific(median)
		decimals := digits - 1 - exponent
		if spread != 0 {
			decimals = min(decimals, decimalsOf(unit.Digits(spread)))
		}
		if decimals > decimalsOf(text) {
			text = strconv.FormatFloat(median, 'f', decimals, 64)
		}
	}
	if s.N > 1 {
		text += " ±" + unit.Digits(spread)
	}
	return strings.TrimSpace(text + " " + best)
}

// scientific returns the number of significant digits of v, and the power of ten of the
// first one. For example, 1250.5 has 5 and 3.
func scientific(v float64) (digits, exponent int) {
	mantissa, power, _ := strings.Cut(strconv.FormatFloat(math.Abs(v), 'e', -1, 64), "e")
	exponent, _ = strconv.Atoi(power)
	return len(strings.Replace(mantissa, ".", "", 1)), exponent
}

// decimalsOf returns the number of digits after the decimal point of a number, if it is
// written without an exponent. For example, 1.5e-3 has 4.
func decimalsOf(number string) int {
	v, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return 0
	}
	digits, exponent := scientific(v)
	return max(0, digits-1-exponent)
}
