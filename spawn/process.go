package spawn

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
)

// Process is the handle of a run in the background. Its methods may be called
// from several goroutines. Exactly one call of Wait, TryWait or Kill gets the
// Result. A Process that becomes unreachable before that is killed and reaped,
// and Command.Dropped is called.
type Process struct {
	r       *run
	cleanup runtime.Cleanup
}

// newProcess makes the handle of a run that has been started.
func newProcess(r *run) *Process {
	p := &Process{r: r}
	p.cleanup = runtime.AddCleanup(p, (*run).dropped, r)
	return p
}

// ErrTaken is wrapped by the errors of a Process whose Result another call got.
var ErrTaken = errors.New("the result was already taken")

// Pid is the leader's process id while the run lasts. It is 0 afterwards, when
// the number may belong to another process.
func (p *Process) Pid() int {
	p.r.mu.Lock()
	defer p.r.mu.Unlock()
	if p.r.over {
		return 0
	}
	return p.r.pid
}

// Wait waits for the end of the run and returns its Result. The error is
// ErrTaken, or says why the Result cannot be trusted, as with Run.
func (p *Process) Wait() (Result, error) {
	<-p.r.done
	return p.take()
}

// TryWait returns the Result if the run is over. Otherwise over is false.
func (p *Process) TryWait() (res Result, over bool, err error) {
	select {
	case <-p.r.done:
		res, err := p.take()
		return res, true, err
	default:
		return Result{}, false, nil
	}
}

// Kill ends the run with SIGKILL and returns its Result: what was captured until
// then. If the run was over before, Cause is not CauseKill.
func (p *Process) Kill() (Result, error) {
	p.r.request(CauseKill)
	<-p.r.done
	return p.take()
}

// Interrupt sends SIGINT to the payload's process group (with ShareGroup, to the
// leader only), and kills the run if it is not over after Grace. A second call
// kills at once. Interrupt does not wait. After the end of the run it does
// nothing. The error is always nil.
func (p *Process) Interrupt() error {
	p.r.request(CauseInterrupt)
	return nil
}

// Done is closed when the run is over and its Result can be taken.
func (p *Process) Done() <-chan struct{} { return p.r.done }

// Close kills the run if its Result was not taken, and reports the lost Result
// as an error. It returns when nothing of the run is left. After Wait, TryWait or
// Kill it does nothing and returns nil.
func (p *Process) Close() error {
	if _, err := p.Kill(); errors.Is(err, ErrTaken) {
		return nil
	} else if err != nil {
		return err
	}
	return fmt.Errorf("%s: closed before its result was taken: its output is lost", p.r.c.Path)
}

func (p *Process) take() (Result, error) {
	p.r.mu.Lock()
	defer p.r.mu.Unlock()
	if p.r.taken {
		return Result{}, fmt.Errorf("%s: %w", p.r.c.Path, ErrTaken)
	}
	p.r.taken = true
	p.cleanup.Stop()
	res := p.r.result
	p.r.result = Result{} // the captures belong to the caller alone
	return res, p.r.err
}

// dropped ends the run of a handle that became unreachable. It is a cleanup, so
// it must not block.
func (r *run) dropped() {
	r.request(CauseKill)
	go func() {
		<-r.done
		message := fmt.Sprintf("%s: its handle was dropped before wait or kill: the run was killed, and its output is lost", r.c.Path)
		if r.c.Dropped != nil {
			r.c.Dropped(message)
			return
		}
		slog.Warn(message)
	}()
}
