package export_test

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/internal/compare"
	"github.com/ktstr/ktstr/internal/export"
	"github.com/ktstr/ktstr/internal/runs"
)

func TestCSV(t *testing.T) {
	read := func(text []byte, records int, want string) {
		t.Helper()
		rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
		if err != nil || len(rows) != records || strings.Join(rows[1], ";") != want {
			t.Errorf("%d rows, %v, %q; want %d, %q", len(rows), err, rows[1], records, want)
		}
	}
	list := some(t, 1)
	text := write(t, "csv", export.Source{Runs: list})
	read(text, 10, "bench;"+list[0].Name+";s1;2026-01-02T03:04:05Z;pass;p99;40;us;lower;stdout;true")
	cmd := exec.Command("python3", "-c", `
import csv, sys
rows = list(csv.DictReader(sys.stdin))
print(len(rows), rows[2]["metric"] == 'a|b <i> "q" \x01', rows[2]["value"], float(rows[1]["value"]))`)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(text), os.Stderr
	if out, err := cmd.Output(); err != nil || string(out) != "9 True Inf 1234.5\n" {
		t.Errorf("python reads %s, %v", out, err)
	}
	read(write(t, "csv", comparison(t)), 4, "p99;too few;true;us;lower;2;50;10;2;50;10;0;1;0.025;2;5;;;;5;false;;run")
}

// A spreadsheet takes the text of a payload for text, never for a formula. Numbers stay
// numbers.
func TestCSVIsNoFormula(t *testing.T) {
	names := map[string]string{
		`=cmd|' /C calc'!A0`:        `'=cmd|' /C calc'!A0`,
		"+1":                        "'+1",
		"-1.5":                      "'-1.5",
		"@SUM(1)":                   "'@SUM(1)",
		"\t=1":                      "\t'=1",
		"\r=1":                      "\r'=1",
		" =1":                       " '=1",
		"\uff1d1":                   "'\uff1d1",
		"a;=1":                      "a;'=1",
		`a;"=1"`:                    `a;"'=1"`,
		"a\n-1":                     "a\n'-1",
		"a=b-c+d@e":                 "a=b-c+d@e",
		"'=1":                       "'=1",
		"lat [-5]; p99":             "lat [-5]; p99",
		"jobs.0.read.iops -- ü \t ": "jobs.0.read.iops -- ü \t ",
	}
	r := runs.Run{Name: "=run", Record: core.Record{Payload: "=payload", Verdict: "=pass", Labels: map[string]string{"set": "=set"}}}
	for name := range names {
		r.Record.Metrics = append(r.Record.Metrics, ktstr.Metric{Name: name, Value: -1.5, Unit: "-" + name, Stream: "=stream"})
	}
	rows, err := csv.NewReader(bytes.NewReader(write(t, "csv", export.Source{Runs: []runs.Run{r}}))).ReadAll()
	if err != nil || len(rows) != len(names)+1 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for i, row := range rows[1:] {
		want := names[r.Record.Metrics[i].Name]
		if row[0] != "'=payload" || row[1] != "'=run" || row[2] != "'=set" || row[4] != "'=pass" || row[5] != want || row[6] != "-1.5" || row[7][:2] != "'-" || row[9] != "'=stream" {
			t.Errorf("%q: row %q, want %q", r.Record.Metrics[i].Name, row, want)
		}
	}
	r.Record.Verdict = core.Pass
	report := compare.Compare(runs.Side("a", []runs.Run{r}), runs.Side("b", []runs.Run{r}), compare.Options{})
	rows, err = csv.NewReader(bytes.NewReader(write(t, "csv", export.Source{Report: &report}))).ReadAll()
	if err != nil || len(rows) != len(names)+1 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for i, row := range rows[1:] {
		if want := names[report.Rows[i].Metric]; row[0] != want || row[6] != "-1.5" || row[3][:2] != "'-" {
			t.Errorf("%q: row %q, want %q", report.Rows[i].Metric, row, want)
		}
	}
}

// Spreadsheets have no number for an infinity, so an infinity with a sign is a
// formula, like other text.
func TestCSVInfinityIsNoFormula(t *testing.T) {
	side := func(values ...float64) (list []runs.Run) {
		for range 4 {
			r := runs.Run{Record: core.Record{Payload: "bench", Verdict: core.Pass}}
			for i, v := range values {
				r.Record.Metrics = append(r.Record.Metrics, ktstr.Metric{Name: fmt.Sprint("m", i), Value: v})
			}
			list = append(list, r)
		}
		return list
	}
	column := func(s export.Source, name string) (cells []string) {
		t.Helper()
		rows, err := csv.NewReader(bytes.NewReader(write(t, "csv", s))).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		at := slices.Index(rows[0], name)
		for _, row := range rows[1:] {
			cells = append(cells, row[at])
		}
		slices.Sort(cells)
		return cells
	}
	a, b := side(0, 0, 10), side(5, -5, 5)
	report := compare.Compare(runs.Side("a", a), runs.Side("b", b), compare.Options{})
	if got, want := column(export.Source{Report: &report}, "change"), []string{"'-Inf", "-0.5", "Inf"}; !slices.Equal(got, want) {
		t.Errorf("changes %q, want %q", got, want)
	}
	values := side(math.Inf(1), math.Inf(-1), math.NaN(), -1.5)[:1]
	if got, want := column(export.Source{Runs: values}, "value"), []string{"'-Inf", "-1.5", "Inf", "NaN"}; !slices.Equal(got, want) {
		t.Errorf("values %q, want %q", got, want)
	}
}
