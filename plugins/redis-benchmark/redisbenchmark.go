// Package redisbenchmark reads the output of redis-benchmark: its text, the lines of -q,
// and the table of --csv.
package redisbenchmark

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/text"
	"github.com/ktstr/ktstr/plugins/internal/report"
)

// New returns the extractor "redis-benchmark".
func New() ktstr.Extractor {
	return ktstr.Parser{Parse: parse, Description: ktstr.Description{
		Name:    "redis-benchmark",
		Summary: "redis-benchmark sends requests to Redis and measures their rate and latency.",
		Version: "1",
		Tools:   []ktstr.Tool{{Name: "redis-benchmark", Versions: []string{"3", "5", "6", "7.0.15"}}},
		Hints: []ktstr.Hint{
			{Name: "*.rps", Unit: "req/s", Polarity: ktstr.Higher, Headline: true},
			{Name: "*.latency.p50", Unit: "ms", Polarity: ktstr.Lower, Headline: true},
			{Name: "*.latency.p99", Unit: "ms", Polarity: ktstr.Lower, Headline: true},
			{Name: "*.latency.mean", Unit: "ms", Polarity: ktstr.Lower},
			{Name: "*.latency.min", Unit: "ms", Polarity: ktstr.Lower},
			{Name: "*.latency.p95", Unit: "ms", Polarity: ktstr.Lower},
			{Name: "*.latency.max", Unit: "ms", Polarity: ktstr.Lower},
			{Name: "*.requests", Unit: "count"},
			{Name: "*.time", Unit: "s"},
		},
	}}
}

// latencies are the columns of --csv after rps, and those of the latency summary.
var latencies = []string{"mean", "min", "p50", "p95", "p99", "max"}

// reading is the state of a parse.
type reading struct {
	*report.Report
	titles map[string]int // how often each occurred
	test   string         // the name of the test whose block is read, with ~2 if its title repeats
	block  bool           // the test of the block has no rate yet
	header bool           // the columns of the latency summary, or of --csv, were named
	full   bool           // the block has latencies

	failure string // the first error
	failed  int    // its line
}

func parse(out ktstr.Output) (ktstr.Extraction, error) {
	r := reading{Report: report.New("redis-benchmark", out), titles: map[string]int{}}
	for number, line := range r.Lines() {
		if len(line) > 0 {
			r.line(number, line)
		}
	}
	r.endBlock()
	r.missingTests(out.Argv)
	r.Ours = r.Ours || bytes.Contains(out.Data, []byte(": rps=")) // progress without a result
	switch {
	case r.failure != "" && len(r.Metrics) > 0:
		r.Note(ktstr.NotMeasured, r.failed, "redis-benchmark complains, and ran all the same: %s", r.failure)
	case r.failure != "":
		r.Note(ktstr.ToolFailed, r.failed, "%s", r.failure)
	}
	return r.End("a line with \"requests per second\", or the table of --csv")
}

func (r *reading) line(number int, line []byte) {
	switch {
	case line[0] == '"':
		r.csv(number, line)
	case bytes.HasPrefix(line, []byte("====== ")) && bytes.HasSuffix(line, []byte(" ======")):
		r.endBlock()
		r.Ours, r.block, r.full = true, true, false
		r.test = r.name(string(line[len("======") : len(line)-len("======")]))
	case bytes.HasPrefix(line, []byte("Could not connect to ")), bytes.HasPrefix(line, []byte("Error from server: ")),
		bytes.HasPrefix(line, []byte("Invalid option ")), bytes.HasPrefix(line, []byte("Error: ")):
		if r.failure == "" {
			r.failure, r.failed = string(line), number
		}
	case bytes.Contains(line, []byte("requests per second")):
		r.rate(number, line)
	case line[0] == ' ' && r.test != "":
		r.ofBlock(number, bytes.TrimSpace(line))
	case bytes.HasPrefix(line, []byte("Latency by percentile distribution")):
		r.full = true
	}
}

// name returns the name of the next test of a title. If a title repeats, its second test
// is "TITLE~2".
func (r *reading) name(title string) string {
	name := text.Segment(strings.TrimSpace(title))
	r.titles[name]++
	if n := r.titles[name]; n > 1 {
		return fmt.Sprintf("%s~%d", name, n)
	}
	return name
}

// rate reads "TITLE: 35714.29 requests per second, p50=0.039 msec" of -q, the line
// "throughput summary: …" of a block, and the bare rate that ends a block before 6.2.
func (r *reading) rate(number int, line []byte) {
	before, after, _ := bytes.Cut(line, []byte(" requests per second"))
	if len(after) > 0 && after[0] != ',' {
		return // another program's text around the line
	}
	title, value := "", before
	if at := bytes.LastIndex(before, []byte(": ")); at >= 0 {
		title, value = string(bytes.TrimSpace(before[:at])), before[at+2:]
	}
	test := r.test
	switch {
	case title == "throughput summary" || title == "":
		if !r.block {
			r.Note(ktstr.Malformed, number, "a rate without the title of its test: left out")
			return
		}
		r.full = r.full || title != ""
	default:
		r.endBlock()
		test = r.name(title)
	}
	r.Ours, r.block = true, false
	if v, ok := text.ParseDecimal(value); ok && v == 0 {
		r.Note(ktstr.NotMeasured, number, "%s.rps is 0: it was not measured", test)
		return
	}
	r.AddText(test+".rps", value, "req/s", ktstr.Higher, number)
	if _, p50, ok := bytes.Cut(after, []byte("p50=")); ok {
		r.AddText(test+".latency.p50", bytes.TrimSuffix(p50, []byte(" msec")), "ms", ktstr.Lower, number)
	}
}

// ofBlock reads a line of a block of the text.
func (r *reading) ofBlock(number int, line []byte) {
	if count, rest, ok := bytes.Cut(line, []byte(" requests completed in ")); ok {
		if r.Has(r.test + ".requests") {
			r.Note(ktstr.Malformed, number, "a block without the title of its test: left out")
			r.endBlock()
			r.test = ""
			return
		}
		r.AddText(r.test+".requests", count, "count", ktstr.Unknown, number)
		r.AddText(r.test+".time", bytes.TrimSuffix(rest, []byte(" seconds")), "s", ktstr.Unknown, number)
		return
	}
	fields := bytes.Fields(line)
	switch {
	case len(fields) != len(latencies):
	case string(fields[0]) == "avg" && string(fields[5]) == "max":
		r.header = true
	case r.header:
		r.header = false
		r.latencies(number, r.test, fields)
	}
}

func (r *reading) latencies(number int, test string, values [][]byte) {
	for i, name := range latencies {
		r.AddText(test+".latency."+name, values[i], "ms", ktstr.Lower, number)
	}
}

// endBlock reports the headlines that the block of a test lacks.
func (r *reading) endBlock() {
	if r.test == "" {
		return
	}
	r.Want(r.test+".rps", "a line with \"requests per second\"")
	if r.full { // before 6.2 there are no latencies
		r.Want(r.test+".latency.p50", "the row below \"avg min p50 p95 p99 max\"")
	}
	r.test, r.block, r.header = "", false, false
}

// csv reads a row of --csv. A title may hold quotes and commas, which are not escaped. So
// the columns are counted from the right: one without the header of 6.2, else seven.
func (r *reading) csv(number int, line []byte) {
	if bytes.HasPrefix(line, []byte(`"test","rps"`)) {
		r.Ours, r.header = true, true
		return
	}
	all := 1 + len(latencies)
	parts := bytes.Split(bytes.TrimSuffix(line[1:], []byte{'"'}), []byte(`","`))
	numbers := 0
	for numbers < min(all, len(parts)-1) && isNumber(parts[len(parts)-1-numbers]) {
		numbers++
	}
	if numbers < all && !r.header {
		numbers = min(numbers, 1)
	}
	if numbers == 0 || numbers < all && r.header {
		r.Note(ktstr.Malformed, number, "%s at the end of this row: want %d, or the rate alone", text.Count(numbers, "number"), all)
		return
	}
	title, values := bytes.Join(parts[:len(parts)-numbers], []byte(`","`)), parts[len(parts)-numbers:]
	r.Ours = true
	test := r.name(string(title))
	if r.AddText(test+".rps", values[0], "req/s", ktstr.Higher, number); len(values) == 1 {
		return
	}
	if !r.header {
		r.Note(ktstr.MissingHeadline, number, "the row that names the columns is missing: its order in redis-benchmark 7 is assumed")
		r.header = true
	}
	r.latencies(number, test, values[1:])
}

// isNumber reports whether a field is a number, also one that C prints for 0/0.
func isNumber(field []byte) bool {
	_, ok := text.ParseDecimal(field)
	return ok || slices.Contains([]string{"nan", "-nan", "inf", "-inf"}, string(field))
}

// missingTests reports the tests of -t that the report lacks.
func (r *reading) missingTests(argv []string) {
	at := slices.Index(argv, "-t")
	if at < 0 || at+1 >= len(argv) || len(r.titles) == 0 {
		return
	}
	tests := strings.Split(strings.ToUpper(argv[at+1]), ",")
	if i := slices.Index(tests, "PING"); i >= 0 {
		tests = append(slices.Delete(tests, i, i+1), "PING_INLINE", "PING_MBULK")
	}
	for _, test := range tests {
		found := false
		for title := range r.titles {
			title = strings.Replace(title, "PING_BULK", "PING_MBULK", 1) // before 6
			found = found || strings.HasPrefix(strings.ToUpper(title), test)
		}
		if !found {
			r.Note(ktstr.MissingHeadline, 0, "the test %s is missing, which -t names", test)
		}
	}
}
