package ktstr_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ktstr/ktstr/internal/testenv"
)

var listedFile = regexp.MustCompile("(?m)^[0-9]+\\. `([^`]+)`")

// The made-up stock tools of TestContributingListsAreComplete: a parser in Go, and a table. They print `beads per second: 12.5`.
const (
	tool  = "abacus"
	table = "beads"
)

// The numbered lists "Add a stock tool", "Add a stock table" and "Add an instrument" of CONTRIBUTING.md are complete: in a copy of
// the repository, a change of exactly the listed files adds two tools and an instrument. The result builds, ktstr lists and reads the
// tools, each run has the metric of the instrument, and all pass the tests of their kind and the floor plan. It is one test, so that
// ktstr is built once. // C38
func TestContributingListsAreComplete(t *testing.T) {
	dir := copyOfRepository(t)
	capture := func(path string) {
		writes(t, "abacus 1.0\nbeads per second: 12.5\n")(path)
		writes(t, `{"tool": "abacus", "version": "1.0", "argv": ["abacus"], "exit_code": 0}`+"\n")(filepath.Join(filepath.Dir(path), "meta.json"))
		writes(t, `{"outcome": "ok", "stream": "stdout", "metrics": {
			"beads.rate": {"value": 12.5, "unit": "beads/s", "polarity": "higher", "headline": true}}}`+"\n")(filepath.Join(filepath.Dir(path), "expect.json"))
	}
	ok := followSteps(t, dir, "## Add a stock tool", map[string]func(path string){
		"plugins/TOOL/TOOL.go": writes(t, toolSource),
		"plugins/TOOL/payloads/TOOL.yaml": writes(t, "name: abacus\nsummary: Counts beads.\nmeasures: cpu\nabout: Look at beads.rate.\nbinary: /bin/echo\n"+
			"args: ['beads per second: 12.5']\nextractor: abacus\nneeds: [{binary: /bin/echo, install: apt-get install coreutils}]\n"),
		"plugins/TOOL/testdata/corpus/CASE/stdout": capture,
		"plugins/stock.go": edits(t,
			`(func Parsers\(\) \[\]ktstr\.Extractor \{\n\treturn \[\]ktstr\.Extractor\{)`, "$1\n\t\tabacus.New(),",
			`(?m)^(\t"github\.com/ktstr/ktstr/plugins)/fio"$`, "$1/abacus\"\n$1/fio\""),
		"docs/floor-plan.md": edits(t,
			"(?m)^(\\| \\d+ \\| `plugins` \\|.*) \\|$", "$1, `plugins/abacus` |",
			"(?m)^\\| \\d+ \\| `plugins/", "| 2 | `plugins/abacus` | the parser of abacus | `ktstr`, `plugins/internal/report` |\n$0"),
	}, strings.NewReplacer("TOOL", tool, "CASE", "sample"))
	ok = followSteps(t, dir, "## Add a stock table", map[string]func(path string){
		"plugins/TOOL/TOOL.ktstr.yaml":             writes(t, tableSource),
		"plugins/TOOL/testdata/corpus/CASE/stdout": capture,
		"plugins/stock.go":                         edits(t, `(func Tables\(\) \[\]string \{\n\treturn \[\]string\{\n\t\t"ab",)`, "$1\n\t\t\"beads\","),
	}, strings.NewReplacer("TOOL", table, "CASE", "sample")) && ok
	if !ok {
		return
	}
	in := commandsIn(t, dir)
	if !addInstrument(t, dir, in) {
		return
	}
	in("go", "build", "-o", "bin/", "./cmd/ktstr")
	checkInstrument(t, in)
	tests := "Test.*/(abacus|beads)|TestMetricsPages|TestHints|TestTablesAre|TestStock|TestExtractorNames"
	in("go", "test", "-c", "-o", "bin/plugins.test", "./plugins")
	in("env", "-C", "plugins", "../bin/plugins.test", "-test.run", tests, "-update")
	in("env", "-C", "plugins", "../bin/plugins.test", "-test.run", tests)
	in(os.Args[0], "-test.run", "TestImportsFollowTheFloorPlan|TestPages") // this test's own executable, on the copy
	writes(t, "abacus 1.0\nbeads per second: 7\n")(filepath.Join(dir, "saved"))
	for _, c := range []struct{ command, want string }{
		{"plugin list", "abacus"},
		{"payload list", "abacus"},
		{"extract abacus --stdout saved", "beads.rate  7 beads/s  higher is better"},
		{"plugin list", "beads"},
		{"payload list", "beads"},
		{"extract beads --stdout saved", "beads.rate  7 beads/s  higher is better"},
	} {
		if got := in(append([]string{"bin/ktstr"}, strings.Fields(c.command)...)...); !strings.Contains(got, c.want) {
			t.Errorf("ktstr %s: want %q in\n%s", c.command, c.want, got)
		}
	}
}

// followSteps changes the copy of the repository in dir as the numbered list in a section of CONTRIBUTING.md says. steps has the
// change of each file that the list names. It returns false if the list and steps differ.
func followSteps(t *testing.T, dir, heading string, steps map[string]func(path string), names *strings.Replacer) bool {
	t.Helper()
	var listed []string
	for _, m := range listedFile.FindAllStringSubmatch(section(t, "CONTRIBUTING.md", heading), -1) {
		listed = append(listed, m[1])
	}
	for file := range steps {
		if !slices.Contains(listed, file) {
			t.Errorf("the list does not name %s: want it there, or its step removed from this test", file)
		}
	}
	for _, file := range listed {
		step, ok := steps[file]
		if !ok {
			t.Errorf("the list names %s: want a step of this test that follows it", file)
			continue
		}
		step(filepath.Join(dir, names.Replace(file)))
	}
	return !t.Failed()
}

// commandsIn returns a function that runs a command in dir and returns its output. The command must succeed.
func commandsIn(t *testing.T, dir string) func(argv ...string) string {
	return func(argv ...string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), commandLimit)
		defer cancel()
		cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
		cmd.Dir = dir
		cmd.WaitDelay = time.Second
		cmd.Env = testenv.GoEnv()
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%q: %v\n%s", argv, err, out)
		}
		return string(out)
	}
}

// copyOfRepository copies the files of the working tree that git does not ignore.
func copyOfRepository(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil { // ktstr refuses a plugin below a directory that others can write
		t.Fatal(err)
	}
	out, err := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		t.Fatalf("git ls-files: %v: this test needs a git checkout", err)
	}
	for _, file := range strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		info, err := os.Lstat(file)
		if err != nil {
			continue // removed in the working tree
		}
		to := filepath.Join(dir, file)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if !info.Mode().IsRegular() {
			continue
		}
		text, err := os.ReadFile(file)
		if err == nil {
			err = os.WriteFile(to, text, info.Mode().Perm())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// section returns the text of a page from a heading to the next heading of the same level.
func section(t *testing.T, page, heading string) string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, after, ok := strings.Cut(string(text), "\n"+heading+"\n")
	if !ok {
		t.Fatalf("%s: no heading %q", page, heading)
	}
	part, _, _ := strings.Cut(after, "\n## ")
	return part
}

// writes returns a step that writes a new file.
func writes(t *testing.T, text string) func(path string) {
	return func(path string) {
		t.Helper()
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if err == nil {
			err = os.WriteFile(path, []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// edits returns a step that replaces the first match of each expression in a file. The expressions and the replacements take
// turns.
func edits(t *testing.T, pairs ...string) func(path string) {
	return func(path string) {
		t.Helper()
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text := string(data)
		for i := 0; i < len(pairs); i += 2 {
			re := regexp.MustCompile(pairs[i])
			at := re.FindStringSubmatchIndex(text)
			if at == nil {
				t.Fatalf("%s: nothing matches %s", path, pairs[i])
			}
			text = text[:at[0]] + string(re.ExpandString(nil, pairs[i+1], text, at)) + text[at[1]:]
		}
		writes(t, text)(path)
	}
}

const toolSource = `// Package abacus reads what abacus prints.
package abacus

import (
	"bytes"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/plugins/internal/report"
)

// New returns the extractor "abacus".
func New() ktstr.Extractor {
	return ktstr.Parser{Parse: parse, Description: ktstr.Description{
		Name:    "abacus",
		Version: "1",
		Tools:   []ktstr.Tool{{Name: "abacus", Versions: []string{"1.0"}}},
		Hints:   []ktstr.Hint{{Name: "beads.rate", Unit: "beads/s", Polarity: ktstr.Higher, Headline: true}},
	}}
}

func parse(out ktstr.Output) (ktstr.Extraction, error) {
	r := report.New("abacus", out)
	for number, line := range r.Lines() {
		if value, ok := bytes.CutPrefix(line, []byte("beads per second: ")); ok {
			r.Ours = true
			r.AddText("beads.rate", value, "beads/s", ktstr.Higher, number)
		}
	}
	return r.End("a line that begins with beads")
}
`

const tableSource = `tools: {abacus: ["1.0"]}
signature: "beads per second: *"
lines:
  - {match: "beads per second: {beads.rate:beads/s}", polarity: higher, headline: true}
payloads:
  beads:
    summary: Counts beads.
    measures: cpu
    about: Look at beads.rate.
    binary: /bin/echo
    args: ["beads per second: 12.5"]
    needs: [{binary: /bin/echo, install: apt-get install coreutils}]
`
