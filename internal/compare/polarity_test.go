package compare_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/compare"
)

// If the sides disagree about the polarity of a metric, the note is above the table, and
// a change that is worse in one reading is worse.
func TestStricterPolarityDecides(t *testing.T) {
	low, high := []float64{100, 101, 102, 103, 104}, []float64{200, 201, 202, 203, 204}
	target, err := ktstr.Target(100)
	if err != nil {
		t.Fatal(err)
	}
	check := func(a, b ktstr.Polarity, valuesA, valuesB []float64, verdict compare.Verdict, status int, note string) {
		t.Helper()
		m := func(p ktstr.Polarity) ktstr.Metric { return ktstr.Metric{Name: "x", Polarity: p} }
		r := compare.Compare(side("a", m(a), valuesA...), side("b", m(b), valuesB...), compare.Options{})
		if r.Rows[0].Verdict != verdict || r.ExitStatus(false) != status {
			t.Errorf("%s and %s: verdict %s, status %d, want %s, %d", a, b, r.Rows[0].Verdict, r.ExitStatus(false), verdict, status)
		}
		if has := slices.ContainsFunc(r.Notes, func(n string) bool { return strings.Contains(n, "disagree") }); has != (note != "") || has && !slices.Contains(r.Notes, note) {
			t.Errorf("%s and %s: notes %q, want %q", a, b, r.Notes, note)
		}
		if text := (compare.Table{}).Format(r); note != "" && !(strings.Index(text, "disagree") < strings.Index(text, "verdict")) {
			t.Errorf("the note is not above the table:\n%s", text)
		}
	}
	const why = "the sides disagree about the polarity of x (A: lower, B: higher): the stricter reading counts"
	check(ktstr.Lower, ktstr.Higher, low, high, compare.Worse, 1, why)
	check(ktstr.Lower, ktstr.Higher, high, low, compare.Worse, 1, why)
	check(ktstr.Lower, ktstr.Higher, low, low, compare.Same, 0, why)
	check(ktstr.Lower, ktstr.Lower, low, high, compare.Worse, 1, "")
	check(ktstr.Unknown, ktstr.Lower, low, high, compare.Worse, 1, "the sides disagree about the polarity of x (A: unknown, B: lower): the stricter reading counts")
	check(ktstr.Unknown, ktstr.Unknown, low, high, compare.Changed, 5, "")
	const nearTarget = "the sides disagree about the polarity of x (A: target=100, B: higher): the stricter reading counts"
	check(target, ktstr.Higher, low, high, compare.Worse, 1, nearTarget)
	check(target, ktstr.Higher, high, low, compare.Worse, 1, nearTarget)
	check(target, ktstr.Lower, high, low, compare.Better, 0, "the sides disagree about the polarity of x (A: target=100, B: lower): the stricter reading counts")
}

func TestDisagreementsAreNotedOncePerPair(t *testing.T) {
	run := func(p ktstr.Polarity) compare.Run {
		var r compare.Run
		for _, name := range []string{"a", "b", "c", "d", "e", "f", "g"} {
			r.Metrics = append(r.Metrics, ktstr.Metric{Name: name, Value: 1, Polarity: p})
		}
		return r
	}
	r := compare.Compare(compare.Side{Name: "a", Runs: []compare.Run{run(ktstr.Lower)}}, compare.Side{Name: "b", Runs: []compare.Run{run(ktstr.Higher)}}, compare.Options{})
	if want := "the sides disagree about the polarity of a, b, c, d, e and 2 more (A: lower, B: higher): the stricter reading counts"; !slices.Contains(r.Notes, want) {
		t.Errorf("notes %q, want %q", r.Notes, want)
	}
}
