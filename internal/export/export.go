// Package export writes runs and comparisons of runs in formats that other tools
// read. Each format has a file, and a line in the table of all formats.
package export

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/ktstr/ktstr/internal/compare"
	"github.com/ktstr/ktstr/internal/nearest"
	"github.com/ktstr/ktstr/internal/runs"
)

// A Source holds the data to export. With a Report, that is a comparison of two
// sides. Without one, it is a list of runs.
type Source struct {
	Runs   []runs.Run // the runs, or the first side of the comparison
	Other  []runs.Run // the second side of the comparison
	Report *compare.Report
	Wanted int  // the number of runs that were requested; 0: all of them are in Runs
	Set    bool // json writes a Set even for one run, because a set was requested

	// Comparisons are written after the runs. Formats that hold one table or one kind of
	// line leave them out. docs/exports.md lists them.
	Comparisons []compare.Report
	// Sides has the runs of both sides for each of Comparisons. Only html shows them.
	Sides [][2][]runs.Run

	// Redacted says that Redact was applied. html says so, and leaves out raw output.
	Redacted bool
	// Served says that Handler serves the page. Its links then lead to the server.
	Served bool
}

// A Format is one format that Write writes.
type Format struct {
	Name    string
	Summary string // for the user, such as "a page with plots, for a browser"

	runs   func(w io.Writer, s Source) error
	report func(w io.Writer, s Source) error
}

// formats is the table of all formats, sorted by name. The help text, the completion of the
// shell and the error messages are made from it.
var formats = []Format{
	{"benchfmt", "the Go benchmark format, for benchstat", onlyRuns(benchfmtRuns), benchfmtReport},
	{"csv", "one metric per line, for a spreadsheet", onlyRuns(csvRuns), csvReport},
	{"github", "Markdown for the job summary of GitHub Actions", githubRuns, githubReport},
	{"gitlab", "a metrics report for a GitLab merge request", onlyRuns(gitlabRuns), gitlabReport},
	{"html", "a page with plots, for a browser", htmlRuns, htmlReport},
	{"influx", "the line protocol of InfluxDB", influxRuns, influxReport},
	{"json", "the records, or the comparison, as one document", jsonRuns, jsonReport},
	{"jsonl", "one record per line", onlyRuns(jsonlRuns), jsonlReport},
	{"junit", "JUnit XML, one case per check", junitRuns, junitReport},
	{"kcidb", "a document for KCIDB of KernelCI", onlyRuns(kcidbRuns), kcidbReport},
	{"lava", "calls of lava-test-case, for a LAVA job", onlyRuns(lavaRuns), lavaReport},
	{"markdown", "tables, for a pull request", markdownAll, markdownReport},
	{"openmetrics", "gauges, for Prometheus, node_exporter and Pushgateway", openMetricsRuns, openMetricsReport},
}

// onlyRuns adapts the writer of a format that has no place for Comparisons.
func onlyRuns(f func(w io.Writer, list []runs.Run) error) func(w io.Writer, s Source) error {
	return func(w io.Writer, s Source) error { return f(w, s.Runs) }
}

// Formats returns the table of all formats, sorted by name.
func Formats() []Format { return slices.Clone(formats) }

// Names returns the names of all formats, such as "csv, json", for messages.
func Names() string {
	var names []string
	for _, f := range formats {
		names = append(names, f.Name)
	}
	return strings.Join(names, ", ")
}

// Find returns the format called name. The error about an unknown name gives the nearest one.
func Find(name string) (Format, error) {
	var names []string
	for _, f := range formats {
		if f.Name == name {
			return f, nil
		}
		names = append(names, f.Name)
	}
	if near := nearest.Of(name, names); near != "" {
		return Format{}, fmt.Errorf("unknown format %q. Did you mean %s?", name, near)
	}
	return Format{}, fmt.Errorf("unknown format %q: want one of %s", name, Names())
}

// Write writes s in the format called name. It returns an error if it does not know the format.
func Write(w io.Writer, name string, s Source) error {
	f, err := Find(name)
	if err != nil {
		return err
	}
	b := bufio.NewWriter(w)
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
