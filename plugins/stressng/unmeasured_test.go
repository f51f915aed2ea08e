package stressng

import (
	"strings"
	"testing"

	"github.com/ktstr/ktstr"
)

// TestUnreadTable: a report whose table cannot be read gives nothing, although
// it has counts and times.
func TestUnreadTable(t *testing.T) {
	counts := []string{"passed: 1: cpu (1)", "failed: 0", "skipped: 0", "metrics untrustworthy: 0", "successful run completed in 1.01 secs"}
	with := func(lines ...string) []ktstr.Output { return log(append(lines, counts...)...) }
	check(t, "columns of a later version", run(with(header8+" joules", units, "cpu  629  1.00  0.36  0.01  628.25  1725.00  36.42  6500  12")),
		"!unsupported-version", "!no-metrics")
	check(t, "a row with words for numbers", run(with(header6, units, "cpu  629  1.00  0.36  0.01  many  1725.00")), "!no-metrics")
	check(t, "a row with too few numbers", run(with(header8, units, "cpu  629  1.00  0.36  0.01  628.25  1725.00")), "!malformed", "!no-metrics")
	check(t, "a table without a row", run(with(header6, units)), "!no-metrics")
	check(t, "a row of zeros", run(with(header6, units, "apparmor  0  0.00  0.00  0.00  0.00  0.00")), "!not-measured", "!no-metrics")
	gap := "     "
	row := "cpu  629  1.00  0.36  0.01  628.25  1725.00"
	check(t, "two outputs side by side", run(with(header6+gap+header6, units+gap+units, row+gap+row)), "!malformed", "!no-metrics")
}

// TestWords: units and polarities that the words of a description have.
func TestWords(t *testing.T) {
	for description, want := range map[string]struct {
		unit     string
		polarity ktstr.Polarity
	}{
		"GB per sec best read rate": {"GiB/s", ktstr.Higher},
		"gb-per-sec-best-read-rate": {"GiB/s", ktstr.Higher},
		"gbsec-read":                {"GiB/s", ktstr.Higher},
		"MB per sec copy rate":      {"MiB/s", ktstr.Higher},
		"MB/sec read rate":          {"MiB/s", ktstr.Higher},
		"KB per sec":                {"KiB/s", ktstr.Higher},
		"million calls sec":         {"", ktstr.Higher},
		"syscalls sec":              {"", ktstr.Higher},
		"nanosecs per file access":  {"ns", ktstr.Lower},
		"seconds per operation":     {"s", ktstr.Lower},
		"millisecs sec":             {"ms", ktstr.Lower},
		"% of time in the kernel":   {"%", ktstr.Unknown},
		"max extents per file":      {"", ktstr.Unknown},
		"MB found":                  {"", ktstr.Unknown},
	} {
		if unit, polarity := meaning([]byte(description)); unit != want.unit || polarity != want.polarity {
			t.Errorf("%q: got %q %v, want %q %v", description, unit, polarity, want.unit, want.polarity)
		}
	}
}

// TestRefusals: stress-ng says why it does not run, with and without a prefix.
func TestRefusals(t *testing.T) {
	for _, line := range []string{
		"maximize and minimize cannot be used together",
		"Unknown class: 'cpus'",
		"aborting: 9 is out of range for --cpu-load",
		"stress-ng: unrecognized option '--cpus'",
	} {
		check(t, line, run([]ktstr.Output{{Stream: ktstr.Stderr, Data: []byte(line + "\n")}}), "!tool-failed")
	}
}

// redumped is what a program that sorts keys writes of a file of --yaml.
const redumped = `metrics:
- bogo-ops: 629
  bogo-ops-per-second-real-time: 628.25
  bogo-ops-per-second-usr-sys-time: 1725.0
  cpu-usage-per-instance: 36.42
  instances:
  - bogo-ops: 629
    instance: 0
  max-rss: 6500
  stressor: cpu
  system-time: 0.01
  user-time: 0.36
  wall-clock-time: 1.001
- bogo-ops: 7
  bogo-ops-per-second-real-time: 7.0
  bogo-ops-per-second-usr-sys-time: 8.0
  nanosecs-per-file-access: 0.0
  stressor: 'dentry'
  system-time: 0.5
  user-time: 0.25
  wall-clock-time: 1.0
system-info:
  stress-ng-version: 0.22.00
`

// TestRedumpedYAML: another program sorted the keys, or indented the document.
func TestRedumpedYAML(t *testing.T) {
	want := []string{"cpu.bogo_ops=629", "cpu.bogo_ops_rate=628.25", "cpu.bogo_ops_rate_cpu=1725", "cpu.cpu_used=36.42", "cpu.max_rss=6500",
		"cpu.sys_time=0.01", "cpu.usr_time=0.36", "cpu.real_time=1.001",
		"dentry.bogo_ops=7", "dentry.bogo_ops_rate=7", "dentry.bogo_ops_rate_cpu=8", "dentry.sys_time=0.5", "dentry.usr_time=0.25", "dentry.real_time=1",
		"!not-measured"}
	read := func(text string) []ktstr.Output {
		return []ktstr.Output{{Stream: ktstr.FileStream("y.yaml"), Data: []byte(text)}}
	}
	check(t, "sorted keys", run(read(redumped)), want...)
	check(t, "indented", run(read("    "+strings.ReplaceAll(strings.TrimSpace(redumped), "\n", "\n    ")+"\n")), want...)
	check(t, "part of another document", run(read("results:\n  "+strings.ReplaceAll(strings.TrimSpace(redumped), "\n", "\n  ")+"\nhost: h\n")), want...)
	check(t, "entries indented below their section", run(read(
		"metrics:\n    - bogo-ops: 7\n      instances:\n        - bogo-ops: 7\n          instance: 0\n      stressor: vm\n      bogo-ops-per-second-real-time: 3.5\n")),
		"vm.bogo_ops=7", "vm.bogo_ops_rate=3.5")
}
