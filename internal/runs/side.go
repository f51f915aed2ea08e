package runs

import (
	"slices"
	"strconv"
	"strings"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/internal/bundle"
	"github.com/ktstr/ktstr/internal/compare"
)

// Side prepares runs for a comparison. name is the side's name in the table.
func Side(name string, list []Run) compare.Side { return side(name, list, naming{}) }

// Thresholds are the smallest effects and the margins that payloads define.
type Thresholds struct{ MinEffects, Margins []compare.Threshold }

// Sides prepares two sets of runs for a comparison. It also returns the thresholds that
// the payloads define.
//
// Only runs of the same payload and variant are compared. If a set has runs of several
// payloads, the metrics are renamed to PAYLOAD/METRIC. If it has several variants of a
// payload, they are renamed to VARIANT/METRIC or PAYLOAD/VARIANT/METRIC. For example,
// p99 of the variant "8 threads" becomes "8 threads/p99".
func Sides(nameA string, a []Run, nameB string, b []Run) (sideA, sideB compare.Side, t Thresholds) {
	n := naming{
		payloads: len(payloads(a)) > 1 || len(payloads(b)) > 1,
		variants: SplitByVariant(a, b),
	}
	return side(nameA, a, n), side(nameB, b, n), thresholds(append(a[:len(a):len(a)], b...), n)
}

// Variant returns the variant of a run, "" if the payload has no variants. If several
// payloads run in turns, their variant label is the name of the payload.
func Variant(r core.Record) string {
	if v := r.Labels[LabelVariant]; v != r.Payload {
		return v
	}
	return ""
}

// SplitByVariant returns the payloads whose variants are compared separately. A set has
// several variants of such a payload, and both sets have at least one of them.
func SplitByVariant(a, b []Run) map[string]bool {
	inA, inB := variants(a), variants(b)
	split := map[string]bool{}
	for payload, of := range inA {
		if len(of) < 2 && len(inB[payload]) < 2 {
			continue
		}
		for v := range of {
			if inB[payload][v] {
				split[payload] = true
			}
		}
	}
	return split
}

// payloads returns the names of the payloads.
func payloads(list []Run) map[string]bool {
	names := map[string]bool{}
	for _, r := range list {
		names[r.Record.Payload] = true
	}
	return names
}

// variants returns the variants of each payload.
func variants(list []Run) map[string]map[string]bool {
	of := map[string]map[string]bool{}
	for _, r := range list {
		p := r.Record.Payload
		if of[p] == nil {
			of[p] = map[string]bool{}
		}
		of[p][Variant(r.Record)] = true
	}
	return of
}

// naming defines how metrics are renamed. The zero value keeps their names.
type naming struct {
	payloads bool            // adds the payload's name
	variants map[string]bool // the payloads whose variants are added
}

// prefixes returns the prefix of a run's metrics, and the prefix of facts that do not
// depend on the variant.
func (n naming) prefixes(r core.Record) (metric, payload string) {
	if n.payloads {
		payload = r.Payload + "/"
	}
	metric = payload
	if v := Variant(r); v != "" && n.variants[r.Payload] {
		metric += v + "/"
	}
	return metric, payload
}

// WithHints returns runs whose metrics have the units, polarities and headlines of
// hints, in the place of the recorded ones.
func WithHints(list []Run, hints []ktstr.Hint) []Run {
	if len(hints) == 0 {
		return list
	}
	list = slices.Clone(list)
	for i := range list {
		r := &list[i].Record
		r.Metrics = slices.Clone(r.Metrics)
		r.Headlines = slices.Clone(r.Headlines)
		resolve := func(metrics []ktstr.Metric, hints []ktstr.Hint) {
			marked, _ := extract.Resolve(metrics, hints)
			for _, m := range marked {
				if name := metrics[m].Name; !slices.Contains(r.Headlines, name) {
					r.Headlines = append(r.Headlines, name)
				}
			}
		}
		printed := len(r.Printed())
		resolve(r.Metrics[:printed], hints)
		resolve(r.Metrics[printed:], extract.Exact(hints)) // patterns are not for the numbers of the run itself
	}
	return list
}

// side renames the metrics, the headlines and the facts of runs.
func side(name string, list []Run, n naming) compare.Side {
	s := compare.Side{Name: name}
	for _, r := range list {
		run := compare.Run{
			Broken:    Broken(r.Record),
			Metrics:   r.Record.Metrics,
			Headlines: r.Record.Headlines,
			Checked:   checked(r.Record),
			About:     Facts(r.Record),
			Set:       session(r.Record),
			Host:      Host(r.Record),
		}
		prefix, payload := n.prefixes(r.Record)
		if prefix != "" {
			run.Metrics, run.Headlines = nil, nil
			for i, name := range run.Checked {
				run.Checked[i] = prefix + name
			}
			for _, m := range r.Record.Metrics {
				m.Name = prefix + m.Name
				run.Metrics = append(run.Metrics, m)
			}
			for _, name := range r.Record.Headlines {
				run.Headlines = append(run.Headlines, prefix+name)
			}
		}
		spaced := func(prefix, name string) string {
			return strings.TrimSpace(strings.TrimSuffix(prefix, "/") + " " + name)
		}
		for i, f := range run.About {
			switch f.Name {
			case "payload":
				if n.payloads {
					run.About[i].Value = "" // the names of the metrics contain it
				}
			case "filesystem", "payload version", "tool version", "extractor version", "extractor build":
				run.About[i].Name = spaced(payload, f.Name)
			case "arguments":
				run.About[i].Name = spaced(prefix, f.Name)
			}
		}
		s.Runs = append(s.Runs, run)
	}
	return s
}

// checked returns the names of the metrics that the checks of a run name.
func checked(r core.Record) (names []string) {
	for _, o := range r.Checks {
		if c, err := check.Parse(o.Check); err == nil && c.Metric() != "" {
			names = append(names, c.Metric())
		}
	}
	return names
}

// Broken reports whether a run failed in a way that makes its metrics meaningless. A run
// that only failed a check of a metric is not broken.
func Broken(r core.Record) bool {
	if r.Verdict == core.Pass {
		return false // records of other programs may lack the other fields
	}
	// A run that did not pass has ExitCheck if a check of a metric is its only failure.
	// With ExitPass, the record does not tell why the run did not pass.
	return r.ExitStatus() != core.ExitCheck || r.Extraction.Status != extract.OK || check.Verdict{Details: r.Details}.ExitCodeFailed()
}

// Arguments returns the arguments of the payload in one text.
func Arguments(r core.Record) string {
	text := strings.Join(r.Argv[min(1, len(r.Argv)):], " ")
	if r.Scratch != nil {
		text = strings.ReplaceAll(text, r.Scratch.Dir, "{scratch}") // it differs in each run
	}
	if text == "" {
		return "none"
	}
	return text
}

// Facts returns the facts that must be equal if two runs measure the same thing.
func Facts(r core.Record) []compare.Fact {
	if r.NotStarted != "" {
		return nil
	}
	filesystem := ""
	if r.Scratch != nil {
		filesystem = r.Scratch.Filesystem
	}
	cpus := ""
	if r.Host.CPUs > 0 {
		cpus = strconv.Itoa(r.Host.CPUs)
	}
	return []compare.Fact{
		{Name: "host", Value: Host(r)},
		{Name: "kernel", Value: r.Host.Kernel},
		{Name: "cpu", Value: r.Host.CPU},
		{Name: "cpus", Value: cpus},
		{Name: "governor", Value: r.Host.Governor},
		{Name: "filesystem", Value: filesystem},
		{Name: "payload", Value: r.Payload},
		{Name: "payload version", Value: r.Labels[LabelDefinition]},
		{Name: "tool version", Value: r.Tool},
		{Name: "extractor version", Value: strings.TrimSpace(r.Extraction.Extractor + " " + r.Extraction.Version)},
		{Name: "extractor build", Value: build(r.Plugin)},
		{Name: "arguments", Value: Arguments(r)},
	}
}

// build distinguishes builds of a plugin that have the same version. It is "" if there
// is no plugin or its build is unknown.
func build(p *core.Plugin) string {
	const digits = 12
	switch {
	case p == nil:
		return ""
	case p.SHA256 == "":
		return p.From
	}
	return p.SHA256[:min(digits, len(p.SHA256))]
}

// session returns the set of a run without the variant, because the variants of one
// command ran in turns. It is "" for a run alone.
func session(r core.Record) string {
	set, _, _ := strings.Cut(r.Labels[LabelSet], ".")
	return set
}

// thresholds returns the thresholds that the payloads of runs define. Later runs override
// earlier ones. Runs without a bundle define none.
func thresholds(list []Run, n naming) (t Thresholds) {
	add := func(to *[]compare.Threshold, name string, percent float64) {
		if item := (compare.Threshold{Name: name, Percent: percent}); percent > 0 && !slices.Contains(*to, item) {
			*to = append(*to, item)
		}
	}
	for _, r := range list {
		if r.Dir == "" {
			continue
		}
		p, err := bundle.LoadPayload(r.Dir)
		if err != nil {
			continue // a comparison works without the payload
		}
		prefix, _ := n.prefixes(r.Record)
		for _, h := range p.Hints {
			add(&t.MinEffects, prefix+h.Name, h.MinEffect)
			add(&t.Margins, prefix+h.Name, h.Margin)
		}
	}
	return t
}
