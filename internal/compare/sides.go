package compare

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

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
// know how it selects, the notes explain it.
func selection(a, b Side, patterns []string) (decides func(name string) bool, notes []string) {
	if patterns != nil {
		return func(name string) bool {
			return slices.ContainsFunc(patterns, func(p string) bool { return extract.Match(p, name) })
		}, nil
	}
	own := ownMetrics(a, b)
	headlines, checked := map[string]bool{}, map[string]bool{}
	for _, s := range []Side{a, b} {
		for _, r := range s.Runs {
			for _, name := range r.Headlines {
				headlines[name] = true
			}
			for _, name := range r.Checked {
				checked[name] = own[name]
			}
		}
	}
	oneSided := oneSided(a, b, func(name string) bool { return own[name] && headlines[name] && !checked[name] })
	for _, name := range oneSided {
		delete(headlines, name)
		notes = append(notes, fmt.Sprintf("%s does not decide, because only one side has it", name))
	}
	if len(headlines) > 0 {
		return func(name string) bool { return headlines[name] || checked[name] }, notes
	}
	names := slices.DeleteFunc(Names(a, b), func(name string) bool { return own[name] })
	arrays := arraysOf(names)
	decides = func(name string) bool {
		array, _, isElement := element(name)
		return checked[name] || !own[name] && (!isElement || !arrays[array])
	}
	n := 0
	for _, name := range names {
		if decides(name) {
			n++
		}
	}
	all := fmt.Sprintf("all %d decide", n)
	if n < len(names) {
		all = fmt.Sprintf("%d of %d decide", n, len(names))
	}
	notes = append(notes, "no metric is marked as headline, so "+all+". Choose with --metric NAME, or set headline: true in a payload file")
	for _, array := range slices.Sorted(maps.Keys(arrays)) {
		where, pattern := "the array "+strings.TrimRight(array, "./"), array+"*"
		if array == "" {
			where = "the array at the top level"
		}
		notes = append(notes, fmt.Sprintf("the elements of %s do not decide: to let them decide, choose --metric '%s'", where, pattern))
	}
	return decides, notes
}

// ownMetrics returns the names of the metrics that ktstr measured around the runs.
func ownMetrics(sides ...Side) map[string]bool {
	own := map[string]bool{}
	for _, s := range sides {
		for _, r := range s.Runs {
			for _, m := range r.Metrics {
				if m.Stream == ktstr.RunStream {
					own[m.Name] = true
				}
			}
		}
	}
	return own
}

// oneSided returns the names that count and that only one of the sides has. A side
// without any run has no metrics and counts for none.
func oneSided(a, b Side, counts func(name string) bool) (names []string) {
	inA, inB := Names(a), Names(b)
	if len(inA) == 0 || len(inB) == 0 {
		return nil
	}
	for _, name := range Names(a, b) {
		if counts(name) && slices.Contains(inA, name) != slices.Contains(inB, name) {
			names = append(names, name)
		}
	}
	return names
}

// arraysOf returns the prefixes of names that are elements of an array of numbers, such
// as "samples." of samples.0, samples.1 and samples.2. Such elements are repeated
// measurements, so none of them may decide alone. The numbers must be 0, 1, 2 and so on.
// Percentiles, for example, are not an array: lat.50, lat.99.
func arraysOf(names []string) map[string]bool {
	count, last := map[string]int{}, map[string]int{}
	for _, name := range names {
		if array, index, ok := element(name); ok {
			count[array]++
			last[array] = max(last[array], index)
		}
	}
	arrays := map[string]bool{}
	for array, n := range count {
		if n > 1 && last[array] == n-1 {
			arrays[array] = true
		}
	}
	return arrays
}

// element splits the name of an array's element, such as samples.12, into "samples." and
// 12. ok is false if the name does not end in an index.
func element(name string) (array string, index int, ok bool) {
	end := strings.LastIndexAny(name, "./") + 1
	index, err := strconv.Atoi(name[end:])
	return name[:end], index, err == nil && strconv.Itoa(index) == name[end:] && index >= 0
}

// disagreements returns one note for each pair of polarities that the sides of deciding
// rows have.
func disagreements(rows []Row) (notes []string) {
	metrics := map[string][]string{}
	var pairs []string
	for _, r := range rows {
		if r.disagreement == "" || !r.Decides {
			continue
		}
		if metrics[r.disagreement] == nil {
			pairs = append(pairs, r.disagreement)
		}
		metrics[r.disagreement] = append(metrics[r.disagreement], r.Metric)
	}
	for _, pair := range pairs {
		const most = 5
		names := metrics[pair]
		list := strings.Join(names[:min(most, len(names))], ", ")
		if more := len(names) - most; more > 0 {
			list += fmt.Sprintf(" and %d more", more)
		}
		notes = append(notes, fmt.Sprintf("the sides disagree about the polarity of %s (%s): the stricter reading counts", list, pair))
	}
	return notes
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
