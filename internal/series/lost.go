package series

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/core/payload"
	"github.com/ktstr/ktstr/internal/runs"
	"github.com/ktstr/ktstr/spawn"
)

// noResult keeps a record of a run without a result, so that reports show it, and
// returns none. The text of the record is prefix and the error, for example "run 2 of 3:
// could not be started: fio: not found". Usage errors are not recorded because nothing ran.
func (s *Series) noResult(none *NoResult, prefix string) error {
	side := none.Side
	text := prefix + none.Error()
	if n := s.Rounds(); !s.Alone() && n > 0 {
		text = fmt.Sprintf("run %d of %d: %s", len(side.Kept)+1, n, text)
	} else if !s.Alone() {
		text = fmt.Sprintf("run %d: %s", len(side.Kept)+1, text)
	}
	s.Lost = append(s.Lost, runs.Run{Record: core.Record{
		Schema: core.Schema, ID: rand.Text(), Payload: side.Spec.Payload.Name, Start: time.Now(), ExitCode: -1,
		Interrupted: none.Interrupted, Verdict: core.Fail,
		Capture:    map[string]core.Seen{},
		NotStarted: strings.ToValidUTF8(text, "\uFFFD"), Host: core.ThisHost(), Labels: side.Spec.Labels,
		Extraction: core.Extraction{Status: extract.Error, Extractor: side.Spec.Payload.Extractor, Error: "not done, because there was no run"},
	}})
	return none
}

// installHint adds to err the command that installs the payload's program, if err
// says that the program was not found.
func installHint(p payload.Payload, err error) error {
	var start *spawn.StartError
	if install := p.Install(); install != "" && errors.As(err, &start) && start.Reason == spawn.NotFound {
		return fmt.Errorf("%w; this installs it: %s", err, install)
	}
	return err
}

// isPath reports whether err is an error of the system about that file itself.
func isPath(err error, name string) bool {
	var path *fs.PathError
	return errors.As(err, &path) && path.Path == name
}
