package compare_test

import (
	"slices"
	"testing"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/compare"
)

// ownSide returns runs with the metric iops of the payload and metrics of the run itself.
func ownSide(headlines, checked []string, own ...string) compare.Side {
	var s compare.Side
	for range 5 {
		r := compare.Run{Metrics: []ktstr.Metric{{Name: "iops", Value: 100, Polarity: ktstr.Higher, Stream: ktstr.Stdout}}, Headlines: headlines, Checked: checked}
		for _, name := range own {
			r.Metrics = append(r.Metrics, ktstr.Metric{Name: name, Value: 100, Unit: "s", Polarity: ktstr.Lower, Stream: ktstr.RunStream})
		}
		s.Runs = append(s.Runs, r)
	}
	return s
}

func deciding(r compare.Report) (names []string) {
	for _, row := range r.Rows {
		if row.Decides {
			names = append(names, row.Metric)
		}
	}
	slices.Sort(names)
	return names
}

func TestOwnNumbersDecideAsHeadlinesOrByName(t *testing.T) { // C38
	check := func(name string, a, b compare.Side, o compare.Options, want ...string) {
		t.Helper()
		if got := deciding(compare.Compare(a, b, o)); !slices.Equal(got, want) {
			t.Errorf("%s: %q decide, want %q", name, got, want)
		}
	}
	same := func(name string, s compare.Side, o compare.Options, want ...string) {
		t.Helper()
		check(name, s, s, o, want...)
	}
	same("no headline", ownSide(nil, nil, "run.wall", "run.cpu"), compare.Options{}, "iops")
	same("another headline", ownSide([]string{"iops"}, nil, "run.wall"), compare.Options{}, "iops")
	same("their own headline", ownSide([]string{"run.wall"}, nil, "run.wall", "run.cpu"), compare.Options{}, "run.wall")
	same("a check", ownSide(nil, []string{"run.wall"}, "run.wall", "run.cpu"), compare.Options{}, "iops", "run.wall")
	same("a check, another headline", ownSide([]string{"iops"}, []string{"run.wall"}, "run.wall", "run.cpu"), compare.Options{}, "iops", "run.wall")
	same("--metric", ownSide(nil, nil, "run.wall", "run.cpu"), compare.Options{Select: []string{"run.cpu"}}, "run.cpu")
	same("a check of the payload's metric", ownSide([]string{"run.wall"}, []string{"iops"}, "run.wall"), compare.Options{}, "run.wall")
}

// One side could not measure the memory. That is not a failure of the payload.
func TestOwnNumberOfOneSideDoesNotDecide(t *testing.T) { // C38
	headlines := []string{"run.wall", "run.max_rss"}
	with, without := ownSide(headlines, nil, "run.wall", "run.max_rss"), ownSide(headlines[:1], nil, "run.wall")
	for _, r := range []compare.Report{
		compare.Compare(with, without, compare.Options{}),
		compare.Compare(without, with, compare.Options{}),
	} {
		if got := deciding(r); !slices.Equal(got, headlines[:1]) || r.ExitStatus(true) != 0 {
			t.Errorf("%q decide, exit status %d; want run.wall, 0", got, r.ExitStatus(true))
		}
		if !slices.Contains(r.Notes, "run.max_rss does not decide, because only one side has it") {
			t.Errorf("notes %q", r.Notes)
		}
	}
	if got := deciding(compare.Compare(compare.Side{}, with, compare.Options{})); len(got) != 2 {
		t.Errorf("statistics of one side: %q decide, want both", got)
	}
}

func TestPatternsOfEffectsAreNotForOwnNumbers(t *testing.T) { // C38
	twenty := []compare.Threshold{{Name: "*.*", Percent: 20}}
	s := ownSide([]string{"run.wall"}, nil, "run.wall")
	if row := compare.Compare(s, s, compare.Options{MinEffects: twenty}).Rows[0]; row.Metric != "run.wall" || row.MinEffect != 2 {
		t.Errorf("%s has the smallest effect %v, want run.wall and 2", row.Metric, row.MinEffect)
	}
}
