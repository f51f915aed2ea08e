package bundle_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ktstr/ktstr/internal/bundle"
)

// A record that contradicts itself is refused, and the error names the field.
func TestContradictoryRecordsAreRefused(t *testing.T) {
	dirs, err := filepath.Glob("testdata/old-build/*/record.json")
	if err != nil || len(dirs) != 1 {
		t.Fatal(dirs, err)
	}
	text, err := os.ReadFile(dirs[0])
	if err != nil {
		t.Fatal(err)
	}
	// passing returns a record that passed, with other values of some fields.
	passing := func(edits map[string]any) []byte {
		var r map[string]any
		if err := json.Unmarshal(text, &r); err != nil {
			t.Fatal(err)
		}
		r["verdict"], r["details"] = "pass", []any{}
		r["checks"] = []any{map[string]any{"check": "exit == 0", "status": "held"}}
		for path, value := range edits {
			at := r
			keys := strings.Split(path, "/")
			for _, key := range keys[:len(keys)-1] {
				at = at[key].(map[string]any)
			}
			at[keys[len(keys)-1]] = value
		}
		out, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if _, err := bundle.ParseRecord(passing(nil)); err != nil {
		t.Fatalf("the record without edits: %v", err)
	}
	type edits = map[string]any
	failed := []any{edits{"kind": "above", "check": "a <= 1", "metric": "a", "message": "too much"}}
	for want, edit := range map[string]edits{
		`schema "ktstr.run/v9": want "ktstr.run/v1"`:                         {"schema": "ktstr.run/v9"},
		`verdict "good": want pass or fail`:                                  {"verdict": "good"},
		`verdict is "pass", and error is "no such file"`:                     {"error": "no such file"},
		`verdict is "pass", and details has a failure: too much`:             {"details": failed},
		`verdict is "pass", and interrupted is true`:                         {"interrupted": true},
		`verdict is "pass", and timed_out is true`:                           {"timed_out": true},
		`verdict is "pass", and extraction.status is "none"`:                 {"extraction/status": "none"},
		`verdict is "pass", and extraction.error is "it broke"`:              {"extraction/error": "it broke"},
		`verdict is "pass", and signal is "SIGKILL"`:                         {"signal": "SIGKILL", "exit_code": -1, "checks": []any{}},
		`checks: "exit == 0" held, and exit_code is 1`:                       {"exit_code": 1},
		`checks: "exit == 0" failed, and exit_code is 0`:                     {"checks": []any{edits{"check": "exit == 0", "status": "failed"}}, "verdict": "fail", "details": failed},
		`verdict is "pass", and checks has "a <= 1", which failed`:           {"checks": []any{edits{"check": "a <= 1", "status": "failed"}}},
		`checks: "a <= 1" has the status "maybe": want held, failed or skip`: {"checks": []any{edits{"check": "a <= 1", "status": "maybe"}}},
		`extraction.status "fine": want ok, none or error`:                   {"extraction/status": "fine"},
		`metrics is null: want a list`:                                       {"metrics": nil},
		`duration is -1.5: want 0 or more`:                                   {"duration": -1.5},
		`timeout is -30: want 0 or more`:                                     {"timeout": -30},
		`used.cpu is -1: want 0 or more`:                                     {"used/cpu": -1},
		`cgroup.user is -2: want 0 or more`:                                  {"cgroup/user": -2},
	} {
		if _, err := bundle.ParseRecord(passing(edit)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v, want %s", edit, err, want)
		}
	}
	for name, edit := range map[string]edits{
		"a killed run whose caller ended it":            {"signal": "SIGKILL", "exit_code": -1, "ended_by": "kill", "checks": []any{}},
		"a signal that a check expects":                 {"signal": "SIGKILL", "exit_code": -1, "checks": []any{edits{"check": "exit == -1", "status": "held"}}},
		"another exit code without a check of it":       {"exit_code": 3, "checks": []any{}},
		"a failed check of a metric":                    {"verdict": "fail", "details": failed, "checks": []any{edits{"check": "a <= 1", "status": "failed"}}},
		"no status, from another program":               {"extraction": edits{}},
		"a check that a later version knows":            {"checks": []any{edits{"check": "new syntax", "status": "held"}}},
		"fields that a later version writes":            {"news": 1},
		"an interrupted run":                            {"verdict": "fail", "interrupted": true},
		"a run without checks, from an older version":   {"checks": nil},
		"a check that was not judged after exit failed": {"verdict": "fail", "exit_code": 1, "details": failed, "checks": []any{edits{"check": "exit == 0", "status": "failed"}, edits{"check": "a <= 1", "status": "skipped"}}},
	} {
		if _, err := bundle.ParseRecord(passing(edit)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
