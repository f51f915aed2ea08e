package core

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/core/extract"
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

// A process that was killed after the payload may have held the result. It is named if
// the extraction found nothing. // C12
func TestKilledProcessIsNamedIfNothingWasFound(t *testing.T) {
	killed := []Killed{{Name: "worker", Pid: 7}}
	for name, tt := range map[string]struct {
		record Record
		named  bool
	}{
		"nothing found":       {Record{Extraction: Extraction{Status: extract.None}, Killed: killed}, true},
		"a metric":            {Record{Extraction: Extraction{Status: extract.OK}, Killed: killed}, false},
		"none was killed":     {Record{Extraction: Extraction{Status: extract.None}}, false},
		"killed at a timeout": {Record{Extraction: Extraction{Status: extract.None}, Killed: killed, TimedOut: true}, false},
		"killed on purpose":   {Record{Extraction: Extraction{Status: extract.None}, Killed: killed, EndedBy: "kill"}, false},
	} {
		r := Result{Record: tt.record}
		r.nameKilled()
		if got := len(r.Extraction.Diagnostics) > 0; got != tt.named {
			t.Errorf("%s: named %v, want %v: %+v", name, got, tt.named, r.Extraction.Diagnostics)
		}
	}
}

// A check on a number that was not measured says why. // C38
func TestWhyANumberWasNotMeasured(t *testing.T) {
	for _, tt := range []struct {
		name   string
		cgroup *Cgroup
		want   string
	}{
		{"run.memory_peak", nil, "had none"},
		{"run.memory_peak", &Cgroup{}, "no memory controller"},
		{"run.pressure.cpu", nil, "had none"},
		{"run.pressure.cpu", &Cgroup{}, "this host does not count it"},
		{"run.wall", nil, "this host does not count it"},
		{"iops", nil, ""},
	} {
		got := Record{Cgroup: tt.cgroup}.notMeasured(payload.Payload{}, tt.name)
		if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%s, cgroup %v: %q, want %q", tt.name, tt.cgroup, got, tt.want)
		}
	}
}

// An extraction that replaces another takes its headlines away.
func TestSetExtractionReplacesTheHeadlines(t *testing.T) {
	r := Record{Headlines: []string{"old"}}
	found := extract.Result{Metrics: []ktstr.Metric{{Name: "iops"}}, Headlines: []int{0}}
	r.SetExtraction(found, ktstr.Extraction{}, payload.Payload{})
	if !slices.Equal(r.Headlines, []string{"iops"}) {
		t.Errorf("headlines %q, want iops", r.Headlines)
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
