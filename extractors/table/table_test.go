package table

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/ktstr/ktstr"
)

const both = `
signature: "tool *"
lines:
  - {match: "speed {speed:MB/s}", polarity: higher, headline: true}
  - "unused {unused}"
leaves:
  - {path: a.speed, name: speed, unit: MB/s, headline: true}
  - {path: a.unused, name: other}
notes: ['"error": "*"', "never: *"]
`

// C44
func TestTableReadsLinesElseLeaves(t *testing.T) {
	x := MustParse("tool.ktstr.yaml", []byte(both))
	for _, c := range []struct{ name, text, want string }{
		{"lines", "tool 1\nspeed 5\n", "speed=5 MB/s"},
		{"leaves", "{\"a\": {\"speed\": 6}}\n", "speed=6 MB/s"},
		{"lines before leaves", "tool 1\nspeed 5\n{\"a\": {\"speed\": 6}}\n", "speed=5 MB/s"},
		{"neither", "x\n", "not-my-format"},
		{"a failed run", "{\n \"a\": {},\n \"error\": \"refused\"\n}\n", "tool-failed"},
		{"empty", "", "no-metrics"},
	} {
		e, err := x.Extract(t.Context(), ktstr.Output{Data: []byte(c.text)})
		if err != nil {
			t.Fatal(err)
		}
		var parts []string
		for _, m := range e.Metrics {
			parts = append(parts, fmt.Sprintf("%s=%v %s", m.Name, m.Value, m.Unit))
		}
		for _, d := range e.Diagnostics {
			parts = append(parts, string(d.Code))
		}
		if got := strings.Join(parts, "; "); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

// C44
func TestUnmatchedNamesThePatternsWithoutAMatch(t *testing.T) {
	x := MustParse("tool.ktstr.yaml", []byte(both))
	numbers, notes := x.Unmatched([][]byte{[]byte("tool 1\nspeed 5\n"), []byte("{\"a\": {\"speed\": 1}}\n\"error\": \"x\"\n")})
	if want := []string{"unused {unused} (unused)", "a.unused (other)"}; !reflect.DeepEqual(numbers, want) {
		t.Errorf("numbers: got %q, want %q", numbers, want)
	}
	if want := []string{"never: *"}; !reflect.DeepEqual(notes, want) {
		t.Errorf("notes: got %q, want %q", notes, want)
	}
}
