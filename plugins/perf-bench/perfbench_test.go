package perfbench

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/plugins/internal/corpustest"
)

// read returns the metrics and diagnostics of a text.
func read(text, command string) string {
	e, err := parse(ktstr.Output{Stream: ktstr.Stdout, Data: []byte(text), Argv: strings.Fields(command)})
	var parts []string
	for _, m := range e.Metrics {
		parts = append(parts, strings.TrimSpace(fmt.Sprintf("%s=%v %s", m.Name, m.Value, m.Unit)))
	}
	for _, d := range e.Diagnostics {
		parts = append(parts, "!"+string(d.Code))
	}
	if err != nil {
		parts = append(parts, err.Error())
	}
	return strings.Join(parts, "; ")
}

// The formats of benches that the captures do not have.
func TestBenches(t *testing.T) {
	for _, c := range []struct{ name, text, command, want string }{
		{"wake-parallel", "# Running 'futex/wake-parallel' benchmark:\n[Run 1]: Avg per-thread latency (waking 1/4 threads) in 0.0870 ms (+-2.86%)\nAvg per-thread latency (waking 1/4 threads) in 0.0590 ms (+-22.14%)\n", "",
			"futex.wake_parallel.latency=0.059 ms; futex.wake_parallel.latency.stddev_percent=22.14 %"},
		{"requeue", "# Running 'futex/requeue' benchmark:\n[Run 1]: Requeued 4 of 4 threads in 0.0020 ms\nRequeued 4 of 4 threads in 0.0021 ms (+-17.64%)\n", "",
			"futex.requeue.latency=0.0021 ms; futex.requeue.latency.stddev_percent=17.64 %"},
		{"requeue without its average", "# Running 'futex/requeue' benchmark:\n[Run 1]: Requeued 4 of 4 threads in 0.0020 ms\n", "", "!no-metrics"},
		{"lock-pi", "# Running 'futex/lock-pi' benchmark:\n[thread  10] futex: 0x559a [ 742450 ops/sec ]\n\nAveraged 742450 operations/sec (+- 16.39%), total secs = 10\n", "",
			"futex.lock_pi.thread.10.rate=742450 ops/s; futex.lock_pi.rate=742450 ops/s; futex.lock_pi.rate.stddev_percent=16.39 %"},
		{"epoll ctl", "# Running 'epoll/ctl' benchmark:\n[thread  0] fdmap: 0x1 ... 0x2 [ add: 95104 ops; mod: 95104 ops; del: 95104 ops ]\n\nAveraged 195584 ADD operations (+- 0.00%)\nAveraged 195585 MOD operations (+- 0.00%)\nAveraged 195586 DEL operations (+- 0.00%)\n", "",
			"epoll.ctl.add=195584 ops; epoll.ctl.mod=195585 ops; epoll.ctl.del=195586 ops"},
		{"inject-build-id", "# Running 'internals/inject-build-id' benchmark:\n  Average build-id injection took: 12.996 msec (+- 0.012 msec)\n  Average time per event: 1.274 usec (+- 0.011 usec)\n  Average memory usage: 8387 KB (+- 0 KB)\n  Average build-id-all injection took: 9.1 msec (+- 0.01 msec)\n  Average memory usage: 7000 KB (+- 0 KB)\n", "",
			"internals.inject_build_id.build_id.mean=12.996 ms; internals.inject_build_id.build_id.stddev=0.012 ms; internals.inject_build_id.build_id.per_event=1.274 us; internals.inject_build_id.build_id.memory=8387 KB; " +
				"internals.inject_build_id.build_id_all.mean=9.1 ms; internals.inject_build_id.build_id_all.stddev=0.01 ms; internals.inject_build_id.build_id_all.memory=7000 KB"},
		{"kallsyms-parse", "# Running 'internals/kallsyms-parse' benchmark:\n  Average kallsyms__parse took: 103.945 ms (+- 0.111 ms)\n", "", "internals.kallsyms_parse.mean=103.945 ms; internals.kallsyms_parse.stddev=0.111 ms"},
		{"simple without a heading", "0.087\n", "perf bench --format=simple sched messaging", "sched.messaging.time=0.087 s"},
		{"a number, and the command is not known", "0.087\n", "", "!not-my-format"},
		{"a number of another program", "0.087\n", "perf bench sched messaging", "!not-my-format"},
		{"simple of a collection", "# Running sched/messaging benchmark...\n0.087\n\n# Running sched/pipe benchmark...\n0.929\n", "perf bench -f simple sched all", "sched.messaging.time=0.087 s; sched.pipe.time=0.929 s"},
		{"a bench twice", "# Running 'sched/messaging' benchmark:\n     Total time: 0.1 [sec]\n# Running 'sched/messaging' benchmark:\n     Total time: 0.2 [sec]\n", "", "sched.messaging.time=0.1 s; sched.messaging~2.time=0.2 s"},
		{"a function twice", "# Running 'mem/memcpy' benchmark:\n# function 'default' (x)\n\n 1.5 GB/sec\n# function 'default' (x)\n\n 2.5 MB/sec\n", "", "mem.memcpy.default.bw=1.5 GiB/s; mem.memcpy.default~2.bw=2.5 MiB/s"},
		{"with and without prefault", "# Running mem/memcpy benchmark...\n\n 1.5 GB/Sec\n 2.5 GB/Sec (with prefault)\n", "", "mem.memcpy.bw=1.5 GiB/s; mem.memcpy.prefault.bw=2.5 GiB/s"},
		{"thousands", "# Running 'syscall/getpgid' benchmark:\n Total time: 1.5 [sec]\n\n 0.15 usecs/op\n 5,959,475 ops/sec\n", "", "syscall.getpgid.time=1.5 s; syscall.getpgid.latency=0.15 us; syscall.getpgid.rate=5.959475e+06 ops/s"},
		{"a rate per CPU is no rate", "# Running 'breakpoint/thread' benchmark:\n     Total time: 0.045 [sec]\n\n 454.5 usecs/op\n 454.5 usecs/op/cpu\n", "", "breakpoint.thread.time=0.045 s; breakpoint.thread.latency=454.5 us"},
		{"cut", "# Running 'sched/pipe' benchmark:\n     Total time: 0.102 [sec]\n", "", "sched.pipe.time=0.102 s; !missing-headline; !missing-headline"},
		{"an unknown bench", "Unknown benchmark: 'x' for collection 'sched'\n", "perf bench sched x", "!tool-failed"},
	} {
		if got := read(c.text, c.command); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, got, c.want)
		}
	}
}

func TestLinear(t *testing.T) {
	corpustest.Linear(t, New(), "# Running 'a/b' benchmark:\n", "# Running 'mem/memcpy' benchmark:\n# function 'a'\n1 GB/sec\n", "# Running 'futex/hash' benchmark:\n[thread 1] a [ 1 ops/sec ]\n",
		"# Running 'internals/a' benchmark:\n Average x took: 1 usec (+- 1 usec)\n Average num. events: 1 x\n", "# ", "Total time: ")
}

// BenchmarkRuns reads 16 MiB of runs and the average behind them.
func BenchmarkRuns(b *testing.B) {
	text := string(corpustest.Read(b, "testdata/corpus/futex-wake-simple", "stdout"))
	run := "[Run 1]: Wokeup 4 of 4 threads in 0.1870 ms\n"
	corpustest.Bench(b, New(), []byte("# Running 'futex/wake' benchmark:\n"+strings.Repeat(run, 16<<20/len(run))+text))
}
