package runs

import (
	"strconv"
	"strings"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/bundle"
	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/core/compare"
	"github.com/ktstr/ktstr/core/extract"
)

// Side is a set of runs as comparing sees it, under the name that the reader
// knows it by.
func Side(name string, list []Run) compare.Side { return side(name, list, false) }

// Sides are two sets of runs as comparing sees them, and the least effects that
// their payloads ask for. Where a set holds runs of several payloads each is
// compared with its like: metrics are then called PAYLOAD/METRIC.
func Sides(nameA string, a []Run, nameB string, b []Run) (sideA, sideB compare.Side, effects []compare.MinEffect) {
	mixed := len(payloads(a)) > 1 || len(payloads(b)) > 1
	return side(nameA, a, mixed), side(nameB, b, mixed), minEffects(append(a[:len(a):len(a)], b...), mixed)
}

// payloads are the names of the payloads of the runs.
func payloads(list []Run) map[string]bool {
	names := map[string]bool{}
	for _, r := range list {
		names[r.Record.Payload] = true
	}
	return names
}

func side(name string, list []Run, mixed bool) compare.Side {
	s := compare.Side{Name: name}
	for _, r := range list {
		run := compare.Run{
			Broken:    Broken(r.Record),
			Metrics:   r.Record.Metrics,
			Headlines: r.Record.Headlines,
			About:     about(r.Record),
		}
		if mixed {
			run.Metrics, run.Headlines = nil, nil
			for _, m := range r.Record.Metrics {
				m.Name = r.Record.Payload + "/" + m.Name
				run.Metrics = append(run.Metrics, m)
			}
			for _, name := range r.Record.Headlines {
				run.Headlines = append(run.Headlines, r.Record.Payload+"/"+name)
			}
			for i, f := range run.About {
				switch f.Name {
				case "payload":
					run.About[i].Value = "" // seen from the names
				case "filesystem", "payload version", "tool version", "extractor version", "arguments":
					run.About[i].Name = r.Record.Payload + " " + f.Name
				}
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

// about is what must be equal for two runs to measure the same thing.
func about(r core.Record) []compare.Fact {
	filesystem := ""
	args := r.Argv
	if len(args) > 0 {
		args = args[1:]
	}
	text := strings.Join(args, " ")
	if r.Scratch != nil {
		filesystem = r.Scratch.Filesystem
		text = strings.ReplaceAll(text, r.Scratch.Dir, "{scratch}") // another one each run
	}
	if text == "" {
		text = "none"
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
		{Name: "arguments", Value: text},
	}
}

// minEffects are the least effects that the payloads of the runs ask for; those
// of later runs count more. Runs without a bundle have none.
func minEffects(list []Run, mixed bool) []compare.MinEffect {
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
		for _, h := range p.Hints {
			m := compare.MinEffect{Name: h.Name, Percent: h.MinEffect}
			if mixed {
				m.Name = p.Name + "/" + m.Name
			}
			if h.MinEffect > 0 && !seen[m] {
				seen[m] = true
				all = append(all, m)
			}
		}
	}
	return all
}
