// Package core runs a payload and judges it. It captures the two streams, has an
// extractor turn them into metrics, evaluates the checks and gives the record to the
// sinks. This file holds the stages in their order: Prepare, Start, finish.
package core

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync/atomic"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/core/instrument"
	"github.com/ktstr/ktstr/core/payload"
	"github.com/ktstr/ktstr/spawn"
	"github.com/ktstr/ktstr/spawn/cgroup"
)

// UsageError is a mistake of the caller that was found before anything ran.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }

// Freezer is an extractor that can be stopped (SIGSTOP) while a payload runs, so that
// it uses no CPU during the measurement. Freeze returns the function that continues
// it. That function reports what the extractor used while it was stopped.
type Freezer interface {
	Freeze() (thaw func() (spawn.Usage, error), err error)
}

// Result is a finished run: the record, and the data that the record was made from.
type Result struct {
	Record
	Definition payload.Payload // the payload as the run used it
	Streams    []ktstr.Output  // the captures of stdout, of stderr, and of the payload's files
}

// String is a summary for debugging. It shows no arguments and no environment.
func (r Result) String() string {
	return fmt.Sprintf("result of %s: %s, exit code %d, %d metrics", r.Payload, r.Verdict, r.ExitCode, len(r.Printed()))
}

// GoString is String, so that %#v shows no more than %v.
func (r Result) GoString() string { return r.String() }

// finished counts the runs that this process has finished. See Record.Index.
var finished atomic.Int64

// Run runs the payload and waits for its end. A payload that fails, times out or
// prints nothing is a Result and not an error, see Record.Err. A *UsageError means
// that nothing ran. Any other error means that the payload could not be started, or
// that its output could not be read to the end. In the second case the Result has
// everything that was read, and its verdict is Fail.
func Run(ctx context.Context, s Spec) (Result, error) {
	h, err := prepareAndStart(ctx, s)
	if err != nil {
		return Result{}, fmt.Errorf("run %w", err)
	}
	return h.Wait()
}

// Start starts the payload in the background. The caller must end the Handle by
// Wait, Kill, Close, or a TryWait that returns done.
func Start(ctx context.Context, s Spec) (*Handle, error) {
	h, err := prepareAndStart(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("start %w", err)
	}
	return h, nil
}

func prepareAndStart(ctx context.Context, s Spec) (*Handle, error) {
	p, err := Prepare(ctx, s)
	if err != nil {
		return nil, err
	}
	return p.Start(ctx)
}

// Start starts one run of p in the background, as the function Start does. The
// run's record goes to the sinks of the Spec and then to those given here.
func (p *Prepared) Start(ctx context.Context, sinks ...Sink) (*Handle, error) {
	h := &Handle{prepared: p, sinks: append(slices.Clone(p.spec.Sinks), sinks...), held: &held{}}
	var err error
	if h.scratch, err = makeScratch(p.definition, p.spec.Scratch, p.account); err != nil {
		return nil, &UsageError{err}
	}
	if f, ok := p.spec.Extractor.(Freezer); ok {
		if h.thaw, err = f.Freeze(); err != nil {
			h.scratch.remove()
			return nil, fmt.Errorf("extractor %s could not be stopped for the measurement: %w", p.definition.Extractor, err)
		}
	}
	h.ctx, h.cancel = context.WithCancel(ctx)
	h.command = p.command(h.scratch)
	held := h.held // the closures must not refer to h
	list := instruments(p.definition)
	h.command.BeforeStart = func() { held.measured = instrument.Begin(list) }
	h.command.Dropped = func(string) {
		held.release()
		p.warnDropped()
	}
	if h.process, err = spawn.Start(h.ctx, h.command); err != nil {
		h.release()
		return nil, notStarted(p.definition.Name, err)
	}
	return h, nil
}

// notStarted adds the payload's name to err, unless err names a program of that
// name already.
func notStarted(name string, err error) error {
	var program *spawn.StartError
	var place *cgroup.PlacementError
	binary := ""
	switch {
	case errors.As(err, &program):
		binary = program.Binary
	case errors.As(err, &place):
		binary = place.Binary
	}
	if filepath.Base(binary) == name {
		return err
	}
	return fmt.Errorf("payload %s: %w", name, err)
}

// finish is the second half of a run, from the ended process to the record. lost is
// the reason why the output could not be read to its end, or nil.
func (h *Handle) finish(ended spawn.Result, lost error) Result {
	defer h.release()
	r := Result{Definition: h.prepared.definition}
	measured := h.endInstruments(ended)
	h.observe(&r, ended)
	r.Hints = h.prepared.spec.Hints
	r.hideSecrets(r.Definition)
	var kept []Sink
	var failed []check.Detail
	if lost != nil {
		failed = append(failed, check.Detail{Kind: kindLost, Message: lost.Error()})
	}
	for _, sink := range h.sinks {
		before := r.Bundle
		if err := sink.Raw(&r); err != nil {
			failed = append(failed, notKept(err))
			if r.Bundle == before {
				continue
			}
		}
		kept = append(kept, sink)
	}
	h.continueExtractor(&r)

	// The output of a run that was cancelled is extracted too.
	found := extract.Run(context.WithoutCancel(h.ctx), extract.Captured(h.prepared.spec.Extractor), r.Streams, r.Hints, h.prepared.definition.MetricHints())
	r.Index = finished.Add(1) - 1
	r.SetExtraction(found, measured, r.Definition)
	r.nameKilled()
	r.Judge(h.prepared.definition, r.Streams[1].Data, found.Looked, h.prepared.spec.Extractor.Describe().Hints)
	r.fail(failed...)
	r.hideSecrets(r.Definition)

	for _, sink := range kept {
		if err := sink.Emit(&r); err != nil {
			r.fail(notKept(err))
		}
	}
	return r
}
