package bundle

import (
	"encoding/json"
	"fmt"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/core/extract"
)

// ParseRecord reads the JSON of a record. It returns an error if the schema is another
// one, or if the record contradicts itself. For example, a run cannot have passed with
// an exit code that its check refuses. A contradictory record was edited or damaged, and
// a comparison must not take it for a good run.
func ParseRecord(text []byte) (core.Record, error) {
	var r core.Record
	if err := decode(text, &r); err != nil {
		return core.Record{}, fmt.Errorf("not a record: %w", err)
	}
	if r.Schema != core.Schema {
		return core.Record{}, fmt.Errorf("schema %q: want %q", r.Schema, core.Schema)
	}
	for _, validate := range []func(core.Record) error{validateValues, validateChecks, validatePass} {
		if err := validate(r); err != nil {
			return core.Record{}, fmt.Errorf("not a valid record: %w", err)
		}
	}
	if r.Metrics != nil {
		return r, nil
	}
	var fields struct{ Metrics json.RawMessage }
	if err := json.Unmarshal(text, &fields); err != nil || string(fields.Metrics) == "null" {
		return core.Record{}, fmt.Errorf("not a valid record: metrics is null: want a list")
	}
	return r, nil
}

// validateValues returns an error for a value that no run can have. Records of other
// programs may lack fields, so the empty value of a word is accepted.
func validateValues(r core.Record) error {
	switch r.Verdict {
	case "", core.Pass, core.Fail:
	default:
		return fmt.Errorf("verdict %q: want pass or fail", r.Verdict)
	}
	switch r.Extraction.Status {
	case "", extract.OK, extract.None, extract.Error:
	default:
		return fmt.Errorf("extraction.status %q: want ok, none or error", r.Extraction.Status)
	}
	durations := map[string]core.Seconds{"duration": r.Duration, "timeout": r.Timeout}
	for name, cost := range map[string]*core.Cost{"harness": r.Harness, "watcher": r.Watcher, "used": r.Used, "frozen": r.Frozen} {
		if cost != nil {
			durations[name+".cpu"] = cost.CPU
		}
	}
	if c := r.Cgroup; c != nil {
		durations["cgroup.cpu"], durations["cgroup.user"], durations["cgroup.system"] = c.CPU, c.User, c.System
		durations["cgroup.throttled"] = c.Throttled
	}
	for name, d := range durations {
		if d < 0 {
			text, _ := json.Marshal(d)
			return fmt.Errorf("%s is %s: want 0 or more", name, text)
		}
	}
	return nil
}

// validateChecks returns an error if the outcome of a check of the exit code does not
// agree with the exit code.
func validateChecks(r core.Record) error {
	for _, o := range r.Checks {
		switch o.Status {
		case check.Held, check.Failed, check.Skipped:
		default:
			return fmt.Errorf("checks: %q has the status %q: want held, failed or skipped", o.Check, o.Status)
		}
		c, err := check.Parse(o.Check)
		if err != nil || c.Kind() != check.KindExit || o.Status == check.Skipped {
			continue // a later version may have other checks
		}
		if (c.ExitCode() == r.ExitCode) != (o.Status == check.Held) {
			return fmt.Errorf("checks: %q %s, and exit_code is %d", o.Check, o.Status, r.ExitCode)
		}
	}
	return nil
}

// validatePass returns an error if a run that passed has a failure.
func validatePass(r core.Record) error {
	if r.Verdict != core.Pass {
		return nil
	}
	expected := r.EndedBy != ""
	for _, o := range r.Checks {
		if o.Status != check.Held {
			return fmt.Errorf("verdict is %q, and checks has %q, which %s", r.Verdict, o.Check, o.Status)
		}
		if c, err := check.Parse(o.Check); err == nil && c.Kind() == check.KindExit {
			expected = true
		}
	}
	field, value := "", any(true)
	switch {
	case r.NotStarted != "":
		field, value = "error", r.NotStarted
	case r.Interrupted:
		field = "interrupted"
	case r.TimedOut:
		field = "timed_out"
	case len(r.Details) > 0:
		return fmt.Errorf("verdict is %q, and details has a failure: %s", r.Verdict, r.Details[0].Message)
	case r.Extraction.Status != "" && r.Extraction.Status != extract.OK:
		field, value = "extraction.status", string(r.Extraction.Status)
	case r.Extraction.Error != "":
		field, value = "extraction.error", r.Extraction.Error
	case r.Signal != "" && !expected:
		field, value = "signal", r.Signal
	default:
		return nil
	}
	return fmt.Errorf("verdict is %q, and %s is %#v", r.Verdict, field, value)
}
