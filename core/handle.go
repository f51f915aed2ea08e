package core

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/ktstr/ktstr/spawn"
)

// Handle is a payload that runs in the background. It gives exactly one
// Result, to whichever of Wait, Kill and TryWait gets there first; every later
// call is an error. Its methods may be called from several goroutines.
type Handle struct {
	prepared *Prepared
	sinks    []Sink
	ctx      context.Context
	command  spawn.Command
	process  *spawn.Process
	*held
}

// held is what a run holds besides its process. It has no reference to the
// Handle, so that a dropped Handle becomes unreachable and spawn can notice that.
type held struct {
	cancel  context.CancelFunc
	scratch *scratch
	thaw    func() (spawn.Usage, error) // nil when the extractor runs
}

// Name is the payload's name.
func (h *Handle) Name() string { return h.prepared.spec.Payload.Name }

// Pid is the payload's process id while it is alive, else 0.
func (h *Handle) Pid() int { return h.process.Pid() }

// Wait waits for the end of the payload and returns what became of it.
func (h *Handle) Wait() (Result, error) { return h.settle(h.process.Wait()) }

// Kill ends the payload and returns what was captured until then. While
// another goroutine waits, either of the two gets the Result.
func (h *Handle) Kill() (Result, error) { return h.settle(h.process.Kill()) }

// Interrupt asks the payload to stop, as Ctrl-C does; it is killed after the
// grace time. A second call kills at once. The Result still has to be waited
// for.
func (h *Handle) Interrupt() error { return h.process.Interrupt() }

// TryWait returns the Result if the payload has ended; done is false while it
// runs.
func (h *Handle) TryWait() (r Result, done bool, err error) {
	ended, done, err := h.process.TryWait()
	if !done && err == nil {
		return Result{}, false, nil
	}
	r, err = h.settle(ended, err)
	return r, done, err
}

// Close kills a payload whose Result nobody asked for, and says that its
// metrics are lost. After Wait, Kill or a done TryWait it does nothing.
func (h *Handle) Close() error {
	_, err := h.process.Kill()
	if errors.Is(err, spawn.ErrTaken) {
		return nil
	}
	h.release()
	h.prepared.warnDropped()
	return err
}

// warnDropped says that a payload was killed because its Handle was closed or
// dropped.
func (p *Prepared) warnDropped() {
	text := fmt.Sprintf("payload %s: its handle was dropped before wait or kill: killed, its metrics are lost", p.spec.Payload.Name)
	if p.spec.Notice != nil {
		p.spec.Notice(text)
		return
	}
	fmt.Fprintln(os.Stderr, "ktstr: "+text)
}

// settle makes the Result of an ended process, for the one caller that got it.
func (h *Handle) settle(ended spawn.Result, err error) (Result, error) {
	if errors.Is(err, spawn.ErrTaken) {
		return Result{}, fmt.Errorf("payload %s: %w", h.Name(), spawn.ErrTaken)
	}
	if err != nil {
		h.release()
		return Result{}, fmt.Errorf("payload %s: %w", h.Name(), err)
	}
	return h.finish(ended)
}

// release gives back what the run held but its process.
func (h *held) release() {
	h.thawNow()
	h.cancel()
	h.scratch.remove()
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
