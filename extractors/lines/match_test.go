package lines

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/ktstr/ktstr"
)

// read returns the metrics and diagnostics that patterns of the match language find,
// such as "rps=24.46 kreq/s; duplicate".
func read(t testing.TB, text string, patterns ...string) string {
	t.Helper()
	var table Table
	for _, p := range patterns {
		table.Lines = append(table.Lines, Line{Pattern: Match(p)})
	}
	x, err := table.Compile(ktstr.Description{})
	if err != nil {
		t.Fatalf("%q: %v", patterns, err)
	}
	e, err := x.Parse(ktstr.Output{Data: []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	var parts []string
	for _, m := range e.Metrics {
		parts = append(parts, strings.TrimSpace(fmt.Sprintf("%s=%v %s", m.Name, m.Value, m.Unit)))
	}
	for _, d := range e.Diagnostics {
		parts = append(parts, string(d.Code))
	}
	return strings.Join(parts, "; ")
}

// C44
func TestMatchReadsTheLinesOfTheGrammar(t *testing.T) {
	const none = "no-metrics"
	for _, c := range []struct{ pattern, text, want string }{
		// The leftmost, shortest match anywhere in a line.
		{"Throughput: {throughput} {unit}", "Throughput: 123.4 MB/s\n", "throughput=123.4 MB/s"},
		{"rate {r}", "x: rate 1, rate 2\n", "r=1"},
		{"a * b {n}", "a x b 1 b 2\n", "n=1"},
		{"a * b {n}", "a x b y b 2\n", "n=2"},
		{"rate: {r}", "the rate: 1\nrate: 2 of them\n", "r=2; duplicate"},

		// Carriage returns: the last writing counts.
		{"done {n}", "done 1\rdone 2\rdone 3\n", "n=3"},
		{"done {n}", "done 1\rdone 2\r\n", "n=2"},
		{"done {n}", "done 1\r     \n", none},

		// Whole numbers.
		{"x {n}", "x 12\n", "n=12"},
		{"x {n}", "x -12.5e-3\n", "n=-0.0125"},
		{"x {n}", "x +.5\n", "n=0.5"},
		{"x {n}", "x 5.\n", "n=5"},
		{"x {n}", "x 1,234,567\n", "n=1.234567e+06"},
		{"x {n}", "x 1,234,567.25 s\n", "n=1.23456725e+06"},
		{"x {n}", "x 12,34,567\n", "n=1.234567e+06"},
		{"{n} s", "1,234,567 s\n", "n=1.234567e+06"},
		{",{n} s", "1,234,567 s\n", none},
		{"{n} s", "1,12 s\n", none}, // a decimal comma
		{"x {n}", "x 1,12 s\n", none},
		{"x {n}", "x 1234,567 s\n", none},
		{"x {n}", "x 1.2.3\n", none},
		{"{n}.3", "1.2.3\n", none},
		{"{n}", "127.0.0.1\n", none},
		{"{n} sec", "0.00-10.00 sec\n", "n=10"},
		{"{a}-{b} sec", "0.00-10.00 sec\n", "a=0; b=10"},
		{"{n}", "0x55f5\n", none},
		{"{n}", "p99\n", none},
		{"p{n}", "p99\n", "n=99"},
		{"{a}x{b}", "1920x1080\n", "a=1920; b=1080"},
		{"{a},{b}", "79365.08,0.085\n", "a=79365.08; b=0.085"},
		{"{a},{b}", "1,234\n", none},
		{"{n}%", "sha-256 50%\n", "n=50"},
		{"{n} ms", "x-5 ms\n", "n=5; "},
		{"took {n}s", "took 1e3s\n", "n=1000"},
		{"dots {n}", "dots .....12\n", none},
		{"dots*{n}", "dots .....12\n", "n=12"},
		{"{n}", "1e999\n", "malformed; no-metrics"},

		// nan and inf.
		{"x {n}", "x nan\n", "not-finite; no-metrics"},
		{"x {n}", "x -NaN\n", "not-finite; no-metrics"},
		{"x {n}%", "x -inf%\n", "not-finite; no-metrics"},
		{"x {n}", "x Infinity\n", "not-finite; no-metrics"},
		{"x {n}", "x info\n", none},
		{"{a} {b}", "nan 5\n", "b=5; not-finite"},

		// Prefixes.
		{"{rps:req/s}", "24.46k\n", "rps=24.46 kreq/s"},
		{"{iops} {unit}", "17.4 k iops\n", "iops=17.4 kiops"},
		{"{iops:iops}", "17.4 k iops\n", "iops=17.4 kiops"},
		{"{n:ops/s}", "5 Mops/s\n", "n=5 Mops/s"},
		{"{n:B/s}", "5KB/s,\n", "n=5 KB/s"},
		{"{n:ops}", "5 Mops/s\n", "n=5 ops"},
		{"{n:ops/s} Mops/s", "5 Mops/s\n", "n=5 ops/s"},
		{"{n}", "24.46k\n", "n=24460"},
		{"{n} {unit}", "24.46k\n", "n=24460"},
		{"{n}", "1.1M\n", "n=1.1e+06"},
		{"{n}", "2 G,\n", "n=2e+09"},
		{"{n} requests", "4 k requests\n", "n=4000"},
		{"{n} k requests", "4 k requests\n", "n=4"},
		{"{n}k", "4.5k\n", "n=4.5"},
		{"{n}", "5 kg\n", "n=5"},

		// Units.
		{"{n:ms}", "5 apples\n", "n=5 ms"},
		{"{n} {unit}", "105.75us\n", "n=105.75 us"},
		{"{n} {unit}", "5 MiB/s/\n", "n=5 MiB/s"},
		{"{n} {unit}", "98.5%,\n", "n=98.5 %"},
		{"{n} {unit}", "7 µs\n", "n=7 µs"},
		{"{n} {unit}", "7 12\n", none},
		{"{n} [{unit}]", "5523.78 [Kbytes/sec] received\n", "n=5523.78 Kbytes/sec"},
		{"{a} {unit} / {b} {unit} /", "480 ns / 1.14 us / 19\n", "a=480 ns; b=1.14 us"},

		// Words and names.
		{"{*}% {latency.p*} {unit}", "  99.900%  113.92ms\n", "latency.p99_900=113.92 ms"},
		{"T: {*} (*) P: * Min: {thread.*.latency.min:us}", "T: 0 (28364) P: 0 I:1000 C:    300 Min:     35 Act:   64\n", "thread.0.latency.min=35 us"},
		{"{*:lower}: {*.bw} MiB", "MEMCPY: 5 MiB\n", "memcpy.bw=5"},
		{"{*}: {*.x}", "a:b: 5\n", "a:b.x=5"},
		{"M: {*:lower} * C: {*.x}", "M: COPY E: 1 C: 5\n", "copy.x=5"},
		{"{*} (x) {*.n}", "foo(x) 5\n", "foo.n=5"},
		{"{*} {*} {a.*.b.*}", "x.1 y 5\n", "a.x_1.b.y=5"},
		{"{*}", "", ""},

		// Blanks.
		{"a b {n}", "a\t  b\t5\n", "n=5"},
		{"a b {n}", "ab 5\n", none},
		{"a: {n}", "a:5\n", "n=5"},
		{"a = {n}", "a=5\n", "n=5"},
		{"a {n}", "a5\n", none},
		{"x ( {n} )", "x(5)\n", "n=5"},
		{"  x {n}  ", "x 5\n", "n=5"},

		// *, and characters with a meaning.
		{"a*b {n}", "ab 5\n", "n=5"},
		{"a * {n} s", "a 1.5 2 s\n", "n=2"},
		{"{{{n}}}", "{5}\n", "n=5"},
		{"** {n}", "* 5\n", "n=5"},
		{"**{n}", "x 5\n", none},
		{"é: {n}", "é: 5\n", "n=5"},
	} {
		if c.text == "" {
			continue
		}
		if got := read(t, c.text, c.pattern); got != strings.TrimSuffix(c.want, "; ") {
			t.Errorf("%q on %q:\n got %s\nwant %s", c.pattern, c.text, got, c.want)
		}
	}
}

func TestMatchRefusesPatternsThatCannotBeRead(t *testing.T) {
	for pattern, want := range map[string]string{
		"":                 "no pattern",
		"abc":              "it has no number",
		"{*} abc":          "it has no number",
		"{n":               "want a } after the name",
		"n}":               "want }} for the character }",
		"{}":               "want {NAME}",
		"{a b}":            "' ' in a name",
		"{a..b}":           "an empty part between dots",
		"{.a}":             "an empty part between dots",
		"{n:}":             "the unit after : is empty",
		"{unit}":           "want it after the {NAME}",
		"{a:ms} {unit}":    "has a unit already",
		"{a} {unit}{unit}": "has a unit already",
		"{unit:ms}":        "want another name",
		"{a} {a}":          "is there twice",
		"{a}{b}":           "next to each other",
		"{*}{b}":           "next to each other",
		"x **5{n}":         "a digit directly before",
		"{n}5":             "a digit directly after",
		"{a.*}":            "* stands for a word",
		"{*} {a.*.*}":      "want a {*} for each",
		"{*:upper} {n}":    "{*:lower}",
		"a\x1b {n}":        "a control character",
	} {
		_, err := Table{Lines: []Line{{Pattern: Match(pattern)}}}.Compile(ktstr.Description{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want an error with %q", pattern, err, want)
		}
	}
}

// C44
func TestRegexpNamesItsNumbersByGroups(t *testing.T) {
	for _, c := range []struct{ pattern, name, text, want string }{
		{`^rate: (?P<value>\S+)`, "", "rate: 5\n", "value=5"},
		{`^p(?P<name>\S+): (?P<value>\S+) (?P<unit>\w+)`, "", "p99.9: 5 ms\n", "99_9=5 ms"},
		{`(?P<read>\d+)/(?P<write>\d+)`, "", "5/6\n", "read=5; write=6"},
		{`(?P<value>[\d,]+) cycles`, "", "1,234,567 cycles\n", "value=1.234567e+06"},
		{`^(?P<row>\w+): (?P<min>\d+)(?P<min_unit>\w+) (?P<max>\d+)(?P<max_unit>\w+)( (?P<p99>\d+))?$`, "{row:lower}.*", "Wait: 5us 6ms\n", "wait.min=5 us; wait.max=6 ms"},
		{`^(?P<min>\d+) (?P<min_unit>\d+)$`, "", "5 6\n", "min=5 6"},
		{"^rate=(?P<value>\\d+)", "", "\x1b[1mra\x1b[0mte=\x1b[32m5\x1b[0m\n", "value=5"},
	} {
		x, err := Table{Lines: []Line{{Pattern: Regexp(c.pattern), Name: c.name}}}.Compile(ktstr.Description{})
		if err != nil {
			t.Fatal(err)
		}
		e, _ := x.Parse(ktstr.Output{Data: []byte(c.text)})
		var parts []string
		for _, m := range e.Metrics {
			parts = append(parts, strings.TrimSpace(fmt.Sprintf("%s=%v %s", m.Name, m.Value, m.Unit)))
		}
		if got := strings.Join(parts, "; "); got != c.want {
			t.Errorf("%q: got %s, want %s", c.pattern, got, c.want)
		}
	}
}

// C44
func TestSectionsGiveWordsToNames(t *testing.T) {
	table := Table{
		Lines: []Line{
			{Section: Match("# Running '{*}' benchmark"), Pattern: Match("Total time: {*.time:s}"), Headline: true},
			{Section: Regexp(`^== (?P<test>\S+)`), Pattern: Regexp(`max=(?P<value>\d+)`), Name: "{test:lower}.max", Unit: "ms"},
		},
		Units: map[string]string{"MB": "MiB"},
	}
	x, err := table.Compile(ktstr.Description{})
	if err != nil {
		t.Fatal(err)
	}
	e, _ := x.Parse(ktstr.Output{Data: []byte("Total time: 9\n# Running 'sched/pipe' benchmark:\n Total time: 1.5 [sec]\nmax=1\n== GET\nmax=7\n")})
	if len(e.Metrics) != 2 || e.Metrics[0].Name != "sched/pipe.time" || e.Metrics[0].Value != 1.5 || e.Metrics[1].Name != "get.max" || e.Metrics[1].Value != 7 {
		t.Errorf("got %+v", e.Metrics)
	}
}

// The lines of a method say that its average must follow.
func TestWhenRequiresTheMetricsThatItNames(t *testing.T) {
	for _, l := range []Line{
		{Pattern: Match("AVG {*} {*.bw}"), When: Match("run {*} *")},
		{Pattern: Regexp(`AVG (?P<m>\w+) (?P<value>\d+)`), Name: "{m}.bw", When: Regexp(`run (?P<m>\w+)`)},
	} {
		x, err := Table{Lines: []Line{l}}.Compile(ktstr.Description{})
		if err != nil {
			t.Fatal(err)
		}
		e, _ := x.Parse(ktstr.Output{Data: []byte("run a 1\nrun a 2\nAVG a 1\nrun b 3\nrun c 4\nAVG c nan\n")})
		var missing []string
		for _, d := range e.Diagnostics {
			if d.Code == ktstr.MissingHeadline {
				missing = append(missing, d.Message)
			}
		}
		if l.Pattern.Regexp { // the number of c is no decimal, so its line does not match
			if len(missing) != 2 {
				t.Errorf("missing: %q", missing)
			}
		} else if len(missing) != 1 || !strings.HasPrefix(missing[0], "b.bw is missing") {
			t.Errorf("missing: %q", missing)
		}
	}
}

// C44
func TestUnitsMapsPrintedUnits(t *testing.T) {
	table := Table{
		Lines: []Line{{Pattern: Match("a {a} {unit}")}, {Pattern: Match("b {b:MB}")}, {Pattern: Match("c {c} {unit}")}},
		Units: map[string]string{"MB": "MiB", "kiops": "kio/s"},
	}
	x, err := table.Compile(ktstr.Description{})
	if err != nil {
		t.Fatal(err)
	}
	e, _ := x.Parse(ktstr.Output{Data: []byte("a 1 MB\nb 2\nc 3 k iops\n")})
	if len(e.Metrics) != 3 || e.Metrics[0].Unit != "MiB" || e.Metrics[1].Unit != "MB" || e.Metrics[2].Unit != "kio/s" {
		t.Errorf("got %+v", e.Metrics)
	}
}

// A line without its end may end in the middle of a number or of its unit.
func TestMatchReportsACutUnit(t *testing.T) {
	x, err := Table{Lines: []Line{{Pattern: Match("a {a} {unit}")}}}.Compile(ktstr.Description{})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"a 5 m", "a 5", "a 5 ", "a 5.", "a 5 MiB/", "a 5e"} {
		if e, _ := x.Parse(ktstr.Output{Data: []byte(text), Truncated: true}); len(e.Metrics) > 0 || len(e.Diagnostics) == 0 {
			t.Errorf("%q: %+v", text, e)
		}
	}
}

// hostileLines are lines on which a matcher that tries each start again takes quadratic time.
func hostileLines(n int) map[string]string {
	repeat := func(s string) string { return strings.Repeat(s, n/len(s)) }
	return map[string]string{
		"a":      repeat("a"),
		"blanks": "a" + repeat(" "),
		"digits": repeat("1"),
		"groups": repeat("111,"),
		"points": repeat("1."),
		"p":      repeat("p"),
		"p1":     repeat("p1 "),
		"unit":   "1 " + repeat("x"),
		"slash":  "1 " + repeat("a/"),
		"nan":    repeat("nan"),
		"prefix": repeat("1 k "),
		"words":  repeat("w "),
		"lines":  repeat("a 1 b\n"),
		"cr":     repeat("a 1\r"),
	}
}

var hostilePatterns = []string{
	"a*b*c*d {n}", "{*}: {*}: {*.x}", "p{*}:{*.n}", "{n} * {unit} x", "* {n} x", "{n} {unit} * y", "a * b {n}", "{a} * {b} * {c} z", "*/{*} {n} q",
}

// C44
func TestMatchIsLinear(t *testing.T) {
	const small, factor = 1 << 13, 16
	for _, p := range hostilePatterns {
		for name := range hostileLines(small) {
			// The ratio of two times on one machine: quadratic time gives factor².
			ratio := 0.0
			for try := 0; try < 20; try++ {
				if ratio = duration(t, hostileLines(small * factor)[name], p) / duration(t, hostileLines(small)[name], p); ratio < factor*factor/4 {
					break
				}
			}
			if ratio >= factor*factor/4 {
				t.Errorf("%q on %s: %d times the text takes %.0f times as long", p, name, factor, ratio)
			}
		}
	}
}

func duration(t *testing.T, text, pattern string) float64 {
	begin := time.Now()
	read(t, text, pattern)
	return float64(time.Since(begin)) + 1e3
}

func FuzzMatch(f *testing.F) {
	for _, p := range hostilePatterns {
		f.Add(p, "a 1 b 2 c 3 d 4\nx: y: z: 5\np99: 7 ms\r8 us")
	}
	f.Add("{*}% {latency.p*} {unit}", " 99.9% 1,234.5k\n\xff1e5 nan")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		x, err := Table{Lines: []Line{{Pattern: Match(pattern)}}}.Compile(ktstr.Description{})
		if err != nil {
			return
		}
		e, err := x.Parse(ktstr.Output{Data: []byte(text)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := json.Marshal(e.Metrics); err != nil {
			t.Fatal(err)
		}
		for _, m := range e.Metrics {
			if m.Value != m.Value || strings.ContainsAny(m.Name, " \n\x00") || utf8.ValidString(pattern) && !utf8.ValidString(m.Name) {
				t.Fatalf("metric %+v", m)
			}
		}
		partial(t, pattern, text)
	})
}

// partial checks that no number of a match is a part of a longer one.
func partial(t *testing.T, pattern, text string) {
	p, err := parseMatch(pattern)
	if err != nil || strings.ContainsAny(text, "\r\n") {
		return
	}
	spans := newMatcher(p).find([]byte(text))
	for _, n := range p.numbers {
		if spans == nil {
			return
		}
		from, to := spans[2*n.group], spans[2*n.group+1]
		if from > 0 && isDigit(text[from-1]) || to < len(text) && isDigit(text[to]) {
			t.Fatalf("%q on %q: %q is a part of a number", pattern, text, text[from:to])
		}
	}
}

func TestALineMayBeItsOwnHeading(t *testing.T) {
	for _, pattern := range []string{`^(?P<value>\d+) [a-z]`, `^(?P<value>\d+) head`} {
		table := Table{Lines: []Line{
			{Pattern: Regexp(pattern), Name: "x", Section: Regexp(`^\d+ head`)},
			{Pattern: Regexp(`^(?P<value>\d+) y`), Name: "y", Section: Regexp(`^other`)},
		}}
		x, err := table.Compile(ktstr.Description{})
		if err != nil {
			t.Fatal(err)
		}
		e, _ := x.Parse(ktstr.Output{Data: []byte("5 first\n7 head\n")})
		if len(e.Metrics) != 1 || e.Metrics[0].Value != 7 {
			t.Errorf("%s: got %v, want x = 7", pattern, e.Metrics)
		}
	}
}

// The cheap tests before a match never refuse a line that matches.
func TestCheapTestsRefuseNoMatch(t *testing.T) {
	for _, c := range []struct{ pattern, line string }{
		{`^(?:Connect|Total): (?P<value>\d+)`, "Total: 7"},
		{`^(?P<value>\d+)(us|ms| sec)`, "7 sec"},
		{`^(?i:total) (?P<value>\d+)`, "TOTAL 7"},
		{`^([Cc]ould )?(?P<value>\d+)`, "could 7"},
		{`^[^a-z]*(?P<value>\d+)`, "é 7"},
		{`^(é|x)(?P<value>\d+)`, "é7"},
		{`^(a*)*(?P<value>\d+)`, "7"},
		{`(^|>) *(?P<value>\d+) kb`, "<td>7 kb"},
		{`(?P<value>\d+)$`, "z 7"},
		{`^a?b?(?P<value>\d+)`, "b7"},
		{`\b(?P<value>\d+) ops`, "z 7 ops"},
		{`^(abc|abd)?(?P<value>\d)`, "7"},
		{`^x{0}(abc){2}(?P<value>\d)`, "abcabc7"},
	} {
		x, err := Table{Lines: []Line{{Pattern: Regexp(c.pattern)}}}.Compile(ktstr.Description{})
		if err != nil {
			t.Fatal(err)
		}
		e, _ := x.Parse(ktstr.Output{Data: []byte("first\n" + c.line + "\n")})
		if len(e.Metrics) != 1 {
			t.Errorf("%s, %q: %d metrics, want one", c.pattern, c.line, len(e.Metrics))
		}
	}
}
