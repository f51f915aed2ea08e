// Hints takes the first METRICS numbers of the JSON in FILE. N times it walks
// them, resolves 100 hints (10 of them patterns), and evaluates 100 checks. It
// prints the nanoseconds of the hints and of the checks.
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
	hints, checks := asked(metrics, 100)
	debug.SetGCPercent(-1) // a collection would hit either of them
	for range n {
		runtime.GC()
		fresh := walk(new(extractors.Walker), doc)
		t0 := time.Now()
		headlines, _ := extract.Resolve(fresh, hints)
		t1 := time.Now()
		verdict := check.Evaluate(checks, check.Input{Metrics: fresh})
		t2 := time.Now()
		if len(headlines) < 10 || !verdict.Pass {
			panic("the work was not done")
		}
		fmt.Println(t1.Sub(t0).Nanoseconds(), t2.Sub(t1).Nanoseconds())
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
