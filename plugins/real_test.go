package plugins_test

import (
	"os"
	"testing"

	"github.com/ktstr/ktstr"
)

// The installed tools of the distribution, in short runs. Each metric is compared with the
// first group of a regular expression, which reads the same output independently.
func TestRealTools(t *testing.T) {
	for _, c := range []struct {
		tool string
		argv []string
		want map[string]string // metric: expression
	}{
		{"hackbench", []string{"hackbench", "--pipe", "-g", "1", "-l", "10"}, map[string]string{"time": `Time: (\S+)`}},
		{"mbw", []string{"mbw", "-q", "-n", "2", "4"}, map[string]string{
			"memcpy.bw":  `AVG\s+Method: MEMCPY.*Copy: (\S+)`,
			"dumb.bw":    `AVG\s+Method: DUMB.*Copy: (\S+)`,
			"mcblock.bw": `AVG\s+Method: MCBLOCK.*Copy: (\S+)`,
		}},
		{"sysbench", []string{"sysbench", "cpu", "--events=100", "run"}, map[string]string{
			"events.rate": `events per second: *(\S+)`, "latency.mean": `avg: *(\S+)`, "latency.p95": `95th percentile: *(\S+)`,
		}},
		{"sysbench", []string{"sysbench", "memory", "--memory-block-size=1M", "--memory-total-size=64M", "run"}, map[string]string{
			"transfer.rate": `transferred \( *(\S+) MiB/sec`, "operations.rate": `\( *(\S+) per second`,
		}},
		{"cyclictest", []string{"cyclictest", "-q", "-l", "30", "-i", "1000"}, map[string]string{
			"thread.0.latency.mean": `Avg: *(\d+)`, "thread.0.latency.max": `Max: *(\d+)`, "thread.0.samples": `C: *(\d+)`,
		}},
		{"cyclictest", []string{"cyclictest", "-q", "-l", "30", "-i", "1000", "-h", "400"}, map[string]string{
			"thread.0.latency.mean": `Avg Latencies: 0*(\d+)`, "thread.0.latency.max": `Max Latencies: 0*(\d+)`,
		}},
		{"ioping", []string{"ioping", "-c", "4", "-i", "10ms", "DIR"}, map[string]string{
			"iops": `read, (\S+) `, "latency.mean": `mdev = \S+ \S+ / (\S+)`, "requests": `(\d+) requests completed`,
		}},
		{"ioping", []string{"ioping", "-J", "-c", "4", "-i", "10ms", "DIR"}, map[string]string{
			"iops": `(?s).*"stat".*?"iops": ([\d.]+)`, "latency.max": `(?s).*"stat".*?"max": (\d+)`,
		}},
		{"openssl-speed", []string{"openssl", "speed", "-seconds", "1", "-bytes", "64", "-mr", "-evp", "sha256"}, map[string]string{
			"sha256.64.bw": `\+F:\d+:sha256:(\S+)`,
		}},
		{"dbench", []string{"dbench", "-t", "2", "-D", "DIR", "1"}, map[string]string{
			"bw": `Throughput (\S+)`, "latency.max": `max_latency=(\S+)`, "op.WriteX.count": `WriteX +(\d+)`,
		}},
	} {
		t.Run(c.argv[0]+" "+c.argv[1], func(t *testing.T) {
			t.Parallel()
			if c.tool == "cyclictest" && os.Geteuid() != 0 {
				t.Skip("cyclictest takes root, or a limit RLIMIT_RTPRIO")
			}
			for i, arg := range c.argv {
				if arg == "DIR" {
					c.argv[i] = t.TempDir()
				}
			}
			realRun(t, c.tool, ktstr.Stdout, c.want, c.argv...)
		})
	}
}
