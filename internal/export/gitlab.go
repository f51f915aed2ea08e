package export

import (
	"io"
	"strconv"

	"github.com/ktstr/ktstr/internal/runs"
)

// gitlabRuns writes the headlines with their medians over the good runs, as a metrics report
// of GitLab. A merge request shows the lines whose value differs from the target branch. The
// labels therefore have no commit and no host, which differ in each job.
func gitlabRuns(w io.Writer, list []runs.Run) error {
	for _, group := range ByTitle(list) {
		r := group[0].Record
		for _, row := range headlines(group) {
			if err := gitlabLine(w, row.B.Median, "payload", r.Payload, "variant", runs.Variant(r), "metric", row.Metric, "unit", row.Unit); err != nil {
				return err
			}
		}
	}
	return nil
}

// gitlabReport writes the medians of the new side.
func gitlabReport(w io.Writer, s Source) error { return gitlabRuns(w, s.Other) }

// gitlabLine writes one line. GitLab splits it like a shell does, and takes the value for
// text. The quotes of the labels keep a space in a name.
func gitlabLine(w io.Writer, value float64, labels ...string) error {
	_, err := io.WriteString(w, "ktstr"+labelSet(labels)+" "+strconv.FormatFloat(value, 'g', -1, 64)+"\n")
	return err
}
