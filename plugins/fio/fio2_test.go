package fio

import (
	"strings"
	"testing"

	"github.com/ktstr/ktstr"
)

// oldText is in the wording of fio up to 2.16, of which the corpus has none:
// amounts first, "KB" for 1024 bytes, counts by letters.
const oldText = `rw-old: (g=0): rw=randrw, bs=4K-4K/4K-4K/4K-4K, ioengine=psync, iodepth=1
fio-2.2.10
Starting 1 process
Jobs: 1 (f=1): [m(1)] [100.0% done] [8000KB/2000KB/0KB /s] [2000/500/0 iops] [eta 00m:00s]
rw-old: (groupid=0, jobs=1): err= 0: pid=77: Mon Jan  4 10:00:00 2016
  read : io=30720KB, bw=7678.1KB/s, iops=1919, runt=  4001msec
    clat (usec): min=101, max=1203.4K, avg=410.51, stdev=99.02
     lat (usec): min=102, max=1203.4K, avg=410.77, stdev=99.11
    clat percentiles (usec):
     |  1.00th=[  120],  5.00th=[  133], 99.50th=[ 2040], 99.99th=[12345]
    bw (KB  /s): min= 6100, max= 8200, per=100.00%, avg=7600.12, stdev=555.50
  write: io=7.5MB, bw=1.9MB/s, iops=1.2K, runt=  4001msec
    clat (msec): min=1, max=7, avg= 2.50, stdev= 1.25
     lat (msec): min=1, max=8, avg= 2.75, stdev= 1.50
    clat percentiles (msec):
     |  1.00th=[    2], 99.99th=[    7]
    bw (MB  /s): min=    1, max=    2, per=99.00%, avg= 1.90, stdev= 0.10
    lat (usec) : 250=50.00%, 500=30.00%
    lat (msec) : 2=10.00%, 4=10.00%
  cpu          : usr=1.25%, sys=7.50%, ctx=9600, majf=0, minf=31
  IO depths    : 1=100.0%, 2=0.0%, 4=0.0%, 8=0.0%, 16=0.0%, 32=0.0%, >=64=0.0%
     submit    : 0=0.0%, 4=100.0%, 8=0.0%, 16=0.0%, 32=0.0%, 64=0.0%, >=64=0.0%
     complete  : 0=0.0%, 4=100.0%, 8=0.0%, 16=0.0%, 32=0.0%, 64=0.0%, >=64=0.0%
     issued    : total=r=7680/w=1920/d=0, short=r=1/w=2/d=0, drop=r=3/w=4/d=0
     latency   : target=0, window=0, percentile=100.00%, depth=1

Run status group 0 (all jobs):
   READ: io=30720KB, aggrb=7678KB/s, minb=7678KB/s, maxb=7678KB/s, mint=4001msec, maxt=4001msec
  WRITE: io=7680KB, aggrb=1919KB/s, minb=1919KB/s, maxb=1919KB/s, mint=4001msec, maxt=4001msec

Disk stats (read/write):
    dm-2: ios=10/20, merge=0/0, ticks=30/40, in_queue=70, util=98.44%, aggrios=5/6, aggrmerge=1/2, aggrticks=7/8, aggrin_queue=15, aggrutil=98.48%
  sda: ios=5/6, merge=1/2, ticks=7/8, in_queue=15, util=98.48%
`

func TestOldText(t *testing.T) {
	got, x := readText(t, oldText)
	for name, want := range map[string]ktstr.Metric{
		"rw-old.read.iops":            {Value: 1919, Unit: "iops"},
		"rw-old.read.bw":              {Value: 7678.1, Unit: "KiB/s"},
		"rw-old.read.io_bytes":        {Value: 30720, Unit: "KiB"},
		"rw-old.read.runtime":         {Value: 4001, Unit: "ms"},
		"rw-old.read.clat.max":        {Value: 1203400, Unit: "us"},
		"rw-old.read.clat.mean":       {Value: 410.51, Unit: "us"},
		"rw-old.read.clat.p99_5":      {Value: 2040, Unit: "us"},
		"rw-old.read.bw.mean":         {Value: 7600.12, Unit: "KiB/s"},
		"rw-old.read.total_ios":       {Value: 7680, Unit: "count"},
		"rw-old.read.drop_ios":        {Value: 3, Unit: "count"},
		"rw-old.write.iops":           {Value: 1200, Unit: "iops"},
		"rw-old.write.bw":             {Value: 1.9, Unit: "MiB/s"},
		"rw-old.write.io_bytes":       {Value: 7.5, Unit: "MiB"},
		"rw-old.write.clat.p99_99":    {Value: 7, Unit: "ms"},
		"rw-old.write.bw.dev":         {Value: 0.1, Unit: "MiB/s"},
		"rw-old.write.short_ios":      {Value: 2, Unit: "count"},
		"rw-old.cpu.sys":              {Value: 7.5, Unit: "%"},
		"rw-old.latency_depth":        {Value: 1},
		"disk.dm-2.util":              {Value: 98.44, Unit: "%"},
		"disk.dm-2.aggr_read_ios":     {Value: 5, Unit: "count"},
		"disk.dm-2.aggr_write_merges": {Value: 2, Unit: "count"},
		"disk.dm-2.aggr_in_queue":     {Value: 15, Unit: "ms"},
		"disk.dm-2.aggr_util":         {Value: 98.48, Unit: "%"},
		"disk.sda.write_ticks":        {Value: 8, Unit: "ms"},
	} {
		if m := got[name]; m.Value != want.Value || m.Unit != want.Unit || m.Line == 0 {
			t.Errorf("%s = %v %s, want %v %s", name, m.Value, m.Unit, want.Value, want.Unit)
		}
	}
	wantCode(t, x, ktstr.UnsupportedVersion)
	if len(x.Diagnostics) != 1 {
		t.Errorf("%v", x.Diagnostics)
	}
}

// Units and members of JSON that changed with the version.
func TestOldJSON(t *testing.T) {
	const job = `", "jobs" : [ { "jobname" : "a", "groupid" : 0, "error" : 0, "read" : { "io_bytes" : 7116, "bw" : 275, "iops" : 68.99,
"runtime" : 25788, "total_ios" : 1779, "FAMILY" : { "min" : 53, "max" : 6329, "mean" : 255.34, "stddev" : 94.40,
"percentile" : { "99.900000" : 812, "0.00" : 0, "0.00" : 0 } } }, "usr_cpu" : 1.5 } ] }`
	for _, c := range []struct{ version, family, bytes, latency string }{
		{"fio-2.1.11", "clat", "KiB", "us"},
		{"fio-2.2.10", "clat", "KiB", "us"},
		{"fio-2.20", "clat", "KiB", "us"},
		{"fio-2.21", "clat", "B", "us"},
		{"fio-3.1", "clat_ns", "B", "ns"},
	} {
		text := `{ "fio version" : "` + c.version + replaceFamily(job, c.family)
		got, _ := readText(t, text)
		for name, want := range map[string]ktstr.Metric{
			"a.read.io_bytes":   {Value: 7116, Unit: c.bytes},
			"a.read.bw":         {Value: 275, Unit: "KiB/s"},
			"a.read.iops":       {Value: 68.99, Unit: "iops"},
			"a.read.clat.p99_9": {Value: 812, Unit: c.latency},
			"a.read.clat.mean":  {Value: 255.34, Unit: c.latency},
			"a.cpu.usr":         {Value: 1.5, Unit: "%"},
		} {
			if m := got[name]; m.Value != want.Value || m.Unit != want.Unit {
				t.Errorf("%s: %s = %v %s, want %v %s", c.version, name, m.Value, m.Unit, want.Value, want.Unit)
			}
		}
		if _, ok := got["a.read.clat.p0"]; ok {
			t.Errorf("%s: a filler became a percentile", c.version)
		}
	}
	// From 3.2 on, "bw" is only the floor of "bw_bytes".
	got, x := readText(t, `{ "fio version" : "fio-3.33`+replaceFamily(job, "clat_ns"))
	if _, ok := got["a.read.bw"]; ok {
		t.Error("bw without bw_bytes became a metric")
	}
	wantCode(t, x, ktstr.MissingHeadline)
}

func replaceFamily(text, family string) string { return strings.Replace(text, "FAMILY", family, 1) }
