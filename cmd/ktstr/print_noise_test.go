package main

import (
	"testing"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core"
)

// A run of the payload noise ends with a judgement of its own loop. No other run has one.
func TestNoiseEndsWithAJudgement(t *testing.T) {
	metrics := []ktstr.Metric{{Name: "work.time", Value: 50.1e6, Unit: "ns"}, {Name: "work.shows", Value: 3.14, Unit: "%"}}
	check := func(r core.Record, want string) {
		t.Helper()
		if got := judgement(r); got != want {
			t.Errorf("%s, %v: %q, want %q", r.Payload, r.Metrics, got, want)
		}
	}
	check(core.Record{Payload: "noise", Metrics: metrics}, "this host can show changes of about 3.1% of a CPU-bound loop of 50.1 ms, with 5 runs a side; for other work: ktstr calibrate PAYLOAD\n")
	check(core.Record{Payload: "noise", Metrics: metrics[:1]}, "")
	check(core.Record{Payload: "other", Metrics: metrics}, "")
}
