// Package noise turns a few seconds of a host's time into one JSON document
// that says how quiet the host is: how late timers wake a thread on each CPU,
// and how much of each CPU others took. It is the payload that needs nothing
// installed: the ktstr binary executes itself to run it.
package noise

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const usage = `usage: noise [--duration 5s] [--period 1ms] [--cpus LIST]

`

// meaning explains the numbers. The payload file shows the same to a reader who asks
// `ktstr payload show noise`.
const meaning = `Measures how quiet this host is and prints one JSON document. On every CPU that
it may use, a thread of ordinary priority sleeps until a fixed time, again and
again, and notes how late it woke. Meanwhile the kernel's own counters are read.
A quiet host wakes within some tens of microseconds, always; bare metal without
deep idle states within a few. What makes wake-ups late makes benchmarks noisy:
other work, interrupts, idle states, a hypervisor that runs somebody else.

  wakeup.p50 … max   ns   lateness of the wake-ups of all CPUs; the first 10 of
                          each CPU are not counted. A percentile is at most
                          0.4 % too high; min, mean and max are exact
  wakeup.samples          wake-ups counted
  gaps.count              wake-ups that were late by a period or more; the
                          deadlines missed meanwhile are skipped, not counted
  gaps.time          ns   how late those were, together
  waited             ns   time the threads could have run but another task did
  involuntary             times that another task took the CPU from a thread
  stolen             %    CPU time that the hypervisor gave to others (0 on bare
                          metal, and where the hypervisor does not say)
  busy               %    CPU time of all tasks, these threads included
  interrupts         %    CPU time of interrupts and soft interrupts, where the
                          kernel counts it
  switches           /s   context switches on the host, all CPUs
  irqs               /s   interrupts on the host, all CPUs
  pressure.cpu io memory  %  time in which some task waited for the resource
  cpu.N.…                 the same for CPU N alone
  work.time          ns   a loop that only computes is then repeated 20 times for a
                          fifth of the duration: how long one repetition takes
  work.spread        %    standard deviation of these times
  work.shows         %    the change of such a loop that 5 runs a side would show.
                          Payloads that use memory, disks or many threads vary
                          in other ways: ktstr calibrate PAYLOAD measures them
  cpus, period (ns), duration (s)   what was measured, and for how long

stolen, busy and interrupts are counted in ticks of 10 ms: below one second
they say little. Interrupted by SIGINT or SIGTERM it prints what it has, with
"interrupted": true, and exits 130.
`

// Main runs the payload with the arguments behind its name, and returns its
// exit status: 0, 1 when nothing could be measured, 2 for wrong arguments, 130 when it
// was interrupted. The document goes to stdout. Main sets GOMAXPROCS and switches the
// garbage collector off while it measures. It is meant to be alone in its process.
func Main(args []string, stdout, stderr io.Writer) int {
	o, err := parseOptions(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(stderr, "noise:", err)
		return 2
	}
	interrupt := make(chan os.Signal, 1)
	signal.Notify(interrupt, unix.SIGINT, unix.SIGTERM)
	defer signal.Stop(interrupt)

	d, errs := measure(o, interrupt)
	for _, err := range errs {
		fmt.Fprintln(stderr, "noise:", err)
	}
	if d.Cpus == 0 {
		fmt.Fprintln(stderr, "noise: no CPU could be measured")
		return 1
	}
	text, err := json.MarshalIndent(d, "", " ")
	if err == nil {
		_, err = stdout.Write(append(text, '\n'))
	}
	if err != nil {
		fmt.Fprintln(stderr, "noise: write the report:", err)
		return 1
	}
	if d.Interrupted {
		return 130
	}
	return 0
}

type options struct {
	duration time.Duration
	period   time.Duration
	cpus     []int // ascending
}

// parseOptions reads the flags. It prints the help and returns flag.ErrHelp if
// that was asked for.
func parseOptions(args []string, stdout io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("noise", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.DurationVar(&o.duration, "duration", 5*time.Second, "how long to measure")
	f.DurationVar(&o.period, "period", time.Millisecond, "time from one wake-up to the next")
	list := f.String("cpus", "", "CPUs to measure, as 0,2-3; all that are allowed otherwise")
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			io.WriteString(stdout, usage+meaning)
		}
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("argument %q: want flags only, see --help", f.Arg(0))
	}
	if o.period < 50*time.Microsecond || o.period > time.Second {
		return o, fmt.Errorf("--period %v: want 50us to 1s", o.period)
	}
	if least := 2 * warmUp * o.period; o.duration < least {
		return o, fmt.Errorf("--duration %v: want at least %v, 20 periods of %v", o.duration, least, o.period)
	}
	if o.duration > 24*time.Hour {
		return o, fmt.Errorf("--duration %v: want at most 24h", o.duration)
	}
	var err error
	o.cpus, err = selectCPUs(*list)
	return o, err
}

// selectCPUs returns the CPUs that this process may use, or those of them that
// list names.
func selectCPUs(list string) ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, fmt.Errorf("sched_getaffinity: %w", err)
	}
	var allowed []int
	for cpu := range len(set) * 64 {
		if set.IsSet(cpu) {
			allowed = append(allowed, cpu)
		}
	}
	if list == "" {
		return allowed, nil
	}
	wanted := map[int]bool{}
	for _, part := range strings.Split(list, ",") {
		first, last, isRange := strings.Cut(part, "-")
		lo, err := strconv.Atoi(first)
		hi := lo
		if err == nil && isRange {
			hi, err = strconv.Atoi(last)
		}
		if err != nil || lo < 0 || hi < lo || hi >= len(set)*64 {
			return nil, fmt.Errorf("--cpus %q: %q: want CPU numbers and ranges, as 0,2-3", list, part)
		}
		for cpu := lo; cpu <= hi; cpu++ {
			if !set.IsSet(cpu) {
				return nil, fmt.Errorf("--cpus %q: CPU %d is not one that this process may use", list, cpu)
			}
			wanted[cpu] = true
		}
	}
	var chosen []int
	for _, cpu := range allowed {
		if wanted[cpu] {
			chosen = append(chosen, cpu)
		}
	}
	return chosen, nil
}

// measure runs a sampler on each CPU until the duration is over or an
// interrupt comes. The errors are of single CPUs.
func measure(o options, interrupt <-chan os.Signal) (document, []error) {
	// The samplers keep their Ps while they sleep. This goroutine and the
	// runtime need some of their own.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(len(o.cpus) + 2))
	var stop atomic.Bool
	samplers := make([]*sampler, len(o.cpus))
	ready := make(chan *sampler)
	start := make(chan struct{})
	var ended sync.WaitGroup
	for i, cpu := range o.cpus {
		samplers[i] = &sampler{cpu: cpu, period: int64(o.period), stop: &stop}
		for j := range samplers[i].wakeup.counts {
			samplers[i].wakeup.counts[j] = 0 // touch the pages now, not in the loop
		}
		ended.Go(func() { samplers[i].measure(ready, start) })
	}
	for range samplers {
		<-ready
	}
	runtime.GC()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))

	before := readCounters()
	began := monotonic()
	for i, s := range samplers {
		// Wake-ups of the CPUs are spread over the period, so that they
		// do not disturb each other.
		s.first = began + int64(o.period) + int64(i)*int64(o.period)/int64(len(samplers))
		s.until = s.first + warmUp*int64(o.period) + int64(o.duration)
	}
	close(start)
	all := make(chan struct{})
	go func() { ended.Wait(); close(all) }()
	interrupted := false
	for done := false; !done; {
		select {
		case <-interrupt:
			interrupted = true
			stop.Store(true)
			interrupt = nil
		case <-all:
			done = true
		}
	}
	elapsed := monotonic() - began
	d := newDocument(samplers, int64(o.period), elapsed, before, readCounters())
	if !interrupted && d.Cpus > 0 {
		ended := make(chan struct{})
		go func() { d.Work = measureWork(int64(o.duration)/5, &stop); close(ended) }()
		select {
		case <-ended:
		case <-interrupt:
			interrupted = true
			stop.Store(true)
			<-ended
		}
	}
	d.Interrupted = interrupted
	var errs []error
	for _, s := range samplers {
		if s.err != nil {
			errs = append(errs, s.err)
		}
	}
	return d, errs
}
