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
)

var listedFile = regexp.MustCompile("(?m)^[0-9]+\\. `([^`]+)`")

// tool is the made-up stock tool of TestAddAStockTool. It prints `beads per second: 12.5`.
const tool = "abacus"

// The numbered list "Add a stock tool" of CONTRIBUTING.md is complete: in a copy of the repository, a change of exactly the
// listed files adds a tool that builds, that ktstr lists and reads, and that passes its own tests and the floor plan.
func TestAddAStockTool(t *testing.T) {
	dir := copyOfRepository(t)
	steps := map[string]func(path string){
		"plugins/TOOL/TOOL.go":            writes(t, toolSource),
		"plugins/TOOL/payloads/TOOL.yaml": writes(t, "summary: Counts beads.\nbinary: /bin/echo\nargs: ['beads per second: 12.5']\nextractor: abacus\n"),
		"plugins/TOOL/testdata/corpus/CASE/stdout": func(path string) {
			writes(t, "abacus 1.0\nbeads per second: 12.5\n")(path)
			writes(t, `{"tool": "abacus", "version": "1.0", "argv": ["abacus"], "exit_code": 0}`+"\n")(filepath.Join(filepath.Dir(path), "meta.json"))
		},
		"plugins/TOOL/TOOL_test.go":                   writes(t, toolTest),
		"plugins/TOOL/ktstr-plugin-TOOL/main.go":      writes(t, toolMain),
		"plugins/TOOL/ktstr-plugin-TOOL/main_test.go": writes(t, toolMainTest),
		"plugins/stock.go": edits(t,
			`return \[\]ktstr\.Extractor\{fio\.New\(\)`, `return []ktstr.Extractor{abacus.New(), fio.New()`,
			`(?m)^(\t"github\.com/ktstr/ktstr/plugins)/fio"$`, "$1/abacus\"\n$1/fio\""),
		"docs/floor-plan.md": edits(t,
			"(?m)^(\\| \\d+ \\| `plugins` \\|.*) \\|$", "$1, `plugins/abacus` |",
			"(?m)^\\| \\d+ \\| `plugins/fio` \\|", "| 1 | `plugins/abacus` | the format of abacus | `ktstr` |\n"+
				"| 9 | `plugins/abacus/ktstr-plugin-abacus` | its executable | `plugins/abacus`, `sdk` |\n$0"),
		"docs/metrics.md": edits(t, `\z`, "\n## abacus\n\n| name | unit | better |\n|---|---|---|\n| `beads.rate` | beads/s | higher |\n"),
	}
	if !followSteps(t, dir, "## Add a stock tool", steps, strings.NewReplacer("TOOL", tool, "CASE", "sample")) {
		return
	}
	in := commandsIn(t, dir)
	in("go", "build", "-o", "bin/", "./cmd/ktstr", "./plugins/abacus/ktstr-plugin-abacus")
	in("go", "test", "./plugins/abacus", "-update")
	in("go", "test", "./plugins/abacus/...")
	in("go", "test", "-run", "TestImportsFollowTheFloorPlan", ".")
	writes(t, "abacus 1.0\nbeads per second: 7\n")(filepath.Join(dir, "saved"))
	for _, c := range []struct{ command, want string }{
		{"plugin list", "abacus"},
		{"payload list", "abacus"},
		{"extract abacus --stdout saved", "beads.rate  7 beads/s  higher is better"},
		{"plugin describe abacus --plugin abacus=bin/ktstr-plugin-abacus", "beads.rate"},
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
		// The cgo of the caller and the flags of its go command do not matter here. -trimpath shares compiled packages with `make build`.
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-trimpath -tags=grpcnotrace")
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
	"embed"
	"regexp"
	"strconv"

	"github.com/ktstr/ktstr"
)

//go:embed payloads/*.yaml
var payloads embed.FS

var rate = regexp.MustCompile(` + "`(?m)^beads per second: ([0-9]+(?:\\.[0-9]+)?)$`" + `)

// New returns the extractor "abacus".
func New() ktstr.Extractor {
	return ktstr.Parser{
		Description: ktstr.Description{
			Name:     "abacus",
			Version:  "1.0.0",
			Tools:    []ktstr.Tool{{Name: "abacus", Versions: []string{"1.0"}}},
			Hints:    []ktstr.Hint{{Name: "beads.rate", Unit: "beads/s", Polarity: ktstr.Higher, Headline: true}},
			Payloads: ktstr.PayloadFiles(payloads),
		},
		Parse: parse,
	}
}

func parse(out ktstr.Output) (ktstr.Extraction, error) {
	var e ktstr.Extraction
	if m := rate.FindSubmatch(out.Data); m != nil {
		value, err := strconv.ParseFloat(string(m[1]), 64)
		if err != nil {
			return e, err
		}
		e.Metrics = append(e.Metrics, ktstr.Metric{Name: "beads.rate", Value: value, Unit: "beads/s"})
	}
	return e, nil
}
`

const toolTest = `package abacus

import (
	"flag"
	"testing"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/plugins/internal/corpustest"
)

var update = flag.Bool("update", false, "write extract.json")

func TestCorpus(t *testing.T) {
	for _, k := range corpustest.Load(t, "testdata/corpus") {
		corpustest.Golden(t, k, extract.Run(t.Context(), New(), k.Streams, nil), *update)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("beads per second: 7"))
	f.Fuzz(func(t *testing.T, data []byte) { parse(ktstr.Output{Stream: ktstr.Stdout, Data: data}) })
}
`

const toolMain = `// Command ktstr-plugin-abacus is the extractor "abacus" as a plugin.
package main

import (
	"github.com/ktstr/ktstr/plugins/abacus"
	"github.com/ktstr/ktstr/sdk"
)

func main() { sdk.Serve(abacus.New()) }
`

// The conformance checks take half a minute of CPU time. Only the first of them run here.
const toolMainTest = `package main

import (
	"testing"

	"github.com/ktstr/ktstr/sdk/plugintest"
)

func TestPlugin(t *testing.T) {
	plugintest.Run(t, plugintest.Config{Path: "../../../bin/ktstr-plugin-abacus", Corpus: "../testdata/corpus", Only: []string{"describe", "golden"}})
}
`
