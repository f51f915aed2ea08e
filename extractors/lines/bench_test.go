package lines

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ktstr/ktstr"
)

// benchTable has 20 patterns with a literal of four bytes or more.
func benchTable(regexps bool) (t Table) {
	words := strings.Fields("events transactions queries latency throughput bandwidth percentile deadlocks reconnects requests " +
		"elapsed observed dropped received retries jitter overflows samples average maximum")
	for _, w := range words {
		if regexps {
			t.Lines = append(t.Lines, Line{Pattern: Regexp(w + `: +(?P<value>[\d.]+) (?P<unit>\w+)`), Name: w, Unit: "{unit}"})
		} else {
			t.Lines = append(t.Lines, Line{Pattern: Match(w + ": {" + w + "} {unit}")})
		}
	}
	return t
}

// benchText has 16 MiB of log lines, of which one in every has a number of the table.
func benchText(every int) []byte {
	var b strings.Builder
	words := benchTable(false).Lines
	for i := 0; b.Len() < 16<<20; i++ {
		if i%every == every-1 {
			word, _, _ := strings.Cut(words[i/every%len(words)].Pattern.Text, ":")
			fmt.Fprintf(&b, "    %s:                              %d.%02d ms of the whole test, measured by one thread\n", word, i, i%100)
			continue
		}
		fmt.Fprintf(&b, "[ %ds ] thds: 2 tps: %d.19 qps: 2.00 (r/w/o: 0.25/1.00/3.00) lat (ms,95%%): 0.25 err/s: 0.00\n", i, i%977)
	}
	return []byte(b.String())
}

func BenchmarkLines(b *testing.B) {
	for _, c := range []struct {
		name    string
		regexps bool
		every   int
	}{
		{"match/hit=1000", false, 1000},
		{"regexp/hit=1000", true, 1000},
		{"match/hit=1", false, 1},
		{"regexp/hit=1", true, 1},
	} {
		b.Run(c.name, func(b *testing.B) {
			x, err := benchTable(c.regexps).Compile(ktstr.Description{})
			if err != nil {
				b.Fatal(err)
			}
			data := benchText(c.every)
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if e, _ := x.Parse(ktstr.Output{Data: data}); len(e.Metrics) != 20 {
					b.Fatalf("%d metrics, want 20", len(e.Metrics))
				}
			}
		})
	}
}
