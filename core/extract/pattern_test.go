package extract

import (
	"regexp"
	"strings"
	"testing"
)

// C31: '*' never crosses a dot.
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
		{"ab*ba", "abba", true},
		{"ab*ba", "aba", false},
		{"", "", true},
		{"", "a", false},
		{"a*b", "a*b", true},
	} {
		if strings.Contains(c.pattern, "*") {
			if p := newPattern(c.pattern, meaning{}); p.matches(c.name) != c.want {
				t.Errorf("newPattern(%q).matches(%q) = %v, want %v", c.pattern, c.name, !c.want, c.want)
			}
		}
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
		if strings.Contains(pattern, "*") {
			if p := newPattern(pattern, meaning{}); p.matches(name) != re.MatchString(name) {
				t.Errorf("newPattern(%q).matches(%q) = %v", pattern, name, p.matches(name))
			}
		}
		if got, want := Match(pattern, name), re.MatchString(name); got != want {
			t.Errorf("Match(%q, %q) = %v, want %v", pattern, name, got, want)
		}
	})
}
