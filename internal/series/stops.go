package series

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// stopping are the signals by which a user or the system asks ktstr to stop. SIGQUIT
// (Ctrl-\) is among them because a payload must not outlive ktstr.
var stopping = []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT}

// Stops keeps requests to stop until a run takes them. A nil *Stops has none.
type Stops struct{ signals chan os.Signal }

// CatchStops catches the signals that ask ktstr to stop. A signal that is ignored
// stays ignored, as under nohup, whose runs outlive the terminal.
func CatchStops() *Stops {
	s := &Stops{signals: make(chan os.Signal, 2)}
	for _, sig := range stopping {
		if !signal.Ignored(sig) {
			signal.Notify(s.signals, sig)
		}
	}
	return s
}

// Close ends the catching.
func (s *Stops) Close() { signal.Stop(s.signals) }

// Release gives the signals their default effect: the next one ends this process.
func (s *Stops) Release() { signal.Reset(stopping...) }

// Take returns a request that waits, or nil.
func (s *Stops) Take() os.Signal {
	select {
	case sig := <-s.Requests():
		return sig
	default:
		return nil
	}
}

// Put makes a request wait. If others wait already, it is dropped, because they mean
// the same.
func (s *Stops) Put(sig os.Signal) {
	select {
	case s.signals <- sig:
	default:
	}
}

// Until returns a context that ends with the first request to stop, which goes on
// waiting. The caller calls done at the end.
func (s *Stops) Until(parent context.Context) (ctx context.Context, done func()) {
	ctx, cancel := context.WithCancel(parent)
	over, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-over:
		case sig := <-s.Requests():
			cancel()
			s.Put(sig)
		}
	}()
	return ctx, func() {
		close(over)
		<-ended
		cancel()
	}
}

// Requests returns the channel of the requests. It is nil if s is nil.
func (s *Stops) Requests() <-chan os.Signal {
	if s == nil {
		return nil
	}
	return s.signals
}
