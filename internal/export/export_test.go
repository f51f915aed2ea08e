package export_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/joshdk/go-junit"

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

// some stores four runs: a good one, one that failed a check, one that exited
// with 3, and one that timed out and has control characters in its text.
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

func TestWriteRefusesAnUnknownFormat(t *testing.T) {
	err := export.Write(new(bytes.Buffer), "xml", export.Source{})
	if want := `unknown format "xml": want one of ` + export.Names(); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// An export leaves a value empty if it was not measured.
func TestMissingValuesAreEmpty(t *testing.T) {
	side := func(name string, value float64) compare.Side {
		r := compare.Run{Metrics: []ktstr.Metric{{Name: "iops", Value: value, Unit: "iops", Polarity: ktstr.Higher}}}
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
		"bw":   "bw,missing,true,GB/s,unknown,4,2.2,0,0,,,,,,2,,not in the second,,,5,false,,run",
		"lat":  "lat,missing,true,ms,unknown,0,,,4,7,0,,,,2,,not in the first,,,5,false,,run",
		"none": "none,missing,true,,unknown,0,,,0,,,,,,2,,no run has it,,,5,false,,run",
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
