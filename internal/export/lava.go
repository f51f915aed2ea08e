package export

import (
	"fmt"
	"io"
	"strconv"

	"github.com/ktstr/ktstr/internal/runs"
)

// lavaRuns writes a shell script that reports to LAVA: one test case for each payload, which
// passes if every run passed, and one for each headline with its median over the good runs.
// A script of a LAVA job reads the file with ". ./FILE".
// https://docs.lavasoftware.org/lava/writing-tests.html
func lavaRuns(w io.Writer, list []runs.Run) error {
	for _, group := range ByTitle(list) {
		title := lavaName(Title(group[0].Record))
		if _, err := fmt.Fprintf(w, "lava-test-case %s --result %s\n", title, lavaResult(passed(group))); err != nil {
			return err
		}
		failed := failedChecks(group)
		for _, row := range headlines(group) {
			units := ""
			if row.Unit != "" {
				units = " --units " + sanitized(row.Unit, "._-/%")
			}
			_, err := fmt.Fprintf(w, "lava-test-case %s.%s --result %s --measurement %s%s\n",
				title, lavaName(row.Metric), lavaResult(!failed[row.Metric]), strconv.FormatFloat(row.B.Median, 'g', -1, 64), units)
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// lavaReport writes the new side of a comparison.
func lavaReport(w io.Writer, s Source) error { return lavaRuns(w, s.Other) }

// lavaName returns a name for a test case. The shell and the signals of LAVA give a meaning to
// spaces, quotes and angle brackets, and lava-test-case makes a file with the name.
func lavaName(name string) string {
	name = sanitized(name, "._-")
	if name == "" || name[0] == '-' || name[0] == '.' {
		return "_" + name
	}
	return name
}

func lavaResult(pass bool) string {
	if pass {
		return "pass"
	}
	return "fail"
}
