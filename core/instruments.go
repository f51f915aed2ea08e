package core

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/core/instrument"
	"github.com/ktstr/ktstr/core/instrument/counters"
	"github.com/ktstr/ktstr/core/instrument/usage"
	"github.com/ktstr/ktstr/core/payload"
)

// instruments returns the instruments of a run of p.
func instruments(p payload.Payload) []instrument.Instrument {
	list := []instrument.Instrument{usage.Instrument{}}
	if len(p.Counters) > 0 {
		list = append(list, counters.Instrument{Events: p.Counters})
	}
	return list
}

// SetExtraction puts into r what an extractor found, and what the instruments measured
// around the run of p.
//
// A metric of the extractor keeps its name: the one of the instruments is left out,
// with a diagnostic. Patterns of hints do not apply to the metrics of the instruments.
// The headlines of the instruments count only if the extractor gives no metrics by
// design, or if a hint of the payload has exactly their name.
func (r *Record) SetExtraction(found extract.Result, measured ktstr.Extraction, p payload.Payload) {
	r.Extraction = ExtractionOf(found)
	r.Metrics = slices.Clip(found.Metrics)
	r.Headlines = nil
	for _, i := range found.Headlines {
		r.Headlines = append(r.Headlines, found.Metrics[i].Name)
	}
	var taken []string
	var own []ktstr.Metric
	for _, m := range measured.Metrics {
		if slices.ContainsFunc(found.Metrics, func(f ktstr.Metric) bool { return f.Name == m.Name }) {
			taken = append(taken, m.Name)
			continue
		}
		m.Stream = ktstr.RunStream
		own = append(own, m)
	}
	described := instrument.Hints(instruments(p))
	if byDesign := found.Status == extract.OK && len(found.Metrics) == 0; !byDesign {
		for i := range described {
			described[i].Headline = false
		}
	}
	headlines, _ := extract.Resolve(own, extract.Exact(r.Hints), extract.Exact(p.MetricHints()), described)
	for _, i := range headlines {
		r.Headlines = append(r.Headlines, own[i].Name)
	}
	r.Metrics = append(r.Metrics, own...)
	diagnostics := slices.Clip(r.Extraction.Diagnostics)
	for _, d := range measured.Diagnostics {
		d.Stream = ktstr.RunStream
		diagnostics = append(diagnostics, d)
	}
	if len(taken) > 0 {
		diagnostics = append(diagnostics, ktstr.Diagnostic{Code: ktstr.Duplicate, Stream: ktstr.RunStream,
			Message: fmt.Sprintf("the payload has metrics of these names, so those that ktstr measured are left out: %s", strings.Join(taken, ", "))})
	}
	r.Extraction.Diagnostics = diagnostics
}

// Measured returns what the instruments measured around the run. It cannot be measured
// again, so a record that replaces r takes it over.
func (r Record) Measured() (e ktstr.Extraction) {
	for _, m := range r.Metrics {
		if m.Stream == ktstr.RunStream {
			e.Metrics = append(e.Metrics, m)
		}
	}
	for _, d := range r.Extraction.Diagnostics {
		if d.Stream == ktstr.RunStream && d.Code != ktstr.Duplicate {
			e.Diagnostics = append(e.Diagnostics, d)
		}
	}
	return e
}

// notMeasured returns why the record has no metric of that name, if it is one of an
// instrument. Otherwise it returns "".
func (r Record) notMeasured(p payload.Payload, name string) string {
	for _, d := range r.Extraction.Diagnostics {
		if d.Stream == ktstr.RunStream && slices.Contains(strings.FieldsFunc(d.Message, func(c rune) bool { return c == ' ' || c == ',' || c == ':' }), name) {
			return d.Message
		}
	}
	measured := isMeasured(instrument.Hints(instruments(p)), name)
	inCgroup := measured && (name == "run.memory_peak" || strings.HasPrefix(name, "run.pressure."))
	switch {
	case inCgroup && r.Cgroup == nil:
		return name + " is measured only in a cgroup of the run's own, and this run had none: ktstr doctor gives the reason (private cgroup)"
	case inCgroup && name == "run.memory_peak":
		return name + " was not measured: no memory controller of this host, neither of cgroup v2 nor of v1, counts the cgroup of the run"
	case measured:
		return name + " was not measured: this host does not count it, or the payload did not ask for it"
	case isMeasured(counters.Instrument{}.Describe().Hints, name):
		return name + " is counted only with --counters, or with the key counters of a payload file"
	}
	return ""
}

func isMeasured(described []ktstr.Hint, name string) bool {
	return slices.ContainsFunc(described, func(h ktstr.Hint) bool { return h.Name == name })
}
