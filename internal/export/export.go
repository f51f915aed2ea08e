// Package export writes runs, or a comparison of runs, in the formats that
// other tools read.
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
