// Command ktstr-plugin-sysbench reads the output of sysbench 1.0.
package main

import (
	"embed"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/sdk"
)

//go:embed payloads
var payloads embed.FS

// Each kind of test prints one of these lines.
const (
	anyTest    = `^Threads started!`
	cpuTest    = `^Prime numbers limit:`
	memoryTest = `^Running memory speed test`
	fileTest   = `^\d+ files, `
	latencies  = `^Latency \(ms\):`
)

func sysbench() ktstr.Parser {
	return sdk.Lines{
		Description: ktstr.Description{
			Name:     "sysbench",
			Version:  "1.0.0",
			Tools:    []ktstr.Tool{{Name: "sysbench", Versions: []string{"1.0.20"}}},
			Payloads: ktstr.PayloadFiles(payloads),
		},
		Signature: `^sysbench \d`,
		Lines: []sdk.Line{
			{Pattern: `^ +events per second: +(?P<value>[\d.]+)$`, Name: "events.rate", Unit: "events/s", Polarity: ktstr.Higher, Headline: true, When: cpuTest},
			{Pattern: `^Total operations: (?P<value>\d+) \(`, Name: "operations.total", Unit: "ops"},
			{Pattern: `^Total operations: \d+ \( *(?P<value>[\d.]+) per second\)`, Name: "operations.rate", Unit: "ops/s", Polarity: ktstr.Higher, When: memoryTest},
			{Pattern: `^(?P<value>[\d.]+) MiB transferred `, Name: "transfer.total", Unit: "MiB"},
			{Pattern: `^[\d.]+ MiB transferred \((?P<value>[\d.]+) MiB/sec\)`, Name: "transfer.rate", Unit: "MiB/s", Polarity: ktstr.Higher, Headline: true, When: memoryTest},
			{Pattern: `^ +reads/s: +(?P<value>[\d.]+)$`, Name: "file.reads", Unit: "ops/s", Polarity: ktstr.Higher, When: fileTest, ZeroIsNone: true},
			{Pattern: `^ +writes/s: +(?P<value>[\d.]+)$`, Name: "file.writes", Unit: "ops/s", Polarity: ktstr.Higher, When: fileTest, ZeroIsNone: true},
			{Pattern: `^ +fsyncs/s: +(?P<value>[\d.]+)$`, Name: "file.fsyncs", Unit: "ops/s", Polarity: ktstr.Higher, When: fileTest, ZeroIsNone: true},
			{Pattern: `^ +read, MiB/s: +(?P<value>[\d.]+)$`, Name: "file.read", Unit: "MiB/s", Polarity: ktstr.Higher, Headline: true, When: fileTest, ZeroIsNone: true},
			{Pattern: `^ +written, MiB/s: +(?P<value>[\d.]+)$`, Name: "file.written", Unit: "MiB/s", Polarity: ktstr.Higher, Headline: true, When: fileTest, ZeroIsNone: true},
			{Pattern: `^ +total time: +(?P<value>[\d.]+)s$`, Name: "time.total", Unit: "s", When: anyTest},
			{Pattern: `^ +total number of events: +(?P<value>\d+)$`, Name: "events.total", Unit: "events", When: anyTest},
			{Pattern: `^ +min: +(?P<value>[\d.]+)$`, Name: "latency.min", Unit: "ms", Polarity: ktstr.Lower, Section: latencies, When: anyTest},
			{Pattern: `^ +avg: +(?P<value>[\d.]+)$`, Name: "latency.mean", Unit: "ms", Polarity: ktstr.Lower, Headline: true, Section: latencies, When: anyTest},
			{Pattern: `^ +max: +(?P<value>[\d.]+)$`, Name: "latency.max", Unit: "ms", Polarity: ktstr.Lower, Section: latencies, When: anyTest},
			{Pattern: `^ +(?P<p>\d+)th percentile: +(?P<value>[\d.]+)$`, Name: "latency.p{p}", Unit: "ms", Polarity: ktstr.Lower, Headline: true, Section: latencies, When: anyTest},
			{Pattern: `^ +sum: +(?P<value>[\d.]+)$`, Name: "latency.sum", Unit: "ms", Section: latencies, When: anyTest},
			{Pattern: `^ +events \(avg/stddev\): +(?P<value>[\d.]+)/`, Name: "threads.events.mean", Unit: "events"},
			{Pattern: `^ +events \(avg/stddev\): +[\d.]+/(?P<value>[\d.]+)$`, Name: "threads.events.stddev", Unit: "events"},
			{Pattern: `^ +execution time \(avg/stddev\): +(?P<value>[\d.]+)/`, Name: "threads.time.mean", Unit: "s"},
			{Pattern: `^ +execution time \(avg/stddev\): +[\d.]+/(?P<value>[\d.]+)$`, Name: "threads.time.stddev", Unit: "s"},
		},
		Notes: []sdk.Note{
			{Pattern: `^FATAL: (?P<message>.*)`, Code: ktstr.ToolFailed},
		},
	}.Parser()
}

func main() { sdk.Serve(sysbench()) }
