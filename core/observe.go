package core

import (
	"crypto/rand"
	"fmt"
	"os"
	"strings"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/spawn"
	"github.com/ktstr/ktstr/spawn/cgroup"
)

// observe fills in everything that is known before the extraction: how the process
// ended, the captures of its streams, and its costs.
func (h *Handle) observe(r *Result, ended spawn.Result) {
	p := h.prepared.definition
	r.Record = Record{
		Schema:      Schema,
		ID:          rand.Text(),
		Payload:     p.Name,
		Argv:        append([]string{h.command.Path}, h.command.Args...),
		Dir:         h.command.Dir,
		Start:       ended.Start,
		Duration:    Seconds(ended.Duration),
		ExitCode:    ended.ExitCode,
		Signal:      ended.Signal,
		CoreDumped:  ended.CoreDumped,
		TimedOut:    ended.Cause == spawn.CauseTimeout,
		Timeout:     Seconds(p.Timeout),
		Interrupted: interrupted(ended, h.asked.Load()),
		EndedBy:     endedBy(ended.Cause),
		Capture:     map[string]Seen{},
		Host:        ThisHost(),
		Notices:     ended.Notices,
		Tool:        h.prepared.tool,
		Labels:      h.prepared.spec.Labels,
		Harness:     costOf(ended.Harness),
		Used:        costOf(ended.Payload),
		Watcher:     watcherCost(ended.Watcher),
		Cgroup:      cgroupOf(ended.Cgroup),
		Plugin:      h.prepared.spec.Plugin,
	}
	if h.prepared.note != "" {
		r.Notices = append(r.Notices, h.prepared.note)
	}
	if r.Dir == "" {
		r.Dir, _ = os.Getwd()
	}
	for _, k := range ended.Killed {
		r.Killed = append(r.Killed, Killed{k.Pid, strings.ToValidUTF8(k.Name, "\uFFFD")})
	}
	add := func(name ktstr.Stream, data []byte, seen Seen) {
		r.Streams = append(r.Streams, ktstr.Output{
			Stream: name, Data: data, Truncated: seen.Truncated,
			ExitCode: &r.ExitCode, Argv: r.Argv, Options: p.Options,
		})
		if seen.Truncated {
			seen.Kept = int64(len(data))
		}
		r.Capture[string(name)] = seen
	}
	seen := func(c spawn.Capture) Seen { return Seen{Bytes: c.Bytes, Truncated: c.Truncated, Complete: c.Complete} }
	add(ktstr.Stdout, ended.Stdout.Data, seen(ended.Stdout))
	add(ktstr.Stderr, ended.Stderr.Data, seen(ended.Stderr))
	limit := h.command.Limit
	if limit == 0 {
		limit = spawn.DefaultLimit
	}
	for _, o := range p.Outputs {
		data, seen, err := h.scratch.read(o, limit)
		if err != nil {
			r.Notices = append(r.Notices, fmt.Sprintf("output file %s was not read: %v", o.Name, err))
			continue
		}
		add(ktstr.FileStream(o.Name), data, seen)
	}
	if h.scratch.path != "" {
		r.Scratch = &Scratch{Dir: h.scratch.path, Filesystem: h.scratch.filesystem}
		if err := h.scratch.remove(); err != nil {
			r.Notices = append(r.Notices, err.Error())
		}
	}
}

// interrupted reports whether a request to stop ended the payload. asked is true if there was one. A scheduler ends a job by
// a signal to all of its processes: the payload then dies by itself, shortly before it is asked to stop.
func interrupted(ended spawn.Result, asked bool) bool {
	switch ended.Cause {
	case spawn.CauseInterrupt, spawn.CauseCancel:
		return true
	case spawn.CauseNone:
		return asked && (ended.Signal != "" || ended.ExitCode != 0)
	}
	return false
}

// endedBy returns the action of the caller that ended a run on purpose, or "". A
// timeout and an interruption are not on purpose.
func endedBy(c spawn.Cause) string {
	switch c {
	case spawn.CauseKill:
		return "kill"
	case spawn.CauseStop:
		return "stop-after"
	}
	return ""
}

func costOf(u spawn.Usage) *Cost {
	return &Cost{
		CPU:                 Seconds(u.User + u.System),
		VoluntarySwitches:   u.Voluntary,
		InvoluntarySwitches: u.Involuntary,
	}
}

func watcherCost(u *spawn.Usage) *Cost {
	if u == nil {
		return nil
	}
	return costOf(*u)
}

func cgroupOf(s *cgroup.Stat) *Cgroup {
	if s == nil {
		return nil
	}
	pressure := func(p cgroup.Pressure) Pressure { return Pressure{Seconds(p.Some), Seconds(p.Full)} }
	return &Cgroup{
		Path: s.Path, Controllers: s.Controllers,
		CPU: Seconds(s.CPU), User: Seconds(s.User), System: Seconds(s.System),
		Throttled: Seconds(s.Throttled), ThrottledPeriods: s.ThrottledPeriods, MemoryPeak: s.MemoryPeak,
		CPUPressure: pressure(s.CPUPressure), MemoryPressure: pressure(s.MemoryPressure), IOPressure: pressure(s.IOPressure),
	}
}

// continueExtractor continues the extractor after the measurement and notes what it
// used while it was stopped.
func (h *Handle) continueExtractor(r *Result) {
	used, frozen, err := h.thawNow()
	if err != nil {
		r.Notices = append(r.Notices, "the extractor could not be continued after the measurement: "+err.Error())
	} else if frozen {
		r.Frozen = costOf(used)
	}
}
