// Package series makes the runs of one request: one run of a payload, or several
// runs of one or more payloads or variants in turns, kept together as sets.
package series

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"time"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/extractors/lines"
	"github.com/ktstr/ktstr/internal/bundle"
	"github.com/ktstr/ktstr/internal/catalog"
	"github.com/ktstr/ktstr/internal/compare"
	"github.com/ktstr/ktstr/internal/hostlock"
	"github.com/ktstr/ktstr/internal/runs"
)

// Request says which runs to make.
type Request struct {
	Payloads  []string      // names or paths; several run in turns
	Variants  []string      // NAME='ARGS' of variants of the one payload, which run in turns; empty: the payload as it is
	Extractor string        // by name; empty: the payload's, or json
	Table     lines.Table   // of the extractor lines, in the place of Extractor; no lines: none
	Spec      core.Spec     // all other settings of every run. New fills in Payload, Program, Extractor, Plugin and Labels.
	Repeat    int           // runs of each side; 0: one, or with For as many as fit
	For       time.Duration // stop after the first round that ends later than this; 0: no limit
	Tags      []string      // are given to every run
	Root      string        // the directory of the bundles
	Version   string        // of ktstr, for the runs' labels

	Set    string            // the beginning of the names of the sets, as of NewSet; empty: a new one, or none for a run alone
	Labels map[string]string // of every run; nil: those of the working directory
	Where  *core.Where       // of every run, if another system started this process; nil: no such system is known

	Exclusive bool          // the runs have the host to themselves, see Lock
	Wait      time.Duration // for the host; 0: not at all
}

// Rounds returns the number of runs of each side. 0 means as many as fit into r.For.
func (r Request) Rounds() int {
	if r.Repeat == 0 && r.For == 0 {
		return 1
	}
	return r.Repeat
}

// Alone reports whether the request is for one run only.
func (r Request) Alone() bool {
	return r.Set == "" && max(len(r.Payloads), len(r.Variants)) == 1 && r.Rounds() == 1
}

// Series makes the runs of a Request. The function fields may be nil.
type Series struct {
	Request
	Sides []*Side
	Lost  []runs.Run // a record for each run that has no result, for example because its program was not found

	Stops    *Stops                   // requests to stop; nil: there are none
	Notice   func(text string)        // is called with a message for the user; nil: messages are dropped
	Ended    func(*Side, core.Record) // is called with the result of each run
	Enough   func(rounds int) bool    // is called after each round with the number of rounds; true ends the series; nil: Repeat and For end it
	Progress func(*Progress)          // is called each second while a run goes on, and with nil when the run ends

	store      runs.Store
	extractors catalog.Pool
	host       hostlock.Host
	started    time.Time
	begun      int // runs that were started or failed to start
}

// Side is one of the payloads or variants that take turns.
type Side struct {
	Name string // the variant's name, or the payload's
	Set  string // the name under which the runs are found again; empty: a run alone
	Spec core.Spec
	Kept []runs.Run // the runs that have a result, in the order of their making

	prepared *core.Prepared
}

// NoResult says that a run has no result. The run is in Series.Lost.
type NoResult struct {
	Side        *Side
	Interrupted bool // by a request to stop
	Err         error
}

func (e *NoResult) Error() string { return e.Err.Error() }
func (e *NoResult) Unwrap() error { return e.Err }

// New returns the Series of a Request. The caller closes it.
func New(c *catalog.Catalog, r Request) *Series {
	return &Series{Request: r, store: runs.Open(r.Root), extractors: catalog.Pool{Catalog: c}}
}

// Find finds the payloads and starts the extractors of the Request. Every error is a
// mistake in the Request, or says that ctx ended.
func (s *Series) Find(ctx context.Context) error {
	r := s.Request
	labels := maps.Clone(r.Labels)
	if labels == nil {
		labels = workingCopy(ctx)
	}
	labels[runs.LabelVersion] = r.Version
	for _, name := range r.Payloads {
		p, err := s.extractors.Catalog.Payload(ctx, name)
		if err != nil {
			return err
		}
		p.Extractor = cmp.Or(r.Extractor, p.Extractor, "json")
		switch {
		case len(r.Table.Lines) > 0:
			p.Extractor, p.Table, p.Options = lines.Name, r.Table, nil
		case p.Extractor != lines.Name:
			p.Table = lines.Table{}
		}
		x, err := s.extractors.StartOf(ctx, p.Payload)
		if err != nil {
			return err
		}
		spec := r.Spec
		spec.Payload, spec.Program, spec.Extractor, spec.Plugin = p.Payload, p.Program, x.Extractor, x.Plugin
		spec.Labels = map[string]string{runs.LabelDefinition: digest(p.Payload)}
		for key, value := range labels {
			spec.Labels[key] = value
		}
		if len(r.Variants) == 0 {
			s.Sides = append(s.Sides, &Side{Name: p.Name, Spec: spec})
		}
		for _, text := range r.Variants {
			variant, err := parseVariant(spec, text)
			if err != nil {
				return err
			}
			s.Sides = append(s.Sides, variant)
		}
	}
	if !r.Alone() {
		nameSets(s.Sides, cmp.Or(r.Set, NewSet()))
	}
	return nil
}

// Close stops the extractors, and releases the host.
func (s *Series) Close() {
	s.extractors.Close()
	s.host.Close()
}

// Prepare prepares every side, so that a mistake in the second is found before the
// first runs. The error is a *NoResult if the program of a side is too old.
func (s *Series) Prepare(ctx context.Context) error {
	if _, err := s.store.Sweep(); err != nil && !isPath(err, s.Root) { // a Root that cannot be used fails the first bundle
		s.notice("a directory that an interrupted prune left could not be deleted: " + err.Error())
	}
	var prober core.Prober
	noted := map[string]bool{}
	for _, side := range s.Sides {
		var err error
		side.prepared, err = prober.Prepare(ctx, side.Spec)
		var usage *core.UsageError
		switch {
		case errors.As(err, &usage), ctx.Err() != nil:
			return err
		case err != nil:
			return s.noResult(&NoResult{Side: side, Err: err}, "could not be started: ")
		}
		if note := side.prepared.Note(); note != "" && !s.Alone() && !noted[note] { // the record of a single run has the note
			noted[note] = true
			s.notice(note)
		}
	}
	return nil
}

// Run makes the runs in turns: A B B A A B … It ends after the last round, when the
// time is over, when a run was interrupted, or when a run has no result. A run that
// failed does not end the series. The error is a *NoResult, or says that nothing
// could be run. If Enough or For ends a series with an Enough, Repeat becomes the number of
// rounds.
func (s *Series) Run(ctx context.Context) error {
	defer s.host.Close()
	s.started = time.Now()
	for round := 0; s.Rounds() == 0 || round < s.Rounds(); round++ {
		if round > 0 && (s.For > 0 && time.Since(s.started) >= s.For || s.Enough != nil && s.Enough(round)) {
			if s.Enough != nil {
				s.Repeat = round
			}
			break
		}
		order := compare.Order(len(s.Sides), 2)[round%2*len(s.Sides):][:len(s.Sides)]
		for _, i := range order {
			r, err := s.one(ctx, s.Sides[i])
			if err != nil {
				return err
			}
			if s.Ended != nil {
				s.Ended(s.Sides[i], r)
			}
			if r.Interrupted {
				return nil
			}
		}
	}
	return nil
}

// Interrupt notes that the request was stopped before its first run, and returns the
// error that says so.
func (s *Series) Interrupt(cause error) error {
	side := &Side{}
	if len(s.Sides) > 0 {
		side = s.Sides[0]
	} else {
		side.Spec.Payload.Name = strings.Join(s.Payloads, " ")
	}
	return s.noResult(&NoResult{Side: side, Interrupted: true, Err: cause}, "could not be started: ")
}

// Runs returns every run of every side, and last the runs without a result.
func (s *Series) Runs() []runs.Run {
	var all []runs.Run
	for _, side := range s.Sides {
		all = append(all, side.Kept...)
	}
	return append(all, s.Lost...)
}

// one makes one run of a side and keeps it.
func (s *Series) one(ctx context.Context, side *Side) (core.Record, error) {
	sink, err := bundle.Create(s.Root)
	if err != nil {
		if s.begun > 0 {
			err = s.noResult(&NoResult{Side: side, Err: err}, "could not be started: ")
		}
		return core.Record{}, err
	}
	defer sink.Close()
	s.begun++
	r, started, err := s.attended(ctx, side, sink)
	var usage *core.UsageError
	var none *NoResult
	switch {
	case errors.As(err, &usage) && s.begun == 1: // found before anything ran
		return core.Record{}, err
	case err != nil:
		if !errors.As(err, &none) {
			none = &NoResult{Side: side, Err: installHint(side.Spec.Payload, err)}
		}
		prefix := "could not be started: "
		if started {
			prefix = ""
		}
		return core.Record{}, s.noResult(none, prefix)
	}
	for _, tag := range s.Tags {
		if r.Bundle == "" {
			break
		}
		if err := s.store.Tag(tag, filepath.Base(r.Bundle)); err != nil {
			r.NotKept(fmt.Errorf("--tag %s: %w", tag, err))
		}
	}
	kept := runs.Run{Name: filepath.Base(r.Bundle), Dir: r.Bundle, Record: r.Record}
	if r.Bundle == "" {
		kept.Name = ""
	}
	side.Kept = append(side.Kept, kept)
	return r.Record, nil
}

// Keep adds a run that another host made, and gives it the tags of the request.
func (s *Series) Keep(side *Side, r runs.Run) error {
	for _, tag := range s.Tags {
		if err := s.store.Tag(tag, r.Name); err != nil {
			return fmt.Errorf("--tag %s: %w", tag, err)
		}
	}
	side.Kept = append(side.Kept, r)
	return nil
}

func (s *Series) notice(text string) {
	if s.Notice != nil {
		s.Notice(text)
	}
}

// made returns the number of runs that have a result.
func (s *Series) made() (n int) {
	for _, side := range s.Sides {
		n += len(side.Kept)
	}
	return n
}

// lastEnd returns the time at which the latest run ended.
func (s *Series) lastEnd() time.Time {
	last := s.started
	for _, side := range s.Sides {
		for _, r := range side.Kept {
			if end := r.Record.Start.Add(time.Duration(r.Record.Duration)); end.After(last) {
				last = end
			}
		}
	}
	return last
}
