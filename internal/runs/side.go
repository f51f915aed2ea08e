package runs

import (
	"strconv"
	"strings"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/internal/bundle"
	"github.com/ktstr/ktstr/internal/compare"
)

// Side is a set of runs as comparing sees it, under the name that the reader
// knows it by.
func Side(name string, list []Run) compare.Side { return side(name, list, naming{}) }

// Sides are two sets of runs as comparing sees them, and the least effects that
// their payloads ask for. Like is compared with like: where a set holds runs of
// several payloads metrics are called PAYLOAD/METRIC, where it holds several
// variants of a payload VARIANT/METRIC or PAYLOAD/VARIANT/METRIC; see
// SplitByVariant.
func Sides(nameA string, a []Run, nameB string, b []Run) (sideA, sideB compare.Side, effects []compare.MinEffect) {
	n := naming{
		payloads: len(payloads(a)) > 1 || len(payloads(b)) > 1,
		variants: SplitByVariant(a, b),
	}
	return side(nameA, a, n), side(nameB, b, n), minEffects(append(a[:len(a):len(a)], b...), n)
}

// Variant is which of several variants of its payload a run is of; empty: it is
// of none. (Payloads that are run in turns are labelled with their own names.)
func Variant(r core.Record) string {
	if v := r.Labels[LabelVariant]; v != r.Payload {
		return v
	}
	return ""
}

// SplitByVariant says of which payloads the runs are compared variant by
// variant: those of which a set has several, if the sets have one in common.
// Without, there is no like to compare with.
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

// payloads are the names of the payloads of the runs.
func payloads(list []Run) map[string]bool {
	names := map[string]bool{}
	for _, r := range list {
		names[r.Record.Payload] = true
	}
	return names
}

// variants are those of each payload.
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

// naming says what tells the metrics of unlike runs apart. The zero value:
// nothing does.
type naming struct {
	payloads bool            // the payload's name goes in front
	variants map[string]bool // payloads whose variants do
}

// prefixes are what goes in front of a run's metrics, and of what is known about
// its payload whatever the variant.
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

func side(name string, list []Run, n naming) compare.Side {
	s := compare.Side{Name: name}
	for _, r := range list {
		run := compare.Run{
			Broken:    Broken(r.Record),
			Metrics:   r.Record.Metrics,
			Headlines: r.Record.Headlines,
			About:     about(r.Record),
		}
		prefix, payload := n.prefixes(r.Record)
		if prefix != "" {
			run.Metrics, run.Headlines = nil, nil
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
					run.About[i].Value = "" // seen from the names
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

// Broken reports whether a run did not end well, so that its metrics measure
// nothing. One that only failed a check of a metric did end well.
func Broken(r core.Record) bool {
	if r.Verdict == core.Pass {
		return false // also of a record that another program wrote, with less in it
	}
	return r.ExitStatus() != core.ExitPass && (r.ExitStatus() != core.ExitCheck || r.Extraction.Status != extract.OK ||
		check.Verdict{Details: r.Details}.ExitCodeFailed())
}

// Arguments are those that the payload was executed with, as one text.
func Arguments(r core.Record) string {
	text := strings.Join(r.Argv[min(1, len(r.Argv)):], " ")
	if r.Scratch != nil {
		text = strings.ReplaceAll(text, r.Scratch.Dir, "{scratch}") // another one each run
	}
	if text == "" {
		return "none"
	}
	return text
}

// about is what must be equal for two runs to measure the same thing.
func about(r core.Record) []compare.Fact {
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
		{Name: "host", Value: r.Host.Name},
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

// build tells builds of a plugin apart that call themselves the same version;
// empty: not known, or no plugin.
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

// minEffects are the least effects that the payloads of the runs ask for; those
// of later runs count more. Runs without a bundle have none.
func minEffects(list []Run, n naming) []compare.MinEffect {
	var all []compare.MinEffect
	seen := map[compare.MinEffect]bool{}
	for _, r := range list {
		if r.Dir == "" {
			continue
		}
		p, err := bundle.LoadPayload(r.Dir)
		if err != nil {
			continue // what a bundle is not whole without, comparing can do without
		}
		prefix, _ := n.prefixes(r.Record)
		for _, h := range p.Hints {
			m := compare.MinEffect{Name: prefix + h.Name, Percent: h.MinEffect}
			if h.MinEffect > 0 && !seen[m] {
				seen[m] = true
				all = append(all, m)
			}
		}
	}
	return all
}
