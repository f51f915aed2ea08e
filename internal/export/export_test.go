package export_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/joshdk/go-junit"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"golang.org/x/perf/benchfmt"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/core/payload"
	"github.com/ktstr/ktstr/internal/bundle"
	"github.com/ktstr/ktstr/internal/compare"
	"github.com/ktstr/ktstr/internal/export"
	"github.com/ktstr/ktstr/internal/runs"
)

func parse(t *testing.T, texts ...string) []check.Check {
	t.Helper()
	var checks []check.Check
	for _, text := range texts {
		c, err := check.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		checks = append(checks, c)
	}
	return checks
}

// some keeps four runs: a good one, one that failed a check, one that exited
// with 3, and one that timed out with odd text everywhere.
func some(t *testing.T, factor float64) []runs.Run {
	t.Helper()
	root := t.TempDir()
	p := payload.Payload{Name: "bench", Summary: "x", Binary: "bench", Checks: parse(t, "exit == 0", "p99 <= 50us", "exists iops")}
	for i := range 4 {
		r := &core.Result{
			Definition: p, Streams: []ktstr.Output{{Stream: ktstr.Stdout}, {Stream: ktstr.Stderr}},
			Record: core.Record{
				Schema: core.Schema, Payload: "bench", Argv: []string{"bench"}, Start: time.Date(2026, 1, 2, 3, 4, 5+i, 0, time.UTC), Duration: core.Seconds(1234567891),
				Extraction: core.Extraction{Status: extract.OK, Extractor: "json", Version: "1"},
				Headlines:  []string{"p99", "iops"}, Host: core.Host{Name: "here", Kernel: "6.1", Arch: "amd64"},
				Labels: map[string]string{"set": "s1"},
				Metrics: []ktstr.Metric{
					{Name: "p99", Value: factor * (40 + float64(i)), Unit: "us", Polarity: ktstr.Lower, Stream: ktstr.Stdout},
					{Name: "iops", Value: 1234.5, Unit: "iops", Polarity: ktstr.Higher, Stream: ktstr.Stdout},
					{Name: "a|b <i> \"q\" \x01", Value: math.Inf(1)},
				},
			},
		}
		switch i {
		case 1:
			r.Metrics[0].Value = 60
		case 2:
			r.ExitCode = 3
		case 3:
			r.ExitCode, r.TimedOut = -1, true
			r.Extraction.Status, r.Extraction.Error = extract.Error, "boo <&> \x1b"
		}
		if i == 3 {
			r.Metrics = nil
		}
		r.Judge(p, []byte("some <stderr>"), nil, nil)
		w, err := bundle.Create(root)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(w.Raw(r), w.Emit(r)); err != nil {
			t.Fatal(err)
		}
	}
	list, err := runs.Open(root).List(runs.Filter{})
	if err != nil || len(list) != 4 {
		t.Fatalf("%d runs, %v", len(list), err)
	}
	return list
}

func comparison(t *testing.T) export.Source {
	t.Helper()
	a, b := some(t, 1), some(t, 1)
	r := compare.Compare(runs.Side("old|1", a), runs.Side("new", b[:3]), compare.Options{})
	return export.Source{Runs: a, Other: b, Report: &r}
}

func write(t *testing.T, format string, s export.Source) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := export.Write(&b, format, s); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestUnknownFormat(t *testing.T) {
	err := export.Write(new(bytes.Buffer), "xml", export.Source{})
	if want := `export format "xml": want one of benchfmt, csv, json, jsonl, junit, markdown`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// jq reads them, a program that we did not write.
func TestJSON(t *testing.T) {
	jq := func(text []byte, filter, want string) {
		t.Helper()
		cmd := exec.Command("jq", "-c", filter)
		cmd.Stdin = bytes.NewReader(text)
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if got := strings.Join(strings.Fields(string(out)), " "); err != nil || got != want {
			t.Errorf("jq %s: %s, %v; want %s", filter, got, err, want)
		}
	}
	list := some(t, 1)
	jq(write(t, "json", export.Source{Runs: list}), `[.schema, (.runs|length), .runs[0].metrics[0].value]`, `["ktstr.runs/v1",4,40]`)
	jq(write(t, "json", export.Source{Runs: list[:1]}), `[.schema, .verdict]`, `["ktstr.run/v1","pass"]`)
	jq(write(t, "jsonl", export.Source{Runs: list}), `.verdict`, `"pass" "fail" "fail" "fail"`)
	s := comparison(t)
	jq(write(t, "json", s), `[.schema, .a.broken, .b.broken, (.metrics|length), .summary, .deciding, .judged, .need]`, `["ktstr.compare/v1",2,1,3,"2 too few (5 runs a side could tell): nothing was judged, 0 of 2 metrics",2,0,5]`)
	jq(write(t, "jsonl", s), `[.metric, .verdict, .need]`, `["p99","too few",5] ["iops","too few",5] ["a|b <i> \"q\" \u0001","missing",null]`)

	// And we read back what we wrote.
	again, err := runs.ReadRecords(bytes.NewReader(write(t, "json", export.Source{Runs: list})))
	if err != nil || len(again) != 4 {
		t.Fatalf("%d runs, %v", len(again), err)
	}
	was, _ := json.Marshal(list[1].Record)
	now, _ := json.Marshal(again[1].Record)
	if !bytes.Equal(was, now) {
		t.Errorf("got %s, want %s", now, was)
	}
}

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
	read(write(t, "csv", comparison(t)), 4, "p99;too few;true;us;lower;2;50;10;2;50;10;0;1;0.025;2;5;")
}

// No export has a number that nobody measured.
func TestMissingHasNoNumbers(t *testing.T) {
	side := func(name string, value float64) compare.Side {
		r := compare.Run{Metrics: []ktstr.Metric{{Name: "iops", Value: value, Unit: "iops"}}}
		switch name {
		case "v1":
			r.Metrics = append(r.Metrics, ktstr.Metric{Name: "bw", Value: 2.2, Unit: "GB/s"}, ktstr.Metric{Name: "odd", Value: 5, Unit: "us"})
		case "v2":
			r.Metrics = append(r.Metrics, ktstr.Metric{Name: "lat", Value: 7, Unit: "ms"}, ktstr.Metric{Name: "odd", Value: 5, Unit: "iops"})
		}
		return compare.Side{Name: name, Runs: []compare.Run{r, r, r, r}}
	}
	report := compare.Compare(side("v1", 1), side("v2", 2), compare.Options{Absent: []string{"none"}})
	s := export.Source{Report: &report}

	suites, err := junit.Ingest(write(t, "junit", s))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, c := range suites[0].Tests {
		got[c.Name], _, _ = strings.Cut(fmt.Sprint(c.Error), "\n")
	}
	for name, want := range map[string]string{
		"bw": "missing: not in the second (first: 2.2 GB/s)", "lat": "missing: not in the first (second: 7 ms)",
		"odd": `missing: units "us" and "iops" cannot be compared`, "none": "missing: no run has it", "iops": "<nil>",
	} {
		if got[name] != want {
			t.Errorf("junit: %s: %q, want %q", name, got[name], want)
		}
	}
	rows, err := csv.NewReader(bytes.NewReader(write(t, "csv", s))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	cells := map[string]string{}
	for _, row := range rows[1:] {
		cells[row[0]] = strings.Join(row, ",")
	}
	for name, want := range map[string]string{
		"bw":   "bw,missing,true,GB/s,unknown,4,2.2,0,0,,,,,,2,,not in the second",
		"lat":  "lat,missing,true,ms,unknown,0,,,4,7,0,,,,2,,not in the first",
		"none": "none,missing,true,,unknown,0,,,0,,,,,,2,,no run has it",
	} {
		if cells[name] != want {
			t.Errorf("csv: %q, want %q", cells[name], want)
		}
	}
	var document struct {
		Metrics []map[string]any `json:"metrics"`
	}
	if err := json.Unmarshal(write(t, "json", s), &document); err != nil {
		t.Fatal(err)
	}
	for _, m := range document.Metrics {
		measured := m["verdict"] != "missing"
		for _, key := range []string{"change", "p", "level"} {
			if (m[key] != nil) != measured {
				t.Errorf("json: %s: %s is %v", m["metric"], key, m[key])
			}
		}
		for _, side := range []string{"a", "b"} {
			sample := m[side].(map[string]any)
			if any := sample["n"] != 0.0; (sample["median"] != nil) != any || (sample["spread"] != nil) != any {
				t.Errorf("json: %s: %s is %v", m["metric"], side, sample)
			}
		}
	}
}

// What a payload prints is text to a spreadsheet, never a formula; numbers stay
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

// No spreadsheet knows an infinity as a number, so one with a sign in front is a
// formula to it, like any text.
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

// goldmark renders it: tables stay tables, and nothing of the text is markup.
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

func TestJUnit(t *testing.T) {
	text := write(t, "junit", export.Source{Runs: some(t, 1)})
	suites, err := junit.Ingest(text)
	if err != nil || len(suites) != 4 {
		t.Fatalf("%d suites, %v", len(suites), err)
	}
	var got strings.Builder
	for _, s := range suites {
		for _, c := range s.Tests {
			got.WriteString(string(c.Status) + " " + c.Classname + " " + c.Name)
			if c.Error != nil {
				got.WriteString(": " + strings.SplitN(c.Error.Error(), "\n", 2)[0])
			}
			got.WriteString("\n")
		}
	}
	want := `passed bench run to its end
passed bench exit == 0
passed bench p99 <= 50us
passed bench exists iops
passed bench extraction
passed bench run to its end
passed bench exit == 0
failed bench p99 <= 50us: metric 'p99' is 60 us: want <= 50us
passed bench exists iops
passed bench extraction
passed bench run to its end
failed bench exit == 0: exit code 3: want 0; stderr ends with:
skipped bench p99 <= 50us
skipped bench exists iops
passed bench extraction
error bench run to its end: timed out after 1.235s
failed bench exit == 0: exit code -1: want 0; stderr ends with:
skipped bench p99 <= 50us
skipped bench exists iops
error bench extraction: json: boo <&> �
`
	if got.String() != want {
		t.Errorf("got\n%s\nwant\n%s\nfrom\n%s", got.String(), want, text)
	}
	// The records alone say the same, and an end by a signal hides no check.
	list := some(t, 1)
	for i := range list {
		list[i].Dir = ""
	}
	if alone := write(t, "junit", export.Source{Runs: list}); strings.Count(string(alone), "<testcase ") != strings.Count(string(text), "<testcase ") {
		t.Errorf("without the bundles: %s", alone)
	}
	list[3].Record.Timeout = core.Seconds(time.Second)
	if text := write(t, "junit", export.Source{Runs: list[3:]}); !bytes.Contains(text, []byte(`<error message="killed at the timeout of 1s" type="timeout"`)) {
		t.Errorf("want the timeout in\n%s", text)
	}
	killed := core.Record{Payload: "bench", Signal: "SIGSEGV", Extraction: core.Extraction{Status: extract.OK}}
	exists, err := check.Exists("p99")
	if err != nil {
		t.Fatal(err)
	}
	killed.Judge(payload.Payload{Checks: []check.Check{exists}}, nil, nil, nil)
	suites, err = junit.Ingest(write(t, "junit", export.Source{Runs: []runs.Run{{Record: killed}}}))
	if err != nil || suites[0].Totals.Failed != 2 || suites[0].Tests[1].Name != "exists p99" {
		t.Errorf("ended by a signal: %+v, %v", suites, err)
	}
	if suites, err := junit.Ingest(write(t, "junit", comparison(t))); err != nil || suites[0].Totals.Skipped != 2 {
		t.Errorf("comparison: %+v, %v", suites, err)
	}
}

// The reader that benchstat uses.
func TestBenchfmt(t *testing.T) {
	read := func(text []byte) (results, sides int) {
		t.Helper()
		r := benchfmt.NewReader(bytes.NewReader(text), "export")
		seen := map[string]bool{}
		for r.Scan() {
			switch rec := r.Result().(type) {
			case *benchfmt.SyntaxError:
				t.Errorf("%v in\n%s", rec, text)
			case *benchfmt.Result:
				results++
				seen[rec.GetConfig("side")] = true
				if v, ok := rec.Value("us"); ok && string(rec.Name) != "Ktstr/payload=bench/metric=p99" || ok && v < 40 {
					t.Errorf("%s: %v us", rec.Name, v)
				}
			}
		}
		if err := r.Err(); err != nil {
			t.Error(err)
		}
		units := r.Units()
		if m := units.Get("us", "better"); m == nil || m.Value != "lower" {
			t.Errorf("us: %v, want lower", m)
		}
		if m := units.Get("iops", "better"); m == nil || m.Value != "higher" {
			t.Errorf("iops: %v, want higher", m)
		}
		return results, len(seen)
	}
	// Two of four runs ended well, with three metrics each.
	if results, sides := read(write(t, "benchfmt", export.Source{Runs: some(t, 1)})); results != 6 || sides != 1 {
		t.Errorf("%d results, %d sides; want 6, 1", results, sides)
	}
	if results, sides := read(write(t, "benchfmt", comparison(t))); results != 12 || sides != 2 {
		t.Errorf("%d results, %d sides; want 12, 2", results, sides)
	}
}
