package export

import (
	"io"

	"github.com/ktstr/ktstr/internal/runs"
)

// jsonlRuns writes one record per line.
func jsonlRuns(w io.Writer, list []runs.Run) error {
	e := lines(w)
	for _, r := range list {
		if err := e.Encode(r.Record); err != nil {
			return err
		}
	}
	return nil
}

// jsonlReport writes one metric of the comparison per line.
func jsonlReport(w io.Writer, s Source) error {
	e := lines(w)
	for _, row := range s.Report.Rows {
		if err := e.Encode(row); err != nil {
			return err
		}
	}
	return nil
}
