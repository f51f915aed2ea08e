package compare_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/compare"
)

// runsOf returns a side of equal runs with these metrics.
func runsOf(name string, metrics ...string) compare.Side {
	s := compare.Side{Name: name}
	for i := range 5 {
		var r compare.Run
		for _, m := range metrics {
			r.Metrics = append(r.Metrics, ktstr.Metric{Name: m, Value: float64(i), Polarity: ktstr.Lower})
		}
		s.Runs = append(s.Runs, r)
	}
	return s
}

func TestArrayElementsDoNotDecide(t *testing.T) {
	deciding := func(o compare.Options, metrics ...string) (names []string, notes []string) {
		r := compare.Compare(runsOf("a", metrics...), runsOf("b", metrics...), o)
		for _, row := range r.Rows {
			if row.Decides {
				names = append(names, row.Metric)
			}
		}
		return names, r.Notes
	}
	check := func(o compare.Options, metrics, want []string, note string) {
		t.Helper()
		got, notes := deciding(o, metrics...)
		if !slices.Equal(got, want) {
			t.Errorf("%q: %q decide, want %q", metrics, got, want)
		}
		if note != "" && !slices.Contains(notes, note) {
			t.Errorf("%q: notes %q, want %q", metrics, notes, note)
		}
	}
	type list = []string
	const note = "the elements of the array samples do not decide: to let them decide, choose --metric 'samples.*'"
	check(compare.Options{}, list{"iops", "samples.0", "samples.1", "samples.2"}, list{"iops"}, note)
	check(compare.Options{Select: list{"samples.*"}}, list{"iops", "samples.0", "samples.1"}, list{"samples.0", "samples.1"}, "")
	check(compare.Options{}, list{"0", "1", "2"}, nil, "the elements of the array at the top level do not decide: to let them decide, choose --metric '*'")
	check(compare.Options{}, list{"m.0.0", "m.0.1", "m.1.0", "m.1.1", "x"}, list{"x"}, "")
	// Percentiles have numbers as keys, and objects in an array have several names.
	check(compare.Options{}, list{"lat.50", "lat.99", "lat.100"}, list{"lat.50", "lat.99", "lat.100"}, "")
	check(compare.Options{}, list{"jobs.0.iops", "jobs.1.iops"}, list{"jobs.0.iops", "jobs.1.iops"}, "")
	check(compare.Options{}, list{"single.0"}, list{"single.0"}, "")
}

func TestComparisonWithoutACommonMeasurementFails(t *testing.T) {
	headline := func(s compare.Side, names ...string) compare.Side {
		for i := range s.Runs {
			s.Runs[i].Headlines = names
		}
		return s
	}
	for name, sides := range map[string][2]compare.Side{
		"no metrics":               {runsOf("a"), runsOf("b")},
		"no runs":                  {{Name: "a"}, {Name: "b"}},
		"different metrics":        {runsOf("a", "x"), runsOf("b", "y")},
		"only arrays":              {runsOf("a", "0", "1"), runsOf("b", "0", "1")},
		"headlines without values": {headline(runsOf("a", "x"), "h"), headline(runsOf("b", "x"), "h")},
		"headline on one side":     {headline(runsOf("a", "x", "h"), "h"), headline(runsOf("b", "x"), "h")},
	} {
		if status := compare.Compare(sides[0], sides[1], compare.Options{}).ExitStatus(false); status == 0 {
			t.Errorf("%s: exit status 0", name)
		}
	}
	for i, unit := range []string{"us", "KiB"} { // not convertible
		other := runsOf("b", "x")
		for k := range other.Runs {
			other.Runs[k].Metrics[0].Unit = unit
		}
		a := runsOf("a", "x")
		for k := range a.Runs {
			a.Runs[k].Metrics[0].Unit = []string{"KiB", "us"}[i]
		}
		if status := compare.Compare(a, other, compare.Options{}).ExitStatus(false); status == 0 {
			t.Errorf("%s: exit status 0", fmt.Sprint(unit))
		}
	}
}
