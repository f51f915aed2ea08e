// Command compare measures the CPU time of `ktstr compare` and of benchstat on the same
// numbers: two sides of 100 runs with 500 metrics. They take turns.
//
//	go run ./bench/compare -ktstr FILE -benchstat FILE
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/extract"
)

func main() {
	log.SetFlags(0)
	program := flag.String("ktstr", "ktstr", "the `FILE` of ktstr")
	peer := flag.String("benchstat", "benchstat", "the `FILE` of benchstat")
	turns := flag.Int("turns", 10, "start each program `N` times")
	runs := flag.Int("runs", 100, "runs a side")
	metrics := flag.Int("metrics", 500, "metrics of a run")
	flag.Parse()
	dir, err := os.MkdirTemp("", "compare-")
	check(err)
	defer os.RemoveAll(dir)
	for _, side := range []string{"a", "b"} {
		write(dir, side, *runs, *metrics)
	}
	commands := [][]string{
		{*program, "compare", dir + "/a", dir + "/b"},
		{*peer, dir + "/a.txt", dir + "/b.txt"},
	}
	var times [2][]time.Duration
	for range *turns {
		for i, command := range commands {
			c := exec.Command(command[0], command[1:]...)
			c.Stderr = os.Stderr
			check(c.Run())
			times[i] = append(times[i], c.ProcessState.SystemTime()+c.ProcessState.UserTime())
		}
	}
	for i, command := range commands {
		slices.Sort(times[i])
		fmt.Printf("%-10s CPU: median %v, %v to %v\n", filepath.Base(command[0]), times[i][*turns/2], times[i][0], times[i][*turns-1])
	}
	fmt.Printf("ratio of the medians: %.2f\n", float64(times[0][*turns/2])/float64(times[1][*turns/2]))
}

// write writes the runs of one side as bundles, and their numbers for benchstat.
func write(dir, side string, runs, metrics int) {
	r := rand.New(rand.NewPCG(1, uint64(side[0])))
	var numbers strings.Builder
	for run := range runs {
		rec := core.Record{
			Schema: core.Schema, ID: fmt.Sprint(side, run), Payload: "bench", Argv: []string{"bench"}, Start: time.Now(), Verdict: core.Pass,
			Extraction: core.Extraction{Status: extract.OK, Extractor: "json"}, Host: core.ThisHost(), Labels: map[string]string{"set": side},
		}
		for i := range metrics {
			m := ktstr.Metric{Name: fmt.Sprintf("group%d.metric%d.mean", i%20, i), Value: 100 + r.NormFloat64(), Unit: "us", Polarity: ktstr.Lower, Stream: ktstr.Stdout, Line: i + 1}
			rec.Metrics = append(rec.Metrics, m)
			fmt.Fprintf(&numbers, "Benchmark%s 1 %v us/op\n", m.Name, m.Value)
		}
		text, err := json.MarshalIndent(rec, "", " ")
		check(err)
		bundle := filepath.Join(dir, side, fmt.Sprint("run-", run))
		check(os.MkdirAll(bundle, 0o755))
		check(os.WriteFile(filepath.Join(bundle, "record.json"), text, 0o644))
	}
	check(os.WriteFile(filepath.Join(dir, side+".txt"), []byte(numbers.String()), 0o644))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
