package usage_test

import (
	"context"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/instrument"
	"github.com/ktstr/ktstr/core/instrument/instrumenttest"
	"github.com/ktstr/ktstr/core/instrument/usage"
	"github.com/ktstr/ktstr/spawn"
	"github.com/ktstr/ktstr/spawn/cgroup"
)

var _ instrument.Instrument = usage.Instrument{}

func TestInstrument(t *testing.T) { instrumenttest.Run(t, usage.Instrument{}) }

// read returns the metrics of a result by name, and the messages of the diagnostics.
func read(r spawn.Result) (map[string]float64, string) {
	e := usage.Instrument{}.Begin()(r)
	values := map[string]float64{}
	for _, m := range e.Metrics {
		values[m.Name] = m.Value
	}
	var messages []string
	for _, d := range e.Diagnostics {
		messages = append(messages, d.Message)
	}
	return values, strings.Join(messages, "|")
}

func TestCost(t *testing.T) { // C38
	const ms = time.Millisecond
	payload := spawn.Usage{User: 2 * time.Second, System: time.Second, Voluntary: 3, Involuntary: 4, MinorFaults: 5, MajorFaults: 6, BytesRead: 7, BytesWritten: 8, MaxRSS: 9 << 10}
	waited := cgroup.Pressure{Some: 20 * ms, Full: 10 * ms, Measured: true}
	_, err := os.Stat("/proc/self/io")
	for name, c := range map[string]struct {
		result    spawn.Result
		want      map[string]float64 // those that are not of every run
		messages  string
		unaware   bool // nothing is known but the time
		user, sys float64
	}{
		"without a cgroup": {
			result: spawn.Result{Payload: payload},
			want:   map[string]float64{"run.max_rss": 9}, user: 2, sys: 1,
		},
		"with a cgroup": {
			result: spawn.Result{Payload: payload, Cgroup: &cgroup.Stat{CPU: 3 * time.Second, User: 1, System: 2, MemoryPeak: 10, CPUPressure: waited, IOPressure: cgroup.Pressure{Measured: true}}},
			want:   map[string]float64{"run.max_rss": 9, "run.memory_peak": 10, "run.pressure.cpu": 0.02, "run.pressure.io": 0}, user: 2, sys: 1,
		},
		"descendants that no process waited for": {
			result: spawn.Result{Payload: payload, Cgroup: &cgroup.Stat{CPU: 4 * time.Second, User: 2500 * ms, System: 1500 * ms}},
			want:   map[string]float64{"run.max_rss": 9}, user: 2.5, sys: 1.5,
		},
		"a peak that is not above ours": {
			result:   spawn.Result{Payload: spawn.Usage{User: time.Second, Voluntary: 3, Involuntary: 4, MajorFaults: 6, BytesRead: 7, BytesWritten: 8}, OwnPeak: 64 << 20},
			messages: "run.max_rss left out: it is not above the peak of the process that started the payload (64 MiB), which the kernel hands down", user: 1,
		},
		"orphans without a cgroup": {
			result:   spawn.Result{Payload: payload, Killed: []spawn.Survivor{{Pid: 1}, {Pid: 2}}},
			want:     map[string]float64{"run.max_rss": 9},
			messages: "run.user, run.system and run.cpu do not count 2 descendants that the payload left running: only a cgroup counts them", user: 2, sys: 1,
		},
		"a status that another wait took": {
			unaware:  true,
			messages: "run.user, run.system, run.cpu, run.max_rss and other counts: left out: another part of the program that started the payload took its exit status",
		},
	} {
		c.result.Duration = 1500 * ms
		want := map[string]float64{"run.wall": 1.5}
		if !c.unaware {
			maps.Copy(want, map[string]float64{"run.user": c.user, "run.system": c.sys, "run.cpu": c.user + c.sys, "run.ctx_voluntary": 3, "run.ctx_involuntary": 4, "run.faults_major": 6})
			if err == nil {
				want["run.io_read"], want["run.io_write"] = 7, 8
			}
		}
		maps.Copy(want, c.want)
		if got, messages := read(c.result); !maps.Equal(got, want) || messages != c.messages {
			t.Errorf("%s: got %v, %q; want %v, %q", name, got, messages, want, c.messages)
		}
	}
}

// Every metric of a real run that this machine can measure is there.
func TestRealRun(t *testing.T) {
	end := usage.Instrument{}.Begin()
	r, err := spawn.Run(context.Background(), spawn.Command{Path: "/bin/true"})
	if err != nil {
		t.Fatal(err)
	}
	e := end(r)
	i := slices.IndexFunc(e.Metrics, func(m ktstr.Metric) bool { return m.Name == "run.cpu" })
	if i < 0 || e.Metrics[i].Value <= 0 {
		t.Errorf("metrics %+v: want run.cpu above 0", e.Metrics)
	}
}
