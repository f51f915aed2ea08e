package verify

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/ktstr/ktstr"
)

const capture = "tool 1.0\nrate: 12.5 MiB/s\nlatency: 40 us\nextra: 3\nend\n"

// honest is an extractor that keeps every promise about capture.
func honest() ktstr.Parser {
	row := regexp.MustCompile(`^(rate|latency|extra): ([0-9.]+)(?: (\S+?))?\r?\n$`)
	return ktstr.Parser{
		Description: ktstr.Description{Name: "tool", Version: "1", Hints: []ktstr.Hint{
			{Name: "rate", Unit: "MiB/s", Polarity: ktstr.Higher, Headline: true},
			{Name: "latency", Unit: "us", Polarity: ktstr.Lower},
			{Name: "extra", Unit: "count"},
		}},
		Parse: func(out ktstr.Output) (ktstr.Extraction, error) {
			var e ktstr.Extraction
			if len(bytes.TrimSpace(out.Data)) == 0 {
				return e, nil
			}
			found := map[string]bool{}
			n := 0
			for line := range bytes.Lines(out.Data) {
				n++
				if len(line) > 100 {
					continue
				}
				m := row.FindSubmatch(line)
				if m == nil {
					continue
				}
				name, unit := string(m[1]), strings.ToValidUTF8(string(m[3]), "?")
				v, err := strconv.ParseFloat(string(m[2]), 64)
				if err != nil || found[name] {
					e.Diagnostics = append(e.Diagnostics, ktstr.Diagnostic{Code: ktstr.Malformed, Message: "x"})
					continue
				}
				found[name] = true
				e.Metrics = append(e.Metrics, ktstr.Metric{Name: name, Value: v, Unit: unit, Line: n})
			}
			if !found["rate"] {
				e.Diagnostics = append(e.Diagnostics, ktstr.Diagnostic{Code: ktstr.MissingHeadline, Message: "no rate"})
			}
			return e, nil
		},
	}
}

// corpusOf writes a corpus of one case.
func corpusOf(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func verify(t *testing.T, cfg Config) Report {
	t.Helper()
	r, err := Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestHonestExtractorPasses(t *testing.T) { // not parallel: the check "thousand" measures the heap of this process
	dir := corpusOf(t, map[string]string{"a/stdout": capture, "a/meta.json": `{"argv": ["tool"], "exit_code": 0}`})
	verify(t, Config{Extractor: honest(), Corpus: dir, Update: true})
	r := verify(t, Config{Extractor: honest(), Corpus: dir})
	for _, c := range r.Checks {
		if c.Outcome != Pass {
			t.Errorf("%s: %s %s %+v", c.Name, c.Outcome, c.Detail, c.Failures)
		}
	}
	if !r.OK() {
		t.Error("OK() = false")
	}
}

func TestWithoutCorpus(t *testing.T) { // not parallel: the check "thousand" measures the heap of this process
	r := verify(t, Config{Extractor: honest()})
	n := map[Outcome]int{}
	for _, c := range r.Checks {
		n[c.Outcome]++
		if c.Outcome == Skip && c.Detail == "" {
			t.Errorf("%s is skipped without a reason", c.Name)
		}
	}
	if !r.OK() || n[Pass] < 7 || n[Skip] == 0 {
		t.Errorf("outcomes %v: want some skipped, none failed", n)
	}
}

func TestOnly(t *testing.T) {
	t.Parallel()
	r := verify(t, Config{Extractor: honest(), Only: []string{"finite", "empty"}})
	if len(r.Checks) != 2 || r.Checks[0].Name != "empty" || r.Checks[1].Name != "finite" {
		t.Errorf("checks %+v: want empty and finite, in their usual order", r.Checks)
	}
	if _, err := Run(t.Context(), Config{Extractor: honest(), Only: []string{"emty"}}); err == nil || !strings.Contains(err.Error(), "empty") {
		t.Errorf("an unknown check: error %v, want the known ones", err)
	}
	if _, err := Run(t.Context(), Config{}); err == nil {
		t.Error("nothing to check: no error")
	}
}

func TestLoadCorpus(t *testing.T) {
	t.Parallel()
	dir := corpusOf(t, map[string]string{
		"b/stdout": "out", "b/stderr": "", "b/file-x.json": "{}", "b/file-a": "1",
		"b/meta.json":  `{"argv": ["t", "-x"], "exit_code": -15, "truncated": true, "options": {"o": "v"}, "tool": "t"}`,
		"a/stderr":     "err",
		"notes/README": "no case",
		"README":       "no folder",
	})
	got, err := LoadCorpus(dir)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, k := range got {
		fmt.Fprintf(&b, "%s:", k.Name)
		for _, s := range k.Streams {
			code := "?"
			if s.ExitCode != nil {
				code = fmt.Sprint(*s.ExitCode)
			}
			fmt.Fprintf(&b, " %s=%s/%v/%s/%s/%s", s.Stream, s.Data, s.Truncated, code, s.Argv, s.Options["o"])
		}
		b.WriteByte('\n')
	}
	want := "a: stderr=err/false/?/[]/\n" +
		"b: stdout=out/true/-1/[t -x]/v stderr=/false/-1/[t -x]/v file:a=1/false/-1/[t -x]/v file:x.json={}/false/-1/[t -x]/v\n"
	if b.String() != want {
		t.Errorf("corpus:\n got %s\nwant %s", b.String(), want)
	}
	for _, c := range []struct {
		files map[string]string
		want  string
	}{
		{map[string]string{"notes": "x"}, "no case in it: want folders"},
		{map[string]string{"a/stdout": "x", "a/meta.json": "{"}, "meta.json"},
	} {
		if _, err := LoadCorpus(corpusOf(t, c.files)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: error %v, want %q", c.files, err, c.want)
		}
	}
	if _, err := LoadCorpus("/nonexistent"); err == nil {
		t.Error("a corpus that is not there: no error")
	}
}

func TestDiff(t *testing.T) {
	t.Parallel()
	base := `{"extractor":"x","version":"1","status":"ok","metrics":[{"name":"a","value":1,"unit":"s","polarity":"lower","stream":"stdout"}],` +
		`"diagnostics":[{"code":"malformed","message":"one","stream":"stdout","line":3}]}`
	for _, c := range []struct{ old, new, want string }{
		{"", "", ""},
		{`"version":"1"`, `"version":"2"`, ""},
		{`"message":"one"`, `"message":"two"`, ""},
		{`"value":1`, `"value": 1.000`, ""},
		{`"value":1`, `"value":2`, `metric 1 is {"name":"a","value":2`},
		{`"unit":"s"`, `"unit":"ms"`, "metric 1 is"},
		{`"line":3`, `"line":4`, "diagnostic 1 is malformed (stdout line 4"},
		{`"status":"ok"`, `"status":"error","error":"boom"`, `status "error" (boom): want "ok"`},
		{`"extractor":"x"`, `"extractor":"y"`, `extractor "y": want "x"`},
		{`{"name":"a","value":1,"unit":"s","polarity":"lower","stream":"stdout"}`, ``, `0 metrics: want 1, the first missing is`},
		{`{"code":"malformed","message":"one","stream":"stdout","line":3}`, ``, `0 diagnostics: want 1`},
		{`"metrics":[`, `"metrics":[{"name":"a","value":1,"unit":"s","polarity":"lower","stream":"stdout"},`, "2 metrics, the first too many"},
		{`{`, ``, "the document is not JSON"},
	} {
		doc := strings.Replace(base, c.old, c.new, 1)
		got := Diff([]byte(doc), []byte(base))
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s → %s: got %q, want %q", c.old, c.new, got, c.want)
		}
	}
	if got := Diff(Indent([]byte(base)), []byte(base)); got != "" || !json.Valid(Indent([]byte(base))) {
		t.Errorf("Indent changes the document: %s", got)
	}
}

func TestPrint(t *testing.T) {
	t.Parallel()
	r := Report{Subject: "./x", Name: "x\x1b[31m", Version: "1", Checks: []Check{
		{Name: "one", About: "it holds", Outcome: Pass, Detail: "3 cases"},
		{Name: "three", About: "it holds too", Outcome: Skip, Detail: "no captures"},
		{Name: "two", About: "it does not", Outcome: Fail, More: 7, Failures: []Failure{{Message: "bad", Also: 3, Input: "a/stdout, cut", Bytes: []byte("\x1b[2J\n"), File: "/tmp/x"}}},
	}}
	var b strings.Builder
	if err := r.Print(&b); err != nil {
		t.Fatal(err)
	}
	want := "plugin x\uFFFD[31m 1 (./x)\n" +
		"pass  one    it holds (3 cases)\n" +
		"skip  three  skipped: no captures\n" +
		"fail  two    it does not\n" +
		"      - bad\n" +
		"        input: a/stdout, cut\n" +
		"        bytes: \"\\x1b[2J\\n\"\n" +
		"        kept:  /tmp/x\n" +
		"        the same with 3 more inputs\n" +
		"      - and 7 more\n" +
		"3 checks: 1 passed, 1 failed, 1 skipped\n"
	if b.String() != want {
		t.Errorf("Print:\n got %s\nwant %s", b.String(), want)
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	wantJSON := `{"schema":"ktstr.verify/v1","subject":"./x","name":"x\u001b[31m","version":"1","ok":false,"checks":[` +
		`{"name":"one","about":"it holds","outcome":"pass","detail":"3 cases"},` +
		`{"name":"three","about":"it holds too","outcome":"skip","detail":"no captures"},` +
		`{"name":"two","about":"it does not","outcome":"fail","failures":[{"message":"bad","also":3,"input":"a/stdout, cut","bytes":"G1sySgo=","file":"/tmp/x"}],"more":7}]}`
	if string(text) != wantJSON {
		t.Errorf("JSON:\n got %s\nwant %s", text, wantJSON)
	}
}

// What a broken plugin gives is not written as what everybody will rely on; the
// tool's own failure is.
func TestUpdateRefusesBrokenPlugin(t *testing.T) {
	t.Parallel()
	x := honest()
	inner := x.Parse
	x.Parse = func(out ktstr.Output) (ktstr.Extraction, error) {
		switch {
		case bytes.HasPrefix(out.Data, []byte("crash")):
			return ktstr.Extraction{}, errors.New("/home/me/plugin: exit status 2")
		case bytes.HasPrefix(out.Data, []byte("panic")):
			panic("boom")
		case bytes.HasPrefix(out.Data, []byte("FATAL")):
			return ktstr.Extraction{Diagnostics: []ktstr.Diagnostic{{Code: ktstr.ToolFailed, Message: "no disk"}}}, nil
		}
		return inner(out)
	}
	dir := corpusOf(t, map[string]string{"a/stdout": "crash\n", "b/stdout": "FATAL: no disk\n", "c/stdout": "panic\n", "c/extract.json": "old", "d/stdout": capture})
	r := verify(t, Config{Extractor: x, Corpus: dir, Update: true, Only: []string{"golden"}})
	if c := r.Checks[0]; c.Outcome != Fail || !strings.Contains(c.Detail, "wrote extract.json of 2 cases") {
		t.Errorf("golden: %s, %s: want a failure, and two written", c.Outcome, c.Detail)
	}
	for name, want := range map[string]string{"a": "", "b": "no disk", "c": "old", "d": "12.5"} {
		text, err := os.ReadFile(filepath.Join(dir, name, "extract.json"))
		if (err != nil) != (want == "") || !strings.Contains(string(text), want) {
			t.Errorf("case %s: %s, %v: want %q in it", name, text, err, want)
		}
	}
}

// Of a case that is on stderr only, that is what a failure shows.
func TestFailureShowsStreamWithText(t *testing.T) {
	t.Parallel()
	x := honest()
	x.Parse = func(ktstr.Output) (ktstr.Extraction, error) { return ktstr.Extraction{}, errors.New("no") }
	r := verify(t, Config{Extractor: x, Corpus: corpusOf(t, map[string]string{"case/stdout": "", "case/stderr": capture}), Only: []string{"golden"}})
	if f := r.Checks[0].Failures; len(f) != 1 || f[0].Input != "case/stderr" || !strings.HasPrefix(capture, string(f[0].Bytes)) || len(f[0].Bytes) == 0 {
		t.Errorf("got %+v, want the beginning of stderr", f)
	}
}

// One mistake that every input meets is told once.
func TestEqualFailuresAreOne(t *testing.T) {
	t.Parallel()
	files := map[string]string{}
	for i := range 12 {
		files[fmt.Sprintf("case%02d/stdout", i)] = capture
	}
	x := honest()
	n := 0
	x.Parse = func(ktstr.Output) (ktstr.Extraction, error) {
		if n++; n == 5 {
			return ktstr.Extraction{}, errors.New("something else")
		}
		return ktstr.Extraction{}, errors.New("awk: line 3: syntax error")
	}
	r := verify(t, Config{Extractor: x, Corpus: corpusOf(t, files), Only: []string{"golden"}})
	c := r.Checks[0]
	if len(c.Failures) != 2 || c.More != 0 || c.Failures[0].Also != 10 || c.Failures[0].Input != "case00" || c.Failures[1].Also != 0 || c.Failures[1].Input != "case04" {
		t.Errorf("got %+v and %d more, want one failure of 11 inputs and one of another", c.Failures, c.More)
	}
}

func TestSound(t *testing.T) {
	t.Parallel()
	if err := Sound(honest(), ktstr.Output{Data: []byte(capture)}); err != nil {
		t.Error(err)
	}
	loud := ktstr.Parser{Parse: func(ktstr.Output) (ktstr.Extraction, error) { panic("boom") }}
	if err := Sound(loud, ktstr.Output{}); err == nil || !strings.Contains(err.Error(), "boom") {
		t.Errorf("Sound of a panic = %v", err)
	}
}
