package export_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/internal/export"
)

// goldmark renders the tables. Text in the cells is never markup.
func TestMarkdown(t *testing.T) {
	md := goldmark.New(goldmark.WithExtensions(extension.GFM))
	render := func(text []byte, rows int, wants ...string) {
		t.Helper()
		var b bytes.Buffer
		if err := md.Convert(text, &b); err != nil {
			t.Fatal(err)
		}
		html := b.String()
		if got := strings.Count(html, "<tr>"); got != rows || strings.Contains(html, "<i>") || strings.Contains(html, "raw HTML") {
			t.Errorf("%d rows, want %d:\n%s", got, rows, html)
		}
		for _, want := range wants {
			if !strings.Contains(html, want) {
				t.Errorf("no %s in\n%s", want, html)
			}
		}
	}
	one := some(t, 1)[:1]
	if text := string(write(t, "markdown", export.Source{Runs: one})); strings.Contains(text, "±") || strings.Contains(text, "interrupted") {
		t.Errorf("of one run, want no spread:\n%s", text)
	}
	one[0].Record.Interrupted, one[0].Record.Verdict = true, core.Fail
	if text := string(write(t, "markdown", export.Source{Runs: one})); !strings.Contains(text, "1 run, 0 failed, 1 interrupted") {
		t.Errorf("of an interrupted run, want it so called:\n%s", text)
	}
	list := some(t, 1)
	render(write(t, "markdown", export.Source{Runs: list}), 3, "<strong>bench</strong>: 4 runs, 3 failed", ">p99<", ">50 us<", "metric 'p99' is 60 us: want &lt;= 50us")
	for i := range list {
		list[i].Record.Headlines = nil
		list[i].Record.Metrics = append(list[i].Record.Metrics, ktstr.Metric{Name: "c|d <i>x</i> `y` \n# z", Value: 1})
	}
	render(write(t, "markdown", export.Source{Runs: list}), 4, "c|d &lt;i&gt;x&lt;/i&gt; `y`  # z")
	render(write(t, "markdown", comparison(t)), 3, "<strong>new</strong> (3 runs) against <strong>old|1</strong> (4 runs): 2 too few (5 runs a side could tell): nothing was judged, 0 of 2 metrics")
}
