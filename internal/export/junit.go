package export

import (
	"encoding/xml"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/internal/compare"
	"github.com/ktstr/ktstr/internal/runs"
)

// The elements of JUnit XML that CI systems read. See
// https://github.com/testmoapp/junitxml for the common subset.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Errors   int          `xml:"errors,attr"`
		Skipped  int          `xml:"skipped,attr"`
		Time     string       `xml:"time,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name       string          `xml:"name,attr"`
		Tests      int             `xml:"tests,attr"`
		Failures   int             `xml:"failures,attr"`
		Errors     int             `xml:"errors,attr"`
		Skipped    int             `xml:"skipped,attr"`
		Time       string          `xml:"time,attr"`
		Timestamp  string          `xml:"timestamp,attr,omitempty"`
		Properties []junitProperty `xml:"properties>property,omitempty"`
		Cases      []junitCase     `xml:"testcase"`
	}
	junitProperty struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	}
	junitCase struct {
		Classname string        `xml:"classname,attr"`
		Name      string        `xml:"name,attr"`
		Time      string        `xml:"time,attr"`
		Failure   *junitProblem `xml:"failure,omitempty"`
		Error     *junitProblem `xml:"error,omitempty"`
		Skipped   *junitSkipped `xml:"skipped,omitempty"`
		Out       string        `xml:"system-out,omitempty"`
	}
	junitProblem struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Text    string `xml:",chardata"`
	}
	junitSkipped struct {
		Message string `xml:"message,attr"`
	}
)

// add appends a case and counts it.
func (s *junitSuite) add(c junitCase) {
	s.Tests++
	switch {
	case c.Failure != nil:
		s.Failures++
	case c.Error != nil:
		s.Errors++
	case c.Skipped != nil:
		s.Skipped++
	}
	if c.Time == "" {
		c.Time = "0"
	}
	s.Cases = append(s.Cases, c)
}

// writeJunit writes the document of all suites.
func writeJunit(w io.Writer, name string, suites []junitSuite) error {
	all := junitSuites{Name: name, Suites: suites}
	total := 0.0
	for _, s := range suites {
		all.Tests += s.Tests
		all.Failures += s.Failures
		all.Errors += s.Errors
		all.Skipped += s.Skipped
		if t, err := strconv.ParseFloat(s.Time, 64); err == nil {
			total += t
		}
	}
	all.Time = strconv.FormatFloat(total, 'f', 3, 64)
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", " ")
	if err := e.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// junitRuns writes one suite for each run and for each comparison.
func junitRuns(w io.Writer, s Source) error {
	var suites []junitSuite
	for _, r := range s.Runs {
		suites = append(suites, junitRun(r))
	}
	for _, r := range s.Comparisons {
		suites = append(suites, junitComparison(r))
	}
	return writeJunit(w, "ktstr", suites)
}

// junitRun returns a suite with a case for the run itself, one for each check, and
// one for the extraction.
func junitRun(run runs.Run) junitSuite {
	r := run.Record
	seconds := strconv.FormatFloat(time.Duration(r.Duration).Seconds(), 'f', 3, 64)
	s := junitSuite{
		Name: r.Payload, Time: seconds, Timestamp: r.Start.UTC().Format("2006-01-02T15:04:05"),
		Properties: []junitProperty{{"bundle", r.Bundle}, {"exit_code", strconv.Itoa(r.ExitCode)}, {"extractor", r.Extraction.Extractor + " " + r.Extraction.Version}},
	}
	if run.Name != "" && run.Name != "." {
		s.Name = run.Name
	}
	ran := junitCase{Classname: r.Payload, Name: "run to its end", Time: seconds}
	switch {
	case r.NotStarted != "":
		ran.Error = &junitProblem{Message: r.NotStarted, Type: "not-started", Text: r.NotStarted}
		if r.Interrupted {
			ran.Error.Type = "interrupted"
		}
		s.Properties = nil
		s.add(ran)
		return s
	case r.Interrupted:
		ran.Error = &junitProblem{Message: "interrupted", Type: "interrupted"}
	case r.TimedOut:
		ran.Error = &junitProblem{Message: r.TimeoutText(), Type: "timeout"}
	}
	s.add(ran)

	left := slices.Clone(r.Details) // of the failed checks, in their order
	for _, o := range r.Checks {
		c := junitCase{Classname: r.Payload, Name: o.Check}
		switch o.Status {
		case check.Failed:
			c.Failure = &junitProblem{Message: "failed", Type: "check"} // if the record has no detail, because another program wrote it
			if i := slices.IndexFunc(left, func(d check.Detail) bool { return d.Check == o.Check }); i >= 0 {
				c.Failure = problem(left[i])
				left = slices.Delete(left, i, i+1)
			}
		case check.Skipped:
			c.Skipped = &junitSkipped{"not evaluated: the exit code's check failed"}
		}
		s.add(c)
	}
	// Bounds and a signal have details without a check. If the record has no checks,
	// all details are left.
	for _, d := range left {
		name := d.Check
		if name == "" {
			name = d.Kind + " " + d.Metric
		}
		s.add(junitCase{Classname: r.Payload, Name: name, Failure: problem(d)})
	}
	x := junitCase{Classname: r.Payload, Name: "extraction"}
	switch r.Extraction.Status {
	case extract.OK:
	case extract.None:
		x.Error = &junitProblem{Message: r.Extraction.Extractor + " found no metric in the output", Type: "none"}
	default:
		x.Error = &junitProblem{Message: r.Extraction.Extractor + ": " + r.Extraction.Error, Type: "error"}
	}
	for _, d := range Diagnostics(r) {
		x.Out += DiagnosticText(d) + "\n"
	}
	if x.Error != nil {
		x.Error.Text = x.Out
	}
	s.add(x)
	return s
}

// problem returns the failure element of a detail.
func problem(d check.Detail) *junitProblem {
	return &junitProblem{Message: d.Message, Type: d.Kind, Text: d.Message}
}

// junitReport writes the comparison as one suite.
func junitReport(w io.Writer, s Source) error {
	return writeJunit(w, "ktstr compare", []junitSuite{junitComparison(*s.Report)})
}

// junitComparison returns a suite with a case for each metric that decides. If the
// second side failed more often, there is a case for that. If no metric was compared
// or judged, an error case makes the suite fail, because skipped cases alone look
// like a success.
func junitComparison(r compare.Report) junitSuite {
	suite := junitSuite{Name: filepath.Base(r.B.Name) + " against " + filepath.Base(r.A.Name), Time: "0"}
	for _, d := range r.Differences {
		suite.Properties = append(suite.Properties, junitProperty{"differs: " + d.Name, fmt.Sprint(d.A, " ", d.B)})
	}
	if r.MoreBroken() {
		m := fmt.Sprintf("%d of %d runs failed, before %d of %d", r.B.Broken, r.B.Runs, r.A.Broken, r.A.Runs)
		suite.add(junitCase{Classname: "compare", Name: "runs", Failure: &junitProblem{Message: m, Type: string(compare.Worse)}})
	}
	for _, row := range r.Rows {
		if !row.Decides {
			continue
		}
		c := junitCase{Classname: "compare", Name: row.Metric}
		message := string(row.Verdict)
		if row.Measured() {
			message = fmt.Sprintf("%s: %v to %v %s (%+.1f %%, interval %s, p=%.3g)", row.Verdict, row.A.Median, row.B.Median, row.Unit, row.Change*100, row.Interval(), row.P)
		}
		if row.Note != "" {
			message += ": " + row.Note
		}
		switch {
		case row.Measured():
		case row.A.N > 0:
			message += fmt.Sprintf(" (first: %s)", strings.TrimSpace(fmt.Sprint(row.A.Median, " ", row.Unit)))
		case row.B.N > 0:
			message += fmt.Sprintf(" (second: %s)", strings.TrimSpace(fmt.Sprint(row.B.Median, " ", row.Unit)))
		}
		switch row.Verdict {
		case compare.Worse, compare.Missing:
			c.Failure = &junitProblem{Message: message, Type: string(row.Verdict), Text: message}
		case compare.TooFew:
			c.open(row, message+": "+row.Open())
		case compare.Unclear:
			c.open(row, message+": "+row.Open())
		case compare.Changed:
			c.Error = &junitProblem{Message: message, Type: string(row.Verdict), Text: message + ": without a polarity it is neither better nor worse"}
		}
		suite.add(c)
	}
	if !slices.ContainsFunc(r.Rows, func(row compare.Row) bool { return row.Decides }) {
		why := fmt.Sprintf("nothing to compare: no run that ended well has a metric that decides; %s: %d of %d runs failed, %s: %d of %d",
			r.A.Name, r.A.Broken, r.A.Runs, r.B.Name, r.B.Broken, r.B.Runs)
		if r.ExitStatus(false) == core.ExitTooFew {
			why = r.Summary()
		}
		suite.add(junitCase{Classname: "compare", Name: "metrics", Error: &junitProblem{Message: why, Type: "nothing", Text: why}})
	}
	if r.ExitStatus(false) == core.ExitTooFew && suite.Errors == 0 {
		suite.add(junitCase{Classname: "compare", Name: "metrics", Error: &junitProblem{Message: r.Summary(), Type: string(compare.TooFew), Text: r.Summary()}})
	}
	return suite
}

// open marks the case of a row whose verdict is open: as an error if its margin was given,
// because the gate then does not pass, or else as skipped.
func (c *junitCase) open(row compare.Row, message string) {
	if row.MarginGiven {
		c.Error = &junitProblem{Message: message, Type: string(row.Verdict), Text: message}
		return
	}
	c.Skipped = &junitSkipped{message}
}
