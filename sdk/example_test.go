package sdk_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/sdk"
)

// A whole extractor for a benchmark that prints "throughput: 12.5 MiB/s" and
// "p99: 40 us".
func ExampleLines() {
	x := sdk.Lines{
		Description: ktstr.Description{Name: "demo", Version: "1.0.0"},
		Signature:   `^demo \d`,
		Lines: []sdk.Line{
			{Pattern: `^throughput: (?P<value>\S+) MiB/s`, Name: "throughput", Unit: "MiB/s", Polarity: ktstr.Higher, Headline: true},
			{Pattern: `^p(?P<p>\S+): (?P<value>\S+) (?P<unit>\w+)`, Name: "latency.p{p}", Unit: "{unit}", Polarity: ktstr.Lower},
		},
		Notes: []sdk.Note{{Pattern: `^error: (?P<message>.*)`, Code: ktstr.ToolFailed}},
	}.Parser()
	got, _ := x.Parse(ktstr.Output{Data: []byte("demo 2.1\nthroughput: 12.5 MiB/s\np99.9: 40 us\n")})
	for _, m := range got.Metrics {
		fmt.Println(m.Name, m.Value, m.Unit, m.Polarity)
	}
	// Output:
	// throughput 12.5 MiB/s higher
	// latency.p99_9 40 us lower
}

// A plugin is a description, a parse function, and a main that calls Serve.
func ExampleServe() {
	parser := ktstr.Parser{
		Description: ktstr.Description{
			Name: "mybench", Version: "1.0.0",
			Hints: []ktstr.Hint{{Name: "score", Polarity: ktstr.Higher, Headline: true}},
		},
		Parse: func(out ktstr.Output) (ktstr.Extraction, error) {
			var x ktstr.Extraction
			number := 0
			for line := range strings.Lines(string(out.Data)) {
				number++
				var score float64
				if _, err := fmt.Sscanf(line, "score: %g", &score); err == nil {
					x.Metrics = append(x.Metrics, ktstr.Metric{Name: "score", Value: score, Line: number})
				}
			}
			if len(x.Metrics) == 0 {
				x.Diagnostics = []ktstr.Diagnostic{{Code: ktstr.NotMyFormat, Message: "no line \"score: NUMBER\""}}
			}
			return x, nil
		},
	}
	main := func() { sdk.Serve(parser) } // in the plugin this is func main
	_ = main

	// A test calls the parser without a process.
	x, err := parser.Extract(context.Background(), ktstr.Output{Data: []byte("mybench 1.4\nscore: 42\n")})
	fmt.Println(x.Metrics[0].Name, x.Metrics[0].Value, "on line", x.Metrics[0].Line, err)
	// Output: score 42 on line 2 <nil>
}
