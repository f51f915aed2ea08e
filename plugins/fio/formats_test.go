package fio

import (
	"bytes"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/payload"
	"github.com/ktstr/ktstr/core/unit"
)

// Where one run was reported in several formats, they give the same numbers,
// as far as their digits go.
func TestFormatsAgree(t *testing.T) {
	compared := 0
	for _, c := range captures(t) {
		t.Run(c.name, func(t *testing.T) {
			compared += agree(t, c.streams[0].Data)
		})
	}
	if compared < 300 {
		t.Errorf("%d numbers were compared, want some hundred", compared)
	}
}

// agree compares the last normal and terse reports in a text with its last
// document, and returns how many numbers they share.
func agree(t *testing.T, text []byte) (compared int) {
	t.Helper()
	return agreeWith(t, text, nil)
}

// agreeWith is agree for a run whose command line is known.
func agreeWith(t *testing.T, text []byte, argv []string) (compared int) {
	t.Helper()
	banners := bannerLines(text)
	documents, spans := jsonReports(text, banners, nil)
	terse, normal, _ := textReports(text, spans, banners, argv)
	if len(documents.runs) == 0 {
		return 0
	}
	truth := index(metricsOf(documents.runs[0].last))
	for _, reports := range []series{terse, normal} {
		if len(reports.runs) == 0 {
			continue
		}
		r := reports.runs[0].last
		format := formatNames[r.format]
		if len(reports.runs) != len(documents.runs) || reports.runs[0].count != documents.runs[0].count {
			t.Errorf("%d runs of %s reports, %d of documents; the first has %d and %d", len(reports.runs), format, len(documents.runs), reports.runs[0].count, documents.runs[0].count)
			continue
		}
		x := metricsOf(r)
		ops := map[string]bool{} // per direction, something must be there
		for _, m := range x.Metrics {
			want, ok := truth[m.Name]
			if !ok {
				t.Errorf("%s: %s is not in the document", format, m.Name)
				continue
			}
			if segments := strings.Split(m.Name, "."); len(segments) > 2 {
				ops[segments[0]+"."+segments[1]] = true
			}
			value, err := unit.Convert(want.Value, want.Unit, m.Unit)
			if want.Unit == m.Unit {
				value, err = want.Value, nil
			}
			// Text rounds to three or four digits, or cuts to whole numbers.
			if err != nil || math.Abs(m.Value-value) > max(1.01, 0.006*value) {
				t.Errorf("%s: %s = %v %s, the document says %v %s (%v)", format, m.Name, m.Value, m.Unit, want.Value, want.Unit, err)
			}
			compared++
		}
		for name := range truth {
			segments := strings.Split(name, ".")
			if format == "terse" && len(segments) > 1 && segments[1] == "trim" {
				continue // version 3 has none
			}
			if len(segments) == 3 && segments[2] == "iops" && !ops[segments[0]+"."+segments[1]] {
				t.Errorf("%s: lacks %s", format, name)
			}
		}
	}
	return compared
}

func metricsOf(r *report) ktstr.Extraction {
	var e emitter
	e.report(r)
	e.nameMetrics()
	return e.extraction()
}

// The fio of the distribution, run with the options of each stock payload but
// shorter, gives what the payload's checks ask for, in every format alike.
func TestLive(t *testing.T) {
	binary, err := exec.LookPath("fio")
	if err != nil {
		t.Fatalf("%v: install it with apt-get install fio", err)
	}
	for _, file := range New().Describe().Payloads {
		p, err := payload.Parse(file.Name, file.YAML)
		if err != nil {
			t.Error(err)
			continue
		}
		if p.Name != file.Name || !ktstr.OwnsPayload("fio", p.Name) || p.Extractor != "fio" || p.Install() == "" {
			t.Errorf("payload %+v does not belong here", p)
		}
		if len(p.Variants) > 0 {
			live(t, binary, p, p.Name+"-fallback", p.Variants[len(p.Variants)-1].Args)
		}
		live(t, binary, p, p.Name, p.Args)
	}
}

// live runs fio with args and looks for what p promises.
func live(t *testing.T, binary string, p payload.Payload, name string, args []string) {
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		args := append([]string{}, args...)
		args[0] = "--output-format=json+,normal,terse"
		if p.Name == "fio" {
			args = append(args, "--name=own", "--rw=randrw", "--ioengine=null")
		}
		args = append(args, "--size=4m", "--ramp_time=0", "--runtime=1", "--time_based", "--direct=0")
		cmd := exec.Command(binary, args...)
		cmd.Dir = t.TempDir()
		cmd.Env = append(os.Environ(), "LC_ALL=C")
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		text, err := cmd.Output()
		if err != nil {
			t.Fatalf("fio %s: %v\n%s", strings.Join(args, " "), err, stderr.Bytes())
		}
		if n := agree(t, text); n < 60 {
			t.Errorf("%d numbers were compared", n)
		}
		x := parseStream(t, ktstr.Output{Stream: ktstr.Stdout, Data: text})
		checkSound(t, text, x)
		got := index(x)
		for _, h := range p.Hints {
			found := false
			for name := range got {
				ok, err := filepath.Match(strings.ReplaceAll(h.Name, ".", "/"), strings.ReplaceAll(name, ".", "/"))
				found = found || ok && err == nil
			}
			if !found {
				t.Errorf("no metric %s", h.Name)
			}
		}
		for _, check := range p.Checks {
			if name, ok := strings.CutPrefix(check.String(), "exists "); ok && got[name].Line == 0 {
				t.Errorf("check %q does not hold", check)
			}
		}
	})
}

// optionSets are options with which fio prints its reports differently.
var optionSets = []string{
	"--rw=read", "--rw=write", "--rw=randrw", "--rw=randtrim", "--rw=trimwrite", "--rw=randrw --rwmixread=70",
	"--rw=read --kb_base=1000", "--rw=write --kb_base=1000", "--rw=randrw --kb_base=1000 --unit_base=1",
	"--rw=read --unit_base=1", "--rw=write --unit_base=8", "--rw=randrw --unit_base=1",
	"--rw=randrw --unified_rw_reporting=mixed", "--rw=randrw --unified_rw_reporting=both", "--rw=read --unified_rw_reporting=mixed",
	"--rw=read --lat_percentiles=1", "--rw=randrw --lat_percentiles=1 --clat_percentiles=0", "--rw=read --slat_percentiles=1",
	"--rw=read --percentile_list=50:99", "--rw=read --percentile_list=99.9", "--rw=write --percentile_list=0.5:25:50:75:99.999",
	"--rw=read --disable_clat=1", "--rw=read --disable_lat=1", "--rw=read --disable_slat=1", "--rw=read --gtod_reduce=1", "--rw=read --disable_bw_measurement=1",
	"--rw=read --numjobs=3", "--rw=read --numjobs=3 --group_reporting", "--rw=randrw --numjobs=2 --group_reporting", "--rw=read --numjobs=2 --thread",
	"--rw=read --bs=512", "--rw=read --bs=512 --size=512", "--rw=write --bs=1m", "--rw=randrw --bs=4k,16k", "--rw=randread --bssplit=4k/50:64k/50",
	"--rw=read --iodepth=32", "--rw=read --rate_iops=300 --size=64k", "--rw=write --rate=1m --size=128k", "--rw=read --latency_target=10ms",
	"--rw=read --description=a;b", "--rw=write --zero_buffers", "--rw=read --continue_on_error=all", "--rw=read --idle-prof=percpu",
	"--rw=read --name=b --rw=write", "--rw=read --stonewall --name=b --rw=write --stonewall",
}

// The fio of the distribution prints one run in three formats, with many
// options. The formats give the same numbers, as far as their digits go.
func TestOptionSets(t *testing.T) {
	binary, err := exec.LookPath("fio")
	if err != nil {
		t.Fatalf("%v: install it with apt-get install fio", err)
	}
	for _, options := range optionSets {
		t.Run(options, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"--output-format=json+,normal,terse", "--name=a", "--ioengine=null", "--size=8m"}, strings.Fields(options)...)
			if i := strings.Index(options, "--name=b"); i >= 0 {
				args = append(args, "--ioengine=null", "--size=8m")
			}
			cmd := exec.Command(binary, args...)
			cmd.Dir = t.TempDir()
			cmd.Env = append(os.Environ(), "LC_ALL=C")
			text, err := cmd.Output()
			if err != nil {
				t.Fatalf("fio %s: %v", strings.Join(args, " "), err)
			}
			argv := append([]string{"fio"}, args...)
			if n := agreeWith(t, text, argv); n < 8 {
				t.Errorf("%d numbers were compared", n)
			}
			x := parseStream(t, ktstr.Output{Stream: ktstr.Stdout, Data: text, Argv: argv})
			checkSound(t, text, x)
			for _, d := range x.Diagnostics {
				if d.Code != ktstr.SeveralReports && d.Code != ktstr.UnsupportedVersion && d.Code != ktstr.NotMeasured {
					t.Errorf("%s: %s", d.Code, d.Message)
				}
			}
		})
	}
}
