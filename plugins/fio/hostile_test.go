package fio

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/jsonscan"
	"github.com/ktstr/ktstr/plugins/internal/corpustest"
)

// hostileTexts are texts that no real run printed and that a parser must survive.
var hostileTexts = []string{
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

func TestHostileTexts(t *testing.T) {
	for _, text := range hostileTexts {
		checkSound(t, []byte(text), parseStream(t, ktstr.Output{Data: []byte(text)}))
	}
}

// What looks like the beginning of something, many times over, takes time in
// proportion to its length: eight times the text costs about eight times as
// much, where a quadratic reader takes sixty-four.
func TestLinear(t *testing.T) {
	const size, times, most = 1 << 15, 8, 32
	pieces := []string{
		"", "", "[", "{", `{"`, `{"jobs":[`, "{\n\"jobs\":[\n", "{\n\"fio version\" : \"", "[INFO] x\n", `"\`, "2;a;", "3;fio-3.42;a;", "3;fio-3.42;a;0;0\n",
		"1%=1;", ": (groupid=", "a: (groupid=0, jobs=1): err= 0: pid=1\n", "  read: IOPS=1, BW=1B/s (1B/s)(1B/1msec)\n", "     | 1.00th=[1]",
		"\r", "fio: x\n", "{\"jobs\":[{\"jobname\":\"a\"}]}", "{\"jobs\":[{}]}\n", ": (groupid=0, jobs=1): err= 0: pid=1\nRun status group 0\n", "1, 1, 0, 4096\n", ",", "{\"jobs\":[{\"jobname\":\"a\"},\n",
		// Without a closing brace; broken within a document; with a comma too many; with an object that is nothing.
		"[],", `{"jobs":{]`, `{"jobs":` + strings.Repeat("{", jsonscan.MaxDepth+1), `{"jobs":[[],`, "{\"jobs\":\n{\n\"jobs\":x",
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
