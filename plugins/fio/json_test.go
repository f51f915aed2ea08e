package fio

import (
	"strings"
	"testing"

	"github.com/ktstr/ktstr"
)

// doc is the smallest document with a job of that name.
func doc(jobs ...string) string {
	return "{\n  \"fio version\" : \"fio-3.42\",\n  \"jobs\" : [\n" + strings.Join(jobs, ",\n") + "\n  ]\n}\n"
}

func jobOf(name, iops string) string {
	return `    { "jobname" : "` + name + `", "error" : 0, "read" : { "io_bytes" : 4096, "bw_bytes" : 4096, "iops" : ` + iops + `, "total_ios" : 1 } }`
}

// readText returns the metrics of a text by name.
func readText(t *testing.T, text string) (map[string]ktstr.Metric, ktstr.Extraction) {
	t.Helper()
	x := parseStream(t, ktstr.Output{Stream: ktstr.Stdout, Data: []byte(text)})
	checkSound(t, []byte(text), x)
	return index(x), x
}

func TestJSON(t *testing.T) {
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
