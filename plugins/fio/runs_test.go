package fio

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ktstr/ktstr"
)

// normalJob is one job of the normal format.
func normalJob(name, pid, direction string) string {
	return name + ": (groupid=0, jobs=1): err= 0: pid=" + pid + ": Mon Jun 12 05:58:37 2023\n  " + direction + `
    clat (usec): min=1, max=9, avg= 2.00, stdev= 1.00
  cpu          : usr=1.00%, sys=2.00%, ctx=100, majf=0, minf=9
     issued rwts: total=100,0,0,0 short=0,0,0,0 dropped=0,0,0,0
     latency   : target=0, window=0, percentile=100.00%, depth=1
`
}

func normalReport(jobs ...string) string {
	return strings.Join(jobs, "") + "\nRun status group 0 (all jobs):\n   READ: bw=400KiB/s (410kB/s)\n"
}

func banner(name string) string {
	return name + ": (g=0): rw=read, bs=(R) 4096B-4096B\nfio-3.33\nStarting 1 process\n\n"
}

func readRate(iops int) string {
	return fmt.Sprintf("read: IOPS=%d, BW=400KiB/s (410kB/s)(400KiB/1000msec)", iops)
}

// timed is a document of a run that started at a second, with a job of some iops.
func timed(name string, timestamp, elapsed, bytes int, iops string) string {
	return fmt.Sprintf(`{
  "fio version" : "fio-3.33",
  "timestamp" : %d,
  "jobs" : [
    { "jobname" : %q, "elapsed" : %d, "error" : 0, "read" : { "io_bytes" : %d, "bw_bytes" : 4096, "iops" : %s, "runtime" : %d, "total_ios" : 1 } }
  ]
}
`, timestamp, name, elapsed, bytes, iops, 1000*elapsed)
}

// Different runs in one text are several sets of jobs. Reports at intervals of
// one run are not.
func TestRuns(t *testing.T) {
	check := func(what, text string, want map[string]float64, absent ...string) {
		t.Helper()
		got, x := readText(t, text)
		for name, value := range want {
			if m, ok := got[name]; !ok || m.Value != value {
				t.Errorf("%s: %s = %v (%v), want %v; %v", what, name, m.Value, ok, value, x.Diagnostics)
			}
		}
		for _, name := range absent {
			if _, ok := got[name]; ok {
				t.Errorf("%s: %s is there; %v", what, name, x.Diagnostics)
			}
		}
	}
	check("normal, two names", banner("a")+normalReport(normalJob("a", "1", readRate(100)))+banner("b")+normalReport(normalJob("b", "2", readRate(200))),
		map[string]float64{"a.read.iops": 100, "b.read.iops": 200})
	check("normal, one name", banner("a")+normalReport(normalJob("a", "1", readRate(100)))+banner("a")+normalReport(normalJob("a", "2", readRate(200))),
		map[string]float64{"a.read.iops": 100, "a~2.read.iops": 200})
	check("normal, at intervals", banner("a")+normalReport(normalJob("a", "1", readRate(100)))+normalReport(normalJob("a", "1", readRate(200))),
		map[string]float64{"a.read.iops": 200}, "a~2.read.iops")
	check("normal without banners, two processes", normalReport(normalJob("a", "1", readRate(100)))+normalReport(normalJob("a", "2", readRate(200))),
		map[string]float64{"a.read.iops": 100, "a~2.read.iops": 200})
	check("JSON, two names", timed("a", 1000, 2, 4096, "100")+timed("b", 1010, 2, 4096, "200"),
		map[string]float64{"a.read.iops": 100, "b.read.iops": 200})
	check("JSON, one name at two times", timed("a", 1000, 2, 4096, "100")+timed("a", 1010, 2, 4096, "200"),
		map[string]float64{"a.read.iops": 100, "a~2.read.iops": 200})
	check("JSON, at intervals", timed("a", 1000, 2, 4096, "100")+timed("a", 1010, 12, 8192, "200"),
		map[string]float64{"a.read.iops": 200}, "a~2.read.iops")
	check("JSON, less work than before", timed("a", 1000, 2, 8192, "100")+timed("a", 1000, 2, 4096, "200"),
		map[string]float64{"a.read.iops": 100, "a~2.read.iops": 200})
	check("JSON and normal of two runs", timed("a", 1000, 2, 4096, "100")+banner("b")+normalReport(normalJob("b", "2", readRate(200))),
		map[string]float64{"a.read.iops": 100, "b.read.iops": 200})
	check("JSON and normal of one run", timed("a", 1000, 2, 4096, "100")+normalReport(normalJob("a", "2", readRate(101))),
		map[string]float64{"a.read.iops": 100}, "a~2.read.iops")
	check("the second run is cut off", banner("a")+normalReport(normalJob("a", "1", readRate(100)))+banner("b")+normalJob("b", "2", readRate(200))[:90],
		map[string]float64{"a.read.iops": 100}, "b.read.iops")
	check("one pid for two jobs", normalReport(normalJob("a", "7", readRate(100)), normalJob("b", "7", readRate(200))),
		map[string]float64{"a.read.iops": 100, "b.read.iops": 200})
	check("a disk in both runs", banner("a")+normalReport(normalJob("a", "1", readRate(100)))+"\nDisk stats (read/write):\n  vda: ios=1/2, util=3.00%\n"+
		banner("a")+normalReport(normalJob("a", "2", readRate(200)))+"\nDisk stats (read/write):\n  vda: ios=3/4, util=5.00%\n",
		map[string]float64{"disk.vda.read_ios": 1, "disk.vda~2.read_ios": 3})
}

// fio 2.17 to 3.25 shortens some numbers wrongly. The number next to them, or
// the count and the time, is taken then.
func TestShortenedRates(t *testing.T) {
	type metric struct {
		value float64
		unit  string
	}
	check := func(version, direction, issued, name string, want metric, codes ...ktstr.Code) {
		t.Helper()
		job := normalJob("a", "1", direction)
		if issued != "" {
			job = strings.Replace(job, "total=100,0,0,0", "total="+issued+",0,0,0", 1)
		}
		got, x := readText(t, strings.Replace(banner("a"), "3.33", version, 1)+normalReport(job))
		if m := got[name]; m.Value != want.value || m.Unit != want.unit {
			t.Errorf("%s: %s = %v %s, want %v; %v", direction, name, m.Value, m.Unit, want, x.Diagnostics)
		}
		for _, code := range codes {
			wantCode(t, x, code)
		}
	}
	const wrong = "read: IOPS=11.0k, BW=11.0MiB/s (12.6MB/s)(36.0MiB/3001msec)"
	check("3.13", wrong, "35936", "a.read.iops", metric{11974.675108, "iops"}, ktstr.Malformed)
	check("3.13", wrong, "35936", "a.read.bw", metric{12.6, "MB/s"}, ktstr.Malformed)
	check("3.26", wrong, "35936", "a.read.bw", metric{11, "MiB/s"})
	right := "read: IOPS=12.0k, BW=46.9MiB/s (49.2MB/s)(141MiB/3001msec)"
	check("3.13", right, "36012", "a.read.iops", metric{12000, "iops"})
	check("3.13", right, "36012", "a.read.bw", metric{46.9, "MiB/s"})
	check("3.13", "read: IOPS=3000, BW=12.0MiB/s (12.6MB/s)(36.0MiB/3001msec)", "9003", "a.read.bw", metric{12, "MiB/s"})
	// 23.99 MiB in 1 s: the amount lost its carry.
	check("3.13", "read: IOPS=6141, BW=23.9MiB/s (25.2MB/s)(23.0MiB/1001msec)", "6147", "a.read.io_bytes", metric{}, ktstr.Malformed)
	check("3.13", "read: IOPS=6141, BW=23.9MiB/s (25.2MB/s)(23.9MiB/1001msec)", "6147", "a.read.io_bytes", metric{23.9, "MiB"})
}

// Text in which something is glued to a name, and labels that lost their digits.
func TestLabels(t *testing.T) {
	for _, progress := range []string{"Jobs: 1 (f=1): [R(1)][50.0%][r=1MiB/s][eta 00m:01s]", "Jobs: 1 (f=1)", "Jobs: 2 (f=2): [R(2)][eta 00m:02s]Jobs: 1 (f=1): [_(1),R(1)][eta 00m:00s]"} {
		got, x := readText(t, banner("a")+progress+normalReport(normalJob("a", "1", readRate(100))))
		if got["a.read.iops"].Value != 100 {
			t.Errorf("%s: %v; %v", progress, got, x.Diagnostics)
		}
	}
	rounded := strings.Replace(normalJob("a", "1", readRate(100)), "  cpu ",
		"    clat percentiles (usec):\n     |  50th=[    1], 100th=[    2], 100th=[    3]\n  cpu ", 1)
	exact := strings.NewReplacer("a: (", "b: (", " 50th", "50.00th", "100th=[    2]", "99.60th=[    4]", "100th=[    3]", "99.90th=[    5]").Replace(rounded)
	got, x := readText(t, normalReport(exact, rounded))
	for name, want := range map[string]float64{"a.read.clat.p50": 1, "a.read.clat.p99_6": 2, "a.read.clat.p99_9": 3, "b.read.clat.p99_6": 4} {
		if got[name].Value != want {
			t.Errorf("%s = %v, want %v; %v", name, got[name].Value, want, x.Diagnostics)
		}
	}
	got, x = readText(t, normalReport(rounded))
	if _, ok := got["a.read.clat.p100"]; ok {
		t.Error("a rounded label is taken as it is")
	}
	wantCode(t, x, ktstr.Malformed)
}
