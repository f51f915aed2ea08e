// Package export writes runs and comparisons of runs in formats that other tools
// read: json, jsonl, csv, markdown, junit and benchfmt. Each format has a file.
package export

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/ktstr/ktstr/internal/compare"
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

	// Comparisons are written after the runs. The formats json, markdown and junit
	// have a place for them. The other formats leave them out, because they hold one
	// table or one kind of line.
	Comparisons []compare.Report
}

// formats holds the writers of each format, for runs and for a comparison.
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

// onlyRuns adapts the writer of a format that has no place for Comparisons.
func onlyRuns(f func(w io.Writer, list []runs.Run) error) func(w io.Writer, s Source) error {
	return func(w io.Writer, s Source) error { return f(w, s.Runs) }
}

// Formats returns the names of the formats, sorted.
func Formats() []string {
	var names []string
	for name := range formats {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Write writes s in a format. It returns an error if it does not know the format.
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
