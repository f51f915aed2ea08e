package stressng

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ktstr/ktstr"
)

const (
	header6 = "stressor       bogo ops real time  usr time  sys time   bogo ops/s     bogo ops/s"
	header7 = header6 + " CPU used per"
	header8 = header7 + "       RSS Max"
	units   = "                          (secs)    (secs)    (secs)   (real time) (usr+sys time)"
)

// TestVersions reads output of versions and options that the corpus does not have.
func TestVersions(t *testing.T) {
	i := func(lines ...string) []ktstr.Output {
		for n := range lines {
			lines[n] = "stress-ng: info:  [7] " + lines[n]
		}
		return log(lines...)
	}
	check(t, "0.12: further metrics between the rows, the end before the table", run(i(
		"setting to a 60 second run per stressor",
		"dispatching hogs: 64 stream, 1 cpu",
		"successful run completed in 60.64s (1 min, 0.64 secs)",
		header6, units,
		"stream            21321     30.01    479.77      0.17       710.52          44.42",
		"stream          7669.86 memory rate (MB per sec) (average per stressor)",
		"stream          3067.94 memory rate (Mflop per sec) (average per stressor)",
		"cpu                   1     30.00     30.00      0.00         1.50           1.25",
	)),
		"stream.bogo_ops=21321", "stream.real_time=30.01", "stream.usr_time=479.77", "stream.sys_time=0.17", "stream.bogo_ops_rate=710.52", "stream.bogo_ops_rate_cpu=44.42",
		"stream.memory_rate_mb_per_sec=7669.86", "stream.memory_rate_mflop_per_sec=3067.94",
		"cpu.bogo_ops=1", "cpu.real_time=30", "cpu.usr_time=30", "cpu.sys_time=0", "cpu.bogo_ops_rate=1.5", "cpu.bogo_ops_rate_cpu=1.25")
	check(t, "0.13: seven columns", run(i(
		"dispatching hogs: 1 vdso",
		"successful run completed in 5.10s",
		header7, units+" instance (%)",
		"vdso          430633496      5.10      5.10      0.00  84375055.96    84437940.39        99.93",
		"vdso               9.88 nanoseconds per call (average per stressor)",
	)),
		"vdso.bogo_ops=430633496", "vdso.real_time=5.1", "vdso.usr_time=5.1", "vdso.sys_time=0", "vdso.bogo_ops_rate=84375055.96", "vdso.bogo_ops_rate_cpu=84437940.39", "vdso.cpu_used=99.93",
		"vdso.nanoseconds_per_call=9.88")
	check(t, "0.15.00: no count of instances", run(i(
		header8, units,
		"pipe  10  1.00  1.00  0.00  10.00  10.00  99.00  2000",
		"miscellaneous metrics:",
		"pipe  2.50 MB per sec pipe write rate (geometic mean)",
	)),
		"pipe.bogo_ops=10", "pipe.real_time=1", "pipe.usr_time=1", "pipe.sys_time=0", "pipe.bogo_ops_rate=10", "pipe.bogo_ops_rate_cpu=10", "pipe.cpu_used=99", "pipe.max_rss=2000",
		"pipe.mb_per_sec_pipe_write_rate=2.5")
	check(t, "a description that ends with parentheses of its own, and no kind", run(i(
		header6, units,
		"a  1  1.00  1.00  0.00  1.00  1.00",
		"miscellaneous metrics:",
		"a  2.50 bits per second (of 64)",
	)),
		"a.bogo_ops=1", "a.real_time=1", "a.usr_time=1", "a.sys_time=0", "a.bogo_ops_rate=1", "a.bogo_ops_rate_cpu=1", "a.bits_per_second_of_64=2.5")
	check(t, "columns that are not known", run(i(
		header8+"     Energy", units,
		"cpu  10  1.00  1.00  0.00  10.00  10.00  99.00  2000  12",
	)), "!unsupported-version")
	check(t, "a row with a number too few, and one that is none", run(i(
		header6, units,
		"cpu  10  1.00  1.00  0.00  10.00",
		"vm  10  1.00  1:00  0.00  10.00 2.00",
		"nop  10  1.00  nan  0.00  10.00 2.00",
	)), "nop.bogo_ops=10", "nop.real_time=1", "nop.sys_time=0", "nop.bogo_ops_rate=10", "nop.bogo_ops_rate_cpu=2", "!malformed", "!malformed", "!not-finite")
	check(t, "a repeated stressor of which a row is not there", run(i(
		"dispatching hogs: 1 cpu, 2 cpu, 1 nop",
		header6, units,
		"cpu  20  1.00  1.00  0.00  20.00 20.00",
		"nop  10  1.00  1.00  0.00  10.00 10.00",
		"successful run completed in 1.00s",
	)), "nop.bogo_ops=10", "nop.real_time=1", "nop.usr_time=1", "nop.sys_time=0", "nop.bogo_ops_rate=10", "nop.bogo_ops_rate_cpu=10", "!malformed")
	check(t, "two runs in one log", run(append(i(), log(
		"stress-ng: info:  [7] dispatching hogs: 1 cpu",
		"stress-ng: metrc: [7] "+header6,
		"stress-ng: metrc: [7] cpu  20  1.00  1.00  0.00  20.00 20.00",
		"stress-ng: info:  [7] passed: 1: cpu (1)",
		"stress-ng: info:  [7] successful run completed in 1.00 sec",
		"stress-ng: info:  [8] dispatching hogs: 1 cpu",
		"stress-ng: metrc: [8] "+header6,
		"stress-ng: metrc: [8] cpu  30  1.00  1.00  0.00  30.00 30.00",
		"stress-ng: info:  [8] successful run completed in 1.00 sec",
	)...)), "cpu.bogo_ops=30", "cpu.real_time=1", "cpu.usr_time=1", "cpu.sys_time=0", "cpu.bogo_ops_rate=30", "cpu.bogo_ops_rate_cpu=30", "!several-reports")
	check(t, "counters of --interrupts are none of --perf's", run(i(
		"ramfs:",
		"                         1 System Management Interrupt",
		"passed: 9: ramfs (9)",
	)), "passed=9")
	check(t, "--perf with shares", run(i(
		"branch:",
		"                604,703,327 Branch Instructions            53.30 M/sec",
		"                598,760,234 Branch Misses                  52.77 M/sec (99.02%)",
		"                  1,234,567 CPU Cycles                      1.20 B/sec (0.812 instr. per cycle)",
	)), "branch.perf.branch_instructions=604703327", "branch.perf.branch_misses=598760234", "branch.perf.cpu_cycles=1234567")
	check(t, "--tz", run(i(
		"cpu:",
		"              acpitz    47.00 C (320.15 K)",
		"      x86_pkg_temp    51.50 C (324.65 K)",
	)), "cpu.tz.acpitz=47", "cpu.tz.x86_pkg_temp=51.5")
	check(t, "untrustworthy", run(i(
		header6, units,
		"cpu  20  1.00  1.00  0.00  20.00 20.00",
		"metrics untrustworthy: 1: cpu (1)",
	)), "cpu.bogo_ops=20", "cpu.real_time=1", "cpu.usr_time=1", "cpu.sys_time=0", "cpu.bogo_ops_rate=20", "cpu.bogo_ops_rate_cpu=20", "untrustworthy=1", "!tool-failed")
	check(t, "a log that went through another tool", run(log(
		"Nov 23 07:46:10 stress-ng: metrc: [7] "+header6,
		"Nov 23 07:46:10 stress-ng: metrc: [7] cpu  20  1.00  1.00  0.00  20.00 20.00",
	)), "cpu.bogo_ops=20", "cpu.real_time=1", "cpu.usr_time=1", "cpu.sys_time=0", "cpu.bogo_ops_rate=20", "cpu.bogo_ops_rate_cpu=20")
	check(t, "a table of another kind behind it", run(i(
		header6, units,
		"cpu  20  1.00  1.00  0.00  20.00 20.00",
		"stressor     started   ended",
		"cpu  1  2  3  4  5  6",
	)), "cpu.bogo_ops=20", "cpu.real_time=1", "cpu.usr_time=1", "cpu.sys_time=0", "cpu.bogo_ops_rate=20", "cpu.bogo_ops_rate_cpu=20")
	check(t, "nothing of stress-ng's", run(log("hello", "world")), "!not-my-format")
	check(t, "nothing", run(log("")), "!no-metrics")
}

// C29
func TestVersionDiagnostics(t *testing.T) {
	for version, want := range map[string]string{
		"0.15.06": "", "0.22.00": "",
		"0.31":    "stress-ng 0.31 is newer than any this plugin was proven on (0.22.00)",
		"0.23.01": "stress-ng 0.23.01 is newer than any this plugin was proven on (0.22.00)",
		"0.17.05": "stress-ng 0.17.05 is not one that this plugin was proven on (0.15.06, 0.19.06, 0.22.00)",
		"0.13.12": "stress-ng 0.13.12 is older than any this plugin was proven on (0.15.06)",
	} {
		for _, lines := range [][]string{
			{"stress-ng: debug: [1] stress-ng " + version + " g0123abc"},
			{"---", "system-info:", "      stress-ng-version: '" + version + "'", "", "..."},
			{"---", "system-info:", "      stress-ng-version: " + version, "", "..."},
		} {
			var got string
			for _, d := range run(log(lines...)).Diagnostics {
				if d.Code == ktstr.UnsupportedVersion {
					got = d.Message
				}
			}
			if got != want {
				t.Errorf("%s: %q, want %q", strings.Join(lines, " "), got, want)
			}
		}
	}
}

// TestLinear reads 8 MiB of what would be slow if anything were looked at
// again for each line.
func TestLinear(t *testing.T) {
	const head = "stress-ng: info:  [1] " + header6 + "\n"
	for _, piece := range []string{
		head, "---\n", "---\nmetrics:\n    - stressor: a\n", "cpu:\n  1 a 1 /sec\n", "cpu:\n   acpitz    47.00 C (320.15 K)\n",
		"stress-ng: fail:  [1] x\n", "stress-ng: info:  [1] skipping stressor\n", "skipped: 1\n", "aborting: \n", "stress-ng: ", "(((((", "\n",
	} {
		for _, before := range []string{"", head, "---\nmetrics:\n    - stressor: a\n      bogo-ops: 1\n", "cpu:\n"} {
			e, err := parse(ktstr.Output{Data: []byte(before + strings.Repeat(piece, 1<<20/len(piece)))})
			if err != nil || len(e.Diagnostics) > 1000 {
				t.Errorf("%q: %d diagnostics, %v", piece, len(e.Diagnostics), err)
			}
		}
	}
	for _, format := range []string{"      key-%d: 1\n", "cpu  %d  1.00 1.00 1.00 1.00 1.00\n", "cpu %d.00 words (total)\n", "   %d event 1 /sec\n"} {
		for _, before := range []string{"", "stressor  bogo ops real time  usr time  sys time   bogo ops/s     bogo ops/s\n", "---\nmetrics:\n    - stressor: a\n", "cpu:\n"} {
			var data strings.Builder
			data.WriteString(before)
			for i := 0; data.Len() < 1<<20; i++ {
				fmt.Fprintf(&data, format, i)
			}
			if e, err := parse(ktstr.Output{Data: []byte(data.String())}); err != nil || len(e.Diagnostics) > 1000 {
				t.Errorf("%q: %d diagnostics, %v", format, len(e.Diagnostics), err)
			}
		}
	}
}
