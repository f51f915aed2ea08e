// Package export writes runs, or a comparison of runs, in the formats that
// other tools read.
package export

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/core/unit"
	"github.com/ktstr/ktstr/internal/compare"
	"github.com/ktstr/ktstr/internal/runs"
)

// Source is what is exported: runs, or with a Report the comparison of them.
type Source struct {
	Runs   []runs.Run // of a comparison: those of its first side
	Other  []runs.Run // of a comparison: those of its second side
	Report *compare.Report
	Wanted int  // runs that there should have been; 0: as many as there are
	Set    bool // several were asked for: json is the document of a set, of one run too

	// Comparisons were asked for with the runs. json, markdown and junit have a
	// place for them beside the runs; the others are one table, or one stream
	// of one kind, and have the runs alone.
	Comparisons []compare.Report
	// Gate: the comparisons decide whether the runs are good, so that what is
	// worse in them is a failure. Without it junit does not have them.
	Gate bool
}

// formats are the writers by name. Each has one for runs and one for a report.
var formats = map[string]struct {
	runs   func(w io.Writer, s Source) error
	report func(w io.Writer, s Source) error
}{
	"json":     {jsonRuns, jsonReport},
	"jsonl":    {onlyRuns(jsonlRuns), jsonlReport},
	"csv":      {onlyRuns(csvRuns), csvReport},
	"markdown": {markdownAll, markdownReport},
	"junit":    {junitRuns, junitReport},
	"benchfmt": {onlyRuns(benchfmtRuns), benchfmtReport},
}

func onlyRuns(f func(w io.Writer, list []runs.Run) error) func(w io.Writer, s Source) error {
	return func(w io.Writer, s Source) error { return f(w, s.Runs) }
}

// Formats lists the names that Write takes, sorted.
func Formats() []string {
	var names []string
	for name := range formats {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Write writes s in the format of that name.
func Write(w io.Writer, format string, s Source) error {
	f, ok := formats[format]
	if !ok {
		return fmt.Errorf("export format %q: want one of %s", format, strings.Join(Formats(), ", "))
	}
	b := bufio.NewWriter(w)
	var err error
	if s.Report != nil {
		err = f.report(b, s)
	} else {
		err = f.runs(b, s)
	}
	if err != nil {
		return err
	}
	return b.Flush()
}

// Set is the JSON document of several records.
type Set struct {
	Schema      string           `json:"schema"`
	Wanted      int              `json:"wanted,omitempty"` // runs that were asked for; 0: nobody said
	Runs        []core.Record    `json:"runs"`
	Comparisons []compare.Report `json:"comparisons,omitempty"` // that were asked for with the runs
}

// SetOf is the document of the runs' records.
func SetOf(list []runs.Run) Set {
	s := Set{Schema: runs.SetSchema, Runs: []core.Record{}}
	for _, r := range list {
		s.Runs = append(s.Runs, r.Record)
	}
	return s
}

func indented(w io.Writer, v any) error {
	e := lines(w)
	e.SetIndent("", " ")
	return e.Encode(v)
}

// lines writes a JSON document a line, with <, > and & as they are.
func lines(w io.Writer) *json.Encoder {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e
}

// jsonRuns writes the record of one run, or the document of several, or of one
// with comparisons.
func jsonRuns(w io.Writer, s Source) error {
	return indented(w, Document(s))
}

// Document is what json is of runs: a record, or a Set.
func Document(s Source) any {
	if len(s.Runs) == 1 && len(s.Comparisons) == 0 && !s.Set {
		return s.Runs[0].Record
	}
	document := SetOf(s.Runs)
	document.Wanted, document.Comparisons = s.Wanted, s.Comparisons
	return document
}

func jsonReport(w io.Writer, s Source) error { return indented(w, s.Report) }

// jsonlRuns writes a record a line.
func jsonlRuns(w io.Writer, list []runs.Run) error {
	e := lines(w)
	for _, r := range list {
		if err := e.Encode(r.Record); err != nil {
			return err
		}
	}
	return nil
}

// jsonlReport writes a metric a line.
func jsonlReport(w io.Writer, s Source) error {
	e := lines(w)
	for _, row := range s.Report.Rows {
		if err := e.Encode(row); err != nil {
			return err
		}
	}
	return nil
}

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

// cell is text as a cell of a Markdown table: nothing in it may end the cell,
// begin markup or reach a page as HTML.
func cell(text string) string {
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(text, "\uFFFD") {
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

// markdownAll writes the runs, and below them their comparisons.
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

// markdownRuns writes a table of the headline metrics (of all where there are
// none), each as the median over the runs that ended well.
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
		noun := "runs"
		if len(group) == 1 {
			noun = "run"
		}
		fmt.Fprintf(w, "**%s**: %d %s, %d failed", cell(Title(group[0].Record)), len(group), noun, failed)
		if interrupted > 0 {
			fmt.Fprintf(w, ", %d interrupted", interrupted)
		}
		fmt.Fprint(w, "\n\n")
		fmt.Fprintln(w, "| metric | median | spread | runs | better |")
		fmt.Fprintln(w, "|---|--:|--:|--:|---|")
		// A comparison of nothing with the runs summarizes them as the one
		// with others would.
		report := compare.Compare(compare.Side{}, runs.Side("", group), compare.Options{})
		for _, row := range report.Rows {
			if !row.Decides || row.B.N == 0 {
				continue
			}
			spread := ""
			if row.B.N > 1 {
				spread = "±" + cell(unit.Scale(row.B.Spread, row.Unit))
			}
			fmt.Fprintf(w, "| %s | %s | %s | %d | %s |\n", cell(row.Metric), cell(unit.Scale(row.B.Median, row.Unit)), spread, row.B.N, cell(row.Polarity.String()))
		}
		for _, f := range Failures(group) {
			text := f.Message
			if len(group) > 1 {
				text = fmt.Sprintf("%d of %d runs: %s", len(f.Runs), len(group), text)
			}
			fmt.Fprintf(w, "\n- failed: %s", cell(text))
		}
	}
	fmt.Fprintln(w)
	return nil
}

// Failure is a message and the runs that failed with it.
type Failure struct {
	Message string
	Runs    []runs.Run
	At      int // index of the first of them in the list
}

// Failures lists what the runs failed with, each message once, in the order of
// their first occurrence.
func Failures(list []runs.Run) []Failure {
	var all []Failure
	at := map[string]int{}
	for n, r := range list {
		seen := map[string]bool{"": true}
		for _, message := range messages(r.Record) {
			if seen[message] {
				continue
			}
			seen[message] = true
			i, ok := at[message]
			if !ok {
				i = len(all)
				at[message], all = i, append(all, Failure{Message: message, At: n})
			}
			all[i].Runs = append(all[i].Runs, r)
		}
	}
	return all
}

// messages are what a run failed with.
func messages(r core.Record) []string {
	all := []string{r.NotStarted}
	late := ""
	if r.TimedOut {
		late = r.TimeoutText()
	}
	for _, d := range r.Details {
		if d.Kind == check.ExitCode && late != "" { // which is how a timeout ends it
			d.Message, late = late+": "+d.Message, ""
		}
		all = append(all, d.Message)
	}
	return append(all, late)
}

// DiagnosticText is a diagnostic as one line for people.
func DiagnosticText(d ktstr.Diagnostic) string {
	where := ""
	if d.Stream != "" {
		where = " (" + string(d.Stream)
		if d.Line > 0 {
			where += fmt.Sprintf(" line %d", d.Line)
		}
		where += ")"
	}
	return string(d.Code) + ": " + d.Message + where
}

// Title names what a run is one of: its payload, and the variant of that.
func Title(r core.Record) string {
	if v := runs.Variant(r); v != "" {
		return r.Payload + " " + v
	}
	return r.Payload
}

// ByTitle splits runs by title, in the order of their first occurrence.
func ByTitle(list []runs.Run) [][]runs.Run {
	var groups [][]runs.Run
	for _, r := range list {
		i := slices.IndexFunc(groups, func(g []runs.Run) bool { return Title(g[0].Record) == Title(r.Record) })
		if i < 0 {
			groups, i = append(groups, nil), len(groups)
		}
		groups[i] = append(groups[i], r)
	}
	return groups
}

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
	fmt.Fprintln(w, "| metric | A | B | change | verdict |")
	fmt.Fprintln(w, "|---|--:|--:|--:|---|")
	for _, row := range r.Rows {
		if !row.Decides {
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
		if row.Need > 0 {
			verdict += fmt.Sprintf(" (%d runs a side could tell)", row.Need)
		}
		if row.Note != "" {
			verdict += ": " + cell(row.Note)
		}
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s |\n", cell(row.Metric), side(row.A), side(row.B), change, verdict)
	}
	return nil
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
