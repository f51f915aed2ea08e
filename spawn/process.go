package spawn

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
)

// Process is a run in the background. Its methods may be called from several
// goroutines. It gives its Result exactly once, by Wait, TryWait or Kill; one
// that becomes unreachable before is killed, reaped, and warned about.
type Process struct {
	r       *run
	cleanup runtime.Cleanup
}

// ErrTaken is wrapped by the errors of a handle whose result was handed out.
var ErrTaken = errors.New("the result was already taken")

// Pid is the leader's process id while the run lasts, and 0 afterwards, when
// the number may be another's.
func (p *Process) Pid() int {
	p.r.mu.Lock()
	defer p.r.mu.Unlock()
	if p.r.over {
		return 0
	}
	return p.r.pid
}

// Wait waits for the end of the run and takes its result.
func (p *Process) Wait() (Result, error) {
	<-p.r.done
	return p.take()
}

// TryWait takes the result if the run is over; otherwise it gives false.
func (p *Process) TryWait() (Result, bool, error) {
	select {
	case <-p.r.done:
		res, err := p.take()
		return res, true, err
	default:
		return Result{}, false, nil
	}
}

// Kill ends the run and takes its result: what was captured until then.
func (p *Process) Kill() (Result, error) {
	p.r.request(CauseKill)
	<-p.r.done
	return p.take()
}

// Interrupt sends SIGINT to the payload's process group (with ShareGroup, to
// the leader alone), and kills the run if it is not over after Grace. A second
// call kills at once. It does not wait, and does nothing once the run is over.
func (p *Process) Interrupt() error {
	p.r.request(CauseInterrupt)
	return nil
}

// Done is closed when the run is over and its result can be taken.
func (p *Process) Done() <-chan struct{} { return p.r.done }

// Close ends the run if its result was not taken, and says so as an error. It
// returns when nothing of the run is left; after Wait, TryWait or Kill it does
// nothing.
func (p *Process) Close() error {
	if _, err := p.Kill(); errors.Is(err, ErrTaken) {
		return nil
	} else if err != nil {
		return err
	}
	return fmt.Errorf("%s: closed before its result was taken; what it printed is lost", p.r.c.Path)
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
	p.r.result = Result{} // the captures are the caller's alone
	return res, p.r.err
}

// abandon ends the run of a handle that nobody can reach any more.
func (r *run) abandon() {
	r.request(CauseKill)
	message := fmt.Sprintf("%s: its handle was dropped; the run was killed and what it printed is lost", r.c.Path)
	if r.c.Warn != nil {
		r.c.Warn(message)
		return
	}
	slog.Warn(message)
}
