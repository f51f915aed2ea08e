package export_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/joshdk/go-junit"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/core/payload"
	"github.com/ktstr/ktstr/internal/export"
	"github.com/ktstr/ktstr/internal/runs"
)

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
	// The records suffice without the bundles, and a signal hides no check.
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
