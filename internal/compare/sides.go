package compare

import (
	"slices"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/extract"
)

// count counts the runs of a side.
func count(s Side) Counted {
	c := Counted{Name: s.Name, Runs: len(s.Runs), Interrupted: s.Interrupted}
	for _, r := range s.Runs {
		if r.Broken {
			c.Broken++
		}
	}
	return c
}

// differences returns the facts with different values on the two sides. It leaves out
// facts that one side does not know, and those in compared.
func differences(a, b Side, compared []string) []Difference {
	var order []string
	gather := func(s Side) map[string][]string {
		found := map[string][]string{}
		for _, r := range s.Runs {
			for _, f := range r.About {
				if !slices.Contains(order, f.Name) {
					order = append(order, f.Name)
				}
				if f.Value != "" && !slices.Contains(found[f.Name], f.Value) {
					found[f.Name] = append(found[f.Name], f.Value)
				}
			}
		}
		for _, values := range found {
			slices.Sort(values)
		}
		return found
	}
	inA, inB := gather(a), gather(b)
	var all []Difference
	for _, name := range order {
		va, vb := inA[name], inB[name]
		if len(va) > 0 && len(vb) > 0 && !slices.Equal(va, vb) && !slices.Contains(compared, name) {
			all = append(all, Difference{name, va, vb})
		}
	}
	return all
}

// Names returns the names of the metrics of all runs that are not broken, in the
// order of their first occurrence.
func Names(sides ...Side) []string {
	var order []string
	seen := map[string]bool{}
	for _, s := range sides {
		for _, r := range s.Runs {
			if r.Broken {
				continue
			}
			for _, m := range r.Metrics {
				if !seen[m.Name] {
					seen[m.Name] = true
					order = append(order, m.Name)
				}
			}
		}
	}
	return order
}

// selection returns a function that reports whether a metric decides. If the user must
// know how it selects, note explains it.
func selection(a, b Side, patterns []string) (decides func(name string) bool, note string) {
	if patterns != nil {
		return func(name string) bool {
			return slices.ContainsFunc(patterns, func(p string) bool { return extract.Match(p, name) })
		}, ""
	}
	headlines := map[string]bool{}
	for _, s := range []Side{a, b} {
		for _, r := range s.Runs {
			for _, name := range r.Headlines {
				headlines[name] = true
			}
		}
	}
	if len(headlines) == 0 {
		return func(string) bool { return true }, "no metric is marked as headline, so all decide; mark some with hints, or choose with --metric"
	}
	return func(name string) bool { return headlines[name] }, ""
}

// A sighting is one metric of one run.
type sighting struct {
	value    float64
	unit     string
	polarity ktstr.Polarity
}

// collect gathers the first metric of each name in each run that is not broken.
func collect(s Side) map[string][]sighting {
	all := map[string][]sighting{}
	for _, r := range s.Runs {
		if r.Broken {
			continue
		}
		seen := make(map[string]bool, len(r.Metrics))
		for _, m := range r.Metrics {
			if !seen[m.Name] {
				seen[m.Name] = true
				all[m.Name] = append(all[m.Name], sighting{m.Value, m.Unit, m.Polarity})
			}
		}
	}
	return all
}
