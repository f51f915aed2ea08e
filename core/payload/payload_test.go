package payload_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/core/payload"
)

const everything = `# a comment
name: all
summary: 'Everything at once, with "quotes" and a colon: here.'
about: |
  Look at a.b first.

  Then at the rest.
kind: binary
binary: stress-ng
args: [--switch, 4, -t, 010, "--yaml", "{outputs.yaml}", '{"json": true}', "--dir={scratch}", "", "a b", "--", "-1", ~x, on]
env: {A: 1.50, B_2: "{scratch}/x"}
dir: scratch
files: [job.fio]
outputs: [{name: yaml, path: sub/metrics.yaml}]
flags: [--rw, --bs]
timeout: 1m30s
cgroup: /a/b
uses_parent_pgrp: true
extractor: stressng
options: {documents: last}
checks:
  - exit == 0
  - '"odd name" >= 1'
  - p99 in [1us, 2ms]
hints:
  - {name: "jobs.*.iops", unit: iops, polarity: higher, headline: true, min_effect: 3%}
  - {name: near, polarity: target=0.5, min_effect: 0.25 %}
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

// C1: every part of a payload, from the file.
func TestParse(t *testing.T) {
	p, err := payload.Parse("/etc/all.yaml", []byte(everything))
	if err != nil {
		t.Fatal(err)
	}
	odd, _ := check.AtLeast("odd name", 1, "")
	within, _ := check.Range("p99", 1, 2000, "us")
	lo, hi := 0.0, 1e12
	want := payload.Payload{
		Name: "all", Summary: `Everything at once, with "quotes" and a colon: here.`, About: "Look at a.b first.\n\nThen at the rest.\n",
		Kind: payload.Binary, Binary: "stress-ng",
		Args: []string{"--switch", "4", "-t", "010", "--yaml", "{outputs.yaml}", `{"json": true}`, "--dir={scratch}", "", "a b", "--", "-1", "~x", "on"},
		Env:  map[string]string{"A": "1.50", "B_2": "{scratch}/x"}, Dir: payload.DirScratch, Files: []string{"job.fio"},
		Outputs: []payload.OutputFile{{Name: "yaml", Path: "sub/metrics.yaml"}}, Flags: []string{"--rw", "--bs"}, Timeout: 90 * time.Second,
		Cgroup: "/a/b", SharesGroup: true, Extractor: "stressng", Options: map[string]string{"documents": "last"},
		Checks: []check.Check{check.ExitEquals(0), odd, within},
		Hints: []payload.Hint{
			{Hint: ktstr.Hint{Name: "jobs.*.iops", Unit: "iops", Polarity: ktstr.Higher, Headline: true}, MinEffect: 3},
			{Hint: ktstr.Hint{Name: "near", Polarity: "target=0.5"}, MinEffect: 0.25},
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
	if hints := p.MetricHints(); len(hints) != 2 || hints[0] != p.Hints[0].Hint {
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

func TestDefaults(t *testing.T) {
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

// Every error names file, line, column, what was wrong and what was wanted.
func TestErrors(t *testing.T) {
	const head = "summary: x\nbinary: x\n"
	for text, want := range map[string]string{
		"":                                                `a.yaml: empty: want a payload: name, summary, binary, …`,
		"# nothing\n":                                     `a.yaml: empty: want a payload: name, summary, binary, …`,
		"[1, 2]":                                          `a.yaml:1:1: a list: want a mapping of about, args, binary, bounds, cgroup, checks, dir, env, extractor, files, flags, hints, kind, name, needs, options, outputs, summary, timeout, uses_parent_pgrp, variants`,
		head + "---\na: 1\n":                              `a.yaml:4:2: a second document: want one payload a file`,
		head + "extractr: fio\n":                          `a.yaml:3:1: key "extractr": not known here: did you mean extractor?`,
		head + "hints:\n  - {nme: a}\n":                   `a.yaml:4:6: hints[0]: key "nme": not known here: did you mean name?`,
		head + "hints:\n  - {zzzzzzz: a}\n":               `a.yaml:4:6: hints[0]: key "zzzzzzz": not known here: want one of headline, min_effect, name, polarity, unit`,
		head + "args: fio\n":                              `a.yaml:3:7: args: "fio": want a list`,
		head + "args: [a, [b]]\n":                         `a.yaml:3:11: args[1]: a list: want text`,
		head + "args: [a, null]\n":                        `a.yaml:3:11: args[1]: nothing: want text`,
		head + "timeout: 30\n":                            `a.yaml:3:10: timeout: "30": want a duration above 0 such as 30s or 5m`,
		head + "timeout: -3s\n":                           `a.yaml:3:10: timeout: "-3s": want a duration above 0 such as 30s or 5m`,
		head + "checks:\n  - p99 < 2\n":                   `a.yaml:4:5: checks[0]: check "p99 < 2": bounds are inclusive: want p99 <= 2`,
		head + "checks:\n  - a >= 1\n  - p99\n":           `a.yaml:5:5: checks[1]: check "p99": want METRIC OP VALUE, where OP is >=, <= or in`,
		head + "binary: y\n":                              `a.yaml:3:1: not YAML: mapping key "binary" already defined at [2:1]`,
		head + "kind: program\n":                          `a.yaml:3:7: kind: "program": want binary or scheduler`,
		head + "dir: home\n":                              `a.yaml:3:6: dir: "home": want caller or scratch`,
		head + "name: B\n":                                `a.yaml:3:7: name: "B" in a file called a.yaml: want the same name`,
		head + "uses_parent_pgrp: yes\n":                  `a.yaml:3:19: uses_parent_pgrp: "yes": want true or false`,
		head + "bounds: {min: 2, max: 1}\n":               `a.yaml:3:23: bounds.max: 1 is below min, 2: want the other way round`,
		head + "bounds: {min: much}\n":                    `a.yaml:3:15: bounds.min: "much": want a number`,
		head + "bounds: {min: .nan}\n":                    `a.yaml:3:15: bounds.min: ".nan": want a number`,
		head + "bounds: {min_metrics: 1.5}\n":             `a.yaml:3:23: bounds.min_metrics: "1.5": want a whole number`,
		head + "outputs: [{name: a, path: ../b}]":         `a.yaml:3:27: outputs[0].path: "../b": want a path below the scratch directory`,
		head + "outputs: [{name: a}]":                     `a.yaml:3:11: outputs[0].path: "": want a path below the scratch directory`,
		head + "args: ['{outputs.a}']":                    `a.yaml:3:8: args[0]: {outputs.a}: no output of that name: want one of outputs`,
		head + "args: ['-d{scatch}']":                     `a.yaml:3:8: args[0]: {scatch}: not a placeholder: want {scratch}`,
		head + "flags: [-x]":                              `a.yaml:3:9: flags[0]: "-x": want a long flag such as --rw, without a value`,
		head + "env: {A-B: 1}":                            `a.yaml:3:12: env.A-B: want a name of letters, digits and _`,
		head + "hints: [{name: a, polarity: up}]":         `a.yaml:3:29: hints[0].polarity: "up": want higher, lower, target=NUMBER or unknown`,
		head + "hints: [{name: a, min_effect: 3}]":        `a.yaml:3:31: hints[0].min_effect: "3": want a percentage such as 3%`,
		head + "hints: [{unit: s}]":                       `a.yaml:3:9: hints[0].name: empty: want a metric's name or a pattern`,
		head + "needs: [{binary: a, min_version: x}]":     `a.yaml:3:34: needs[0].min_version: "x": want a version such as 3.20`,
		head + "needs: [{binary: a, version_pattern: x}]": `a.yaml:3:38: needs[0].version_pattern: "x": want a regular expression with a group around the version`,
		head + "variants: [{when: {version: 3}}]":         `a.yaml:3:12: variants[0]: no program to ask: want needs, whose first entry the conditions are about`,
		head + "needs: [{binary: a}]\nvariants: [{when: {version: 3}}]":                 `a.yaml:4:29: variants[0].when.version: "3": want <, <=, >, >= or == and a version, such as ">= 0.15.8"`,
		head + "needs: [{binary: a}]\nvariants: [{args: [b]}]":                          `a.yaml:4:12: variants[0].when: empty: want version or supports`,
		head + "needs: [{binary: a}]\nvariants: [{when: {supports: -x}, outputs: [x]}]": `a.yaml:4:45: variants[0].outputs[0]: "x": want a mapping of name, path`,
		"summary: x\n":                     `a.yaml: binary: empty: want a command or a path`,
		"binary: x\n":                      `a.yaml: summary: empty: want one line that says what it measures`,
		head + "a: [1\n":                   `a.yaml:3:4: not YAML: sequence end token ']' not found`,
		head + "about: &x y\ncgroup: *x\n": `a.yaml:3:8: about: an anchor or alias: want text`,
		head + "about: !!str y\n":          `a.yaml:3:8: about: a tag: want text`,
		head + "options: {a: [b]}":         `a.yaml:3:14: options.a: a list: want text`,
		// C19: an empty name is none that was left out.
		head + "cgroup: \"\"\n":                            `a.yaml:3:9: cgroup: empty: want a cgroup's name, or the key left out`,
		head + "cgroup: ''\n":                              `a.yaml:3:9: cgroup: empty: want a cgroup's name, or the key left out`,
		head + "cgroup:\n":                                 `a.yaml:3:9: cgroup: nothing: want text`,
		head + "cgroup: |\n":                               `a.yaml:3:9: cgroup: empty: want a cgroup's name, or the key left out`,
		head + "name: \"\"\n":                              `a.yaml:3:7: name: empty: want the file's name without .yaml, or the key left out`,
		head + "kind: \"\"\n":                              `a.yaml:3:7: kind: empty: want binary or scheduler, or the key left out`,
		head + "dir: \"\"\n":                               `a.yaml:3:6: dir: empty: want caller or scratch, or the key left out`,
		head + "extractor: \"\"\n":                         `a.yaml:3:12: extractor: empty: want json, exit-code or a plugin's name, or the key left out`,
		head + "hints: [{name: a, polarity: \"\"}]":        `a.yaml:3:29: hints[0].polarity: empty: want higher, lower, target=NUMBER or unknown, or the key left out`,
		head + "needs: [{binary: a, min_version: \"\"}]":   `a.yaml:3:34: needs[0].min_version: empty: want a version such as 3.20, or the key left out`,
		head + "needs: [{binary: a, version_pattern: ''}]": `a.yaml:3:38: needs[0].version_pattern: empty: want a regular expression with a group around the version, or the key left out`,
		head + "needs: [{binary: a}]\nvariants: [{when: {version: '', supports: -x}}]":      `a.yaml:4:29: variants[0].when.version: empty: want a condition such as ">= 0.15.8", or the key left out`,
		head + "needs: [{binary: a}]\nvariants: [{when: {version: '> 3', supports: \"\"}}]": `a.yaml:4:46: variants[0].when.supports: empty: want an option such as --json, or the key left out`,
		"summary: |\n  a\n  b\nbinary: x\n":                                                 `a.yaml:1:10: summary: several lines: want one; the rest belongs into about`,
	} {
		_, err := payload.Parse("a.yaml", []byte(text))
		var syntax *payload.SyntaxError
		if err == nil || err.Error() != want || !errors.As(err, &syntax) {
			t.Errorf("of\n%s\ngot  %v\nwant %s", text, err, want)
		}
	}
	_, err := payload.Parse("", []byte("summary: x\nbinary: x\n"))
	if err == nil {
		t.Error("a payload without a name is accepted")
	}
	if _, err := payload.Parse("a.yaml", make([]byte, 5<<20)); err == nil || !strings.Contains(err.Error(), "want a payload file of at most") {
		t.Errorf("5 MiB: %v", err)
	}
	// What takes the YAML library minutes is refused before it is asked.
	for _, deep := range []string{"[", "{a: ", "- ", "? ", ": ", "&a ", "!a ", "*a ", "[a, [b], "} {
		text := head + "args:\n " + strings.Repeat(deep, 200_000/len(deep)) + "\n"
		if _, err := payload.Parse("a.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), "keys and nested lists") && !strings.Contains(err.Error(), "not YAML") {
			t.Errorf("%q nested: %.200v", deep, err)
		}
	}
	if _, err := payload.Parse("a.yaml", []byte(head+"args:\n"+strings.Repeat("- x\n", 20_000))); err != nil {
		t.Errorf("many args: %v", err)
	}
}

// C4: an unknown long flag is refused by name, with the nearest known one.
func TestCheckFlags(t *testing.T) {
	p := payload.Payload{Name: "fio-x", Flags: []string{"--rw", "--runtime"}}
	refused := func(want string, args ...string) {
		t.Helper()
		err := p.CheckFlags(args)
		if got := errorText(err); got != want {
			t.Errorf("CheckFlags(%q): got %q, want %q", args, got, want)
		}
	}
	refused("", "--rw", "read", "--runtime=3", "-x", "plain", "-", "--", "--anything")
	refused("payload fio-x: flag --runtme: not one that it takes: did you mean --runtime?", "--rw", "--runtme=3")
	refused("payload fio-x: flag --bandwidth: not one that it takes: want one of --rw --runtime", "--bandwidth")
	p.Flags = nil
	refused("", "--whatever")
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestExpand(t *testing.T) {
	p := payload.Payload{Outputs: []payload.OutputFile{{Name: "y", Path: "m.yaml"}}}
	path := func(o payload.OutputFile) string { return "/s/" + o.Path }
	if got, want := p.Expand(`a={scratch} {outputs.y} {"x":{scratch}} {other}`, "/s", path), `a=/s /s/m.yaml {"x":/s} {other}`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for want, p := range map[bool]payload.Payload{
		true: {Args: []string{"-d{scratch}"}}, false: {Args: []string{"{x}"}, Dir: payload.DirCaller},
	} {
		if p.NeedsScratch() != want {
			t.Errorf("%+v: NeedsScratch is %v", p, !want)
		}
	}
}

func TestLoadDir(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const good = "summary: x\nbinary: x\n"
	write("b.yaml", good, 0o644)
	write("a.yaml", good, 0o600)
	write(".hidden.yaml", "nonsense", 0o600)
	write("README", "nonsense", 0o600)
	payloads, err := payload.LoadDir(dir)
	if err != nil || len(payloads) != 2 || payloads[0].Name != "a" || payloads[1].Source != filepath.Join(dir, "b.yaml") {
		t.Fatalf("got %v, %v", payloads, err)
	}
	refused := func(want string) {
		t.Helper()
		if _, err := payload.LoadDir(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
	first := write("aa.yaml", "nme: x\n", 0o600)
	second := write("z.yml", good, 0o600)
	payloads, err = payload.LoadDir(dir)
	var files payload.FileErrors
	if !errors.As(err, &files) || len(files) != 2 || files[0].Path != first || files[1].Path != second || len(payloads) != 2 ||
		!strings.Contains(err.Error(), first+":1:1") || !strings.Contains(err.Error(), "want .yaml") {
		t.Errorf("two broken files beside two good ones: got %v, %v", payloads, err)
	}
	os.Remove(first)
	os.Remove(second)
	path := write("bom.yaml", "\ufeff"+good, 0o600)
	if p, err := payload.LoadFile(path); err != nil || p.Name != "bom" || !strings.HasPrefix(string(p.Raw), "\ufeff") {
		t.Errorf("behind a byte order mark: got %+v, %v", p, err)
	}
	os.Remove(path)
	path = write("c.yaml", good, 0o664)
	refused("payloads at " + path + ": others can write it (mode 0664)")
	os.Chmod(path, 0o602)
	refused("(mode 0602)")
	os.Remove(path)
	path = write("c.yml", good, 0o600)
	refused("the name ends in .yml: want .yaml")
	os.Remove(path)
	path = filepath.Join(dir, "d.yaml")
	os.Mkdir(path, 0o700)
	refused("d.yaml: a directory: want a regular file")
	os.Remove(path)
	path = write("e.yaml", "nme: x\n", 0o600)
	refused(path + `:1:1: key "nme"`)
	os.Remove(path)
	os.Chmod(dir, 0o770)
	refused("payloads at " + dir + ": others can write it (mode 0770)")
	os.Chmod(dir, 0o700)
	spaced := filepath.Join(dir, "ci job")
	os.Mkdir(spaced, 0o700)
	os.Chmod(spaced, 0o722)
	if _, err := payload.LoadDir(spaced); err == nil || !strings.HasSuffix(err.Error(), ": chmod go-w '"+spaced+"'") {
		t.Errorf("a directory with a space in its name: %v", err)
	}
	os.Remove(spaced)
	if os.Geteuid() == 0 {
		os.Chown(dir, 12345, -1)
		refused("it belongs to uid 12345")
		os.Chown(dir, 0, -1)
	}
	inner := filepath.Join(dir, "inner")
	os.Mkdir(inner, 0o700)
	os.Chmod(dir, 0o777)
	if _, err := payload.LoadDir(inner); err == nil || !strings.Contains(err.Error(), dir+": others can write it") {
		t.Errorf("a directory below one that others can write: %v", err)
	}
	if _, err := payload.LoadDir(filepath.Join(inner, "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory that is not there: %v", err)
	}
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
		roundTrip(t, p)
	})
}
