package plugins_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/core/unit"
	"github.com/ktstr/ktstr/plugins"
	"github.com/ktstr/ktstr/plugins/internal/corpustest"
)

// metricsTable returns the table of a page of docs/metrics: the hints of a tool, which its
// extractor itself gives.
func metricsTable(d ktstr.Description) string {
	arrows := map[ktstr.Polarity]string{ktstr.Higher: "↑", ktstr.Lower: "↓"}
	var names []string
	units, polarity, headline := map[string][]string{}, map[string]string{}, map[string]string{}
	for _, h := range d.Hints {
		if !slices.Contains(names, h.Name) {
			names = append(names, h.Name)
		}
		if h.Unit != "" && !slices.Contains(units[h.Name], h.Unit) {
			units[h.Name] = append(units[h.Name], h.Unit)
		}
		if a, ok := arrows[h.Polarity]; ok {
			polarity[h.Name] = a
		}
		if h.Headline {
			headline[h.Name] = "headline"
		}
	}
	var b strings.Builder
	b.WriteString("| name | unit | | |\n|---|---|---|---|\n")
	for _, name := range names {
		u, arrow := strings.Join(units[name], ", "), polarity[name]
		if u == "" {
			u = "as printed"
		}
		if arrow == "" {
			arrow = "·"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", name, u, arrow, headline[name])
	}
	return b.String()
}

// Each tool that runs in process has a page in docs/metrics. Its table follows from the names
// in the code: `go test ./plugins -run TestMetricsPages -update` writes it. A person writes
// the text around it.
func TestMetricsPages(t *testing.T) {
	tools := inProcess()
	for _, name := range slices.Sorted(maps.Keys(tools)) {
		page := filepath.Join("../docs/metrics", name+".md")
		text, err := os.ReadFile(page)
		if os.IsNotExist(err) && *update {
			text, err = fmt.Appendf(nil, "# Metrics of %s\n\n| name |\n", name), nil
		}
		if err != nil {
			t.Errorf("%v: -update writes it", err)
			continue
		}
		want := metricsTable(tools[name].Describe())
		lines := strings.SplitAfter(string(text), "\n")
		isRow := func(l string) bool { return strings.HasPrefix(l, "|") }
		start := slices.IndexFunc(lines, isRow)
		if start < 0 {
			t.Errorf("%s: want a table of the metrics", page)
			continue
		}
		end := start
		for end < len(lines) && isRow(lines[end]) {
			end++
		}
		if got := strings.Join(lines[start:end], ""); got != want && *update {
			all := strings.Join(lines[:start], "") + want + strings.Join(lines[end:], "")
			if err := os.WriteFile(page, []byte(all), 0o644); err != nil {
				t.Fatal(err)
			}
		} else if got != want {
			t.Errorf("%s has another table than the code (-update writes it):\n%s", page, want)
		}
	}
	for _, x := range plugins.Plugins() { // their pages are written by hand
		tools[x.Describe().Name] = x
	}
	pages, _ := filepath.Glob("../docs/metrics/*.md")
	for _, page := range pages {
		if tools[strings.TrimSuffix(filepath.Base(page), ".md")] == nil {
			t.Errorf("%s: there is no such tool", page)
		}
	}
}

// Each metric of each capture has the unit and the polarity that a hint of its tool says, so
// that a page cannot lack a name or differ from the code.
func TestHintsDescribeEveryMetric(t *testing.T) {
	for name, x := range inProcess() {
		d := x.Describe()
		said := map[string]bool{}
		for _, k := range captures(t, name) {
			var want expectation
			corpustest.Expect(t, k, &want)
			for metric, w := range want.Metrics {
				if name == "perf-stat" && w.Polarity == ktstr.Unknown {
					continue // called like the events that the user chose
				}
				described := slices.ContainsFunc(d.Hints, func(h ktstr.Hint) bool {
					same := h.Unit == "" || h.Unit == w.Unit || unit.Convertible(h.Unit, w.Unit)
					return extract.Match(h.Name, metric) && same && (h.Polarity == w.Polarity || h.Polarity == "" && w.Polarity == ktstr.Unknown)
				})
				if !described && !said[metric] {
					said[metric] = true
					t.Errorf("%s/%s: no hint describes %s (%s, %s)", name, k.Name, metric, w.Unit, w.Polarity)
				}
			}
		}
	}
}
