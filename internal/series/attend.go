package series

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"time"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/spawn"
)

// Progress describes the run that goes on.
type Progress struct {
	Side    *Side
	Elapsed time.Duration // of this run
	Timeout time.Duration // at which it is killed; 0: never
	Run     int           // which run of the series it is, from 1
	Of      int           // runs in all; 0: as many as fit the time
	Left    time.Duration // of the series, estimated; negative: not known
}

// attended makes one run of a side and passes requests to stop on to the payload. started
// reports whether the payload was started.
func (s *Series) attended(ctx context.Context, side *Side, sink core.Sink) (r core.Result, started bool, err error) {
	if signal := s.Stops.Take(); signal != nil {
		err := fmt.Errorf("%v: payload %s was not started", signal, side.Spec.Payload.Name)
		return r, false, &NoResult{Side: side, Interrupted: true, Err: err}
	}
	others := s.beginRun(side)
	defer others.end()
	h, err := side.prepared.Start(ctx, others, sink)
	if err != nil {
		return r, false, err
	}
	ended := make(chan struct{})
	attended := make(chan os.Signal, 1)
	go func() { attended <- s.attend(h, side, ended) }()
	r, err = h.Wait()
	close(ended)
	if r.Schema != "" {
		err = nil // the run has a record, which says what went wrong
	}
	if signal := <-attended; signal != nil && err == nil && !r.Interrupted {
		s.Stops.Put(signal) // the payload had ended by itself: the request is for the next run
	}
	return r, true, err
}

// attend passes requests to stop on to the payload until ended is closed: the first
// one asks it to stop, the second one kills it, the third one ends ktstr itself. It
// returns the first request. It uses no CPU until then, unless s.Progress is set.
func (s *Series) attend(h *core.Handle, side *Side, ended <-chan struct{}) (first os.Signal) {
	var ticks <-chan time.Time
	if s.Progress != nil {
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		ticks = ticker.C
		defer s.Progress(nil)
	}
	start := time.Now()
	for asked := 0; ; {
		select {
		case <-ended:
			return first
		case signal := <-s.Stops.Requests():
			switch asked++; asked {
			case 1:
				first = signal
				s.notice(fmt.Sprintf("%v: asked %s to stop. It is killed after %v. A second signal kills it at once", signal, h.Name(), cmp.Or(side.Spec.Grace, spawn.DefaultGrace)))
			default:
				s.notice(fmt.Sprintf("%v: killed %s", signal, h.Name()))
				s.Stops.Release()
			}
			if err := h.Interrupt(); err != nil {
				s.notice(err.Error())
			}
		case now := <-ticks:
			s.Progress(s.progress(side, now, now.Sub(start)))
		}
	}
}

// progress reads only what changes between runs, because it is called while a run
// goes on.
func (s *Series) progress(side *Side, now time.Time, elapsed time.Duration) *Progress {
	made := s.made()
	p := &Progress{Side: side, Elapsed: elapsed, Timeout: side.Spec.Deadline(), Run: made + 1, Of: s.Rounds() * len(s.Sides), Left: -1}
	if p.Of > 0 && made > 0 {
		each := s.lastEnd().Sub(s.started) / time.Duration(made)
		p.Left = time.Duration(p.Of-made)*each - now.Sub(s.lastEnd())
	}
	if left := s.For - now.Sub(s.started); s.For > 0 && (p.Left < 0 || left < p.Left) {
		p.Left = left
	}
	return p
}
