package series

import (
	"context"
	"errors"
	"os"
	"runtime"
	"syscall"
	"testing"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/payload"
)

func waiting(signals ...os.Signal) *Stops {
	s := &Stops{signals: make(chan os.Signal, 2)}
	for _, sig := range signals {
		s.Put(sig)
	}
	return s
}

// A request to stop ends the context of the preparation and goes on waiting.
func TestRequestToStopEndsTheContextAndIsKept(t *testing.T) {
	s := waiting(syscall.SIGTERM)
	ctx, done := s.Until(t.Context())
	<-ctx.Done()
	done()
	if got := s.Take(); got != syscall.SIGTERM {
		t.Errorf("got %v, want %v", got, syscall.SIGTERM)
	}
}

func TestNilStopsHaveNoRequests(t *testing.T) {
	var s *Stops
	ctx, done := s.Until(t.Context())
	if got := s.Take(); got != nil || ctx.Err() != nil {
		t.Errorf("got %v, %v; want none", got, ctx.Err())
	}
	done()
}

// stopsWhile is an extractor during which the user presses Ctrl-C.
type stopsWhile struct{ stops *Stops }

func (stopsWhile) Describe() ktstr.Description {
	return ktstr.Description{Name: "x", Version: "1", NoMetrics: true}
}

func (x stopsWhile) Extract(context.Context, ktstr.Output) (ktstr.Extraction, error) {
	x.stops.Put(os.Interrupt)
	for len(x.stops.signals) > 0 {
		runtime.Gosched()
	}
	return ktstr.Extraction{}, nil
}

// oneSide is a series of n runs of /bin/true.
func oneSide(t *testing.T, n int, stops *Stops, x ktstr.Extractor) *Series {
	t.Helper()
	spec := core.Spec{Payload: payload.Payload{Name: "true", Binary: "/bin/true"}, Extractor: x, NoCgroup: true}
	prepared, err := core.Prepare(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	return &Series{
		Request: Request{Payloads: []string{"true"}, Repeat: n, Root: t.TempDir()},
		Sides:   []*Side{{Name: "true", Spec: spec, prepared: prepared}},
		Stops:   stops,
	}
}

func interrupted(err error) bool {
	var lost *NoResult
	return errors.As(err, &lost) && lost.Interrupted
}

// A request to stop that came before the first run starts nothing.
func TestRequestToStopBeforeTheFirstRun(t *testing.T) {
	s := oneSide(t, 1, waiting(syscall.SIGINT), stopsWhile{})
	if err := s.Run(t.Context()); !interrupted(err) || len(s.Sides[0].Kept) != 0 || len(s.Lost) != 1 {
		t.Errorf("got %v, %d runs kept, %d lost; want an interruption, 0 and 1", err, len(s.Sides[0].Kept), len(s.Lost))
	}
}

// A request to stop that comes after the payload ended by itself leaves its run whole
// and ends the series.
func TestRequestToStopDuringTheExtraction(t *testing.T) {
	stops := waiting()
	s := oneSide(t, 2, stops, stopsWhile{stops})
	err := s.Run(t.Context())
	if !interrupted(err) || len(s.Sides[0].Kept) != 1 {
		t.Fatalf("got %v, %d runs kept; want an interruption and 1", err, len(s.Sides[0].Kept))
	}
	if r := s.Sides[0].Kept[0].Record; r.Interrupted || r.ExitCode != 0 {
		t.Errorf("got interrupted %v, exit code %d; want the first run whole", r.Interrupted, r.ExitCode)
	}
}
