// Package usage is the instrument that measures the cost of a run: time, CPU, memory,
// storage and waiting. Its metrics are called run.NAME. It only reads what spawn
// and the run's cgroup have counted, so it costs the payload nothing.
package usage

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/unit"
	"github.com/ktstr/ktstr/internal/text"
	"github.com/ktstr/ktstr/spawn"
)

// Instrument is the instrument. The zero value is ready for use.
type Instrument struct{}

// hints has the metrics in the order in which they are shown.
var hints = []ktstr.Hint{
	{Name: "run.wall", Unit: "s", Polarity: ktstr.Lower, Headline: true},
	{Name: "run.user", Unit: "s", Polarity: ktstr.Lower},
	{Name: "run.system", Unit: "s", Polarity: ktstr.Lower},
	{Name: "run.cpu", Unit: "s", Polarity: ktstr.Lower, Headline: true},
	{Name: "run.max_rss", Unit: "KiB", Polarity: ktstr.Lower, Headline: true},
	{Name: "run.memory_peak", Unit: "B", Polarity: ktstr.Lower},
	{Name: "run.ctx_voluntary"},
	{Name: "run.ctx_involuntary"},
	{Name: "run.faults_major"},
	{Name: "run.io_read", Unit: "B"},
	{Name: "run.io_write", Unit: "B"},
	{Name: "run.pressure.cpu", Unit: "s", Polarity: ktstr.Lower},
	{Name: "run.pressure.memory", Unit: "s", Polarity: ktstr.Lower},
	{Name: "run.pressure.io", Unit: "s", Polarity: ktstr.Lower},
}

// Describe returns the name and the metrics.
func (Instrument) Describe() ktstr.Description {
	return ktstr.Description{Name: "usage", Version: "1", Hints: hints}
}

// Begin returns the function that reads the cost of the run from its result.
func (Instrument) Begin() (end func(spawn.Result) ktstr.Extraction) { return read }

func read(r spawn.Result) (e ktstr.Extraction) {
	add := func(name string, value float64) {
		e.Metrics = append(e.Metrics, ktstr.Metric{Name: name, Value: value})
	}
	leaveOut := func(names, reason string) {
		e.Diagnostics = append(e.Diagnostics, ktstr.Diagnostic{Code: ktstr.Unavailable, Message: names + " left out: " + reason})
	}
	add("run.wall", r.Duration.Seconds())
	if r.Payload == (spawn.Usage{}) {
		leaveOut("run.user, run.system, run.cpu, run.max_rss and other counts:", "another part of the program that started the payload took its exit status")
	} else {
		user, system := cpu(r)
		add("run.user", user.Seconds())
		add("run.system", system.Seconds())
		add("run.cpu", (user + system).Seconds())
		if r.Cgroup == nil && len(r.Killed) > 0 {
			e.Diagnostics = append(e.Diagnostics, ktstr.Diagnostic{Code: ktstr.Unavailable,
				Message: fmt.Sprintf("run.user, run.system and run.cpu do not count %s that the payload left running: only a cgroup counts them", text.Count(len(r.Killed), "descendant"))})
		}
		if r.Payload.MaxRSS > 0 {
			add("run.max_rss", float64(r.Payload.MaxRSS)/1024)
		} else {
			leaveOut("run.max_rss", fmt.Sprintf("it is not above the peak of the process that started the payload (%s), which the kernel hands down", unit.Scale(float64(r.OwnPeak), "B")))
		}
	}
	if c := r.Cgroup; c != nil && c.MemoryPeak > 0 {
		add("run.memory_peak", float64(c.MemoryPeak))
	}
	if r.Payload != (spawn.Usage{}) {
		add("run.ctx_voluntary", float64(r.Payload.Voluntary))
		add("run.ctx_involuntary", float64(r.Payload.Involuntary))
		add("run.faults_major", float64(r.Payload.MajorFaults))
		if unix.Access("/proc/self/io", unix.F_OK) == nil {
			add("run.io_read", float64(r.Payload.BytesRead))
			add("run.io_write", float64(r.Payload.BytesWritten))
		} else {
			leaveOut("run.io_read and run.io_write", "this kernel does not count them (CONFIG_TASK_IO_ACCOUNTING)")
		}
	}
	if c := r.Cgroup; c != nil {
		if c.CPUPressure.Measured {
			add("run.pressure.cpu", c.CPUPressure.Some.Seconds())
		}
		if c.MemoryPressure.Measured {
			add("run.pressure.memory", c.MemoryPressure.Some.Seconds())
		}
		if c.IOPressure.Measured {
			add("run.pressure.io", c.IOPressure.Some.Seconds())
		}
	}
	return e
}

// cpu returns the CPU time of the payload and its descendants. getrusage does not
// count a descendant that no process waited for. The cgroup counts all of them. But
// it splits the time differently between user and system, so its figures count only
// if getrusage has missed something.
func cpu(r spawn.Result) (user, system time.Duration) {
	user, system = r.Payload.User, r.Payload.System
	if c := r.Cgroup; c != nil && c.CPU-(user+system) > max(time.Millisecond, c.CPU/100) {
		return c.User, c.System
	}
	return user, system
}
