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

func add(s *Set, name string) int {
	if strings.Contains(name, "*") {
		return s.AddPattern(name)
	}
	return s.AddName(name)
}

// find is what is found one by one: the number of the name, then of patterns.
func find(s *Set, name string) (found []int) {
	if k := s.Exact(name); k >= 0 {
		found = append(found, k)
	}
	return s.Patterns(name, found)
}

// ask is what Sift, Exact and Patterns say of each name, in ascending order.
func ask(t *testing.T, s *Set, asked []string) (found [][]int) {
	t.Helper()
	for i := 0; i < len(asked); i += 64 {
		items := make([]struct {
			value float64
			name  string
		}, min(64, len(asked)-i))
		for k := range items {
			items[k].name = asked[i+k]
		}
		exact, patterns := Sift(s, items, &items[0].name)
		if (exact|patterns)>>(len(items)-1)>>1 != 0 {
			t.Fatalf("Sift of %d names: %x, %x", len(items), exact, patterns)
		}
		for k := range items {
			name := items[k].name
			var got []int
			if exact>>k&1 != 0 {
				if number := s.Exact(name); number >= 0 {
					got = append(got, number)
				}
			}
			if patterns>>k&1 != 0 {
				got = s.Patterns(name, got)
			}
			slices.Sort(got)
			found = append(found, got)
			if all := slices.Sorted(slices.Values(find(s, name))); !slices.Equal(all, got) {
				t.Fatalf("found %v for %q, and %v behind Sift", all, name, got)
			}
		}
	}
	return found
}

// A Set finds what asking one by one finds, whatever was added before and
// asked before.
func TestFind(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	word := func() string {
		return []string{"", "", "a", "b", "1", "iops", "read", "percentile", "p99", "99.9", "clat_ns", "a_segment_that_is_long", "write.clat_ns.bins"}[r.IntN(13)]
	}
	path := func(star int) string {
		words := make([]string, 1+r.IntN(5))
		for i := range words {
			words[i] = word()
			for r.IntN(10) < star {
				k := r.IntN(len(words[i]) + 1)
				words[i] = words[i][:k] + "*" + words[i][k+r.IntN(len(words[i])-k+1):]
			}
		}
		return strings.Join(words, ".")
	}
	for round := range 600 {
		s := &Set{}
		if round%2 == 0 {
			s.Grow(r.IntN(20))
		}
		var added []string
		for range r.IntN(300) {
			name := path(round % 4 * r.IntN(2))
			want := slices.Index(added, name)
			if want < 0 {
				want = len(added)
				added = append(added, name)
			}
			if got := add(s, name); got != want {
				t.Fatalf("Add(%q) = %d, want %d", name, got, want)
			}
		}
		if s.Len() != len(added) {
			t.Fatalf("Len() = %d, want %d", s.Len(), len(added))
		}
		var asked []string
		for range r.IntN(300) {
			switch r.IntN(8) {
			case 0: // a '*' in a metric's name is any character
				asked = append(asked, path(2))
			case 1: // some in the order in which they were added
				for k := r.IntN(len(added) + 1); k < len(added) && r.IntN(4) > 0; k++ {
					asked = append(asked, added[k])
				}
			default:
				asked = append(asked, path(0))
			}
		}
		for i, got := range ask(t, s, asked) {
			var want []int
			for k, p := range added {
				if Match(p, asked[i]) {
					want = append(want, k)
				}
			}
			if !slices.Equal(got, want) {
				t.Fatalf("found %v for %q in %q, want %v", got, asked[i], added, want)
			}
		}
	}
}

// Names that differ in nothing but what a key does not tell are kept apart.
func TestFindCollisions(t *testing.T) {
	s := &Set{}
	for i := range 1000 {
		add(s, fmt.Sprintf("one.beginning.%04d.and.the.same.ending", i))
		add(s, fmt.Sprintf("one.beginning.%04d.*.and.the.same.ending", i))
	}
	for i := range 1000 {
		if got, want := find(s, fmt.Sprintf("one.beginning.%04d.and.the.same.ending", i)), []int{2 * i}; !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
		if got, want := find(s, fmt.Sprintf("one.beginning.%04d.x.and.the.same.ending", i)), []int{2*i + 1}; !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
	if !s.seeded {
		t.Error("1000 names with one key are in one list")
	}
	star := s.AddName("one.beginning.*.and.the.same.ending")
	if got, want := find(s, "one.beginning.*.and.the.same.ending"), []int{star}; !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	if got := find(s, "one.beginning.1000.and.the.same.ending"); got != nil {
		t.Fatalf("got %v, want none", got)
	}
}
