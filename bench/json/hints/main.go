// Hints takes the first METRICS numbers of the JSON in FILE, and N times walks
// them, resolves 1000 hints (100 of them patterns) and evaluates 1000 checks on
// them. It prints the nanoseconds of each: walk with new buffers, walk with
// buffers used again, hints, checks, how much of the hints is making their
// tables, and hints and checks where there are a tenth as many. Tables are made
// anew each time, as a run does, those of checks too.
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/extractors"
)

func main() {
	text, err := os.ReadFile(os.Args[1])
	must(err)
	want, err := strconv.Atoi(os.Args[2])
	must(err)
	n, err := strconv.Atoi(os.Args[3])
	must(err)
	doc := cut(text, want)
	metrics := walk(new(extractors.Walker), doc)
	if len(metrics) < want*9/10 {
		fmt.Fprintf(os.Stderr, "hints: %d numbers in the piece that was cut out: want about %d\n", len(metrics), want)
		os.Exit(1)
	}
	hints, checks := asked(metrics, 1000)
	fewHints, fewChecks := asked(metrics, 100)

	reused := new(extractors.Walker)
	walk(reused, doc)
	debug.SetGCPercent(-1) // a collection would hit any of them
	for range n {
		runtime.GC()
		t0 := time.Now()
		again := walk(reused, doc)
		t1 := time.Now()
		fresh := walk(new(extractors.Walker), doc)
		t2 := time.Now()
		resolver := extract.NewResolver(hints)
		tables := time.Now()
		headlines, _ := resolver.Resolve(fresh)
		t3 := time.Now()
		verdict := check.Evaluate(checks, check.Input{Metrics: fresh})
		t4 := time.Now()
		second := walk(new(extractors.Walker), doc)
		t5 := time.Now()
		fewHeadlines, _ := extract.Resolve(second, fewHints)
		t6 := time.Now()
		fewVerdict := check.Evaluate(fewChecks, check.Input{Metrics: second})
		t7 := time.Now()
		if len(headlines) < 100 || len(fewHeadlines) < 10 || !verdict.Pass || !fewVerdict.Pass || len(again) != len(fresh) {
			panic("the work was not done")
		}
		for _, d := range []time.Duration{t2.Sub(t1), t1.Sub(t0), t3.Sub(t2), t4.Sub(t3), tables.Sub(t2), t6.Sub(t5), t7.Sub(t6)} {
			fmt.Print(d.Nanoseconds(), " ")
		}
		fmt.Println()
	}
}

// asked are n hints, a tenth of them patterns, and n checks, all spread over metrics.
func asked(metrics []ktstr.Metric, n int) (hints []ktstr.Hint, checks []check.Check) {
	for i := range n * 9 / 10 {
		hints = append(hints, ktstr.Hint{Name: metrics[i*len(metrics)/(n*9/10)].Name, Unit: "ns", Polarity: ktstr.Lower})
	}
	seen := map[string]bool{}
	for i := 0; len(hints) < n && i < len(metrics); i += 7 { // the job's number becomes a '*'
		words := strings.Split(metrics[i].Name, ".")
		if len(words) < 3 || words[0] != "jobs" {
			continue
		}
		words[1] = "*"
		if name := strings.Join(words, "."); !seen[name] {
			seen[name] = true
			hints = append(hints, ktstr.Hint{Name: name, Unit: "ns", Headline: true})
		}
	}
	for i := range n {
		c, err := check.AtLeast(metrics[(2*i+1)*len(metrics)/(2*n)].Name, -1e300, "")
		must(err)
		checks = append(checks, c)
	}
	return hints, checks
}

// cut is a document of the first jobs of text that hold about so many numbers.
func cut(text []byte, want int) []byte {
	all := walk(new(extractors.Walker), text)
	line := all[min(want, len(all)-1)].Line
	lines := strings.SplitAfter(string(text), "\n")
	end := 0
	for i := range lines {
		if i >= line && lines[i] == "    },\n" { // the end of a job
			end = i
			break
		}
	}
	return []byte(strings.Join(lines[:end], "") + "    }\n  ]\n}\n")
}

func walk(w *extractors.Walker, text []byte) []ktstr.Metric {
	e, err := w.Extract(ktstr.Output{Stream: ktstr.Stdout, Data: text})
	must(err)
	return e.Metrics
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "hints:", err)
		os.Exit(1)
	}
}
