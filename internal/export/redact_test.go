package export_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/internal/compare"
	"github.com/ktstr/ktstr/internal/export"
	"github.com/ktstr/ktstr/internal/hostlock"
	"github.com/ktstr/ktstr/internal/runs"
)

// After Redact, no format has the name of a user or a host, or a home directory. The hosts still
// differ, and the numbers are the same.
func TestRedact(t *testing.T) {
	t.Setenv("HOME", "/data/carol")
	t.Setenv("USER", "carol")
	list := some(t, 1)
	for i := range list {
		r := &list[i].Record
		r.Host.Name = []string{"node7.lab.example.com", "node8"}[i%2]
		if i == 1 {
			r.Where = &core.Where{Engine: "ssh", Host: "root@rack9.lab", Job: "5"}
		}
		r.Dir, r.Bundle = "/home/alice/bench", "/data/carol/.local/state/ktstr/runs/x"
		r.Argv = []string{"/home/alice/bench", "--host=node7", "--user", "alice", "/root/.ssh", "bob@node8:/Users/bob/x"}
		r.Labels["set"] = "set-alice"
		r.Overlapped = []core.Overlap{{Pid: 5, User: "dave", Payload: "theirs"}}
		r.Notices = []string{"alice's malice on node7.lab.example.com; carol_x is another name"}
		if len(r.Metrics) > 0 {
			r.Metrics[0].Name = "node8.p99"
			r.Metrics[1].Value = 9007199254740993
		}
	}
	report := compare.Compare(runs.Side("node7", list), runs.Side("alice", list), compare.Options{})
	s, err := export.Redact(export.Source{Runs: list, Comparisons: []compare.Report{report}, Sides: [][2][]runs.Run{{list, list}}})
	if err != nil {
		t.Fatal(err)
	}
	r := s.Runs[0].Record
	if got, want := fmt.Sprint(r.Argv, r.Dir, r.Bundle, r.Notices), "[~/bench --host=host1 --user user ~/.ssh user@host2:~/x]~/bench~/.local/state/ktstr/runs/x[user's malice on host1; carol_x is another name]"; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if s.Runs[0].Record.Host.Name != "host1" || s.Runs[1].Record.Host.Name != "host2" || r.Metrics[1].Value != 9007199254740993 || s.Runs[0].Dir != "" {
		t.Errorf("hosts %q and %q, value %v, directory %q", s.Runs[0].Record.Host.Name, s.Runs[1].Record.Host.Name, r.Metrics[1].Value, s.Runs[0].Dir)
	}
	if list[0].Record.Host.Name != "node7.lab.example.com" {
		t.Error("Redact changed its argument")
	}
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range export.Formats() {
		for _, word := range []string{"alice", "bob", "dave", "node7", "node8", "rack9", "/home/", "/root", "/data/carol", "lab.example", " " + name + " "} {
			text := string(write(t, f.Name, s))
			if f.Name == "html" {
				page := readReport(t, []byte(text))
				text = fmt.Sprint(page.text, page.data)
			}
			if strings.Contains(strings.ReplaceAll(text, "malice", ""), word) {
				t.Errorf("%s has %q", f.Name, word)
			}
		}
	}
	if page := readReport(t, write(t, "html", s)); !page.data.Redacted || !strings.Contains(page.text, "Redacted: ") || page.data.Runs[0]["base"] != "" || page.data.Runs[0]["repeat"] != "" {
		t.Errorf("the page: want that it says that it was redacted, and no links, in %q", page.text)
	}
	if s.Runs[3].Record.Verdict != core.Fail || len(s.Runs[3].Record.Details) == 0 {
		t.Errorf("the failure was lost: %+v", s.Runs[3].Record)
	}
}

// The error of a run that was refused names the user who has the host.
func TestRedactTheOwnerOfTheHostLock(t *testing.T) {
	held := hostlock.HeldError{File: "/run/ktstr.lock", Owner: hostlock.Run{Pid: 7, UID: new(uint32), Payload: "theirs"}}
	text := "could not be started: " + strings.Replace(held.Error(), " root ", " erin ", 1)
	if !strings.Contains(text, "erin") {
		t.Fatal(text)
	}
	s, err := export.Redact(export.Source{Runs: []runs.Run{{Record: core.Record{NotStarted: text}}}})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Runs[0].Record.NotStarted; got != strings.Replace(text, "erin", "user", 1) {
		t.Error(got)
	}
}
