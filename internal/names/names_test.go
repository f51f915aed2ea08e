package names

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
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
		{"a*b", "a*b", true},
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

// A Set finds what asking one by one finds, whatever was added before.
func TestFind(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	word := func() string {
		return []string{"", "a", "b", "iops", "read", "percentile", "p99", "99.9", "clat_ns"}[r.IntN(9)]
	}
	path := func(star int) string {
		words := make([]string, 1+r.IntN(4))
		for i := range words {
			words[i] = word()
			if r.IntN(10) < star {
				k := r.IntN(len(words[i]) + 1)
				words[i] = words[i][:k] + "*"[:1] + words[i][k+r.IntN(len(words[i])-k+1):]
			}
		}
		return strings.Join(words, ".")
	}
	for round := range 300 {
		s := &Set{}
		if round%2 == 0 {
			s.Grow(r.IntN(20))
		}
		var added []string
		for range r.IntN(200) {
			name := path(round % 4)
			want := slices.Index(added, name)
			if want < 0 {
				want = len(added)
				added = append(added, name)
			}
			if got := s.Add(name); got != want {
				t.Fatalf("Add(%q) = %d, want %d", name, got, want)
			}
		}
		if s.Len() != len(added) {
			t.Fatalf("Len() = %d, want %d", s.Len(), len(added))
		}
		for range 200 {
			name := path(0)
			var want []int
			for i, p := range added {
				if Match(p, name) {
					want = append(want, i)
				}
			}
			got := s.Find(name, nil)
			if exact := s.Exact(name); exact >= 0 && (len(got) == 0 || got[0] != exact) || exact != slices.Index(added, name) {
				t.Fatalf("Exact(%q) = %d, Find = %v", name, exact, got)
			}
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Fatalf("Find(%q) in %q = %v, want %v", name, added, got, want)
			}
		}
	}
}

// Names that differ in nothing but what the table does not look at are kept
// apart, if slowly.
func TestFindCollisions(t *testing.T) {
	s := &Set{}
	for i := range 1000 {
		s.Add(fmt.Sprintf("%04d.the.same.ending", i))
		s.Add(fmt.Sprintf("%04d.*.the.same.ending", i))
	}
	for i := range 1000 {
		if got, want := s.Find(fmt.Sprintf("%04d.the.same.ending", i), nil), []int{2 * i}; !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
		if got, want := s.Find(fmt.Sprintf("%04d.x.the.same.ending", i), nil), []int{2*i + 1}; !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
	star := s.AddName("*.the.same.ending")
	if got, want := s.Find("*.the.same.ending", nil), []int{star}; !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	if got := s.Find("1000.the.same.ending", nil); got != nil {
		t.Fatalf("got %v, want none", got)
	}
}
