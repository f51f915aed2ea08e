package counters

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/instrument"
	"github.com/ktstr/ktstr/core/instrument/instrumenttest"
	"github.com/ktstr/ktstr/spawn"
)

var _ instrument.Instrument = Instrument{}

func TestInstrument(t *testing.T) { instrumenttest.Run(t, Instrument{Events: []string{All}}) } // C39

// run returns the counts of a run, and its result.
func run(t *testing.T, path string, args ...string) (map[string]float64, spawn.Result) {
	t.Helper()
	var end func(spawn.Result) ktstr.Extraction
	r, err := spawn.Run(context.Background(), spawn.Command{Path: path, Args: args, BeforeStart: func() { end = Instrument{}.Begin() }})
	if err != nil || r.ExitCode != 0 {
		t.Fatalf("%s: %v, exit code %d: %s", path, err, r.ExitCode, r.Stderr.Data)
	}
	counts := map[string]float64{}
	for _, m := range end(r).Metrics {
		counts[m.Name] = m.Value
	}
	if _, ok := counts["perf.task_clock"]; !ok {
		t.Skip("this kernel lets us count nothing")
	}
	return counts, r
}

// The CPU time of a grandchild is counted, and it is that of getrusage. // C39
func TestDescendantsCount(t *testing.T) {
	const script = `sh -c 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; :'; :`
	var clock, used float64
	for range 5 { // interrupts of a loaded machine count for one of the two
		counts, r := run(t, "sh", "-c", script)
		clock, used = counts["perf.task_clock"]/1e9, (r.Payload.User + r.Payload.System).Seconds()
		if math.Abs(clock-used) <= max(0.005, used/50) {
			return
		}
	}
	t.Errorf("task clock %.6f s, CPU time %.6f s: want the same", clock, used)
}

// Counting begins with the program: this process has used CPU time and memory before,
// on the same thread, and none of it counts. The first page faults of the program do.
// // C39
func TestCountingBeginsWithTheProgram(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	counts, r := run(t, "/bin/true")
	faults := float64(r.Payload.MinorFaults + r.Payload.MajorFaults)
	if got := counts["perf.page_faults"]; got < 10 || got > faults {
		t.Errorf("%v page faults, want 10 or more, and at most the %v of getrusage", got, faults)
	}
	if got, most := counts["perf.task_clock"]/1e9, (r.Payload.User+r.Payload.System).Seconds()+0.05; got <= 0 || got > most {
		t.Errorf("task clock %v s, want above 0 and at most %v s", got, most)
	}
}

// made returns a descriptor that gives a count.
func made(t *testing.T, value, enabled, running uint64) int {
	t.Helper()
	var b []byte
	for _, v := range []uint64{value, enabled, running} {
		b = binary.NativeEndian.AppendUint64(b, v)
	}
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(p[1])
	if _, err := unix.Write(p[1], b); err != nil {
		t.Fatal(err)
	}
	return p[0]
}

// measure returns the metrics and the diagnostics if the kernel answers like perf.
func measure(perf func(*unix.PerfEventAttr) (int, error)) string {
	m := measurement{perf: perf}
	for _, e := range events {
		m.open(e)
	}
	e := m.end(spawn.Result{Pid: 1})
	var b strings.Builder
	for _, m := range e.Metrics {
		fmt.Fprintf(&b, "%s=%v ", strings.TrimPrefix(m.Name, "perf."), m.Value)
	}
	for _, d := range e.Diagnostics {
		fmt.Fprintf(&b, "| %s: %s", d.Code, d.Message)
	}
	return strings.TrimSpace(b.String())
}

func TestHardwareEvents(t *testing.T) { // C39
	const software = "task_clock=1 context_switches=1 migrations=1 page_faults=1 "
	level, _ := os.ReadFile("/proc/sys/kernel/perf_event_paranoid")
	remedy := fmt.Sprintf("to count everything, run as root, or set kernel.perf_event_paranoid to 1 (it is %s): sysctl kernel.perf_event_paranoid=1", strings.TrimSpace(string(level)))
	const hardware = "perf.cycles, perf.instructions, perf.branches, perf.branch_misses, perf.cache_references, perf.cache_misses"
	for name, c := range map[string]struct {
		perf func(*unix.PerfEventAttr) (int, error)
		want string
	}{
		"all are there": {
			func(a *unix.PerfEventAttr) (int, error) { return made(t, 1+uint64(a.Type&^1), 9, 9), nil },
			software + "cycles=1 instructions=1 branches=1 branch_misses=1 cache_references=1 cache_misses=1 ipc=1",
		},
		"multiplexed": {
			func(a *unix.PerfEventAttr) (int, error) {
				switch {
				case a.Type == unix.PERF_TYPE_SOFTWARE:
					return made(t, 1, 9, 9), nil
				case a.Config == unix.PERF_COUNT_HW_INSTRUCTIONS:
					return made(t, 300, 100, 50), nil
				case a.Config == unix.PERF_COUNT_HW_CACHE_MISSES:
					return made(t, 0, 100, 0), nil
				}
				return made(t, 200, 100, 100), nil
			},
			software + "cycles=200 instructions=600 branches=200 branch_misses=200 cache_references=200 ipc=3 " +
				"| scaled: estimated, because the processor has too few counters for all events at once: perf.instructions (50 % of the time). Choose fewer with --counters=LIST" +
				"| unavailable: never counted, because other programs used the counters of the processor: perf.cache_misses",
		},
		"a virtual machine": {
			func(a *unix.PerfEventAttr) (int, error) {
				if a.Type == unix.PERF_TYPE_HARDWARE {
					return -1, unix.ENOENT
				}
				return made(t, 1, 9, 9), nil
			},
			software + "| unavailable: this machine has no counter for " + hardware + ", as most virtual machines do not: run on the bare machine",
		},
		"user space only": {
			func(a *unix.PerfEventAttr) (int, error) {
				if a.Bits&unix.PerfBitExcludeKernel == 0 {
					return -1, unix.EACCES
				}
				return made(t, 1, 9, 9), nil
			},
			"task_clock=1 page_faults=1 cycles=1 instructions=1 branches=1 branch_misses=1 cache_references=1 cache_misses=1 ipc=1 " +
				"| unavailable: perf.* count in user space only; not allowed: perf.context_switches, perf.migrations: " + remedy,
		},
		"nothing is allowed": {
			func(*unix.PerfEventAttr) (int, error) { return -1, unix.EPERM },
			"| unavailable: not allowed: perf.task_clock, perf.context_switches, perf.migrations, perf.page_faults, " + hardware + ": " + remedy,
		},
		"too many files": {
			func(*unix.PerfEventAttr) (int, error) { return -1, unix.EMFILE },
			"| unavailable: not allowed: perf.task_clock, perf.context_switches, perf.migrations, perf.page_faults, " + hardware + " (too many open files)",
		},
	} {
		if got := measure(c.perf); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
	}
}

func TestCheck(t *testing.T) {
	for name, want := range map[string]string{
		"cycles": "", "task_clock": "", All: "",
		"cycels": `counter "cycels": there is none of that name. Did you mean cycles?`,
		"":       `counter "": want task_clock, `,
	} {
		err := Check([]string{"instructions", name})
		if (err == nil) != (want == "") || err != nil && !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", name, err, want)
		}
	}
}
