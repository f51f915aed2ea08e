package export

import (
	"math"
	"strings"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/internal/compare"
	"github.com/ktstr/ktstr/internal/runs"
)

// numbers returns the metrics of a run that another system may take for measurements: none
// of a failed run, the first of each name, and of these the finite ones.
func numbers(r core.Record) (list []ktstr.Metric) {
	if runs.Broken(r) {
		return nil
	}
	seen := make(map[string]bool, len(r.Metrics))
	for _, m := range r.Metrics {
		if !seen[m.Name] && !math.IsNaN(m.Value) && !math.IsInf(m.Value, 0) {
			list = append(list, m)
		}
		seen[m.Name] = true
	}
	return list
}

// summaries returns one row for each metric that good runs of list have, with the median
// and the spread in Row.B. A row that is shown is a headline.
func summaries(list []runs.Run) (rows []compare.Row) {
	// A comparison of an empty side with the runs summarizes them in the same way as a
	// comparison with other runs.
	for _, row := range compare.Compare(compare.Side{}, runs.Side("", list), compare.Options{}).Rows {
		if row.B.N > 0 {
			rows = append(rows, row)
		}
	}
	return rows
}

// headlines returns the summaries that are shown.
func headlines(list []runs.Run) (rows []compare.Row) {
	for _, row := range summaries(list) {
		if row.Shown {
			rows = append(rows, row)
		}
	}
	return rows
}

// byHost groups runs by payload, variant and host, in the order of their first occurrence.
func byHost(list []runs.Run) (groups [][]runs.Run) {
	for _, sameTitle := range ByTitle(list) {
		at := map[string]int{}
		for _, r := range sameTitle {
			i, ok := at[runs.Host(r.Record)]
			if !ok {
				i = len(groups)
				at[runs.Host(r.Record)], groups = i, append(groups, nil)
			}
			groups[i] = append(groups[i], r)
		}
	}
	return groups
}

// passed reports whether every run of list passed.
func passed(list []runs.Run) bool {
	for _, r := range list {
		if r.Record.Verdict != core.Pass {
			return false
		}
	}
	return true
}

// failedChecks returns the metrics of which a check failed in one of the runs.
func failedChecks(list []runs.Run) map[string]bool {
	failed := map[string]bool{}
	for _, r := range list {
		for _, o := range r.Record.Checks {
			if c, err := check.Parse(o.Check); err == nil && o.Status == check.Failed {
				failed[c.Metric()] = true
			}
		}
	}
	return failed
}

// newest returns the run of list that began last. list must not be empty.
func newest(list []runs.Run) runs.Run {
	last := list[0]
	for _, r := range list {
		if r.Record.Start.After(last.Record.Start) {
			last = r
		}
	}
	return last
}

// sanitized replaces every character of name that is not a letter, a digit, or one of allowed
// by "_". For example, "lat (us)" becomes "lat__us_".
func sanitized(name, allowed string) string {
	b := []byte(name)
	for i, c := range b {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte(allowed, c) >= 0) {
			b[i] = '_'
		}
	}
	return string(b)
}
