package lines_test

import (
	"fmt"
	"testing"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/extractors/lines"
)

// values returns the names and values of the metrics of a text, and the codes of its diagnostics.
func values(t *testing.T, table lines.Table, text string) string {
	t.Helper()
	x, err := table.Compile(ktstr.Description{})
	if err != nil {
		t.Fatal(err)
	}
	e, _ := x.Parse(ktstr.Output{Data: []byte(text)})
	s := ""
	for _, m := range e.Metrics {
		s += fmt.Sprintf("%s=%v ", m.Name, m.Value)
	}
	for _, d := range e.Diagnostics {
		s += string(d.Code) + " "
	}
	return s
}

func TestTopLinesStandAboveAllHeadings(t *testing.T) {
	row := `^ (?P<op>\w+) (?P<value>\d+)$`
	client := lines.Regexp(`^Client (?P<n>\d+)$`)
	table := lines.Table{Lines: []lines.Line{
		{Pattern: lines.Regexp(row), Name: "{op}", Top: true},
		{Pattern: lines.Regexp(row), Name: "client.{n}.{op}", Section: client},
	}}
	if got, want := values(t, table, " Read 7\nClient 0\n Read 3\nClient 1\n Read 4\n"), "Read=7 client.0.Read=3 client.1.Read=4 "; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	table.Lines[0].Section = client
	if _, err := table.Compile(ktstr.Description{}); err == nil {
		t.Error("top and section: want an error")
	}
}

// A headline is not missing if its line says that there is no number.
func TestALineMaySayThatItHasNoNumber(t *testing.T) {
	table := lines.Table{Lines: []lines.Line{
		{Pattern: lines.Match("rate: {rate}")},
		{Pattern: lines.Regexp(`^(percentiles: disabled|p99: (?P<value>\d+))$`), Name: "p99", Headline: true},
	}}
	for text, want := range map[string]string{
		"rate: 5\np99: 7\n":                "rate=5 p99=7 ",
		"rate: 5\npercentiles: disabled\n": "rate=5 ",
		"rate: 5\n":                        "rate=5 missing-headline ",
	} {
		if got := values(t, table, text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
