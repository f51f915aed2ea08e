package payload_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/payload"
	"github.com/ktstr/ktstr/extractors/leaves"
	"github.com/ktstr/ktstr/extractors/lines"
)

const wholeTable = `name: tool
description: Reads the tool.
version: 2.10
tools: {tool: [1.0, 1.10]}
signature: "tool *"
lines:
  - "a {a:ms}"
notes: ["FATAL: *"]
units: {MB: MiB}
leaves:
  - {path: "r[command].mean", name: "*.mean", unit: s, polarity: lower, headline: true, zero_is_none: true}
hints: [{name: "x.*", unit: ms}]
payloads:
  tool-fast:
    summary: Fast.
    binary: tool
`

// C44
func TestParseTableReadsEveryKey(t *testing.T) {
	got, err := payload.ParseTable("dir/tool.ktstr.yaml", []byte(wholeTable))
	if err != nil {
		t.Fatal(err)
	}
	want := payload.TableFile{
		Description: ktstr.Description{
			Name: "tool", Summary: "Reads the tool.", Version: "2.10", Tools: []ktstr.Tool{{Name: "tool", Versions: []string{"1.0", "1.10"}}},
			Hints: []ktstr.Hint{{Name: "x.*", Unit: "ms"}},
			Payloads: []ktstr.PayloadFile{{
				Name: "tool-fast",
				YAML: []byte("name: tool-fast\nsummary: Fast.\nbinary: tool\nextractor: tool\nchecks:\n  - exit == 0\n"),
			}},
		},
		Lines: lines.Table{
			Signature: lines.Match("tool *"),
			Lines:     []lines.Line{{Pattern: lines.Match("a {a:ms}")}},
			Notes:     []lines.Note{{Pattern: lines.Match("FATAL: *"), Code: ktstr.ToolFailed}},
			Units:     map[string]string{"MB": "MiB"},
		},
		Leaves: []leaves.Leaf{{Path: "r[command].mean", Name: "*.mean", Unit: "s", Polarity: ktstr.Lower, Headline: true, ZeroIsNone: true}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}

// C44
func TestParseTableErrorsGiveThePlace(t *testing.T) {
	const head = "lines:\n  - 'a {a}'\n"
	for text, want := range map[string]string{
		"version: 1\n":                                                     `t.ktstr.yaml:1:8: it reads no number: want lines with patterns, or leaves with paths`,
		"lines: ['a {a']\n":                                                `t.ktstr.yaml:1:9: lines[0].match: pattern "a {a": {a: want a } after the name, or {{ for the character {`,
		head + "name: u\n":                                                 `t.ktstr.yaml:3:7: name: "u" in a file called t.ktstr.yaml: want the same name`,
		head + "hint: []\n":                                                `t.ktstr.yaml:3:1: key "hint": not known here: did you mean hints?`,
		head + "tools: {t: 1}\n":                                           `t.ktstr.yaml:3:12: tools.t: "1": want a list`,
		head + "leaves: [{path: a..b, name: x}]\n":                         `t.ktstr.yaml:3:17: leaves[0].path: "a..b": an empty key: want keys with dots between them, such as end.sum_sent.bits_per_second`,
		head + "payloads:\n  t:\n    summary: x\n":                         `t.ktstr.yaml:5:12: payloads.t.binary: empty: want a command or a path`,
		head + "payloads:\n  u: {summary: x, binary: x}\n":                 `t.ktstr.yaml:4:3: payloads.u: want the name t, alone or with - and more behind it`,
		head + "payloads:\n  t: {summary: x, binary: x, chekcs: []}\n":     `t.ktstr.yaml:4:30: payloads.t: key "chekcs": not known here: did you mean checks?`,
		head + "payloads:\n  t: {summary: x, binary: x, checks: [\"\"]}\n": `t.ktstr.yaml:4:39: payloads.t.checks[0]: check "": want METRIC OP VALUE, exists METRIC or exit == N`,
	} {
		_, err := payload.ParseTable("t.ktstr.yaml", []byte(text))
		var syntax *payload.SyntaxError
		if err == nil || !errors.As(err, &syntax) || err.Error() != want {
			t.Errorf("of\n%s\ngot  %v\nwant %s", text, err, want)
		}
	}
	for _, name := range []string{"t.yaml", "T.ktstr.yaml", ".ktstr.yaml", ""} {
		if _, err := payload.ParseTable(name, []byte(head)); err == nil || !strings.Contains(err.Error(), "want NAME.ktstr.yaml") {
			t.Errorf("%q: %v", name, err)
		}
	}
}
