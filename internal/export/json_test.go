package export_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/ktstr/ktstr/internal/export"
	"github.com/ktstr/ktstr/internal/runs"
)

// jq checks the JSON, because it is independent of our code.
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

	// ReadRecords reads it back.
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
