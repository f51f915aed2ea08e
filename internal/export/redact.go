package export

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/internal/compare"
	"github.com/ktstr/ktstr/internal/runs"
)

// Redact returns s without the names of users, hosts and home directories. The names are those
// of the records, of the home directories in their texts, and of this process. A host becomes
// host1, host2 and so on, so that hosts still differ. A home directory becomes "~", and the name
// of a user becomes "user". Runs lose their directory, so no raw output is exported.
//
// The names are replaced in all texts, also in names of metrics.
func Redact(s Source) (Source, error) {
	r := newRedaction(append(slices.Clone(s.Runs), slices.Concat(append(s.sidesOf(), s.Other)...)...))
	s.Redacted = true
	var err error
	if s.Runs, err = r.runs(s.Runs); err != nil {
		return s, err
	}
	if s.Other, err = r.runs(s.Other); err != nil {
		return s, err
	}
	sides := make([][2][]runs.Run, len(s.Sides))
	for i, pair := range s.Sides {
		for j := range pair {
			if sides[i][j], err = r.runs(pair[j]); err != nil {
				return s, err
			}
		}
	}
	s.Sides = sides
	if s.Report != nil {
		report := r.report(*s.Report)
		s.Report = &report
	}
	s.Comparisons = slices.Clone(s.Comparisons)
	for i, c := range s.Comparisons {
		s.Comparisons[i] = r.report(c)
	}
	return s, nil
}

// sidesOf returns the runs of all Sides.
func (s Source) sidesOf() (lists [][]runs.Run) {
	for _, pair := range s.Sides {
		lists = append(lists, pair[0], pair[1])
	}
	return lists
}

// A redaction replaces names in texts.
type redaction struct {
	homes    *regexp.Regexp // home directories
	names    *regexp.Regexp // users and hosts, as whole words; nil: there are none
	replaced map[string]string
}

// homeDir matches a home directory in a text. Its group is the name of the user.
var homePattern = `/(?:home|Users)/([^/\s"'` + "`" + `:,;=<>|&()]+)`

// newRedaction collects the names that occur in runs, and those of this process.
func newRedaction(list []runs.Run) redaction {
	r := redaction{replaced: map[string]string{}}
	home := regexp.MustCompile(homePattern)
	lockOwner := regexp.MustCompile(`the host lock \S+ is held by .* of (\S+) \(pid `) // in the error of a run that was refused
	homes := []string{home.String(), "/root"}
	if dir := os.Getenv("HOME"); len(dir) > 1 {
		homes = append(homes, regexp.QuoteMeta(strings.TrimRight(dir, "/")))
	}
	r.homes = regexp.MustCompile(`(?:` + strings.Join(homes, "|") + `)([^A-Za-z0-9_.-]|$)`)
	user := func(name string) {
		if len(name) > 1 && name != "root" {
			r.replaced[name] = "user"
		}
	}
	for _, variable := range []string{"USER", "LOGNAME", "SUDO_USER"} {
		user(os.Getenv(variable))
	}
	var hosts []string
	host := func(name string) {
		if name != "" && !slices.Contains(hosts, name) {
			hosts = append(hosts, name)
			r.replaced[name] = fmt.Sprint("host", len(hosts))
			if short, _, ok := strings.Cut(name, "."); ok && short != "" && r.replaced[short] == "" {
				r.replaced[short] = r.replaced[name]
			}
		}
	}
	for _, run := range list {
		host(run.Record.Host.Name)
		host(runs.Host(run.Record))
		for _, o := range run.Record.Overlapped {
			user(o.User)
		}
		if m := lockOwner.FindStringSubmatch(run.Record.NotStarted); m != nil {
			user(m[1])
		}
		text, err := json.Marshal(run.Record)
		if err != nil {
			continue // runs reports it
		}
		for _, m := range home.FindAllSubmatch(text, -1) {
			user(string(m[1]))
		}
	}
	if name, err := os.Hostname(); err == nil {
		host(name)
	}
	var words []string
	for name := range r.replaced {
		words = append(words, regexp.QuoteMeta(name))
	}
	// The longest name comes first, so that "node" does not replace a part of "node.lab".
	slices.SortFunc(words, func(a, b string) int { return len(b) - len(a) })
	if len(words) > 0 {
		r.names = regexp.MustCompile(strings.Join(words, "|"))
	}
	return r
}

// text replaces the names in s.
func (r redaction) text(s string) string {
	s = r.homes.ReplaceAllString(s, "~${2}")
	if r.names == nil {
		return s
	}
	var b strings.Builder
	last := 0
	for _, at := range r.names.FindAllStringIndex(s, -1) {
		if inWord(s, at[0]-1) || inWord(s, at[1]) {
			continue
		}
		b.WriteString(s[last:at[0]] + r.replaced[s[at[0]:at[1]]])
		last = at[1]
	}
	return b.String() + s[last:]
}

// inWord reports whether s has a letter, a digit or "_" at i.
func inWord(s string, i int) bool {
	return i >= 0 && i < len(s) && (s[i] >= 'a' && s[i] <= 'z' || s[i] >= 'A' && s[i] <= 'Z' || s[i] >= '0' && s[i] <= '9' || s[i] == '_')
}

func (r redaction) texts(list []string) []string {
	changed := make([]string, len(list))
	for i, s := range list {
		changed[i] = r.text(s)
	}
	return changed
}

// runs returns the runs with the names replaced in all texts of their records. It goes through
// JSON, so that it misses no field.
func (r redaction) runs(list []runs.Run) ([]runs.Run, error) {
	if list == nil {
		return nil, nil
	}
	changed := make([]runs.Run, len(list))
	for i, run := range list {
		text, err := json.Marshal(run.Record)
		if err != nil {
			return nil, err
		}
		var document any
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber() // a float64 would change large integers
		if err := d.Decode(&document); err != nil {
			return nil, err
		}
		if text, err = json.Marshal(r.value(document)); err != nil {
			return nil, err
		}
		var record core.Record
		if err := json.Unmarshal(text, &record); err != nil {
			return nil, err
		}
		changed[i] = runs.Run{Name: r.text(run.Name), Tags: r.texts(run.Tags), Record: record, Err: run.Err}
	}
	return changed, nil
}

// value replaces the names in a value of a JSON document.
func (r redaction) value(v any) any {
	switch v := v.(type) {
	case string:
		return r.text(v)
	case []any:
		for i := range v {
			v[i] = r.value(v[i])
		}
	case map[string]any:
		changed := make(map[string]any, len(v))
		for key, of := range v {
			changed[r.text(key)] = r.value(of)
		}
		return changed
	}
	return v
}

// report returns a comparison with the names replaced.
func (r redaction) report(c compare.Report) compare.Report {
	c.A.Name, c.B.Name, c.Notes = r.text(c.A.Name), r.text(c.B.Name), r.texts(c.Notes)
	c.Differences, c.Rows = slices.Clone(c.Differences), slices.Clone(c.Rows)
	for i, d := range c.Differences {
		c.Differences[i] = compare.Difference{Name: r.text(d.Name), A: r.texts(d.A), B: r.texts(d.B)}
	}
	for i := range c.Rows {
		c.Rows[i].Metric, c.Rows[i].Note = r.text(c.Rows[i].Metric), r.text(c.Rows[i].Note)
		c.Rows[i].Hosts = slices.Clone(c.Rows[i].Hosts)
		for j := range c.Rows[i].Hosts {
			c.Rows[i].Hosts[j].Host = r.text(c.Rows[i].Hosts[j].Host)
		}
	}
	return c
}
