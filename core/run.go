// Package core turns a payload into a judged record: it runs the payload,
// captures what it prints, has an extractor turn that into metrics, evaluates
// checks on them, and hands the record to the sinks. Start and Handle.finish,
// in this file, are the whole way of the data.
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
	"github.com/ktstr/ktstr/core/payload"
	"github.com/ktstr/ktstr/spawn"
	"github.com/ktstr/ktstr/spawn/cgroup"
)

// UsageError is a mistake in what was asked for, found before anything ran.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }

// Freezer is an extractor that can be stopped while a payload runs, so that it
// costs the measurement nothing. Freeze returns the way to continue it, which
// reports what it used while frozen.
type Freezer interface {
	Freeze() (thaw func() (spawn.Usage, error), err error)
}

// Result is a finished run: its record, and what the record was made from.
type Result struct {
	Record
	Definition payload.Payload // the payload as it was resolved
	Streams    []ktstr.Output  // stdout, stderr, then the payload's files, as captured
}

// finished counts the runs that this process has finished.
var finished atomic.Int64

// Run runs the payload in the foreground. A payload that fails, times out or
// prints nothing is a Result, not an error; see Record.Err. An error means that
// there is no result to trust: a *UsageError before anything ran, else the reason
// why the payload could not be started or captured.
func Run(ctx context.Context, s Spec) (Result, error) {
	h, err := prepareAndStart(ctx, s)
	if err != nil {
		return Result{}, fmt.Errorf("run %w", err)
	}
	return h.Wait()
}

// Start starts the payload in the background. The caller must end the Handle
// by Wait, Kill, a TryWait that is done, or Close.
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
	if h.scratch, err = makeScratch(p.definition, p.spec.Scratch); err != nil {
		return nil, &UsageError{err}
	}
	if f, ok := p.spec.Extractor.(Freezer); ok {
		if h.thaw, err = f.Freeze(); err != nil {
			h.scratch.remove()
			return nil, fmt.Errorf("extractor %s could not be stopped for the measurement: %w", p.definition.Extractor, err)
		}
	}
	h.ctx, h.cancel = context.WithCancel(ctx)
	h.command = p.spec.command(p.definition, h.scratch)
	held := h.held // the closure must not refer to h
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

// finish is the second half of a run, from the ended process to the record.
func (h *Handle) finish(ended spawn.Result) (Result, error) {
	defer h.release()
	r := Result{Definition: h.prepared.definition}
	h.describe(&r, ended)
	var kept []Sink
	var lost []check.Detail
	for _, sink := range h.sinks {
		before := r.Bundle
		if err := sink.Raw(&r); err != nil {
			lost = append(lost, notKept(err))
			if r.Bundle == before {
				continue
			}
		}
		kept = append(kept, sink)
	}
	h.continueExtractor(&r)

	// What was printed until a run was cancelled is worth reading.
	found := extract.Run(context.WithoutCancel(h.ctx), h.prepared.spec.Extractor, r.Streams, h.prepared.definition.MetricHints())
	r.Index = finished.Add(1) - 1
	r.setExtraction(found)
	r.judge(h, found)
	r.fail(lost...)

	for _, sink := range kept {
		if err := sink.Emit(&r); err != nil {
			r.fail(notKept(err))
		}
	}
	return r, nil
}
