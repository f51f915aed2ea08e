package extract

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/ktstr/ktstr"
)

// obvious implements the rules of Resolve hint by hint.
func obvious(metrics []ktstr.Metric, sources ...[]ktstr.Hint) (headlines []int) {
	for i := range metrics {
		m := &metrics[i]
		headline, unit, polarity := false, "", ktstr.Unknown
		for k := len(sources) - 1; k >= 0; k-- {
			for _, exact := range []bool{false, true} {
				for _, h := range sources[k] {
					if exact == strings.Contains(h.Name, "*") || !Match(h.Name, m.Name) {
						continue
					}
					if h.Unit != "" {
						unit = h.Unit
					}
					if h.Polarity != "" {
						polarity = h.Polarity
					}
					headline = headline || h.Headline
				}
			}
		}
		if m.Unit == "" {
			m.Unit = unit
		}
		switch polarity {
		case "":
		case ktstr.SetUnknown:
			m.Polarity = ktstr.Unknown
		default:
			m.Polarity = polarity
		}
		if headline {
			headlines = append(headlines, i)
		}
	}
	return headlines
}

// C31
func TestResolveAgreesWithTheObvious(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	pick := func(words ...string) string { return words[r.IntN(len(words))] }
	for range 2000 {
		var sources [][]ktstr.Hint
		for range r.IntN(4) {
			var source []ktstr.Hint
			for range r.IntN(8) {
				source = append(source, ktstr.Hint{
					Name:     pick("a.b", "a.c", "*.b", "a.*", "*", "*.*", "a*.b", "x", "a.b*", "b"),
					Unit:     pick("", "", "ns", "us", "ms"),
					Polarity: ktstr.Polarity(pick("", "", "higher", "lower", "target=1", "unknown")),
					Headline: r.IntN(5) == 0,
				})
			}
			sources = append(sources, source)
		}
		var metrics []ktstr.Metric
		for range 8 {
			metrics = append(metrics, ktstr.Metric{Name: pick("a.b", "a.c", "b", "x", "y.b", "a", ""), Unit: pick("", "", "s"), Polarity: ktstr.Polarity(pick("", "higher"))})
		}
		want := slices.Clone(metrics)
		wantHeadlines := obvious(want, sources...)
		headlines, _ := Resolve(metrics, sources...)
		if !slices.Equal(metrics, want) || !slices.Equal(headlines, wantHeadlines) {
			t.Fatalf("hints %v:\ngot  %v, headlines %v\nwant %v, headlines %v", sources, metrics, headlines, want, wantHeadlines)
		}
	}
}

// C30 C31 C32
func TestResolve(t *testing.T) {
	type hints = []ktstr.Hint
	for _, c := range []struct {
		what     string
		metric   ktstr.Metric
		sources  []hints
		want     ktstr.Metric
		headline bool
	}{
		{"no hint", ktstr.Metric{Name: "a"}, nil, ktstr.Metric{Name: "a"}, false},
		{"other names", ktstr.Metric{Name: "a"}, []hints{{{Name: "b", Unit: "us"}}}, ktstr.Metric{Name: "a"}, false},
		{"fills", ktstr.Metric{Name: "a"}, []hints{{{Name: "a", Unit: "us", Polarity: ktstr.Lower, Headline: true}}}, ktstr.Metric{Name: "a", Unit: "us", Polarity: ktstr.Lower}, true},
		{"the last of a name wins", ktstr.Metric{Name: "a"}, []hints{{{Name: "a", Unit: "us", Polarity: ktstr.Lower}, {Name: "a", Unit: "ms", Polarity: ktstr.Higher}}}, ktstr.Metric{Name: "a", Unit: "ms", Polarity: ktstr.Higher}, false},
		{"empty fields say nothing", ktstr.Metric{Name: "a"}, []hints{{{Name: "a", Unit: "us", Polarity: ktstr.Lower}, {Name: "a", Headline: true}}}, ktstr.Metric{Name: "a", Unit: "us", Polarity: ktstr.Lower}, true},
		{"exact before pattern", ktstr.Metric{Name: "a.b"}, []hints{{{Name: "a.b", Polarity: ktstr.Lower}, {Name: "a.*", Polarity: ktstr.Higher, Unit: "us"}}}, ktstr.Metric{Name: "a.b", Polarity: ktstr.Lower, Unit: "us"}, false},
		{"the last pattern wins", ktstr.Metric{Name: "a.b"}, []hints{{{Name: "*.b", Unit: "us"}, {Name: "a.*", Unit: "ms"}}}, ktstr.Metric{Name: "a.b", Unit: "ms"}, false},
		{"the payload's pattern before the plugin's exact", ktstr.Metric{Name: "a.b"}, []hints{{{Name: "a.*", Unit: "ms"}}, {{Name: "a.b", Unit: "us", Polarity: ktstr.Higher}}}, ktstr.Metric{Name: "a.b", Unit: "ms", Polarity: ktstr.Higher}, false},
		{"hints before what the metric brought", ktstr.Metric{Name: "a", Polarity: ktstr.Higher}, []hints{nil, {{Name: "a", Polarity: ktstr.Lower}}}, ktstr.Metric{Name: "a", Polarity: ktstr.Lower}, false},
		{"what the metric brought stays", ktstr.Metric{Name: "a", Polarity: ktstr.Higher, Unit: "B/s"}, []hints{{{Name: "a", Headline: true}}}, ktstr.Metric{Name: "a", Polarity: ktstr.Higher, Unit: "B/s"}, true},
		{"unknown removes the plugin's polarity", ktstr.Metric{Name: "a"}, []hints{{{Name: "a", Polarity: ktstr.SetUnknown}}, {{Name: "a", Polarity: ktstr.Lower}}}, ktstr.Metric{Name: "a"}, false},
		{"unknown removes the metric's polarity", ktstr.Metric{Name: "a", Polarity: ktstr.Higher}, []hints{{{Name: "a", Polarity: ktstr.SetUnknown}}}, ktstr.Metric{Name: "a"}, false},
		{"a hint without polarity keeps the plugin's", ktstr.Metric{Name: "a"}, []hints{{{Name: "a", Headline: true}}, {{Name: "a", Polarity: ktstr.Lower}}}, ktstr.Metric{Name: "a", Polarity: ktstr.Lower}, true},
		{"a polarity after unknown wins", ktstr.Metric{Name: "a"}, []hints{{{Name: "a", Polarity: ktstr.SetUnknown}, {Name: "a", Polarity: ktstr.Lower}}}, ktstr.Metric{Name: "a", Polarity: ktstr.Lower}, false},
		{"a unit is never relabelled", ktstr.Metric{Name: "a", Unit: "us"}, []hints{{{Name: "a", Unit: "ms"}}}, ktstr.Metric{Name: "a", Unit: "us"}, false},
	} {
		// Each metric of the name gets the hint.
		metrics := []ktstr.Metric{c.metric, {Name: "other", Unit: "u"}, c.metric}
		headlines, mismatched := Resolve(metrics, c.sources...)
		if metrics[0] != c.want || metrics[2] != c.want || metrics[1] != (ktstr.Metric{Name: "other", Unit: "u"}) {
			t.Errorf("%s: got %v, want %v", c.what, metrics, c.want)
		}
		if c.headline != reflect.DeepEqual(headlines, []int{0, 2}) {
			t.Errorf("%s: headlines %v", c.what, headlines)
		}
		if mismatched != nil {
			t.Errorf("%s: diagnostics %v", c.what, mismatched)
		}
	}
}

// C31
func TestUnitMismatch(t *testing.T) {
	metrics := []ktstr.Metric{
		{Name: "a", Unit: "us", Stream: ktstr.Stderr, Line: 3}, {Name: "b", Unit: "us"}, {Name: "c", Unit: "MiB/s"},
		{Name: "d", Unit: "us"}, {Name: "e"}, {Name: "a", Unit: "us"},
	}
	want := slices.Clone(metrics)
	want[4].Unit = "iops"
	_, mismatched := Resolve(metrics, []ktstr.Hint{{Name: "a", Unit: "B/s"}, {Name: "b", Unit: "ms"}, {Name: "c", Unit: "kB/s"}, {Name: "d", Unit: "B/s"}, {Name: "e", Unit: "iops"}})
	if !slices.Equal(metrics, want) {
		t.Errorf("got %v, want %v", metrics, want)
	}
	if len(mismatched) != 1 || mismatched[0].Code != ktstr.UnitMismatch || mismatched[0].Stream != ktstr.Stderr || mismatched[0].Line != 3 ||
		mismatched[0].Message != `the hinted unit "B/s" of 3 metrics (first "a") cannot be the printed one, "us", which is kept` {
		t.Errorf("got %v", mismatched)
	}
}

// Each field has the origin of its own: the hint of the highest rank that sets it.
func TestOrigins(t *testing.T) {
	user := []ktstr.Hint{{Name: "iops", Polarity: ktstr.Lower}}
	payload := []ktstr.Hint{{Name: "*", Headline: true}, {Name: "iops", Unit: "kiops"}}
	plugin := []ktstr.Hint{{Name: "iops", Unit: "iops", Polarity: ktstr.Higher, Headline: true}}
	unit, polarity, headline := NewResolver(user, payload, plugin).Origins("iops")
	for _, c := range []struct {
		field string
		got   *Origin
		want  Origin
	}{
		{"unit", unit, Origin{1, payload[1]}},
		{"polarity", polarity, Origin{0, user[0]}},
		{"headline", headline, Origin{1, payload[0]}},
	} {
		if c.got == nil || *c.got != c.want {
			t.Errorf("%s: got %v, want %v", c.field, c.got, c.want)
		}
	}
	if got, want := NewResolver(user, payload, plugin).Hint("iops"), (ktstr.Hint{Name: "iops", Unit: "kiops", Polarity: ktstr.Lower, Headline: true}); got != want {
		t.Errorf("hint %+v, want %+v", got, want)
	}
	if unit, polarity, headline := NewResolver(user).Origins("bw"); unit != nil || polarity != nil || headline != nil {
		t.Errorf("without a hint: %v, %v, %v, want none", unit, polarity, headline)
	}
}
