package fio

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/plugins/internal/corpustest"
)

// doc is the smallest document with a job of that name.
func doc(jobs ...string) string {
	return "{\n  \"fio version\" : \"fio-3.42\",\n  \"jobs\" : [\n" + strings.Join(jobs, ",\n") + "\n  ]\n}\n"
}

func jobOf(name, iops string) string {
	return `    { "jobname" : "` + name + `", "error" : 0, "read" : { "io_bytes" : 4096, "bw_bytes" : 4096, "iops" : ` + iops + `, "total_ios" : 1 } }`
}

// hardTexts are what no real run gave us and a parser must survive.
var hardTexts = []string{
	"", "\n", "{", "}", "[", `"`, "{\n", `{"jobs":`, `{"jobs":[`, `{"jobs":[{`, `{"jobs":[{}]}`, `{"jobs":7}`,
	`{"jobs":[[{"jobname":"a"}]]}`, `{"fio version":7,"jobs":[{"jobname":7,"read":[]}]}`,
	doc(jobOf("a", "nan")), doc(jobOf("a", "-inf")), doc(jobOf("a", "1e999")), doc(jobOf("a", "01")), doc(jobOf("a", ".5")),
	doc(jobOf("a", `"7"`)), doc(jobOf("a", "null")), doc(jobOf("a", "9007199254740993")), doc(jobOf("disk", "1")),
	strings.Repeat(`{"jobs":[`, 200), strings.Repeat("{\n\"jobs\":[\n", 200), strings.Repeat("2;", 500), "3;fio-3.42;",
	"a: (groupid=0, jobs=1): err= 0: pid=1\n  read: IOPS=1, BW=1B/s (1B/s)(1B/1msec)\n", "hostname=x, be=0, fio=fio-3.33,\n",
	"Run status group 0 (all jobs):\n", ": (groupid=0, jobs=1): err= 0: pid=1\n  cpu : usr=1%\nRun status group 0\n",
	"a: (groupid=0, jobs=1): err= 0: pid=1\n     |  1.00th=[1]\n    clat percentiles (usec):\n     | x.00th=[1],  1.00th=[y]\n  cpu          :\n",
	"1, 2, 0, 4096\n", "fio-3.42\n", "fio: \xff\n",
}

func TestHardTexts(t *testing.T) {
	for _, text := range hardTexts {
		checkSound(t, []byte(text), parseStream(t, ktstr.Output{Data: []byte(text)}))
	}
}

// What looks like the beginning of something, many times over, takes time in
// proportion to its length: eight times the text costs about eight times as
// much, where a quadratic reader takes sixty-four.
func TestLinear(t *testing.T) {
	const size, times, most = 1 << 16, 8, 32
	pieces := []string{
		"", "", "[", "{", `{"`, `{"jobs":[`, "{\n\"jobs\":[\n", "{\n\"fio version\" : \"", "[INFO] x\n", `"\`, "2;a;", "3;fio-3.42;a;", "3;fio-3.42;a;0;0\n",
		"1%=1;", ": (groupid=", "a: (groupid=0, jobs=1): err= 0: pid=1\n", "  read: IOPS=1, BW=1B/s (1B/s)(1B/1msec)\n", "     | 1.00th=[1]",
		"\r", "fio: x\n", "{\"jobs\":[{\"jobname\":\"a\"}]}", "{\"jobs\":[{}]}\n", ": (groupid=0, jobs=1): err= 0: pid=1\nRun status group 0\n", "1, 1, 0, 4096\n", ",", "{\"jobs\":[{\"jobname\":\"a\"},\n",
		// Without a closing brace; broken within a document; with a comma too many; with an object that is nothing.
		"[],", `{"jobs":{]`, `{"jobs":` + strings.Repeat("{", maxDepth+1), `{"jobs":[[],`, "{\"jobs\":\n{\n\"jobs\":x",
		"{\"jobs\":[{\"jobname\":\"a\",},{\"ctx\":1}]}\n", "{},", `{"ctx":1,"ctx":2},`,
	}
	var keys, names strings.Builder
	for i := range 10000 { // pieces that are all different, in one object each
		fmt.Fprintf(&keys, `"%d.5":1,`, i)
		fmt.Fprintf(&names, `{"jobname":"%d"},`, i)
	}
	pieces[0] = `{"fio version":"x","cpu_idleness":{` + keys.String() + `"x":1},"disk_util":[{` + keys.String() +
		`"x":1}],"jobs":[{"read":{"clat":{"percentile":{` + keys.String()
	pieces[1] = `{"jobs":[` + names.String()
	for _, piece := range pieces {
		for _, head := range []string{"\n", "\"jobs\":["} {
			texts := make([][]byte, 2)
			for i, size := range []int{size, times * size} {
				texts[i] = []byte("3;fio-3.42;a\n{\n  \"fio version\" : \"fio-3.42\"," + head + strings.Repeat(piece, max(1, size/len(piece))))
			}
			if len(piece) > size {
				texts[0] = texts[0][:len(texts[0])/times]
			}
			for _, text := range texts {
				checkSound(t, text, parseStream(t, ktstr.Output{Data: text}))
			}
			ratio := corpustest.Growth(t, most,
				func() { parseStream(t, ktstr.Output{Data: texts[0]}) },
				func() { parseStream(t, ktstr.Output{Data: texts[1]}) })
			t.Logf("%5.1f times: %.40q behind %q", ratio, piece, head)
			if ratio > most {
				t.Errorf("%.40q behind %q: %d times the text takes %.0f times as long, want about %d", piece, head, times, ratio, times)
			}
		}
	}
}

// What a job is called stands in the names of all its metrics, and in what is
// said about it: a text of a few megabytes must not become gigabytes of them.
func TestLongNames(t *testing.T) {
	long := strings.Repeat("a", 1<<20)
	var jobs, counters []string
	for i := range 400 {
		jobs = append(jobs, jobOf(fmt.Sprint(i), "1"))
		counters = append(counters, fmt.Sprintf(`"%d": 1`, i))
	}
	for what, text := range map[string]string{
		"job":         doc(append([]string{jobOf(long, "1")}, jobs...)...),
		"broken job":  doc(append([]string{jobOf(long, `"1"`), strings.Replace(jobOf(long, "1"), "4096", "0", 1)}, jobs...)...),
		"disk":        strings.TrimSuffix(doc(jobs...), "}\n") + `, "disk_util" : [ { "name" : "` + long + `", ` + strings.Join(counters, ", ") + "} ] }\n",
		"its counter": strings.TrimSuffix(doc(jobs...), "}\n") + `, "disk_util" : [ { "name" : "vda", "` + long + `" : "1" } ] }` + "\n",
	} {
		got, x := readText(t, text)
		if _, ok := got["399.read.iops"]; !ok {
			t.Errorf("long name of a %s: the other jobs are lost: %v", what, x.Diagnostics)
		}
		size := 0
		for name := range got {
			size += len(name)
		}
		if size > maxNames {
			t.Errorf("long name of a %s: %d bytes of names, want at most %d", what, size, maxNames)
		}
		if what == "disk" {
			wantCode(t, x, ktstr.TooMany)
		}
		for _, d := range x.Diagnostics {
			if len(d.Message) > 2000 {
				t.Errorf("long name of a %s: a message of %d bytes", what, len(d.Message))
			}
		}
	}
}

// read returns the metrics of a text by name.
func readText(t *testing.T, text string) (map[string]ktstr.Metric, ktstr.Extraction) {
	t.Helper()
	x := parseStream(t, ktstr.Output{Stream: ktstr.Stdout, Data: []byte(text)})
	checkSound(t, []byte(text), x)
	return index(x), x
}

func TestJSONOddities(t *testing.T) {
	check := func(what, text, name string, want float64, codes ...ktstr.Code) {
		t.Helper()
		got, x := readText(t, text)
		if m, ok := got[name]; !ok || m.Value != want {
			t.Errorf("%s: %s = %v (%v), want %v; %v", what, name, m.Value, ok, want, x.Diagnostics)
		}
		for _, code := range codes {
			wantCode(t, x, code)
		}
		if len(codes) == 0 && len(x.Diagnostics) > 0 {
			t.Errorf("%s: %v", what, x.Diagnostics)
		}
	}
	one := doc(jobOf("a", "7.5"))
	check("plain", one, "a.read.iops", 7.5)
	check("text around", "note: x {y} [z]\n"+one+"done { \"x\" }\n", "a.read.iops", 7.5)
	check("on one line", strings.Join(strings.Fields(one), " "), "a.read.iops", 7.5)
	check("CRLF", strings.ReplaceAll(one, "\n", "\r\n"), "a.read.iops", 7.5)
	check("prefixed by a brace", "{ {\n"+one, "a.read.iops", 7.5)
	check("sorted keys", `{"disk_util":[],"fio version":"fio-3.42","jobs":[`+jobOf("a", "7.5")+`]}`, "a.read.iops", 7.5)
	check("raw TAB and newline", doc(jobOf("a\tb\nc", "7.5")), "a_b_c.read.iops", 7.5)
	check("escapes", doc(jobOf(`a\"b\\c\u00e9\ud83d\ude00`, "7.5")), `a"b\cé😀.read.iops`, 7.5)
	check("no name", doc(jobOf("", "7.5")), "job.read.iops", 7.5)
	check("dots", doc(jobOf("a.b c", "7.5")), "a_b_c.read.iops", 7.5)
	check("not UTF-8", doc(jobOf("a\xffb", "7.5")), "a�b.read.iops", 7.5)
	check("last document", one+doc(jobOf("a", "8.5")), "a.read.iops", 8.5, ktstr.SeveralReports)
	check("last one is cut", one+doc(jobOf("a", "8.5"))[:150], "a.read.iops", 7.5, ktstr.SeveralReports, ktstr.Truncated)
	check("first one is cut in a string", one[:70]+"\n"+doc(jobOf("a", "8.5")), "a.read.iops", 8.5, ktstr.SeveralReports)
	check("job is complete", strings.TrimSuffix(one, "\n  ]\n}\n"), "a.read.iops", 7.5, ktstr.Truncated)
	check("repeated key", strings.Replace(one, `"iops"`, `"iops" : 7.5, "iops"`, 1), "a.read.iops", 7.5, ktstr.Duplicate)
	check("clone", doc(jobOf("a", "1"), jobOf("a", "2"), jobOf("a", "3")), "a~3.read.iops", 3)
	check("clone of a name that is taken", doc(jobOf("a", "1"), jobOf("a~2", "2"), jobOf("a", "3")), "a~2~2.read.iops", 3)
	check("same after cleaning", doc(jobOf("a b", "1"), jobOf("a.b", "2")), "a_b~2.read.iops", 2)
	check("idle clone counts", doc(jobOf("a", "1"), strings.Replace(jobOf("a", "2"), "4096", "0", 1), jobOf("a", "3")), "a~3.read.iops", 3, ktstr.NotMeasured)
	check("inexact", doc(jobOf("a", "9007199254740993")), "a.read.iops", 9007199254740992, ktstr.Inexact)
	check("not finite", doc(jobOf("a", "-nan")), "a.read.bw", 4096, ktstr.NotFinite, ktstr.MissingHeadline)
	check("too large", doc(jobOf("a", "1e400")), "a.read.bw", 4096, ktstr.NotFinite)
	check("junk for a number", doc(jobOf("a", "0x10")), "a.read.bw", 4096, ktstr.Malformed)
	check("leading zero", doc(jobOf("a", "01")), "a.read.bw", 4096, ktstr.Malformed)
	check("string for a number", doc(jobOf("a", `"1"`)), "a.read.bw", 4096, ktstr.Malformed)
	check("failed job", doc(jobOf("a", "1"), strings.Replace(jobOf("b", "2"), `"error" : 0`, `"error" : 5`, 1)), "b.error", 5, ktstr.ToolFailed)
	check("several versions", strings.Replace(one, "3.42", "3.50", 1), "a.read.iops", 7.5, ktstr.UnsupportedVersion)

	if got, _ := readText(t, doc(jobOf("a", "1"), strings.Replace(jobOf("b", "2"), `"error" : 0`, `"error" : 5`, 1))); got["b.read.iops"].Line != 0 {
		t.Error("a failed job has iops")
	}
	if got, x := readText(t, doc(strings.Replace(jobOf("a", "1"), "4096", "0", 1))); len(got) != 0 {
		t.Errorf("a job without I/O gives %v; %v", got, x.Diagnostics)
	}
}

func TestVersionDiagnostics(t *testing.T) {
	for version, want := range map[string]string{
		"fio-3.42":                "",
		"fio-2.21-dirty":          "",
		"fio-3.50":                "fio 3.50 is newer than any this plugin was proven on (3.42)",
		"fio-4.0":                 "fio 4.0 is newer than any this plugin was proven on (3.42)",
		"fio-2.2.10":              "fio 2.2.10 is older than any this plugin was proven on (2.21)",
		"fio-3.28":                "fio 3.28 lies between the versions this plugin was proven on (2.21, 3.16, 3.33, 3.42)",
		"fio-3.42-15-gabcdef":     "fio 3.42-15-gabcdef lies between the versions this plugin was proven on (2.21, 3.16, 3.33, 3.42)",
		"flexible I/O tester one": `fio version "flexible I/O tester one" is not one this plugin was proven on (2.21, 3.16, 3.33, 3.42)`,
	} {
		d, _ := parseVersion(version).check(1)
		if d.Message != want {
			t.Errorf("%s: got %q, want %q", version, d.Message, want)
		}
	}
}

func TestPercentileName(t *testing.T) {
	for text, want := range map[string]string{
		"99.900000": "p99_9", "99.99": "p99_99", "1.000000": "p1", "50.0": "p50", "50": "p50", "100.000000": "p100", "0.5": "p0_5",
		"25.0": "p25", "99.999000": "p99_999", "05.0": "p5", "0.00": "", "0": "", "": "", ".5": "", "-1": "", "1e2": "", "1.2.3": "", "x": "", "5.": "p5",
	} {
		got, ok := percentileName([]byte(text))
		if got != want || ok != (want != "") {
			t.Errorf("%q: got %q (%v), want %q", text, got, ok, want)
		}
	}
}

// Numbers are read as strconv reads them, and refused as encoding/json does.
func TestNumbers(t *testing.T) {
	tokens := []string{
		"0", "-0", "1", "10", "123456789012345", "1234567890123456", "9007199254740992", "-9007199254740992", "18446744073709551615",
		"0.1", "1.5e3", "1E-7", "1e+20", "5e-324", "1.7976931348623157e308", "0.000000", "118142.999999", "3744914.285714", "2.2250738585072011e-308",
		"", "-", "01", "-01", "1.", ".5", "1e", "1e+", "+1", "0x10", "1_0", " 1", "1 ", "١", "--1", "1.2.3", "Infinity",
	}
	for _, token := range tokens {
		got, err := parseNumber(token)
		var want float64
		jsonErr := json.Unmarshal([]byte(token), &want)
		if strings.TrimSpace(token) != token {
			jsonErr = strconv.ErrSyntax
		}
		if (err == nil || err == errInexact) != (jsonErr == nil) {
			t.Errorf("%q: %v, encoding/json says %v", token, err, jsonErr)
		} else if jsonErr == nil && got != want {
			t.Errorf("%q: got %v, want %v", token, got, want)
		}
	}
	for text, want := range map[string]float64{"4238.6k": 4238600, "23.6k": 23600, "1710.0k": 1710000, "12M": 12e6, "7": 7, "1.001k": 1001} {
		if got, ok := scaled(text); !ok || got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
	for _, text := range []string{"", "k", "1e3", "1e3k", "1kk", "-", "1.k"} {
		if got, ok := scaled(text); ok {
			t.Errorf("%q: got %v, want none", text, got)
		}
	}
}

func FuzzUnescape(f *testing.F) {
	f.Add(`a\"b`)
	f.Add(`\ud83d\ude00\ud800\u12`)
	f.Fuzz(func(t *testing.T, raw string) {
		var want string
		if json.Unmarshal([]byte(`"`+raw+`"`), &want) != nil {
			return // a wider grammar than RFC 8259
		}
		if got := strings.ToValidUTF8(unescape([]byte(raw)), "�"); got != want && strings.ToValidUTF8(want, "�") != got {
			if !strings.Contains(want, "�") { // runs of bad bytes are replaced one by one there
				t.Errorf("%q: got %q, want %q", raw, got, want)
			}
		}
	})
}
