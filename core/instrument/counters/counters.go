// Package counters is the instrument that counts events of the kernel and of the
// processor (perf_event_open): context switches, cycles, cache misses. Its metrics are
// called perf.NAME. Counting starts at the first instruction of the payload's program
// and includes all descendants.
package counters

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/nearest"
	"github.com/ktstr/ktstr/spawn"
)

// All stands for every event in a list of events.
const All = "all"

// Instrument counts the events of the kernel, and the named events of the processor.
// Check finds mistakes in the names. The zero value counts the events of the kernel.
type Instrument struct {
	Events []string // such as "cycles", or All
}

// event is something that the kernel can count.
type event struct {
	name     string
	unit     string
	polarity ktstr.Polarity
	kind     uint32 // PERF_TYPE_*
	config   uint64 // PERF_COUNT_*
	inKernel bool   // happens in the kernel alone
}

var events = []event{
	{name: "task_clock", unit: "ns", polarity: ktstr.Lower, kind: unix.PERF_TYPE_SOFTWARE, config: unix.PERF_COUNT_SW_TASK_CLOCK},
	{name: "context_switches", kind: unix.PERF_TYPE_SOFTWARE, config: unix.PERF_COUNT_SW_CONTEXT_SWITCHES, inKernel: true},
	{name: "migrations", kind: unix.PERF_TYPE_SOFTWARE, config: unix.PERF_COUNT_SW_CPU_MIGRATIONS, inKernel: true},
	{name: "page_faults", kind: unix.PERF_TYPE_SOFTWARE, config: unix.PERF_COUNT_SW_PAGE_FAULTS},
	{name: "cycles", kind: unix.PERF_TYPE_HARDWARE, config: unix.PERF_COUNT_HW_CPU_CYCLES},
	{name: "instructions", kind: unix.PERF_TYPE_HARDWARE, config: unix.PERF_COUNT_HW_INSTRUCTIONS},
	{name: "branches", kind: unix.PERF_TYPE_HARDWARE, config: unix.PERF_COUNT_HW_BRANCH_INSTRUCTIONS},
	{name: "branch_misses", kind: unix.PERF_TYPE_HARDWARE, config: unix.PERF_COUNT_HW_BRANCH_MISSES},
	{name: "cache_references", kind: unix.PERF_TYPE_HARDWARE, config: unix.PERF_COUNT_HW_CACHE_REFERENCES},
	{name: "cache_misses", kind: unix.PERF_TYPE_HARDWARE, config: unix.PERF_COUNT_HW_CACHE_MISSES},
}

// Prefix begins the names of all metrics of the instrument.
const Prefix = "perf."

// ipc is the number of instructions per cycle.
const ipc = Prefix + "ipc"

// Names returns the names of all events.
func Names() (names []string) {
	for _, e := range events {
		names = append(names, e.name)
	}
	return names
}

// Check returns an error for a name that is neither All nor the name of an event.
func Check(names []string) error {
	for _, name := range names {
		if name == All || slices.Contains(Names(), name) {
			continue
		}
		if near := nearest.Of(name, Names()); near != "" {
			return fmt.Errorf("counter %q: there is none of that name. Did you mean %s?", name, near)
		}
		return fmt.Errorf("counter %q: want %s, or %s", name, strings.Join(Names(), ", "), All)
	}
	return nil
}

// Describe returns the name and the metrics.
func (Instrument) Describe() ktstr.Description {
	d := ktstr.Description{Name: "counters", Version: "1", Hints: []ktstr.Hint{{Name: ipc}}}
	for _, e := range events {
		d.Hints = append(d.Hints, ktstr.Hint{Name: e.metric(), Unit: e.unit, Polarity: e.polarity})
	}
	return d
}

func (e event) metric() string { return Prefix + e.name }

// Begin opens the counters on the calling thread, which must be the one that starts the
// payload. They are passed on to the payload, and begin to count when it executes its
// program.
func (i Instrument) Begin() (end func(spawn.Result) ktstr.Extraction) {
	m := measurement{perf: openOnThread}
	for _, e := range events {
		if e.kind == unix.PERF_TYPE_SOFTWARE || slices.Contains(i.Events, All) || slices.Contains(i.Events, e.name) {
			m.open(e)
		}
	}
	return m.end
}

// counter is an open event.
type counter struct {
	event
	fd int
}

// measurement has the counters of one run.
type measurement struct {
	perf     func(*unix.PerfEventAttr) (fd int, err error)
	counters []counter
	userOnly bool     // the kernel lets us count in user space only
	refused  []string // metrics that we may not count
	missing  []string // metrics that this machine cannot count
	failed   error    // another error of the kernel
}

func (m *measurement) open(e event) {
	attr := unix.PerfEventAttr{
		Type: e.kind, Config: e.config, Size: uint32(unsafe.Sizeof(unix.PerfEventAttr{})),
		Read_format: unix.PERF_FORMAT_TOTAL_TIME_ENABLED | unix.PERF_FORMAT_TOTAL_TIME_RUNNING,
		Bits:        unix.PerfBitDisabled | unix.PerfBitInherit | unix.PerfBitEnableOnExec,
	}
	fd, err := -1, error(unix.EACCES)
	if !m.userOnly {
		fd, err = m.perf(&attr)
	}
	if isRefusal(err) && !e.inKernel {
		attr.Bits |= unix.PerfBitExcludeKernel | unix.PerfBitExcludeHv
		if fd, err = m.perf(&attr); err == nil {
			m.userOnly = true
		}
	}
	switch {
	case err == nil:
		m.counters = append(m.counters, counter{e, fd})
	case isRefusal(err):
		m.refused = append(m.refused, e.metric())
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENODEV), errors.Is(err, unix.EINVAL):
		m.missing = append(m.missing, e.metric())
	default:
		m.refused, m.failed = append(m.refused, e.metric()), err
	}
}

// openOnThread opens an event of the calling thread on every processor.
func openOnThread(attr *unix.PerfEventAttr) (int, error) {
	const thisThread, everyCPU, noGroup = 0, -1, -1
	return unix.PerfEventOpen(attr, thisThread, everyCPU, noGroup, unix.PERF_FLAG_FD_CLOEXEC)
}

// isRefusal reports whether an error says that this user may not count.
func isRefusal(err error) bool { return errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) }

// end reads and closes the counters.
func (m measurement) end(r spawn.Result) (e ktstr.Extraction) {
	var scaled, idle []string
	values := map[string]float64{}
	for _, c := range m.counters {
		count, err := readCount(c.fd)
		unix.Close(c.fd)
		switch {
		case r.Pid == 0: // the payload was not started
		case err != nil:
			m.refused, m.failed = append(m.refused, c.metric()), err
		case count.running == 0 && c.kind == unix.PERF_TYPE_HARDWARE:
			idle = append(idle, c.metric())
		default:
			if count.running < count.enabled {
				scaled = append(scaled, fmt.Sprintf("%s (%.0f %% of the time)", c.metric(), 100*float64(count.running)/float64(count.enabled)))
			}
			values[c.name] = count.scaled()
			e.Metrics = append(e.Metrics, ktstr.Metric{Name: c.metric(), Value: count.scaled()})
		}
	}
	if values["cycles"] > 0 && values["instructions"] > 0 {
		e.Metrics = append(e.Metrics, ktstr.Metric{Name: ipc, Value: values["instructions"] / values["cycles"]})
	}
	add := func(code ktstr.Code, format string, args ...any) {
		e.Diagnostics = append(e.Diagnostics, ktstr.Diagnostic{Code: code, Message: fmt.Sprintf(format, args...)})
	}
	if len(scaled) > 0 {
		add(ktstr.Scaled, "estimated, because the processor has too few counters for all events at once: %s. Choose fewer with --counters=LIST", strings.Join(scaled, ", "))
	}
	if reasons := m.reasons(idle); reasons != "" && r.Pid != 0 {
		add(ktstr.Unavailable, "%s", reasons)
	}
	return e
}

// reasons returns one message about everything that was not counted, or "".
func (m measurement) reasons(idle []string) string {
	var parts []string
	if m.userOnly {
		parts = append(parts, "perf.* count in user space only")
	}
	if len(m.refused) > 0 {
		part := "not allowed: " + strings.Join(m.refused, ", ")
		if m.failed != nil {
			part += fmt.Sprintf(" (%v)", m.failed)
		}
		parts = append(parts, part)
	}
	if (m.userOnly || len(m.refused) > 0) && m.failed == nil {
		parts[len(parts)-1] += ": to count everything, run as root, or " + remedy()
	}
	if len(m.missing) > 0 {
		parts = append(parts, "this machine has no counter for "+strings.Join(m.missing, ", ")+", as most virtual machines do not: run on the bare machine")
	}
	if len(idle) > 0 {
		parts = append(parts, "never counted, because other programs used the counters of the processor: "+strings.Join(idle, ", "))
	}
	return strings.Join(parts, "; ")
}

// remedy returns what lets an ordinary user count.
func remedy() string {
	const file = "/proc/sys/kernel/perf_event_paranoid"
	level, err := os.ReadFile(file)
	if err != nil {
		return "use a kernel with CONFIG_PERF_EVENTS"
	}
	return fmt.Sprintf("set kernel.perf_event_paranoid to 1 (it is %s): sysctl kernel.perf_event_paranoid=1", strings.TrimSpace(string(level)))
}

// count is what the kernel says about an event and all processes that it was passed on
// to.
type count struct {
	value, enabled, running uint64 // the times are in ns
}

// scaled returns the value for the whole time, if the event was counted for a part.
func (c count) scaled() float64 {
	if c.running == 0 || c.running >= c.enabled {
		return float64(c.value)
	}
	return float64(c.value) * float64(c.enabled) / float64(c.running)
}

func readCount(fd int) (count, error) {
	var b [24]byte
	n, err := unix.Read(fd, b[:])
	if err == nil && n != len(b) {
		err = fmt.Errorf("read of a counter: %d bytes, want %d", n, len(b))
	}
	if err != nil {
		return count{}, err
	}
	word := func(i int) uint64 { return binary.NativeEndian.Uint64(b[8*i:]) }
	return count{word(0), word(1), word(2)}, nil
}
