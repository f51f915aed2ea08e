// Command counters measures what --counters costs: on a payload that forks, next to perf stat, and on a payload that only
// computes. See README.md.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/instrument/counters"
	"github.com/ktstr/ktstr/spawn"
)

const (
	forks   = `i=0; while [ $i -lt 4000 ]; do (:); i=$((i+1)); done`
	compute = `i=0; while [ $i -lt 3000000 ]; do i=$((i+1)); done`
)

// perfEvents are the events of counters.All, as perf calls them.
const perfEvents = "task-clock,context-switches,cpu-migrations,page-faults,cycles,instructions,branches,branch-misses,cache-references,cache-misses"

// way is one way to run a script of the shell.
type way struct {
	name string
	run  func(script string) error
}

var ways = []way{
	{"plain", func(script string) error { return shell(script, nil) }},
	{"counters", func(script string) error { return shell(script, []string{counters.All}) }},
	{"perf stat", func(script string) error {
		return start(spawn.Command{Path: "perf", Args: []string{"stat", "-x,", "-o", os.DevNull, "-e", perfEvents, "sh", "-c", script}})
	}},
}

func main() {
	rounds := flag.Int("rounds", 20, "how often each way runs")
	flag.Parse()
	if err := report(*rounds); err != nil {
		fmt.Fprintln(os.Stderr, "bench/counters:", err)
		os.Exit(1)
	}
}

func report(rounds int) error {
	for _, c := range []struct {
		name, script string
		ways         []way
	}{
		{"4,000 forks", forks, ways},
		{"computing", compute, ways[:2]},
	} {
		used := map[string][]float64{}
		for i := range rounds {
			order := slices.Clone(c.ways)
			if i%2 == 1 {
				slices.Reverse(order) // A B B A
			}
			for _, w := range order {
				before := cpu()
				if err := w.run(c.script); err != nil {
					return fmt.Errorf("%s: %w", w.name, err)
				}
				used[w.name] = append(used[w.name], (cpu() - before).Seconds())
			}
		}
		plain := median(used["plain"])
		for _, w := range c.ways {
			m := median(used[w.name])
			fmt.Printf("%-12s  %-10s  %7.1f ms CPU  %.3f × plain\n", c.name, w.name, 1000*m, m/plain)
		}
		if perf := used["perf stat"]; perf != nil {
			fmt.Printf("%-12s  counters / perf stat: %.3f (goal: at most 1.05)\n", c.name, median(used["counters"])/median(perf))
			fmt.Printf("%-12s  above plain: counters %.1f ms, perf stat %.1f ms\n", c.name, 1000*(median(used["counters"])-plain), 1000*(median(perf)-plain))
		} else {
			fmt.Printf("%-12s  counters / plain: %.3f (goal: at most 1.01)\n", c.name, median(used["counters"])/plain)
		}
	}
	return nil
}

// shell runs a script with the given events.
func shell(script string, events []string) error {
	c := spawn.Command{Path: "sh", Args: []string{"-c", script}}
	end := func(spawn.Result) ktstr.Extraction { return ktstr.Extraction{} }
	if events != nil {
		c.BeforeStart = func() { end = counters.Instrument{Events: events}.Begin() }
	}
	defer func() { end(spawn.Result{}) }()
	return start(c)
}

func start(c spawn.Command) error {
	r, err := spawn.Run(context.Background(), c)
	if err == nil && r.ExitCode != 0 {
		err = fmt.Errorf("exit code %d: %s", r.ExitCode, r.Stderr.Data)
	}
	return err
}

// cpu returns the CPU time that this process and its children have used.
func cpu() (total time.Duration) {
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		syscall.Getrusage(who, &u) // it fails for bad arguments only
		total += time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	return total
}

func median(values []float64) float64 {
	s := slices.Sorted(slices.Values(values))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}
