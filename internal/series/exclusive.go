package series

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/internal/hostlock"
)

// Lock takes the host lock for all runs, if the request asks for the host alone. It waits
// for the lock as long as the request allows. The error is a *NoResult, or says that ctx
// ended. Run releases the lock.
func (s *Series) Lock(ctx context.Context) error {
	if !s.Exclusive {
		return nil
	}
	var names []string
	for _, side := range s.Sides {
		if name := side.Spec.Payload.Name; !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	me := hostlock.Run{Payload: strings.Join(names, ", "), Set: s.Sides[0].Set}
	err := s.host.Acquire(ctx, me, s.Wait, func(held *hostlock.HeldError) {
		s.notice(fmt.Sprintf("waiting for at most %v: %v", s.Wait, held))
	})
	switch {
	case err == nil || ctx.Err() != nil:
		return err
	case !errors.As(err, new(*hostlock.HeldError)):
	case s.Wait > 0:
		err = fmt.Errorf("after %v (--wait): %w", s.Wait, err)
	default:
		err = fmt.Errorf("%w. To wait for its end, add --wait, such as --wait 10m", err)
	}
	return s.noResult(&NoResult{Side: s.Sides[0], Err: err}, "could not be started: ")
}

// surroundings is a core.Sink that notes in the record where the run took place, and which
// runs overlapped an exclusive run.
type surroundings struct {
	where     *core.Where
	exclusive bool
	end       func() []hostlock.Run
}

// beginRun makes a run of the side known to other commands. The caller calls end.
func (s *Series) beginRun(side *Side) surroundings {
	me := hostlock.Run{Payload: side.Spec.Payload.Name, Set: side.Set, Start: time.Now()}
	return surroundings{s.Where, s.Exclusive, sync.OnceValue(s.host.Begin(me))}
}

// Raw implements core.Sink.
func (o surroundings) Raw(r *core.Result) error {
	others := o.end()
	r.Where, r.Exclusive = o.where, o.exclusive
	for _, x := range others {
		r.Overlapped = append(r.Overlapped, core.Overlap{Pid: x.Pid, User: x.User(), Payload: x.Payload, Set: x.Set, Start: x.Start})
	}
	return nil
}

// Emit implements core.Sink.
func (o surroundings) Emit(*core.Result) error { return nil }
