package plugins_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/plugins/internal/corpustest"
)

// Lines that differ, one more than the other, make no tool slow: eight times as many lines
// take about eight times as long.
func TestToolsStayLinear(t *testing.T) {
	tools := inProcess()
	lines := map[string]string{ // one for each tool, with a number that counts
		"cyclictest":      "T: %d ( 1) P: 0 I:1000 C: 1 Min: 1 Act: 1 Avg: 1 Max: 1\n",
		"dbench":          " Op%d 1 1.0 1.0\nThroughput 1 MB/sec\n",
		"ioping":          "%d requests completed in 1 ms, 4 KiB read, 1 iops, 1 KiB/s\n",
		"openssl-speed":   "+F:1:alg%d:1.0\n",
		"pgbench":         "SQL script %d: x\n - 1 transactions (1%% of total, tps = 1)\nstatement latencies in milliseconds:\n\t1.0 x\ntps = 1 (without initial connection time)\n",
		"redis-benchmark": "t%d: 5.00 requests per second, p50=0.1 msec\n",
		"sysbench":        "sysbench 1.0\n %dth percentile: 1.00\n    transactions: 5 (5.00 per sec.)\n",
	}
	for _, name := range slices.Sorted(maps.Keys(lines)) {
		text := func(n int) []byte {
			var b bytes.Buffer
			for i := range n {
				fmt.Fprintf(&b, lines[name], i)
			}
			return b.Bytes()
		}
		read := func(data []byte) func() {
			return func() {
				if _, err := tools[name].Extract(t.Context(), ktstr.Output{Data: data}); err != nil {
					t.Error(err)
				}
			}
		}
		const n, times, most = 1000, 8, 24
		if ratio := corpustest.Growth(t, most, read(text(n)), read(text(n*times))); ratio > most {
			t.Errorf("%s: %d times the lines take %.0f times as long: want about %d", name, times, ratio, times)
		}
	}
}
