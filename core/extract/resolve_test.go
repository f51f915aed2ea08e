package extract

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ktstr/ktstr"
)

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"jobs.*.read.iops", "jobs.0.read.iops", true},
		{"jobs.*.read.iops", "jobs.12.read.iops", true},
		{"jobs.*.read.iops", "jobs.1.2.read.iops", false},
		{"jobs.*", "jobs.1.read", false},
		{"jobs.*", "jobs.", true},
		{"*", "", true},
		{"*", "a.b", false},
		{"*.*", "a.b", true},
		{"a*b*c.d", "abXbYc.d", true},
		{"*ab", "aab", true},
		{"p*", "p99_9", true},
		{"p*", "xp99", false},
		{"", "", true},
		{"", "a", false},
	} {
		if got := Match(c.pattern, c.name); got != c.want {
			t.Errorf("Match(%q, %q) = %v, want %v", c.pattern, c.name, got, c.want)
		}
	}
}

func FuzzMatch(f *testing.F) {
	f.Add("jobs.*.read.iops", "jobs.0.read.iops")
	f.Add("a*b*c.*", "abbc.")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		if strings.Count(pattern, "*") > 8 || len(name) > 64 {
			return
		}
		re, err := regexp.Compile(`(?s)\A` + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, `[^.]*`) + `\z`)
		if err != nil {
			return // not UTF-8
		}
		if got, want := Match(pattern, name), re.MatchString(name); got != want {
			t.Errorf("Match(%q, %q) = %v, want %v", pattern, name, got, want)
		}
	})
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
		{"a unit is never relabelled", ktstr.Metric{Name: "a", Unit: "us"}, []hints{{{Name: "a", Unit: "ms"}}}, ktstr.Metric{Name: "a", Unit: "us"}, false},
	} {
		// Every metric of a name gets it.
		metrics := []ktstr.Metric{c.metric, {Name: "other", Unit: "u"}, c.metric}
		headlines, odd := Resolve(metrics, c.sources...)
		if metrics[0] != c.want || metrics[2] != c.want || metrics[1] != (ktstr.Metric{Name: "other", Unit: "u"}) {
			t.Errorf("%s: got %v, want %v", c.what, metrics, c.want)
		}
		if c.headline != reflect.DeepEqual(headlines, []int{0, 2}) {
			t.Errorf("%s: headlines %v", c.what, headlines)
		}
		if odd != nil {
			t.Errorf("%s: diagnostics %v", c.what, odd)
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
	_, odd := Resolve(metrics, []ktstr.Hint{{Name: "a", Unit: "B/s"}, {Name: "b", Unit: "ms"}, {Name: "c", Unit: "kB/s"}, {Name: "d", Unit: "B/s"}, {Name: "e", Unit: "iops"}})
	if !slices.Equal(metrics, want) {
		t.Errorf("got %v, want %v", metrics, want)
	}
	if len(odd) != 1 || odd[0].Code != ktstr.UnitMismatch || odd[0].Stream != ktstr.Stderr || odd[0].Line != 3 ||
		odd[0].Message != `the hinted unit "B/s" of 3 metrics (first "a") cannot be the printed one, "us", which is kept` {
		t.Errorf("got %v", odd)
	}
}
