package lines

import "testing"

// Each line is one of a real capture of the tool.
//
// C44
func TestMatchReadsLinesOfRealTools(t *testing.T) {
	for _, c := range []struct{ tool, line, pattern, want string }{
		{"sysbench", "         95th percentile:                        0.24", "{*}th percentile: {latency.p*:ms}", "latency.p95=0.24 ms"},
		{"sysbench", "    events (avg/stddev):           4479.0000/0.00", "events (avg/stddev): {mean:events}/{stddev:events}", "mean=4479 events; stddev=0 events"},
		{"iperf3", "[  5]   0.00-2.00   sec  5.54 GBytes  23.8 Gbits/sec   23             sender", "{sent.bytes} {unit} {sent.bw} {unit} {retransmits} sender", "sent.bytes=5.54 GBytes; sent.bw=23.8 Gbits/sec; retransmits=23"},
		{"pgbench", "tps = 1688.836483 (without initial connection time)", "tps = {tps:tx/s}", "tps=1688.836483 tx/s"},
		{"redis-benchmark", "\rSET: rps=0.0 (overall: nan) avg_msec=nan\r          \rSET: 74626.87 requests per second, p50=0.063 msec", "{*}: {*.rps:req/s} requests per second, p50={*.latency.p50} {unit}", "SET.rps=74626.87 req/s; SET.latency.p50=0.063 msec"},
		{"cyclictest", "T: 0 (28364) P: 0 I:1000 C:    300 Min:     35 Act:   64 Avg:   65 Max:     196", "T: {*} (*) P: * Min: {thread.*.min:us} Act: * Avg: {thread.*.mean:us} Max: {thread.*.max:us}", "thread.0.min=35 us; thread.0.mean=65 us; thread.0.max=196 us"},
		{"hackbench", "Time: 0.173", "Time: {time:s}", "time=0.173 s"},
		{"perf bench", "[thread  0] futexes: 0x55f5d5363170 ... 0x55f5d536416c [ 2978816 ops/sec ]", "[thread {*}] futexes: * [ {thread.*.rate} {unit} ]", "thread.0.rate=2.978816e+06 ops/sec"},
		{"perf stat", "          1,234.56 msec task-clock                       #    0.010 CPUs utilized", "{task-clock} msec task-clock", "task-clock=1234.56"},
		{"openssl speed", "sha256         1504268.41k", "sha256 {sha256.bw:B/s}", "sha256.bw=1.50426841e+06 kB/s"},
		{"openssl speed", "dsa 1024 bits 0.000083s 0.000064s  12116.9  15570.9", "dsa {*} bits {dsa*.sign.time} {unit} * {unused}s {dsa*.sign.rate:ops/s}", "dsa1024.sign.time=8.3e-05 s; unused=6.4e-05; dsa1024.sign.rate=12116.9 ops/s"},
		{"wrk", "    Latency   105.75us  194.56us   3.26ms   96.81%", "Latency {mean} {unit} {stddev} {unit} {max} {unit}", "mean=105.75 us; stddev=194.56 us; max=3.26 ms"},
		{"wrk", "    Req/Sec    24.46k     3.51k   29.98k    70.00%", "Req/Sec {rps:req/s}", "rps=24.46 kreq/s"},
		{"ab", "Transfer rate:          5523.78 [Kbytes/sec] received", "Transfer rate: {bw} [{unit}] received", "bw=5523.78 Kbytes/sec"},
		{"h2load", "finished in 35.84ms, 27899.45 req/s, 19.61MB/s", "finished in {time} {unit}, {rps} {unit}, {bw} {unit}", "time=35.84 ms; rps=27899.45 req/s; bw=19.61 MB/s"},
		{"ioping", "16.3 k requests completed in 941.9 ms, 63.8 MiB read, 17.4 k iops, 67.8 MiB/s", "{n} {unit} completed in * read, {iops} {unit}, {bw} {unit}", "n=16.3 krequests; iops=17.4 kiops; bw=67.8 MiB/s"},
		{"ioping", "min/avg/max/mdev = 480 ns / 1.14 us / 19.5 ms / 31.6 us", "min/avg/max/mdev = {min} {unit} / {mean} {unit} / {max} {unit}", "min=480 ns; mean=1.14 us; max=19.5 ms"},
		{"dbench", "Throughput 257.803 MB/sec  2 clients  2 procs  max_latency=135.681 ms", "Throughput {bw} {unit} * max_latency={latency.max} {unit}", "bw=257.803 MB/sec; latency.max=135.681 ms"},
		{"mbw", "AVG\tMethod: MEMCPY\tElapsed: 0.00127\tMiB: 16.00000\tCopy: 12555.585 MiB/s", "AVG Method: {*:lower} * Copy: {*.bw} {unit}", "memcpy.bw=12555.585 MiB/s"},
		{"sockperf", "sockperf: ---> percentile 99.900 =  610.626", "---> percentile {*} = {latency.p*:us}", "latency.p99_900=610.626 us"},
	} {
		if got := read(t, c.line+"\n", c.pattern); got != c.want {
			t.Errorf("%s: %q on %q:\n got %s\nwant %s", c.tool, c.pattern, c.line, got, c.want)
		}
	}
}
