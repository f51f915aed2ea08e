package core

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/spawn"
)

// Handle is a payload that runs in the background. It gives exactly one Result, to
// the first of Wait, Kill and TryWait that gets it. Every later call returns an error.
// Its methods may be called from several goroutines. A Handle that is dropped kills
// the payload, as Close does.
type Handle struct {
	prepared *Prepared
	sinks    []Sink
	ctx      context.Context
	command  spawn.Command
	process  *spawn.Process
	*held
}

// held has the resources of a run besides its process. It has no reference to the
// Handle, so that a dropped Handle becomes unreachable and spawn can notice that.
type held struct {
	cancel  context.CancelFunc
	scratch *scratch
	thaw    func() (spawn.Usage, error) // nil when the extractor runs
	asked   atomic.Bool                 // Interrupt was called

	measured func(spawn.Result) ktstr.Extraction // ends the instruments; nil when they do not measure
}

// Name returns the payload's name.
func (h *Handle) Name() string { return h.prepared.spec.Payload.Name }

// Pid returns the payload's process id while the payload is alive, and 0 afterwards.
func (h *Handle) Pid() int { return h.process.Pid() }

// String is a summary for debugging. It shows no arguments and no environment.
func (h Handle) String() string {
	state := "running"
	if h.Pid() == 0 {
		state = "ended"
	}
	return fmt.Sprintf("payload %s: %s, %d checks", h.Name(), state, len(h.prepared.definition.Checks))
}

// GoString is String, so that %#v shows no more than %v.
func (h Handle) GoString() string { return h.String() }

// Wait waits for the end of the payload and returns the Result. The errors are those
// of Run.
func (h *Handle) Wait() (Result, error) { return h.settle(h.process.Wait()) }

// Kill kills the payload and returns the Result with the output up to then. The
// checks decide on the verdict: such a run is neither interrupted nor timed out, so
// exit == -1 can hold. While another goroutine waits, either of the two gets the
// Result.
func (h *Handle) Kill() (Result, error) { return h.settle(h.process.Kill()) }

// Interrupt asks the payload to stop, as Ctrl-C does, and kills it after the grace
// time. A second call kills it at once. The caller still waits for the Result.
func (h *Handle) Interrupt() error {
	h.asked.Store(true)
	return h.process.Interrupt()
}

// TryWait returns the Result if the payload has ended. It does not wait: done is false
// while the payload runs.
func (h *Handle) TryWait() (r Result, done bool, err error) {
	ended, done, err := h.process.TryWait()
	if !done && err == nil {
		return Result{}, false, nil
	}
	r, err = h.settle(ended, err)
	return r, done, err
}

// Close kills a payload whose Result was not taken, and warns that its metrics are
// lost. After Wait, Kill or a TryWait that was done it does nothing.
func (h *Handle) Close() error {
	_, err := h.process.Kill()
	if errors.Is(err, spawn.ErrTaken) {
		return nil
	}
	h.release()
	h.prepared.warnDropped()
	return err
}

// warnDropped warns that a payload was killed because its Handle was closed or
// dropped.
func (p *Prepared) warnDropped() {
	text := fmt.Sprintf("payload %s: its handle was dropped before wait or kill: killed, its metrics are lost", p.spec.Payload.Name)
	if p.spec.Notice != nil {
		p.spec.Notice(text)
		return
	}
	fmt.Fprintln(os.Stderr, "ktstr: "+text)
}

// settle returns the Result of an ended process to the one caller that got it. After
// an error, ended has the output that was read before.
func (h *Handle) settle(ended spawn.Result, err error) (Result, error) {
	if errors.Is(err, spawn.ErrTaken) {
		return Result{}, fmt.Errorf("payload %s: %w", h.Name(), spawn.ErrTaken)
	}
	if err != nil {
		err = fmt.Errorf("payload %s: %w", h.Name(), err)
	}
	return h.finish(ended, err), err
}

// release ends the instruments, continues the extractor, ends the context and removes the
// scratch directory.
func (h *held) release() {
	h.endInstruments(spawn.Result{})
	h.thawNow()
	h.cancel()
	h.scratch.remove()
}

// endInstruments ends the instruments, once, and returns what they measured.
func (h *held) endInstruments(ended spawn.Result) ktstr.Extraction {
	if h.measured == nil {
		return ktstr.Extraction{}
	}
	end := h.measured
	h.measured = nil
	return end(ended)
}

// thawNow continues the extractor, once.
func (h *held) thawNow() (usage spawn.Usage, ok bool, err error) {
	if h.thaw == nil {
		return spawn.Usage{}, false, nil
	}
	thaw := h.thaw
	h.thaw = nil
	usage, err = thaw()
	return usage, err == nil, err
}
