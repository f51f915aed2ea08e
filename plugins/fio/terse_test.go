package fio

import (
	"os"
	"strings"
	"testing"

	"github.com/ktstr/ktstr"
)

func terseCapture(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name + "/stdout")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A line that cannot be read says why. Only one without its end is cut off.
func TestTerseFaults(t *testing.T) {
	good := strings.SplitN(terseCapture(t, "field/terse-one-nosize-nan"), "\n", 2)[0] + "\n"
	check := func(what, text string, code ktstr.Code, message string) {
		t.Helper()
		x := parseStream(t, ktstr.Output{Data: []byte(text)})
		for _, d := range x.Diagnostics {
			if d.Code == code && strings.Contains(d.Message, message) {
				return
			}
		}
		t.Errorf("%s: got %v, want %s %q", what, x.Diagnostics, code, message)
	}
	check("fewer fields", good+strings.Join(strings.Split(good, ";")[:70], ";")+"\n", ktstr.Malformed, "70 fields, want at least")
	check("a word for a share", strings.Replace(good, "99.90%", "many%", 1), ktstr.Malformed, `"many%" where a share in % stands`)
	check("a word for a count", strings.Replace(good, ";1;0;8;100.0%", ";1;x;8;100.0%", 1), ktstr.Malformed, `"x" where a count stands`)
	check("the end is missing", good+good[:200], ktstr.Truncated, "cut off")

	// An empty histogram does not lose the line, nor does a failed job the good one.
	nan := strings.Replace(good, "99.90%", "-nan%", 1)
	got, x := readText(t, nan)
	if got["good.read.iops"].Value != 1024000 || len(x.Diagnostics) > 0 {
		t.Errorf("%v; %v", got["good.read.iops"], x.Diagnostics)
	}
}

// Two runs in one log, each with reports at intervals.
func TestTerseRuns(t *testing.T) {
	one := terseCapture(t, "field/terse-interval-stonewall-nan")
	two := strings.ReplaceAll(strings.ReplaceAll(one, ";a;", ";c;"), ";b;", ";d;")
	got, x := readText(t, banner("a")+one+banner("c")+two)
	for name, want := range map[string]float64{"a.read.iops": 998, "b.write.iops": 1000, "c.read.iops": 998, "d.write.iops": 1000} {
		if got[name].Value != want {
			t.Errorf("%s = %v, want %v; %v", name, got[name].Value, want, x.Diagnostics)
		}
	}
	for name := range got {
		if strings.Contains(name, "~") {
			t.Errorf("%s is a job of an interim line", name)
		}
	}
	// The reports are not in order: the last line of each job counts.
	lines := strings.SplitAfter(one, "\n")
	got, x = readText(t, lines[0]+lines[2]+lines[1]+lines[3]+lines[4]+lines[7])
	for name := range got {
		if strings.Contains(name, "~") {
			t.Errorf("%s is a job of an interim line; %v", name, x.Diagnostics)
			break
		}
	}
}

// The command line says what the percentiles and rows of a line are.
func TestTerseOptions(t *testing.T) {
	lat := terseCapture(t, "field/lat-percentiles-terse")
	for _, c := range []struct {
		argv   []string
		family string
	}{
		{nil, ""},
		{[]string{"fio", "job.fio"}, ""},
		{[]string{"fio", "--lat_percentiles=1"}, "lat"},
		{[]string{"fio", "--name=a", "--minimal=1"}, "clat"},
	} {
		got := index(parseStream(t, ktstr.Output{Data: []byte(lat), Argv: c.argv}))
		for _, family := range []string{"lat", "clat"} {
			if _, ok := got["a.read."+family+".p99"]; ok != (family == c.family) {
				t.Errorf("%v: percentiles of %s: %v", c.argv, family, ok)
			}
		}
	}
	unified := terseCapture(t, "field/terse-bw-swapped-uni-3.7")
	for argument, op := range map[string]string{"--unified_rw_reporting=mixed": "mixed", "--unified_rw_reporting=none": "read", "--size=1m": "read"} {
		got := index(parseStream(t, ktstr.Output{Data: []byte(unified), Argv: []string{"fio", argument}}))
		if _, ok := got["a."+op+".iops"]; !ok {
			t.Errorf("%s: no %s", argument, op)
		}
	}
}
