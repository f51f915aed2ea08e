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
	if !s.unlabelled() {
		c.Sets = len(setsOf(s))
	}
	if hosts := hostsOf(s); len(hosts) > 1 {
		c.Hosts = len(hosts)
	}
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

// A choice says which metrics decide and which are shown.
type choice struct {
	shown     map[string]bool // nil: those of patterns
	patterns  []string        // of the user, who wants these metrics to decide
	own       map[string]bool // ktstr measured them around the run
	polarity  map[string]bool // the metrics with a polarity
	headlines bool            // those that are shown are headlines
	neutral   bool            // no metric that is shown has a polarity
	notes     []string        // for the user
}

// shows reports whether the table has the metric without --all.
func (c choice) shows(name string) bool {
	if c.shown == nil {
		return slices.ContainsFunc(c.patterns, func(p string) bool { return extract.Match(p, name) })
	}
	return c.shown[name]
}

// selection chooses the metrics that are shown: those of the patterns, or the headlines, or
// all metrics of the payload. Own metrics are chosen as headlines or by a check.
func selection(a, b Side, patterns []string) choice {
	c := choice{own: ownMetrics(a, b), polarity: map[string]bool{}, patterns: patterns}
	for _, s := range []Side{a, b} {
		for _, r := range s.Runs {
			for _, m := range r.Metrics {
				if m.Polarity != ktstr.Unknown {
					c.polarity[m.Name] = true
				}
			}
		}
	}
	if patterns != nil {
		return c
	}
	c.shown = map[string]bool{}
	headlines, checked := map[string]bool{}, map[string]bool{}
	for _, s := range []Side{a, b} {
		for _, r := range s.Runs {
			for _, name := range r.Headlines {
				headlines[name] = true
			}
			for _, name := range r.Checked {
				checked[name] = c.own[name]
			}
		}
	}
	oneSided := oneSided(a, b, func(name string) bool { return c.own[name] && headlines[name] && !checked[name] })
	for _, name := range oneSided {
		delete(headlines, name)
		c.notes = append(c.notes, fmt.Sprintf("%s does not decide, because only one side has it", name))
	}
	c.headlines = len(headlines) > 0
	names := Names(a, b)
	payloads := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return c.own[name] })
	arrays := arraysOf(payloads)
	deciding := 0
	for _, name := range names {
		array, _, isElement := element(name)
		c.shown[name] = checked[name] || headlines[name] || !c.headlines && !c.own[name] && (!isElement || !arrays[array])
		if c.shown[name] && c.polarity[name] && !c.own[name] {
			deciding++
		}
	}
	return c.explained(deciding, len(payloads), arrays)
}

// explained returns the choice with what the user must know about it. Without headlines,
// deciding of all metrics of the payload decide, and arrays are left out.
func (c choice) explained(deciding, all int, arrays map[string]bool) choice {
	c.neutral = len(c.shown) > 0
	for name, shown := range c.shown {
		if shown && c.polarity[name] {
			c.neutral = false
		}
	}
	if c.neutral && c.headlines {
		c.notes = append(c.notes, "no headline has a polarity, so a change cannot be judged. "+polarityRemedy)
	}
	if c.headlines {
		return c
	}
	if !c.neutral {
		text := fmt.Sprintf("all %d decide", all)
		if deciding < all {
			text = fmt.Sprintf("%d of %d decide, those with a polarity", deciding, all)
		}
		c.notes = append(c.notes, "no metric is marked as headline, so "+text+". Choose with --metric NAME, or set headline: true in a payload file")
	}
	for _, array := range slices.Sorted(maps.Keys(arrays)) {
		where, pattern := "the array "+strings.TrimRight(array, "./"), array+"*"
		if array == "" {
			where = "the array at the top level"
		}
		c.notes = append(c.notes, fmt.Sprintf("the elements of %s do not decide: to let them decide, choose --metric '%s'", where, pattern))
	}
	return c
}

// decides reports whether the exit status depends on a metric that is shown: one that the
// user chose, that has a polarity, or that a side does not have. If no headline has a
// polarity, all headlines decide, and a change of one of them cannot be judged.
func (c choice) decides(r Row) bool {
	switch {
	case !c.shows(r.Metric):
		return false
	case c.shown == nil, c.polarity[r.Metric], r.Verdict == Missing:
		return true
	}
	return c.neutral && c.headlines
}

const polarityRemedy = "--lower NAME or --higher NAME says which change is better"

// neutral returns a note about the rows that do not decide only because they have no
// polarity.
func neutral(rows []Row) []string {
	var names []string
	for _, r := range rows {
		if r.Shown && !r.Decides && r.Polarity == ktstr.Unknown {
			names = append(names, r.Metric)
		}
	}
	if len(names) == 0 || !slices.ContainsFunc(rows, func(r Row) bool { return r.Decides }) {
		return nil
	}
	return []string{"without a polarity, shown only: " + listed(names) + ". " + polarityRemedy}
}

// listed returns at most five names, such as "a, b, c, d, e and 2 more".
func listed(names []string) string {
	const most = 5
	list := strings.Join(names[:min(most, len(names))], ", ")
	if more := len(names) - most; more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	return list
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
		notes = append(notes, fmt.Sprintf("the sides disagree about the polarity of %s (%s): the stricter reading counts", listed(metrics[pair]), pair))
	}
	return notes
}

// lowered returns a note about the deciding rows whose margin lowered the smallest effect.
func lowered(rows []Row) []string {
	var names []string
	for _, r := range rows {
		if r.lowered > 0 && r.Decides {
			names = append(names, fmt.Sprintf("%s (from %s to %s)", r.Metric, points(r.lowered), points(r.Margin)))
		}
	}
	if len(names) == 0 {
		return nil
	}
	return []string{"the margin is smaller than the smallest effect, which it lowers: " + listed(names)}
}

// drift reports whether the runs of the sides were not made in turns by the same commands,
// so that the host may have changed in between.
func drift(a, b Side) bool {
	setsA, setsB := setsOf(a), setsOf(b)
	return len(setsA) > 0 && len(setsB) > 0 && (a.unlabelled() || !slices.Equal(setsA, setsB))
}

// unlabelled reports whether no run of the side has the name of a set.
func (s Side) unlabelled() bool {
	return !slices.ContainsFunc(s.Runs, func(r Run) bool { return r.Set != "" })
}

// setsOf returns the sets of the runs that are not broken. A run alone is a set of its own.
func setsOf(s Side) (sets []string) {
	for _, r := range s.Runs {
		if !r.Broken && (r.Set == "" || !slices.Contains(sets, r.Set)) {
			sets = append(sets, r.Set)
		}
	}
	return sets
}

// A sighting is one metric of one run.
type sighting struct {
	value    float64
	unit     string
	polarity ktstr.Polarity
	run      *Run
}

// collect gathers the first metric of each name in each run that is not broken.
func collect(s Side) map[string][]sighting {
	all := map[string][]sighting{}
	for i := range s.Runs {
		r := &s.Runs[i]
		if r.Broken {
			continue
		}
		for _, m := range r.Metrics {
			list := all[m.Name]
			if list == nil {
				list = make([]sighting, 0, len(s.Runs))
			} else if list[len(list)-1].run == r {
				continue
			}
			all[m.Name] = append(list, sighting{m.Value, m.Unit, m.Polarity, r})
		}
	}
	return all
}
