package runs_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ktstr/ktstr/internal/runs"
)

func TestLoadReadsBundlesAndRecords(t *testing.T) {
	root := t.TempDir()
	name := keep(t, root, nil)
	keep(t, root, nil)
	record, err := os.ReadFile(filepath.Join(root, name, "record.json"))
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	check := func(path string, want int, problem string) {
		t.Helper()
		list, err := runs.Load(path)
		if len(list) != want || (err == nil) != (problem == "") || err != nil && !strings.Contains(err.Error(), problem) {
			t.Errorf("%s: %d runs, %v; want %d, %s", path, len(list), err, want, problem)
		}
	}
	one := string(record)
	check(filepath.Join(root, name), 1, "")
	check(root, 2, "")
	check(write("one.json", one), 1, "")
	check(write("lines.jsonl", one+"\n"+one), 2, "")
	check(write("list.json", "["+one+","+one+"]"), 2, "")
	check(write("set.json", `{"schema":"ktstr.runs/v1","runs":[`+one+`]}`), 1, "")
	check(write("empty", ""), 0, "no record in it")
	check(write("text", "hello"), 0, "not JSON")
	check(write("other.json", `{"a":1}`), 0, `schema ""`)
	check(t.TempDir(), 0, "neither a bundle nor a directory of bundles")
	check(filepath.Join(root, "absent"), 0, "no such file")

	// What cannot be read is told apart from what is not there.
	if err := os.WriteFile(filepath.Join(root, name, "record.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{root: 2, filepath.Join(root, name): 1} {
		list, err := runs.Load(path)
		var unreadable *runs.UnreadableError
		if len(list) != want || !errors.As(err, &unreadable) || list[0].Err == nil || list[0].Name != name {
			t.Errorf("%s: %d runs, %v; want %d and an UnreadableError", path, len(list), err, want)
		}
	}
}

func TestRecordsOfRunsThatWereNotKeptHaveNoName(t *testing.T) {
	list, err := runs.ReadRecords(strings.NewReader(`{"schema": "ktstr.run/v1", "bundle": ""} {"schema": "ktstr.run/v1", "bundle": "/x/one"}`))
	if err != nil || len(list) != 2 || list[0].Name != "" || list[1].Name != "one" {
		t.Errorf("got %+v, %v; want names \"\" and \"one\"", list, err)
	}
}
