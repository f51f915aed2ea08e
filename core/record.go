package core

import (
	"strings"
	"time"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/internal/plainjson"
)

// Schema names the version of Record's JSON. Fields are only ever added; a
// change of meaning would be a new schema.
const Schema = "ktstr.run/v1"

// The words of Record.Verdict.
const (
	Pass = "pass"
	Fail = "fail"
)

// Record is all that is kept of one finished run but its raw output. It
// round-trips through JSON without loss. docs/record.md describes the JSON.
type Record struct {
	Schema      string         `json:"schema"`
	Index       int64          `json:"index"` // of the run within its process, from 0, in the order of finishing
	Payload     string         `json:"payload"`
	Argv        []string       `json:"argv"`
	Dir         string         `json:"dir"` // the working directory of the payload
	Start       time.Time      `json:"start"`
	Duration    Seconds        `json:"duration"`
	ExitCode    int            `json:"exit_code"` // -1: a signal ended it, or it was not started
	Signal      string         `json:"signal"`
	CoreDumped  bool           `json:"core_dumped,omitempty"`
	TimedOut    bool           `json:"timed_out"`
	Timeout     Seconds        `json:"timeout,omitempty"` // after which it would be killed; 0: never, or not known
	Interrupted bool           `json:"interrupted"`       // by a person, a kill or a cancelled context
	Verdict     string         `json:"verdict"`           // Pass exactly when ExitStatus is 0
	Details     []check.Detail `json:"details"`           // what failed
	// Checks are all checks of the run, in order, also those that held; empty:
	// it had none. Nil, in a record from before they were kept: not known.
	Checks     []check.Outcome   `json:"checks,omitzero"`
	Extraction Extraction        `json:"extraction"`
	Metrics    []ktstr.Metric    `json:"metrics"`
	Headlines  []string          `json:"headlines"` // names of the metrics to show first
	Capture    map[string]Seen   `json:"capture"`   // by stream
	Bundle     string            `json:"bundle"`    // absolute path of the run's directory; empty: not kept
	Host       Host              `json:"host"`
	Scratch    *Scratch          `json:"scratch,omitempty"`
	Killed     []Killed          `json:"killed,omitempty"` // descendants that outlived the payload
	Notices    []string          `json:"notices,omitempty"`
	Harness    *Cost             `json:"harness,omitempty"` // what ktstr itself cost while the payload ran
	Watcher    *Cost             `json:"watcher,omitempty"` // likewise the process that outlives a killed ktstr; nil: there was none
	Used       *Cost             `json:"used,omitempty"`    // what the payload used, with the descendants it waited for
	Frozen     *Cost             `json:"frozen,omitempty"`  // what the extractor's process used while it was stopped for the measurement
	Tool       string            `json:"tool,omitempty"`    // version that the payload's binary reports
	Labels     map[string]string `json:"labels,omitempty"`  // what the caller said the run belongs to: "set", "commit", …
	Cgroup     *Cgroup           `json:"cgroup,omitempty"`  // what the kernel counted for the run's cgroup; nil: it had none
	Plugin     *Plugin           `json:"plugin,omitempty"`  // the extractor's executable; nil: built in
	// NotStarted says why there was no run, of one that was asked for: then
	// nothing here was measured. Run never gives such a record.
	NotStarted string `json:"error,omitempty"`
}

// Cgroup is what the kernel counted for the cgroup that a run had to itself,
// from zero at its start to the end of the last process in it.
type Cgroup struct {
	Path             string   `json:"path"`        // removed after the run
	Controllers      []string `json:"controllers"` // in force; empty: it only groups and counts
	CPU              Seconds  `json:"cpu"`
	User             Seconds  `json:"user"`
	System           Seconds  `json:"system"`
	Throttled        Seconds  `json:"throttled"` // time that a CPU quota took away
	ThrottledPeriods int64    `json:"throttled_periods"`
	MemoryPeak       int64    `json:"memory_peak"`     // bytes; 0 without the memory controller
	CPUPressure      Pressure `json:"cpu_pressure"`    // zero where the kernel does not measure it
	MemoryPressure   Pressure `json:"memory_pressure"` // likewise
	IOPressure       Pressure `json:"io_pressure"`     // likewise
}

// Pressure is how long some, or all, of the tasks of a cgroup waited for a
// resource, as the kernel's PSI counts it.
type Pressure struct {
	Some Seconds `json:"some"`
	Full Seconds `json:"full"`
}

// Plugin says which executable the extractor was, and what kept it in.
type Plugin struct {
	From    string    `json:"from"`             // "bundled", "installed", "--plugin" or "KTSTR_PLUGIN_PATH"
	Path    string    `json:"path,omitempty"`   // empty: inside ktstr itself
	SHA256  string    `json:"sha256,omitempty"` // of the file at Path
	Locked  bool      `json:"locked"`           // a lock demanded this hash; true for one inside ktstr
	Lock    string    `json:"lock,omitempty"`   // the project's lock file that named it; empty: there was none
	Sandbox []Measure `json:"sandbox"`          // what was asked for; none: it ran without a sandbox
}

// Measure is one restriction of a plugin's sandbox.
type Measure struct {
	Name     string `json:"name"`
	Enforced bool   `json:"enforced"`
	Detail   string `json:"detail,omitempty"` // how, or why not
}

// Extraction says how the metrics came to be.
type Extraction struct {
	Status      extract.Status     `json:"status"`
	Extractor   string             `json:"extractor"`
	Version     string             `json:"version"`
	Error       string             `json:"error,omitempty"`
	Diagnostics []ktstr.Diagnostic `json:"diagnostics"`
}

// Version says which extractor gave which status.
type Version struct {
	Extractor string         `json:"extractor"`
	Version   string         `json:"version"`
	Status    extract.Status `json:"status"`
}

// VersionOf is that of an extraction.
func VersionOf(e Extraction) Version { return Version{e.Extractor, e.Version, e.Status} }

func (v Version) String() string {
	text := strings.TrimSpace(v.Extractor + " " + v.Version)
	if v.Status != extract.OK {
		text += " (" + string(v.Status) + ")"
	}
	return text
}

// Seen says how much of a stream was printed and how much of it was kept.
type Seen struct {
	Bytes     int64 `json:"bytes"`     // all that were seen
	Truncated bool  `json:"truncated"` // more was seen than was kept
	Complete  bool  `json:"complete"`  // the end of the stream was seen

	// Kept is how many bytes were kept; 0 where that is all of them.
	Kept int64 `json:"kept,omitempty"`
}

// Killed is a process that outlived the payload and was killed.
type Killed struct {
	Pid  int    `json:"pid"`
	Name string `json:"name"`
}

// Scratch is the directory that a run was given for its files.
type Scratch struct {
	Dir        string `json:"dir"`        // removed after the run
	Filesystem string `json:"filesystem"` // its type, such as "ext4"
}

// Cost is what a process used while the payload ran.
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

// MarshalJSON writes empty lists as [], never as null, so that readers need
// not tell the two apart.
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
