package fio

import (
	"strings"
	"testing"

	"github.com/ktstr/ktstr"
)

// An option of the command line that a job file overrides is reported.
func TestOptionsThatAJobFileOverrides(t *testing.T) {
	document := func(global, first, second string) string {
		job := func(name, options string) string {
			return `{"jobname":"` + name + `","error":0,"job options":{` + options + `},"read":{"io_bytes":4096,"bw_bytes":4096,"iops":1.0,"runtime":1000,"total_ios":1}}`
		}
		return `{"fio version":"fio-3.33","global options":{` + global + `},"jobs":[` + job("a", first) + `,` + job("b", second) + `]}`
	}
	for _, c := range []struct{ name, argv, text, want string }{
		{"the file sets it for all", "fio --iodepth=4 my.fio", document(`"iodepth":"4","iodepth":"32"`, "", ""), "--iodepth=4 of the command line: the job file has iodepth=32"},
		{"each job sets it", "fio --bs=8k my.fio", document(`"bs":"8k"`, `"bs":"4k"`, `"bs":"16k"`), "--bs=8k of the command line: the job file has bs=4k"},
		{"one job uses it", "fio --bs=8k my.fio", document(`"bs":"8k"`, `"bs":"4k"`, ""), ""},
		{"not echoed", "fio --status-interval=1 my.fio", document("", "", ""), ""},
		{"no job file", "fio --name=a --bs=8k --bs=4k", document(`"bs":"4k"`, "", ""), ""},
		{"no command line", "", document(`"bs":"4k"`, "", ""), ""},
	} {
		e, err := New().Extract(t.Context(), ktstr.Output{Data: []byte(c.text), Argv: strings.Fields(c.argv)})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, d := range e.Diagnostics {
			if d.Code == ktstr.IgnoredOption {
				got += d.Message
			}
		}
		if (got != "") != (c.want != "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q: want %q", c.name, got, c.want)
		}
	}
}
