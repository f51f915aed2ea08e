package payload_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/core/payload"
	"github.com/ktstr/ktstr/extractors/lines"
)

const everything = `# a comment
name: all
summary: 'Everything at once, with "quotes" and a colon: here.'
measures: storage
about: |
  Look at a.b first.

  Then at the rest.
kind: binary
binary: stress-ng
args: [--switch, 4, -t, 010, "--yaml", "{outputs.yaml}", '{"json": true}', "--dir={scratch}", "", "a b", "--", "-1", ~x, on]
env: {A: 1.50, B_2: "{scratch}/x"}
secrets: [OTHER]
dir: scratch
files: [job.fio]
outputs: [{name: yaml, path: sub/metrics.yaml}]
flags: [--rw, --bs]
timeout: 1m30s
stop_after: 40s
leftovers: wait
counters: [cycles]
cgroup: /a/b
uses_parent_pgrp: true
extractor: lines
options: {documents: last}
signature: {regexp: '^tool \d'}
lines:
  - "Throughput: {throughput} {unit}"
  - {regexp: 'p(?P<p>\S+): (?P<value>\S+)', name: "{test:lower}.p{p}", unit: ms, polarity: lower, headline: true, section: {regexp: '^== (?P<test>\S+)'}, when: Percentiles, required: true, zero_is_none: true}
  - {match: 'top {x}', top: true}
notes:
  - "FATAL: *"
  - {match: "caught signal", code: interrupted}
units: {MB: MiB}
checks:
  - exit == 0
  - '"odd name" >= 1'
  - p99 in [1us, 2ms]
hints:
  - {name: "jobs.*.iops", unit: iops, polarity: higher, headline: true, min_effect: 3%, margin: 5%}
  - {name: near, polarity: target=0.5, min_effect: 0.25 %}
  - {name: gone, polarity: unknown}
bounds: {min_metrics: 2, min: 0, max: 1e12}
needs:
  - binary: stress-ng
    install: apt-get install stress-ng
    min_version: 0.10
    version_args: [--version]
    version_pattern: 'version (\S+)'
    help_args: [--help]
  - {binary: jq}
variants:
  - when: {version: "< 0.15.8", supports: --metrics-brief}
    args: [--switch, "4"]
    checks: []
    outputs: []
    note: less is measured
  - when: {supports: "--json"}
    note: nothing changes
`

// C1
func TestParseReadsEveryKey(t *testing.T) {
	p, err := payload.Parse("/etc/all.yaml", []byte(everything))
	if err != nil {
		t.Fatal(err)
	}
	odd, _ := check.AtLeast("odd name", 1, "")
	within, _ := check.Range("p99", 1, 2000, "us")
	lo, hi := 0.0, 1e12
	want := payload.Payload{
		Name: "all", Summary: `Everything at once, with "quotes" and a colon: here.`, Measures: "storage", About: "Look at a.b first.\n\nThen at the rest.\n",
		Kind: payload.Binary, Binary: "stress-ng",
		Args: []string{"--switch", "4", "-t", "010", "--yaml", "{outputs.yaml}", `{"json": true}`, "--dir={scratch}", "", "a b", "--", "-1", "~x", "on"},
		Env:  map[string]string{"A": "1.50", "B_2": "{scratch}/x"}, Secrets: []string{"OTHER"}, Dir: payload.DirScratch, Files: []string{"job.fio"},
		Outputs: []payload.OutputFile{{Name: "yaml", Path: "sub/metrics.yaml"}}, Flags: []string{"--rw", "--bs"}, Timeout: 90 * time.Second, StopAfter: 40 * time.Second, Leftovers: payload.LeftoversWait, Counters: []string{"cycles"},
		Cgroup: "/a/b", SharesGroup: true, Extractor: "lines", Options: map[string]string{"documents": "last"},
		Table: lines.Table{
			Signature: lines.Regexp(`^tool \d`),
			Lines: []lines.Line{
				{Pattern: lines.Match("Throughput: {throughput} {unit}")},
				{
					Pattern: lines.Regexp(`p(?P<p>\S+): (?P<value>\S+)`), Name: "{test:lower}.p{p}", Unit: "ms", Polarity: ktstr.Lower, Headline: true,
					Section: lines.Regexp(`^== (?P<test>\S+)`), When: lines.Match("Percentiles"), Required: true, ZeroIsNone: true,
				},
				{Pattern: lines.Match("top {x}"), Top: true},
			},
			Notes: []lines.Note{{Pattern: lines.Match("FATAL: *"), Code: ktstr.ToolFailed}, {Pattern: lines.Match("caught signal"), Code: ktstr.Interrupted}},
			Units: map[string]string{"MB": "MiB"},
		},
		Checks: []check.Check{check.ExitEquals(0), odd, within},
		Hints: []payload.Hint{
			{Hint: ktstr.Hint{Name: "jobs.*.iops", Unit: "iops", Polarity: ktstr.Higher, Headline: true}, MinEffect: 3, Margin: 5},
			{Hint: ktstr.Hint{Name: "near", Polarity: "target=0.5"}, MinEffect: 0.25},
			{Hint: ktstr.Hint{Name: "gone", Polarity: ktstr.SetUnknown}},
		},
		Bounds: check.Bounds{MinMetrics: 2, Min: &lo, Max: &hi},
		Needs: []payload.Need{
			{Binary: "stress-ng", Install: "apt-get install stress-ng", MinVersion: "0.10", VersionArgs: []string{"--version"}, VersionPattern: `version (\S+)`, HelpArgs: []string{"--help"}},
			{Binary: "jq"},
		},
		Variants: []payload.Variant{
			{When: payload.When{Version: "< 0.15.8", Supports: "--metrics-brief"}, Args: []string{"--switch", "4"}, Checks: []check.Check{}, Outputs: []payload.OutputFile{}, Note: "less is measured"},
			{When: payload.When{Supports: "--json"}, Note: "nothing changes"},
		},
		Source: "/etc/all.yaml", Raw: []byte(everything),
	}
	// The first variant drops the output that the args it replaces would name.
	if !reflect.DeepEqual(p, want) {
		t.Errorf("got\n%+v\nwant\n%+v", p, want)
	}
	roundTrip(t, p)
	if got := p.Install(); got != "apt-get install stress-ng" {
		t.Errorf("Install is %q", got)
	}
	if hints := p.MetricHints(); len(hints) != 3 || hints[0] != p.Hints[0].Hint {
		t.Errorf("MetricHints is %v", hints)
	}
}

// roundTrip marshals p and wants the same back.
func roundTrip(t *testing.T, p payload.Payload) {
	t.Helper()
	text, err := p.MarshalYAML()
	if err != nil {
		t.Fatal(err)
	}
	again, err := payload.Parse("", text)
	if err != nil {
		t.Fatalf("%v, of\n%s", err, text)
	}
	p.Source, p.Raw, again.Raw = "", nil, nil
	if !reflect.DeepEqual(again, p) {
		t.Errorf("got\n%+v\nwant\n%+v\nfrom\n%s", again, p, text)
	}
}

func TestParseFillsInDefaults(t *testing.T) {
	p, err := payload.Parse("dir/my-one.yaml", []byte("summary: It does nothing.\nbinary: /bin/true\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := payload.Payload{Name: "my-one", Summary: "It does nothing.", Binary: "/bin/true", Checks: []check.Check{check.ExitEquals(0)}, Source: p.Source, Raw: p.Raw}
	if !reflect.DeepEqual(p, want) {
		t.Errorf("got %+v, want %+v", p, want)
	}
	p, err = payload.Parse("a.yaml", []byte("summary: x\nbinary: x\nchecks: []\n"))
	if err != nil || len(p.Checks) != 0 {
		t.Errorf("no checks: %v, %v", p.Checks, err)
	}
	roundTrip(t, p)
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(everything))
	f.Add([]byte("summary: x\nbinary: x\nargs: [a, b]\n"))
	f.Add([]byte("{summary: x, binary: x, hints: [{name: a, polarity: lower}]}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := payload.Parse("a.yaml", text)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "a.yaml") {
				t.Fatalf("an error without the file: %v", err)
			}
			return
		}
		if strings.ToValidUTF8(string(text), "") != string(text) {
			return
		}
		for name := range p.Env {
			if p.IsSecret(name) {
				return // the value is not written
			}
		}
		roundTrip(t, p)
	})
}
