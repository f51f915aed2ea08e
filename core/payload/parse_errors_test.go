package payload_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/ktstr/ktstr/core/payload"
)

// Each error names the file, the line, the column, the fault and the remedy.
func TestParseErrorsGiveThePlace(t *testing.T) {
	const head = "summary: x\nbinary: x\n"
	for text, want := range map[string]string{
		"":                                                              `a.yaml: empty: want a payload: name, summary, binary, …`,
		"# nothing\n":                                                   `a.yaml: empty: want a payload: name, summary, binary, …`,
		"[1, 2]":                                                        `a.yaml:1:1: a list: want a mapping of about, args, binary, bounds, cgroup, checks, counters, dir, env, extractor, files, flags, hints, kind, leftovers, lines, measures, name, needs, notes, options, outputs, secrets, signature, stop_after, summary, timeout, units, user, uses_parent_pgrp, variants`,
		head + "---\na: 1\n":                                            `a.yaml:4:2: a second document: want one a file`,
		head + "extractr: fio\n":                                        `a.yaml:3:1: key "extractr": not known here: did you mean extractor?`,
		head + "hints:\n  - {nme: a}\n":                                 `a.yaml:4:6: hints[0]: key "nme": not known here: did you mean name?`,
		head + "hints:\n  - {zzzzzzz: a}\n":                             `a.yaml:4:6: hints[0]: key "zzzzzzz": not known here: want one of headline, margin, min_effect, name, polarity, unit`,
		head + "args: fio\n":                                            `a.yaml:3:7: args: "fio": want a list`,
		head + "args: [a, [b]]\n":                                       `a.yaml:3:11: args[1]: a list: want text`,
		head + "args: [a, null]\n":                                      `a.yaml:3:11: args[1]: nothing: want text`,
		head + "timeout: 30\n":                                          `a.yaml:3:10: timeout: "30": want a duration above 0 such as 30s or 5m`,
		head + "timeout: -3s\n":                                         `a.yaml:3:10: timeout: "-3s": want a duration above 0 such as 30s or 5m`,
		head + "checks:\n  - p99 < 2\n":                                 `a.yaml:4:5: checks[0]: check "p99 < 2": bounds are inclusive: want p99 <= 2`,
		head + "checks:\n  - a >= 1\n  - p99\n":                         `a.yaml:5:5: checks[1]: check "p99": want METRIC OP VALUE, where OP is >=, <= or in`,
		head + "binary: y\n":                                            `a.yaml:3:1: not YAML: mapping key "binary" already defined at [2:1]`,
		head + "kind: program\n":                                        `a.yaml:3:7: kind: "program": want binary or scheduler`,
		head + "dir: home\n":                                            `a.yaml:3:6: dir: "home": want caller, scratch or an absolute path`,
		head + "name: B\n":                                              `a.yaml:3:7: name: "B" in a file called a.yaml: want the same name`,
		head + "leftovers: keep\n":                                      `a.yaml:3:12: leftovers: "keep": want kill or wait`,
		head + "uses_parent_pgrp: yes\n":                                `a.yaml:3:19: uses_parent_pgrp: "yes": want true or false`,
		head + "bounds: {min: 2, max: 1}\n":                             `a.yaml:3:23: bounds.max: 1 is below min, 2: want the other way round`,
		head + "bounds: {min: much}\n":                                  `a.yaml:3:15: bounds.min: "much": want a number`,
		head + "bounds: {min: .nan}\n":                                  `a.yaml:3:15: bounds.min: ".nan": want a number`,
		head + "bounds: {min_metrics: 1.5}\n":                           `a.yaml:3:23: bounds.min_metrics: "1.5": want a whole number`,
		head + "outputs: [{name: a, path: ../b}]":                       `a.yaml:3:27: outputs[0].path: "../b": want a path below the scratch directory`,
		head + "outputs: [{name: a}]":                                   `a.yaml:3:11: outputs[0].path: "": want a path below the scratch directory`,
		head + "args: ['{outputs.a}']":                                  `a.yaml:3:8: args[0]: {outputs.a}: no output of that name: want one of outputs`,
		head + "args: ['-d{scatch}']":                                   `a.yaml:3:8: args[0]: {scatch}: not a placeholder: want {scratch}`,
		head + "flags: [-x]":                                            `a.yaml:3:9: flags[0]: "-x": want a long flag such as --rw, without a value`,
		head + "env: {A-B: 1}":                                          `a.yaml:3:12: env.A-B: want a name of letters, digits and _`,
		head + "secrets: [A-B]":                                         `a.yaml:3:11: secrets[0]: "A-B": want the name of an environment variable`,
		head + "hints: [{name: a, polarity: up}]":                       `a.yaml:3:29: hints[0].polarity: "up": want higher, lower, target=NUMBER or unknown`,
		head + "hints: [{name: a, min_effect: 3}]":                      `a.yaml:3:31: hints[0].min_effect: "3": want a percentage such as 3%`,
		head + "hints: [{name: a, margin: 3}]":                          `a.yaml:3:27: hints[0].margin: "3": want a percentage such as 3%`,
		head + "hints: [{unit: s}]":                                     `a.yaml:3:9: hints[0].name: empty: want a metric's name or a pattern`,
		head + "needs: [{binary: a, min_version: x}]":                   `a.yaml:3:34: needs[0].min_version: "x": want a version such as 3.20`,
		head + "needs: [{binary: a, version_pattern: x}]":               `a.yaml:3:38: needs[0].version_pattern: "x": want a regular expression with a group around the version`,
		head + "variants: [{when: {version: 3}}]":                       `a.yaml:3:12: variants[0]: no program to ask: want needs, whose first entry the conditions are about`,
		head + "needs: [{binary: a}]\nvariants: [{when: {version: 3}}]": `a.yaml:4:29: variants[0].when.version: "3": want <, <=, >, >= or == and a version, such as ">= 0.15.8"`,
		head + "needs: [{binary: a}]\nvariants: [{args: [b]}]":          `a.yaml:4:12: variants[0].when: empty: want version or supports`,
		head + "needs: [{binary: a}]\nvariants: [{when: {supports: -x}, outputs: [x]}]": `a.yaml:4:45: variants[0].outputs[0]: "x": want a mapping of name, path`,
		"summary: x\n":                     `a.yaml: binary: empty: want a command or a path`,
		"binary: x\n":                      `a.yaml: summary: empty: want one line that says what it measures`,
		head + "a: [1\n":                   `a.yaml:3:4: not YAML: sequence end token ']' not found`,
		head + "about: &x y\ncgroup: *x\n": `a.yaml:3:8: about: an anchor or alias: want text`,
		head + "about: !!str y\n":          `a.yaml:3:8: about: a tag: want text`,
		head + "options: {a: [b]}":         `a.yaml:3:14: options.a: a list: want text`,
		// C19: an empty name differs from a missing one.
		head + "cgroup: \"\"\n":                            `a.yaml:3:9: cgroup: empty: want a cgroup's name, or the key left out`,
		head + "cgroup: ''\n":                              `a.yaml:3:9: cgroup: empty: want a cgroup's name, or the key left out`,
		head + "cgroup:\n":                                 `a.yaml:3:9: cgroup: nothing: want text`,
		head + "cgroup: |\n":                               `a.yaml:3:9: cgroup: empty: want a cgroup's name, or the key left out`,
		head + "name: \"\"\n":                              `a.yaml:3:7: name: empty: want the file's name without .yaml, or the key left out`,
		head + "kind: \"\"\n":                              `a.yaml:3:7: kind: empty: want binary or scheduler, or the key left out`,
		head + "dir: \"\"\n":                               `a.yaml:3:6: dir: empty: want caller, scratch or an absolute path, or the key left out`,
		head + "extractor: \"\"\n":                         `a.yaml:3:12: extractor: empty: want json, exit-code or a plugin's name, or the key left out`,
		head + "hints: [{name: a, polarity: \"\"}]":        `a.yaml:3:29: hints[0].polarity: empty: want higher, lower, target=NUMBER or unknown, or the key left out`,
		head + "needs: [{binary: a, min_version: \"\"}]":   `a.yaml:3:34: needs[0].min_version: empty: want a version such as 3.20, or the key left out`,
		head + "needs: [{binary: a, version_pattern: ''}]": `a.yaml:3:38: needs[0].version_pattern: empty: want a regular expression with a group around the version, or the key left out`,
		head + "needs: [{binary: a}]\nvariants: [{when: {version: '', supports: -x}}]":      `a.yaml:4:29: variants[0].when.version: empty: want a condition such as ">= 0.15.8", or the key left out`,
		head + "needs: [{binary: a}]\nvariants: [{when: {version: '> 3', supports: \"\"}}]": `a.yaml:4:46: variants[0].when.supports: empty: want an option such as --json, or the key left out`,
		// C44
		head + "lines: [abc]\n":                                   `a.yaml:3:9: lines[0].match: pattern "abc": it has no number: want a {NAME} where the number stands, such as {throughput}`,
		head + "lines:\n  - {match: 'a {n', polarity: lower}\n":   `a.yaml:4:13: lines[0].match: pattern "a {n": {n: want a } after the name, or {{ for the character {`,
		head + "lines:\n  - {regexp: '(', name: x}\n":             "a.yaml:4:14: lines[0].regexp: pattern \"(\": error parsing regexp: missing closing ): `(`",
		head + "lines:\n  - match: a {n}\n    section: 'b {m}'\n": `a.yaml:5:14: lines[0].section: pattern "b {m}": no number is read here: want * or {*} in place of a {NAME}`,
		head + "lines:\n  - {match: 'a {n}', polarty: lower}\n":   `a.yaml:4:22: lines[0]: key "polarty": not known here: did you mean polarity?`,
		head + "lines:\n  - {match: 'a {n}', regexp: x}\n":        `a.yaml:4:30: lines[0].regexp: match and regexp: want one of them`,
		head + "lines:\n  - {polarity: lower}\n":                  `a.yaml:4:5: lines[0]: no pattern: want a pattern with a {NAME}, or a regular expression with a group named value`,
		head + "lines: ['a {n}']\nnotes: [{match: '{x}'}]\n":      `a.yaml:4:9: notes[0]: pattern "{x}": no number is read here: want * or {*} in place of a {NAME}`,
		head + "lines: ['a {n}']\nextractor: json\n":              `a.yaml:4:12: extractor: "json": lines, signature, notes and units are read by the extractor lines: want extractor: lines, or the key left out`,
		head + "extractor: lines\n":                               `a.yaml:3:12: extractor: lines: it reads patterns: want the key lines with a pattern, such as "Throughput: {throughput} {unit}"`,
		"summary: |\n  a\n  b\nbinary: x\n":                       `a.yaml:1:10: summary: several lines: want one; the rest belongs into about`,
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
	// The YAML library would need minutes for these files.
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

// An error that a later stage finds has the place in the file, and the name alone for a
// payload made in code.
func TestErrorAt(t *testing.T) {
	p, err := payload.Parse("dir/x.yaml", []byte("summary: x\nbinary: y\ncounters: [a,\n  b]\n"))
	if err != nil {
		t.Fatal(err)
	}
	for field, want := range map[string]string{
		"counters[1]": "dir/x.yaml:4:3: counters[1]: no",
		"options":     "dir/x.yaml: options: no",
	} {
		if got := p.ErrorAt(field, errors.New("no")).Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got, want := (payload.Payload{Name: "x"}).ErrorAt("counters[1]", errors.New("no")).Error(), "x: counters[1]: no"; got != want {
		t.Errorf("made in code: %q, want %q", got, want)
	}
}
