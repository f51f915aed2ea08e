package export

import (
	"fmt"
	"io"
	"strings"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/unit"
	"github.com/ktstr/ktstr/internal/compare"
	"github.com/ktstr/ktstr/internal/runs"
	"github.com/ktstr/ktstr/internal/text"
)

// cell returns text for a cell of a Markdown table. It escapes characters that end
// the cell, begin markup, or are HTML. For example, "a|b" becomes "a\|b".
func cell(s string) string {
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		switch {
		case r == '\n' || r == '\t':
			b.WriteByte(' ')
		case r < ' ' || r == 0x7f:
			b.WriteRune('\uFFFD')
		case strings.ContainsRune("\\|`*_[]<>&#~!", r):
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// markdownAll writes the runs, then their comparisons.
func markdownAll(w io.Writer, s Source) error {
	if err := markdownRuns(w, s.Runs); err != nil {
		return err
	}
	for i := range s.Comparisons {
		fmt.Fprintln(w)
		if err := markdownReport(w, Source{Report: &s.Comparisons[i]}); err != nil {
			return err
		}
	}
	return nil
}

// markdownRuns writes a table of the headline metrics with their medians over the
// good runs. Without headlines, the table has all metrics.
func markdownRuns(w io.Writer, list []runs.Run) error {
	for i, group := range ByTitle(list) {
		if i > 0 {
			fmt.Fprintln(w)
		}
		failed, interrupted := 0, 0
		for _, r := range group {
			switch {
			case r.Record.Interrupted:
				interrupted++
			case r.Record.Verdict != core.Pass:
				failed++
			}
		}
		fmt.Fprintf(w, "**%s**: %s, %d failed", cell(Title(group[0].Record)), text.Count(len(group), "run"), failed)
		if interrupted > 0 {
			fmt.Fprintf(w, ", %d interrupted", interrupted)
		}
		fmt.Fprint(w, "\n\n")
		fmt.Fprintln(w, "| metric | median | spread | runs | better |")
		fmt.Fprintln(w, "|---|--:|--:|--:|---|")
		// A comparison of an empty side with the runs summarizes them in the same way
		// as a comparison with other runs.
		report := compare.Compare(compare.Side{}, runs.Side("", group), compare.Options{})
		for _, row := range report.Rows {
			if !row.Shown || row.B.N == 0 {
				continue
			}
			spread := ""
			if row.B.N > 1 {
				spread = "±" + cell(unit.Scale(row.B.Spread, row.Unit))
			}
			fmt.Fprintf(w, "| %s | %s | %s | %d | %s |\n", cell(row.Metric), cell(unit.Scale(row.B.Median, row.Unit)), spread, row.B.N, cell(row.Polarity.String()))
		}
		for _, f := range Failures(group) {
			message := f.Message
			if len(group) > 1 {
				message = fmt.Sprintf("%d of %d runs: %s", len(f.Runs), len(group), message)
			}
			fmt.Fprintf(w, "\n- failed: %s", cell(message))
		}
	}
	fmt.Fprintln(w)
	return nil
}

// markdownReport writes the comparison's table of the metrics that are shown.
func markdownReport(w io.Writer, s Source) error {
	r := s.Report
	fmt.Fprintf(w, "**%s** (%d runs) against **%s** (%d runs): %s\n\n", cell(r.B.Name), r.B.Runs, cell(r.A.Name), r.A.Runs, r.Summary())
	for _, d := range r.Differences {
		fmt.Fprintf(w, "- differs: %s: %s, %s\n", cell(d.Name), cell(strings.Join(d.A, " or ")), cell(strings.Join(d.B, " or ")))
	}
	for _, n := range r.Notes {
		fmt.Fprintf(w, "- note: %s\n", cell(n))
	}
	if len(r.Differences)+len(r.Notes) > 0 {
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "Interval (%.3g %%): %s.\n\n", 100-200*r.Alpha, r.Interval())
	fmt.Fprintln(w, "| metric | A | B | change | interval | verdict |")
	fmt.Fprintln(w, "|---|--:|--:|--:|--:|---|")
	for _, row := range r.Rows {
		if !row.Shown {
			continue
		}
		side := func(x compare.Sample) string {
			if x.N == 0 {
				return "–"
			}
			return cell(unit.Scale(x.Median, row.Unit) + " ±" + unit.Scale(x.Spread, row.Unit))
		}
		change := "–"
		if row.Measured() {
			change = fmt.Sprintf("%+.1f %%", row.Change*100)
		}
		verdict := string(row.Verdict)
		if row.Verdict == compare.Worse || row.Verdict == compare.Missing {
			verdict = "**" + verdict + "**"
		} else {
			verdict = cell(verdict)
		}
		if open := row.Open(); open != "" {
			verdict += " (" + open + ")"
		}
		if row.Note != "" {
			verdict += ": " + cell(row.Note)
		}
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s | %s |\n", cell(row.Metric), side(row.A), side(row.B), change, row.Interval(), verdict)
	}
	return nil
}
