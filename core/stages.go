package core

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/core/payload"
	"github.com/ktstr/ktstr/spawn"
	"github.com/ktstr/ktstr/spawn/cgroup"
)

// validate refuses what is wrong whatever program is installed.
func (s Spec) validate() error {
	p := s.Payload
	switch {
	case p.Name == "":
		return fmt.Errorf("payload without a name: want core.Spec.Payload")
	case p.Kind == payload.Scheduler: // C3
		return fmt.Errorf("payload %s: it is a scheduler: schedulers are launched by the framework, not here", p.Name)
	case s.Extractor == nil:
		return fmt.Errorf("payload %s: no extractor: want core.Spec.Extractor", p.Name)
	case s.timeout() < 0:
		return fmt.Errorf("payload %s: timeout %v: want 0 for none, or more", p.Name, s.timeout())
	case s.Grace < 0:
		return fmt.Errorf("payload %s: grace %v: want 0 for 5 s, or more", p.Name, s.Grace)
	case s.Limit < 0:
		return fmt.Errorf("payload %s: capture limit %d: want 0 for 16 MiB, or more", p.Name, s.Limit)
	}
	if name := s.cgroup(); name != "" { // C19
		if err := cgroup.CheckName("", name); err != nil {
			return fmt.Errorf("payload %s: %w", p.Name, err)
		}
	}
	if p.Summary == "" { // an embedding program needs none, a payload file does
		p.Summary = "The payload " + p.Name
	}
	if err := p.Validate(); err != nil {
		return fmt.Errorf("payload %s: %w", p.Name, err)
	}
	return p.CheckFlags(s.Args) // C4
}

// resolve returns the payload p, which is s.Payload for the installed version of
// its program, with the arguments, checks, options, timeout and cgroup of this run.
// It refuses everything that could only fail later.
func (s Spec) resolve(p payload.Payload) (payload.Payload, error) {
	s.Payload = p
	for _, name := range p.Files {
		if _, err := os.Stat(name); err != nil {
			return p, fmt.Errorf("file %s, which it needs: %w: want it there before the run", name, errors.Unwrap(err))
		}
	}
	description := s.Extractor.Describe()
	p.Extractor = description.Name
	p.Args, p.Checks, p.Options = s.args(), s.checks(), s.options()
	p.Timeout, p.Cgroup = s.timeout(), s.cgroup()
	if err := p.CheckArgs(); err != nil {
		return p, err
	}
	if err := CheckOptions(description, p.Options); err != nil {
		return p, err
	}
	if err := check.Preflight(p.Checks, hintUnit(p.MetricHints(), description.Hints)); err != nil { // C34
		return p, err
	}
	return p, nil
}

// hintUnit tells the unit that hints give to a name. Earlier sources go before
// later ones.
func hintUnit(sources ...[]ktstr.Hint) func(string) string {
	r := extract.NewResolver(sources...)
	return func(name string) string { return r.Hint(name).Unit }
}

// CheckOptions refuses options that the extractor of that description does not
// have, and values that it does not take.
func CheckOptions(d ktstr.Description, options map[string]string) error {
	for name, value := range options {
		known := false
		var names []string
		for _, o := range d.Options {
			names = append(names, o.Name)
			if o.Name != name {
				continue
			}
			known = true
			if len(o.Values) > 0 && !slices.Contains(o.Values, value) {
				return fmt.Errorf("extractor %s: option %s=%s: want %s", d.Name, name, value, strings.Join(o.Values, ", "))
			}
		}
		if !known {
			return fmt.Errorf("extractor %s: option %s: not one that it has: want %s", d.Name, name, cmp.Or(strings.Join(names, ", "), "none"))
		}
	}
	return nil
}

// command is what the resolved payload p executes.
func (s Spec) command(p payload.Payload, dir *scratch) spawn.Command {
	c := spawn.Command{
		Path:       p.Binary,
		Dir:        "",
		ShareGroup: p.SharesGroup,
		Limit:      s.Limit,
		Timeout:    p.Timeout,
		Cgroup:     p.Cgroup,
		NoCgroup:   s.NoCgroup,
		Grace:      s.Grace,
	}
	if len(s.Program) > 0 {
		c.Path, c.Args = s.Program[0], append(c.Args, s.Program[1:]...)
	}
	for _, arg := range p.Args {
		c.Args = append(c.Args, p.Expand(arg, dir.path, dir.output))
	}
	if p.Dir == payload.DirScratch {
		c.Dir = dir.path
	}
	var env []string
	for _, name := range slices.Sorted(maps.Keys(p.Env)) {
		env = append(env, name+"="+p.Expand(p.Env[name], dir.path, dir.output))
	}
	c.Env = spawn.Environ(env...)
	return c
}

// describe fills in what is known before extraction: how the process ended and
// what it printed.
func (h *Handle) describe(r *Result, ended spawn.Result) {
	p := h.prepared.definition
	r.Record = Record{
		Schema:     Schema,
		Payload:    p.Name,
		Argv:       append([]string{h.command.Path}, h.command.Args...),
		Dir:        h.command.Dir,
		Start:      ended.Start,
		Duration:   Seconds(ended.Duration),
		ExitCode:   ended.ExitCode,
		Signal:     ended.Signal,
		CoreDumped: ended.CoreDumped,
		TimedOut:   ended.Cause == spawn.CauseTimeout,
		Timeout:    Seconds(p.Timeout),
		Interrupted: ended.Cause == spawn.CauseInterrupt || ended.Cause == spawn.CauseKill ||
			ended.Cause == spawn.CauseCancel,
		Capture: map[string]Seen{},
		Host:    ThisHost(),
		Notices: ended.Notices,
		Tool:    h.prepared.tool,
		Labels:  h.prepared.spec.Labels,
		Harness: costOf(ended.Harness),
		Used:    costOf(ended.Payload),
		Watcher: watcherCost(ended.Watcher),
		Cgroup:  cgroupOf(ended.Cgroup),
		Plugin:  h.prepared.spec.Plugin,
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

// continueExtractor ends the freeze of the measurement and notes what the
// extractor used during it.
func (h *Handle) continueExtractor(r *Result) {
	used, frozen, err := h.thawNow()
	if err != nil {
		r.Notices = append(r.Notices, "the extractor could not be continued after the measurement: "+err.Error())
	} else if frozen {
		r.Frozen = costOf(used)
	}
}

// setExtraction fills in what extraction gave.
func (r *Result) setExtraction(x extract.Result) {
	r.Extraction = ExtractionOf(x)
	r.Metrics = x.Metrics
	for _, i := range x.Headlines {
		r.Headlines = append(r.Headlines, x.Metrics[i].Name)
	}
}

// ExtractionOf is how x stands in a record.
func ExtractionOf(x extract.Result) Extraction {
	return Extraction{Status: x.Status, Extractor: x.Extractor, Version: x.Version, Error: x.Error, Diagnostics: x.Diagnostics}
}

// kindSignal is the kind of the detail for a payload that a signal ended while
// no check says anything about its exit code.
const kindSignal = "signal"

// kindNotKept is the kind of the detail for a run that a sink could not keep.
const kindNotKept = "not-kept"

func notKept(err error) check.Detail {
	return check.Detail{Kind: kindNotKept, Message: err.Error()}
}

// NotKept notes in a finished record that something of the run could not be
// kept where it was asked for. It does not pass then.
func (r *Record) NotKept(err error) { r.fail(notKept(err)) }

// judge evaluates the checks of the resolved payload.
func (r *Result) judge(h *Handle, x extract.Result) {
	r.Judge(h.prepared.definition, r.Streams[1].Data, x.Looked, h.prepared.spec.Extractor.Describe().Hints)
}

// Judge evaluates the checks of the resolved payload p on the record's metrics
// and exit code, notes what became of each, adds what failed to the details and
// brings the verdict up to date. stderr is for messages, looked names the streams that metrics were
// looked for in, and hints are the extractor's.
func (r *Record) Judge(p payload.Payload, stderr []byte, looked []ktstr.Stream, hints []ktstr.Hint) {
	if r.Signal != "" && !r.TimedOut && !r.Interrupted && !slices.ContainsFunc(p.Checks, func(c check.Check) bool { return c.Kind() == check.KindExit }) {
		r.fail(check.Detail{Kind: kindSignal, Message: "ended by " + r.Signal + ", and no check says that this is expected: want exit == -1 if it is"})
	}
	verdict := check.Evaluate(p.Checks, check.Input{
		Metrics:  r.Metrics,
		ExitCode: r.ExitCode,
		Signal:   r.Signal,
		Stderr:   stderr,
		Bounds:   p.Bounds,
		HintUnit: hintUnit(p.MetricHints(), hints),
		Searched: looked,
	})
	r.Checks = verdict.Outcomes(p.Checks)
	r.fail(verdict.Details...)
}

// fail adds what failed, if anything, and brings the verdict up to date.
func (r *Record) fail(details ...check.Detail) {
	r.Details = append(r.Details, details...)
	r.Verdict = Pass
	if r.ExitStatus() != ExitPass {
		r.Verdict = Fail
	}
}
