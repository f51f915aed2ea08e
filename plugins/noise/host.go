package noise

import (
	"bytes"
	"os"
	"strconv"
	"strings"

	"github.com/ktstr/ktstr/internal/linux"
)

// cpuTimes are the times of one CPU since boot, in clock ticks, as /proc/stat counts
// them (proc_stat(5)).
type cpuTimes struct {
	user, nice, system, idle, iowait, irq, softirq, steal uint64
}

func (t cpuTimes) total() uint64 {
	return t.user + t.nice + t.system + t.idle + t.iowait + t.irq + t.softirq + t.steal
}

// counters are the kernel's counters of the whole host.
type counters struct {
	cpu        map[int]cpuTimes
	switches   uint64            // context switches since boot
	interrupts uint64            // interrupts since boot
	pressure   map[string]uint64 // PSI "some" total by resource, in us, without those that are not counted
}

// readCounters reads the counters. A host that hides /proc has fewer of them.
func readCounters() counters {
	stat, _ := os.ReadFile("/proc/stat")
	c := parseStat(stat)
	c.pressure = map[string]uint64{}
	for _, resource := range []string{"cpu", "io", "memory"} {
		text, err := os.ReadFile("/proc/pressure/" + resource)
		if err != nil {
			continue
		}
		if p, ok := linux.ParsePressure(text); ok {
			c.pressure[resource] = uint64(p.Some.Microseconds())
		}
	}
	return c
}

// parseStat reads the text of /proc/stat.
func parseStat(text []byte) counters {
	c := counters{cpu: map[int]cpuTimes{}}
	for line := range bytes.Lines(text) {
		f := strings.Fields(string(line))
		if len(f) < 2 {
			continue
		}
		switch {
		case f[0] == "ctxt":
			c.switches, _ = strconv.ParseUint(f[1], 10, 64)
		case f[0] == "intr":
			c.interrupts, _ = strconv.ParseUint(f[1], 10, 64)
		case strings.HasPrefix(f[0], "cpu") && len(f) > 8:
			n, err := strconv.Atoi(f[0][len("cpu"):])
			if err != nil {
				continue // the sum line
			}
			var v [8]uint64
			for i := range v {
				v[i], _ = strconv.ParseUint(f[i+1], 10, 64)
			}
			c.cpu[n] = cpuTimes{v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7]}
		}
	}
	return c
}
