package export_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"

	"github.com/ktstr/ktstr/internal/export"
)

// goldmark renders the job summary. Its heading says in words whether the runs passed.
func TestGitHub(t *testing.T) {
	md := goldmark.New(goldmark.WithExtensions(extension.GFM))
	render := func(s export.Source, tables int, wants ...string) {
		t.Helper()
		var b bytes.Buffer
		if err := md.Convert(write(t, "github", s), &b); err != nil {
			t.Fatal(err)
		}
		page := b.String()
		if got := strings.Count(page, "<table>"); got != tables {
			t.Errorf("%d tables, want %d in\n%s", got, tables, page)
		}
		for _, want := range wants {
			if !strings.Contains(page, want) {
				t.Errorf("no %s in\n%s", want, page)
			}
		}
		// The text of a run is no element. goldmark leaves out raw HTML, here the two of <details>.
		if strings.Contains(page, "<LAVA") || strings.Count(page, "raw HTML omitted") != 2 {
			t.Errorf("a name is markup in\n%s", page)
		}
	}
	render(export.Source{Runs: some(t, 1)[:1]}, 2, "<h2>✅ ktstr: 1 of 1 runs passed</h2>", "<td>p99</td>", "<td>here</td>")
	render(export.Source{Runs: some(t, 1)}, 2, "<h2>❌ ktstr: 1 of 4 runs passed</h2>")
	render(export.Source{Runs: hostileRuns()}, 2, "<h2>❌ ktstr: 4 of 5 runs passed</h2>")
	render(export.Source{}, 1, "<h2>❌ ktstr: 0 of 0 runs passed</h2>")
	s := comparison(t)
	render(s, 2, "<h2>❔ ktstr compare: 2 too few")
	s.Comparisons, s.Report = append(s.Comparisons, *s.Report), nil
	s.Runs = s.Runs[:1]
	render(s, 3, "<h2>❔ ktstr: 1 of 1 runs passed; new against old|1: 2 too few")
}

func TestEveryFormatIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/exports.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range export.Formats() {
		if !bytes.Contains(page, []byte("\n| `"+f.Name+"` | ")) || f.Summary == "" {
			t.Errorf("docs/exports.md has no row for %s", f.Name)
		}
	}
}
