package core

import (
	"strings"
	"time"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/internal/plainjson"
)

// Schema names the version of Record's JSON. A version only gets new fields. A change
// of a field's meaning is a new version.
const Schema = "ktstr.run/v1"

// Values of Record.Verdict.
const (
	Pass = "pass"
	Fail = "fail"
)

// Record is everything that is kept of one finished run, except its raw output. It
// round-trips through JSON without loss. docs/record.md describes the JSON.
type Record struct {
	Schema      string         `json:"schema"`
	ID          string         `json:"id,omitempty"` // random and different for each run; empty in records of older builds
	Index       int64          `json:"index"`        // of the run within its process, from 0, in the order of finishing
	Payload     string         `json:"payload"`
	Argv        []string       `json:"argv"`
	Dir         string         `json:"dir"` // the working directory of the payload
	Start       time.Time      `json:"start"`
	Duration    Seconds        `json:"duration"`
	ExitCode    int            `json:"exit_code"` // -1: a signal ended the payload, or it was not started
	Signal      string         `json:"signal"`
	CoreDumped  bool           `json:"core_dumped,omitempty"`
	TimedOut    bool           `json:"timed_out"`
	Timeout     Seconds        `json:"timeout,omitempty"`  // at which the payload is killed; 0: never, or not known
	Interrupted bool           `json:"interrupted"`        // by Ctrl-C, Handle.Interrupt or a cancelled context
	EndedBy     string         `json:"ended_by,omitempty"` // "kill" (Handle.Kill) or "stop-after": the run was ended on purpose
	Verdict     string         `json:"verdict"`            // Pass exactly when ExitStatus is 0
	Details     []check.Detail `json:"details"`            // what failed
	// Checks has the outcome of every check, in order. It is empty if the run had no
	// check, and nil in an old record that does not have the outcomes.
	Checks     []check.Outcome   `json:"checks,omitzero"`
	Extraction Extraction        `json:"extraction"`
	Metrics    []ktstr.Metric    `json:"metrics"`
	Headlines  []string          `json:"headlines"` // names of the metrics that are shown first
	Capture    map[string]Seen   `json:"capture"`   // by stream
	Bundle     string            `json:"bundle"`    // absolute path of the run's directory; empty: there is none
	Host       Host              `json:"host"`
	Where      *Where            `json:"where,omitempty"`      // the place of the run in a fleet; nil: it was not started by --on
	Exclusive  bool              `json:"exclusive,omitempty"`  // no other exclusive run went on on the host
	Overlapped []Overlap         `json:"overlapped,omitempty"` // other runs that went on during an exclusive run, at most 100
	Scratch    *Scratch          `json:"scratch,omitempty"`
	Killed     []Killed          `json:"killed,omitempty"` // descendants that were killed with the payload or after it
	Notices    []string          `json:"notices,omitempty"`
	Harness    *Cost             `json:"harness,omitempty"` // of ktstr itself while the payload ran
	Watcher    *Cost             `json:"watcher,omitempty"` // of the watcher process in that time; nil: there was none
	Used       *Cost             `json:"used,omitempty"`    // of the payload and the descendants that it waited for
	Frozen     *Cost             `json:"frozen,omitempty"`  // of the extractor's process while it was stopped for the measurement
	Tool       string            `json:"tool,omitempty"`    // version that the payload's program reports
	Hints      []ktstr.Hint      `json:"hints,omitempty"`   // of the user, which override those of the payload and of the extractor
	Labels     map[string]string `json:"labels,omitempty"`  // for example "set" and "commit", see Spec.Labels
	Cgroup     *Cgroup           `json:"cgroup,omitempty"`  // counters of the run's cgroup; nil: it had none
	Plugin     *Plugin           `json:"plugin,omitempty"`  // the extractor's executable; nil: the extractor is built in
	// NotStarted is the reason why a run that was wanted has no result. Nothing in such
	// a record was measured. Run never returns one.
	NotStarted string `json:"error,omitempty"`
}

// Where says on which host of a fleet a run took place. The client wrote it down, not the
// host.
type Where struct {
	Engine string `json:"engine"`        // "slurm" or "ssh", for example
	Host   string `json:"host"`          // as the engine calls it, for example "n3"
	Job    string `json:"job,omitempty"` // as the engine calls it, for example "1742"
}

// Overlap is a run of another command that went on on the host at the same time.
type Overlap struct {
	Pid     int       `json:"pid"`            // of the command; 0: in a container, and not known
	User    string    `json:"user,omitempty"` // empty: not known
	Payload string    `json:"payload"`        // empty: not known
	Set     string    `json:"set,omitempty"`
	Start   time.Time `json:"start,omitzero"`
}

// Cgroup has the counters of the cgroup that a run had to itself. They begin at zero
// when the run starts and end with the last process of the run.
type Cgroup struct {
	Path             string   `json:"path"`        // removed after the run
	Controllers      []string `json:"controllers"` // that are enabled; empty: the cgroup limits nothing
	CPU              Seconds  `json:"cpu"`
	User             Seconds  `json:"user"`
	System           Seconds  `json:"system"`
	Throttled        Seconds  `json:"throttled"` // time that the run waited because of a CPU quota
	ThrottledPeriods int64    `json:"throttled_periods"`
	MemoryPeak       int64    `json:"memory_peak"`     // bytes; 0 without the memory controller
	CPUPressure      Pressure `json:"cpu_pressure"`    // zero if the kernel does not measure it (PSI)
	MemoryPressure   Pressure `json:"memory_pressure"` // as CPUPressure
	IOPressure       Pressure `json:"io_pressure"`     // as CPUPressure
}

// Pressure is the time for which some, or all, of the tasks of a cgroup waited for a
// resource, as the kernel's PSI counts it.
type Pressure struct {
	Some Seconds `json:"some"`
	Full Seconds `json:"full"`
}

// Plugin describes the extractor's executable and its sandbox.
type Plugin struct {
	From    string    `json:"from"`             // "bundled", "installed", "--plugin" or "KTSTR_PLUGIN_PATH"
	Path    string    `json:"path,omitempty"`   // empty: inside ktstr itself
	SHA256  string    `json:"sha256,omitempty"` // of the file at Path
	Locked  bool      `json:"locked"`           // the plugin had to have this hash; true for a plugin inside ktstr
	Lock    string    `json:"lock,omitempty"`   // the project's lock file that names the plugin; empty: there was none
	Sandbox []Measure `json:"sandbox"`          // the restrictions that were requested; empty: no sandbox
}

// Measure is one restriction of a plugin's sandbox.
type Measure struct {
	Name     string `json:"name"`
	Enforced bool   `json:"enforced"`
	Detail   string `json:"detail,omitempty"` // the mechanism, or the reason why it is not enforced
}

// Extraction describes how the metrics were extracted.
type Extraction struct {
	Status      extract.Status     `json:"status"`
	Extractor   string             `json:"extractor"`
	Version     string             `json:"version"`
	Error       string             `json:"error,omitempty"`
	Diagnostics []ktstr.Diagnostic `json:"diagnostics"`
}

// Version is an extractor with the status that it gave.
type Version struct {
	Extractor string         `json:"extractor"`
	Version   string         `json:"version"`
	Status    extract.Status `json:"status"`
}

// VersionOf returns the Version of an extraction.
func VersionOf(e Extraction) Version { return Version{e.Extractor, e.Version, e.Status} }

func (v Version) String() string {
	text := strings.TrimSpace(v.Extractor + " " + v.Version)
	if v.Status != extract.OK {
		text += " (" + string(v.Status) + ")"
	}
	return text
}

// Seen describes how much of a stream was read and how much of it was kept.
type Seen struct {
	Bytes     int64 `json:"bytes"`     // that were read
	Truncated bool  `json:"truncated"` // more was read than kept
	Complete  bool  `json:"complete"`  // the end of the stream was reached

	// Kept is the number of bytes that were kept. 0 means all of them.
	Kept int64 `json:"kept,omitempty"`
}

// Killed is a descendant of the payload that was killed with it or after it.
type Killed struct {
	Pid  int    `json:"pid"`
	Name string `json:"name"`
}

// Scratch is the directory that a run got for its files.
type Scratch struct {
	Dir        string `json:"dir"`        // removed after the run
	Filesystem string `json:"filesystem"` // its type, for example "ext4"
}

// Cost is the CPU time and the context switches of a process while the payload ran.
type Cost struct {
	CPU                 Seconds `json:"cpu"` // user and system
	VoluntarySwitches   int64   `json:"voluntary_switches"`
	InvoluntarySwitches int64   `json:"involuntary_switches"`
}

// Metric returns the first metric of that name.
func (r Record) Metric(name string) (ktstr.Metric, bool) {
	for _, m := range r.Metrics {
		if m.Name == name {
			return m, true
		}
	}
	return ktstr.Metric{}, false
}

// Printed returns the metrics that the extractor gave. The others were measured around
// the run (ktstr.RunStream).
func (r Record) Printed() []ktstr.Metric {
	n := len(r.Metrics)
	for n > 0 && r.Metrics[n-1].Stream == ktstr.RunStream {
		n--
	}
	return r.Metrics[:n:n]
}

// MarshalJSON writes empty lists as [] and never as null, so that readers need not
// distinguish the two.
func (r Record) MarshalJSON() ([]byte, error) {
	type plain Record
	p := plain(r)
	p.Argv = list(p.Argv)
	p.Details = list(p.Details)
	p.Metrics = list(p.Metrics)
	p.Headlines = list(p.Headlines)
	p.Extraction.Diagnostics = list(p.Extraction.Diagnostics)
	if p.Cgroup != nil {
		c := *p.Cgroup
		c.Controllers = list(c.Controllers)
		p.Cgroup = &c
	}
	if p.Plugin != nil {
		x := *p.Plugin
		x.Sandbox = list(x.Sandbox)
		p.Plugin = &x
	}
	return plainjson.Marshal(p)
}

func list[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
