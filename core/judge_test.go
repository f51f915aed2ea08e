package core

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/core/payload"
)

// A signal fails a run unless the run was ended on purpose or a check is about the
// exit code. // C14, C15
func TestSignalFailsUnlessExpected(t *testing.T) {
	exit, err := check.Parse("exit == -1")
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		record Record
		checks []check.Check
		fails  bool
	}{
		"no reason":   {Record{}, nil, true},
		"timeout":     {Record{TimedOut: true}, nil, false},
		"interrupted": {Record{Interrupted: true}, nil, false},
		"ended":       {Record{EndedBy: "kill"}, nil, false},
		"checked":     {Record{}, []check.Check{exit}, false},
	} {
		r := tt.record
		r.Signal, r.ExitCode = "SIGKILL", -1
		r.Judge(payload.Payload{Checks: tt.checks}, nil, nil, nil)
		if got := slices.ContainsFunc(r.Details, func(d check.Detail) bool { return d.Kind == kindSignal }); got != tt.fails {
			t.Errorf("%s: fails because of the signal: %v, want %v: %+v", name, got, tt.fails, r.Details)
		}
	}
}

func TestSecondsOfOtherWriters(t *testing.T) {
	for text, want := range map[string]time.Duration{"1.5": 1500 * time.Millisecond, "2e-3": 2 * time.Millisecond, "-1E0": -time.Second, "1e300": -1, `"1"`: -1} {
		var got Seconds
		err := json.Unmarshal([]byte(text), &got)
		if refused := want == -1; (err != nil) != refused || err == nil && time.Duration(got) != want {
			t.Errorf("%s: got %v, %v, want %v", text, time.Duration(got), err, want)
		}
	}
}
