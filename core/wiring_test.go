package core

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/core/payload"
	"github.com/ktstr/ktstr/spawn"
	"github.com/ktstr/ktstr/spawn/cgroup"
)

// Each field of a Spec, and of its payload, reaches the command that is executed.
func TestSpecReachesTheCommand(t *testing.T) {
	base := payload.Payload{Name: "bench", Binary: "/bin/true"}
	for name, c := range map[string]struct {
		change func(*Spec)
		want   func(c *spawn.Command, scratch string)
	}{
		"nothing":         {func(*Spec) {}, func(*spawn.Command, string) {}},
		"binary":          {func(s *Spec) { s.Payload.Binary = "/bin/echo" }, func(c *spawn.Command, _ string) { c.Path = "/bin/echo" }},
		"payload's args":  {func(s *Spec) { s.Payload.Args = []string{"a"} }, func(c *spawn.Command, _ string) { c.Args = []string{"a"} }},
		"args":            {func(s *Spec) { s.Payload.Args, s.Args = []string{"a"}, []string{"b"} }, func(c *spawn.Command, _ string) { c.Args = []string{"a", "b"} }},
		"no default args": {func(s *Spec) { s.Payload.Args, s.NoDefaultArgs = []string{"a"}, true }, func(*spawn.Command, string) {}},
		"program":         {func(s *Spec) { s.Program = []string{"/bin/sh", "_x"}; s.Args = []string{"a"} }, func(c *spawn.Command, _ string) { c.Path, c.Args = "/bin/sh", []string{"_x", "a"} }},
		"env":             {func(s *Spec) { s.Payload.Env = map[string]string{"KTSTR_B": "2", "KTSTR_A": "1"} }, func(c *spawn.Command, _ string) { c.Env = spawn.Environ("KTSTR_A=1", "KTSTR_B=2") }},
		"env of the caller": {func(s *Spec) {
			s.Payload.Env, s.Env = map[string]string{"KTSTR_A": "1"}, map[string]string{"KTSTR_A": "3"}
		}, func(c *spawn.Command, _ string) { c.Env = spawn.Environ("KTSTR_A=3") }},
		"only env of the caller": {func(s *Spec) { s.Env = map[string]string{"KTSTR_A": "3"} }, func(c *spawn.Command, _ string) { c.Env = spawn.Environ("KTSTR_A=3") }},
		"payload's directory":    {func(s *Spec) { s.Payload.Dir = "/usr" }, func(c *spawn.Command, _ string) { c.Dir = "/usr" }},
		"directory":              {func(s *Spec) { s.Payload.Dir, s.Dir = "scratch", "/usr" }, func(c *spawn.Command, _ string) { c.Dir = "/usr" }},
		"shares group":           {func(s *Spec) { s.Payload.SharesGroup = true }, func(c *spawn.Command, _ string) { c.ShareGroup = true }},
		"limit":                  {func(s *Spec) { s.Limit = 7 }, func(c *spawn.Command, _ string) { c.Limit = 7 }},
		"timeout":                {func(s *Spec) { s.Timeout = time.Hour }, func(c *spawn.Command, _ string) { c.Timeout = time.Hour }},
		"payload's timeout":      {func(s *Spec) { s.Payload.Timeout = time.Hour }, func(c *spawn.Command, _ string) { c.Timeout = time.Hour }},
		"leftovers":              {func(s *Spec) { s.Payload.Leftovers = payload.LeftoversWait }, func(c *spawn.Command, _ string) { c.Leftovers = spawn.LeftoversWait }},
		"grace":                  {func(s *Spec) { s.Grace = time.Minute }, func(c *spawn.Command, _ string) { c.Grace = time.Minute }},
		"cgroup":                 {func(s *Spec) { s.Cgroup = "a/b" }, func(c *spawn.Command, _ string) { c.Cgroup = "a/b" }},
		"payload's cgroup":       {func(s *Spec) { s.Payload.Cgroup = "c" }, func(c *spawn.Command, _ string) { c.Cgroup = "c" }},
		"no cgroup":              {func(s *Spec) { s.NoCgroup = true }, func(c *spawn.Command, _ string) { c.NoCgroup = true }},
		"scratch directory":      {func(s *Spec) { s.Payload.Dir = payload.DirScratch }, func(c *spawn.Command, scratch string) { c.Dir = scratch }},
		"stop after":             {func(s *Spec) { s.StopAfter = time.Hour }, func(c *spawn.Command, _ string) { c.StopAfter = time.Hour }},
		"payload's stop after":   {func(s *Spec) { s.Payload.StopAfter = time.Hour }, func(c *spawn.Command, _ string) { c.StopAfter = time.Hour }},
		"output in the args": {func(s *Spec) {
			s.Payload.Outputs = []payload.OutputFile{{Name: "out", Path: "o.json"}}
			s.Payload.Args = []string{"{outputs.out}"}
		}, func(c *spawn.Command, scratch string) { c.Args = []string{filepath.Join(scratch, "o.json")} }},
	} {
		t.Run(name, func(t *testing.T) {
			s := Spec{Payload: base, Extractor: nothing, Scratch: t.TempDir()}
			c.change(&s)
			p, err := Prepare(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			dir, err := makeScratch(p.definition, s.Scratch, p.account)
			if err != nil {
				t.Fatal(err)
			}
			defer dir.remove()
			got := p.command(dir)
			want := spawn.Command{Path: "/bin/true", Env: spawn.Environ()}
			c.want(&want, dir.path)
			slices.Sort(got.Env)
			slices.Sort(want.Env)
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

// Each part of a Spec reaches the checks.
func TestSpecReachesTheChecks(t *testing.T) {
	latency := ktstr.Parser{
		Description: ktstr.Description{Name: "latency", Version: "1", Hints: []ktstr.Hint{{Name: "hinted", Unit: "us"}, {Name: "printed", Unit: "us"}}},
		Parse: func(out ktstr.Output) (ktstr.Extraction, error) {
			if len(out.Data) == 0 {
				return ktstr.Extraction{}, nil
			}
			return ktstr.Extraction{Metrics: []ktstr.Metric{{Name: "hinted", Value: 3000}, {Name: "mine", Value: 3000}, {Name: "printed", Value: 3, Unit: "ms"}, {Name: "other", Value: 3, Unit: "ms"}}}, nil
		},
	}
	checks := func(texts ...string) (all []check.Check) {
		for _, text := range texts {
			c, err := check.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, c)
		}
		return all
	}
	hint := func(name, unit string) []payload.Hint {
		return []payload.Hint{{Hint: ktstr.Hint{Name: name, Unit: unit}}}
	}
	refused := filepath.Join(t.TempDir(), "missing")
	for name, c := range map[string]struct {
		script string
		spec   Spec
		want   string // in the details or in the error; empty: the run passes
	}{
		"the extractor's hinted unit in a check": {`echo x`, Spec{Checks: checks("hinted <= 2ms")}, "3000 us"},
		"a check in the hinted unit holds":       {`echo x`, Spec{Checks: checks("hinted <= 4ms")}, ""},
		"the payload's hinted unit in a check":   {`echo x`, Spec{Payload: payload.Payload{Hints: hint("mine", "us")}, Checks: checks("mine <= 2ms")}, "3000 us"},
		"a bound in the extractor's hinted unit": {`echo x`, Spec{Checks: checks("printed <= 2000")}, "is 3 ms: want <= 2000 in us"},
		"a bound in the payload's hinted unit":   {`echo x`, Spec{Payload: payload.Payload{Hints: hint("other", "us")}, Checks: checks("other <= 2000")}, "is 3 ms: want <= 2000 in us"},
		"the hinted unit before the run":         {`echo x`, Spec{Checks: checks("hinted <= 2MiB")}, `error: run payload bench: check "hinted <= 2MiB"`},
		"the payload's unit before the run":      {`echo x`, Spec{Payload: payload.Payload{Hints: hint("mine", "us")}, Checks: checks("mine <= 2MiB")}, `error: run payload bench: check "mine <= 2MiB"`},
		"stderr in the exit code's message":      {`echo x; echo the disk is gone >&2; exit 3`, Spec{Checks: checks("exit == 0")}, "the disk is gone"},
		"the streams that were searched":         {`echo x`, Spec{Checks: checks("exists none")}, "stdout"},
		"the payload's bounds":                   {`echo x`, Spec{Payload: payload.Payload{Bounds: check.Bounds{MinMetrics: 5}}}, "at least 5"},
		"a file that the payload needs":          {`echo x`, Spec{Payload: payload.Payload{Files: []string{refused}}}, refused},
		"the payload's own checks":               {`echo x`, Spec{Payload: payload.Payload{Checks: checks("mine <= 1")}}, "mine"},
		"without the payload's own checks":       {`echo x`, Spec{Payload: payload.Payload{Checks: checks("mine <= 1")}, NoDefaultChecks: true}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "bench")
			if err := os.WriteFile(path, []byte("#!/bin/sh\n"+c.script+"\n"), 0o700); err != nil {
				t.Fatal(err)
			}
			s := c.spec
			s.Payload.Name, s.Payload.Binary, s.Extractor = "bench", path, latency
			r, err := Run(t.Context(), s)
			var got []string
			for _, d := range r.Details {
				got = append(got, d.Message)
			}
			if err != nil {
				got = append(got, "error: "+err.Error())
			}
			if c.want == "" && len(got) > 0 || c.want != "" && !slices.ContainsFunc(got, func(text string) bool { return strings.Contains(text, c.want) }) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// Each field of the result of the process reaches the record.
func TestProcessReachesTheRecord(t *testing.T) {
	p, err := Prepare(t.Context(), Spec{Payload: payload.Payload{Name: "bench", Binary: "/bin/true"}, Extractor: nothing})
	if err != nil {
		t.Fatal(err)
	}
	usage := func(n int64) spawn.Usage {
		return spawn.Usage{User: time.Duration(n), System: time.Duration(10 * n), Voluntary: 100 * n, Involuntary: 1000 * n}
	}
	cost := func(n int64) *Cost {
		return &Cost{CPU: Seconds(11 * n), VoluntarySwitches: 100 * n, InvoluntarySwitches: 1000 * n}
	}
	watcher := usage(3)
	h := &Handle{prepared: p, held: &held{scratch: &scratch{}}, command: spawn.Command{Path: "/bin/true", Args: []string{"x"}, Dir: "/d"}}
	var r Result
	h.observe(&r, spawn.Result{
		ExitCode: -1, Signal: "SIGSEGV", CoreDumped: true, Cause: spawn.CauseTimeout,
		Stdout:  spawn.Capture{Data: []byte("out"), Bytes: 5, Truncated: true, Complete: true},
		Stderr:  spawn.Capture{Data: []byte("err"), Bytes: 3},
		Killed:  []spawn.Survivor{{Pid: 7, Name: "left\xff"}},
		Notices: []string{"notice"}, Start: time.Unix(8, 0), Duration: 9,
		Payload: usage(1), Harness: usage(2), Watcher: &watcher,
		Cgroup: &cgroup.Stat{
			Path: "/c", Controllers: []string{"cpu"}, CPU: 11, User: 12, System: 13, Throttled: 14, ThrottledPeriods: 15, MemoryPeak: 16,
			CPUPressure: cgroup.Pressure{Some: 17, Full: 18}, MemoryPressure: cgroup.Pressure{Some: 19, Full: 20}, IOPressure: cgroup.Pressure{Some: 21, Full: 22},
		},
	})
	if r.ID == "" {
		t.Error("the record has no id")
	}
	want := Record{
		Schema: Schema, ID: r.ID, Payload: "bench", Argv: []string{"/bin/true", "x"}, Dir: "/d", Start: time.Unix(8, 0), Duration: 9,
		ExitCode: -1, Signal: "SIGSEGV", CoreDumped: true, TimedOut: true,
		Capture: map[string]Seen{"stdout": {Bytes: 5, Kept: 3, Truncated: true, Complete: true}, "stderr": {Bytes: 3}},
		Host:    ThisHost(), Killed: []Killed{{7, "left\uFFFD"}}, Notices: []string{"notice"},
		Used: cost(1), Harness: cost(2), Watcher: cost(3),
		Cgroup: &Cgroup{
			Path: "/c", Controllers: []string{"cpu"}, CPU: 11, User: 12, System: 13, Throttled: 14, ThrottledPeriods: 15, MemoryPeak: 16,
			CPUPressure: Pressure{17, 18}, MemoryPressure: Pressure{19, 20}, IOPressure: Pressure{21, 22},
		},
	}
	if !reflect.DeepEqual(r.Record, want) {
		t.Errorf("got\n%+v\nwant\n%+v", r.Record, want)
	}
	for cause, want := range map[spawn.Cause]Record{
		spawn.CauseNone:      {},
		spawn.CauseInterrupt: {Interrupted: true},
		spawn.CauseCancel:    {Interrupted: true},
		spawn.CauseKill:      {EndedBy: "kill"},
		spawn.CauseStop:      {EndedBy: "stop-after"},
	} {
		h.observe(&r, spawn.Result{Cause: cause})
		if got := (Record{Interrupted: r.Interrupted, EndedBy: r.EndedBy, TimedOut: r.TimedOut}); !reflect.DeepEqual(got, want) {
			t.Errorf("cause %q: got %+v, want %+v", cause, got, want)
		}
	}
}
