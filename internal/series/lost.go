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
	s.lose(none, text, core.Record{Where: s.Where, Host: core.ThisHost()})
	return none
}

// NoResultOn keeps a record of a host that gave fewer runs than wanted, or none.
func (s *Series) NoResultOn(where core.Where, none *NoResult) {
	s.lose(none, where.Host+": "+none.Error(), core.Record{Where: &where, Host: core.Host{Name: where.Host}})
}

// lose adds a record of a run that has no result to s.Lost. r has the host.
func (s *Series) lose(none *NoResult, text string, r core.Record) {
	p := none.Side.Spec.Payload
	r.Schema, r.ID, r.Payload, r.Start, r.ExitCode = core.Schema, rand.Text(), p.Name, time.Now(), -1
	r.Interrupted, r.Verdict, r.Capture = none.Interrupted, core.Fail, map[string]core.Seen{}
	r.NotStarted, r.Labels = strings.ToValidUTF8(text, "\uFFFD"), none.Side.Spec.Labels
	r.Extraction = core.Extraction{Status: extract.Error, Extractor: p.Extractor, Error: "not done, because there was no run"}
	s.Lost = append(s.Lost, runs.Run{Record: r})
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
