package core

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/ktstr/ktstr/spawn"
)

// Handle is a payload that runs in the background. It gives exactly one
// Result, to whichever of Wait, Kill and TryWait gets there first; every later
// call is an error. Its methods may be called from several goroutines.
type Handle struct {
	prepared *Prepared
	sinks    []Sink
	ctx      context.Context
	cancel   context.CancelFunc
	scratch  *scratch
	command  spawn.Command
	process  *spawn.Process
	thaw     func() (spawn.Usage, error) // nil when the extractor runs
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
	runtime.SetFinalizer(h, nil)
	h.release()
	h.warn()
	return err
}

// lost is Close for a handle that was dropped. It must not block other
// finalizers while the payload ends.
func (h *Handle) lost() { go h.Close() }

func (h *Handle) warn() {
	text := fmt.Sprintf("payload %s: its handle was dropped before wait or kill: killed, its metrics are lost", h.Name())
	if h.prepared.spec.Notice != nil {
		h.prepared.spec.Notice(text)
		return
	}
	fmt.Fprintln(os.Stderr, "ktstr: "+text)
}

// settle makes the Result of an ended process, for the one caller that got it.
func (h *Handle) settle(ended spawn.Result, err error) (Result, error) {
	if errors.Is(err, spawn.ErrTaken) {
		return Result{}, fmt.Errorf("payload %s: %w", h.Name(), spawn.ErrTaken)
	}
	runtime.SetFinalizer(h, nil)
	if err != nil {
		h.release()
		return Result{}, fmt.Errorf("payload %s: %w", h.Name(), err)
	}
	return h.finish(ended)
}

// release gives back what the run held but its process.
func (h *Handle) release() {
	h.thawNow()
	h.cancel()
	h.scratch.remove()
}

// thawNow continues the extractor, once.
func (h *Handle) thawNow() (usage spawn.Usage, ok bool, err error) {
	if h.thaw == nil {
		return spawn.Usage{}, false, nil
	}
	thaw := h.thaw
	h.thaw = nil
	usage, err = thaw()
	return usage, err == nil, err
}
