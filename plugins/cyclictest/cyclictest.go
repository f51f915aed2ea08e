// Package cyclictest reads the output of cyclictest: the lines "T: 0 …", the summary of a
// histogram, and the JSON of --json.
package cyclictest

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/valyala/fastjson"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/text"
	"github.com/ktstr/ktstr/plugins/internal/report"
)

// New returns the extractor "cyclictest".
func New() ktstr.Extractor {
	return ktstr.Parser{Parse: parse, Description: ktstr.Description{
		Name:    "cyclictest",
		Summary: "cyclictest measures how late real-time threads wake up.",
		Version: "1",
		Tools:   []ktstr.Tool{{Name: "cyclictest", Versions: []string{"1.0", "2.40", "2.80"}}},
		Hints: []ktstr.Hint{
			{Name: "thread.*.latency.mean", Unit: "us", Polarity: ktstr.Lower, Headline: true},
			{Name: "thread.*.latency.max", Unit: "us", Polarity: ktstr.Lower, Headline: true},
			{Name: "thread.*.latency.min", Unit: "us", Polarity: ktstr.Lower},
			{Name: "thread.*.latency.last", Unit: "us"},
			{Name: "thread.*.samples", Unit: "count"},
			{Name: "thread.*.overflows", Unit: "count", Polarity: ktstr.Lower},
			{Name: "latency.max", Unit: "us", Polarity: ktstr.Lower, Headline: true},
			{Name: "samples", Unit: "count"},
			{Name: "overflows", Unit: "count", Polarity: ktstr.Lower},
			{Name: "break.value", Unit: "us"},
		},
	}}
}

// thread is the line of one thread in a block.
type thread struct {
	number int // of the line
	id     string
	text   []byte
}

// reading is the state of a parse.
type reading struct {
	*report.Report
	unit string // of the latencies

	block, previous []thread        // the last two blocks of lines T:
	ids             map[string]bool // of block

	summary map[string]row // the lines "# Total:" and so on of a histogram
	breaks  row
}

// row has the values of a line of the summary, one for each thread.
type row struct {
	number int
	values [][]byte
}

func parse(out ktstr.Output) (ktstr.Extraction, error) {
	r := reading{Report: report.New("cyclictest", out), unit: "us", ids: map[string]bool{}, summary: map[string]row{}}
	if nanoseconds(out.Argv) {
		r.unit = "ns"
	}
	for number, line := range r.Lines() {
		r.line(number, line)
	}
	r.histogram()
	r.threads(out)
	if len(r.Metrics) == 0 {
		r.document(out.Data)
	}
	if len(r.Metrics) > 0 && r.breaks.values != nil {
		r.AddText("break.value", r.breaks.values[0], r.unit, ktstr.Unknown, r.breaks.number)
	}
	return r.End("a line that begins with T:, the summary of a histogram, or the JSON of --json")
}

// nanoseconds reports whether a command line has -N. The output does not tell.
func nanoseconds(argv []string) bool {
	return slices.ContainsFunc(argv, func(arg string) bool {
		return arg == "--nsecs" || len(arg) > 1 && arg[0] == '-' && arg[1] != '-' && strings.Trim(arg[1:], "FMNRSmnqrsuvx") == "" && strings.Contains(arg, "N")
	})
}

func (r *reading) line(number int, line []byte) {
	if len(line) < 2 {
		return
	}
	if line[0] == 0x1b { // moves the cursor up to the first line of the block
		line = bytes.TrimLeft(line[1:], "[0123456789")
		line = line[min(1, len(line)):]
	}
	line = bytes.TrimLeft(line, " \t")
	switch {
	case len(line) < 2:
	case bytes.HasPrefix(line, []byte("T:")):
		r.Ours = true
		id, _, ok := bytes.Cut(line[2:], []byte{'('})
		t := thread{number, string(bytes.TrimSpace(id)), line}
		if _, err := strconv.Atoi(t.id); err != nil || !ok || !bytes.Contains(line, []byte("Max:")) {
			r.Note(ktstr.Malformed, number, "the line of a thread: want T: NUMBER (PID) … C: … Min: … Act: … Avg: … Max: …")
			return
		}
		if r.ids[t.id] {
			r.previous, r.block = r.block, r.previous[:0]
			clear(r.ids)
		}
		r.ids[t.id] = true
		r.block = append(r.block, t)
	case line[0] == '#' && line[1] == ' ':
		r.comment(number, line[2:])
	case bytes.HasPrefix(line, []byte("policy: ")):
		r.Ours = true
	case bytes.HasPrefix(line, []byte("cyclictest: ")), bytes.HasPrefix(line, []byte("FATAL: ")), bytes.HasPrefix(line, []byte("ERROR: ")),
		bytes.HasPrefix(line, []byte("Unable to change scheduling policy")):
		r.Note(ktstr.ToolFailed, number, "%s", line)
	}
}

// comment reads a line that begins with "# ".
func (r *reading) comment(number int, line []byte) {
	label, values, ok := bytes.Cut(line, []byte(": "))
	switch string(label) {
	case "Total", "Min Latencies", "Avg Latencies", "Max Latencies", "Histogram Overflows":
		r.Ours = true
		r.summary[string(label)] = row{number, bytes.Fields(values)}
	case "Break value":
		if ok {
			r.breaks = row{number, [][]byte{bytes.TrimSpace(values)}}
		}
	default:
		r.Ours = r.Ours || bytes.HasPrefix(line, []byte("/dev/cpu_dma_latency"))
	}
}

// threads adds the last complete block of lines T:. While cyclictest runs, it prints one
// block after the other.
func (r *reading) threads(out ktstr.Output) {
	block := r.block
	if len(r.previous) > len(block) {
		r.Note(ktstr.Truncated, 0, "the last block has %s, the block before it %d: the latter counts", text.Count(len(block), "thread"), len(r.previous))
		block = r.previous
	}
	if len(block) == 0 {
		return
	}
	if wanted := threadCount(out.Argv); wanted > len(block) {
		r.Note(ktstr.MissingHeadline, 0, "%s: want %d, as the command line says", text.Count(len(block), "line of a thread"), wanted)
	}
	ids := map[string]bool{}
	for _, t := range block {
		ids[t.id] = true
		r.thread(t)
	}
	for i := range block {
		if id := strconv.Itoa(i); !ids[id] {
			r.Note(ktstr.MissingHeadline, 0, "thread %s is missing: want a line for each thread from 0", id)
		}
	}
}

// threadCount returns the number that follows -t or --threads, 1 without such an option,
// and 0 if the command line does not tell.
func threadCount(argv []string) int {
	count := min(1, len(argv))
	for i, arg := range argv {
		value, ok := strings.CutPrefix(arg, "--threads=")
		if !ok && arg != "--threads" {
			value, ok = strings.CutPrefix(arg, "-t")
		}
		if arg == "-S" || arg == "--smp" || arg == "--threads" {
			ok = true
		}
		if ok && value == "" && i+1 < len(argv) && arg != "-S" && arg != "--smp" {
			value = argv[i+1]
		}
		if ok {
			count, _ = strconv.Atoi(value) // 0: one for each processor
		}
	}
	return count
}

// thread adds the metrics of the line of one thread.
func (r *reading) thread(t thread) {
	prefix := "thread." + t.id + "."
	value := func(label string) []byte {
		_, rest, _ := bytes.Cut(t.text, []byte(label))
		word, _, _ := bytes.Cut(bytes.TrimLeft(rest, " "), []byte{' '})
		return word
	}
	if string(value(" C:")) == "0" {
		r.Note(ktstr.NotMeasured, t.number, "thread %s has no sample", t.id)
		return
	}
	add := func(name, label, unit string, polarity ktstr.Polarity) {
		if !r.Has(prefix + name) { // else the histogram has it, which is of the end of the run
			r.AddText(prefix+name, value(label), unit, polarity, t.number)
		}
	}
	add("samples", " C:", "count", ktstr.Unknown)
	add("latency.min", " Min:", r.unit, ktstr.Lower)
	add("latency.last", " Act:", r.unit, ktstr.Unknown)
	add("latency.mean", " Avg:", r.unit, ktstr.Lower)
	add("latency.max", " Max:", r.unit, ktstr.Lower)
}

// histogram adds the summary below a histogram, which is about the whole run. Its
// lines have one value for each thread. With -H some have one more, of all threads.
func (r *reading) histogram() {
	if len(r.summary) == 0 {
		return
	}
	of := func(label string) row { return r.summary[label] }
	threads := len(of("Min Latencies").values)
	if threads == 0 {
		threads = len(of("Avg Latencies").values)
	}
	for _, m := range []struct {
		label, name, unit string
		polarity          ktstr.Polarity
		all               bool // -H adds a value of all threads
	}{
		{"Total", "samples", "count", ktstr.Unknown, true},
		{"Min Latencies", "latency.min", r.unit, ktstr.Lower, false},
		{"Avg Latencies", "latency.mean", r.unit, ktstr.Lower, false},
		{"Max Latencies", "latency.max", r.unit, ktstr.Lower, true},
		{"Histogram Overflows", "overflows", "count", ktstr.Lower, true},
	} {
		values := of(m.label).values
		switch {
		case len(values) == 0:
			r.Note(ktstr.MissingHeadline, 0, "%s of the threads is missing: want a line that begins with # %s:", m.name, m.label)
		case len(values) < threads || len(values) > threads+1 || len(values) > threads && !m.all:
			r.Note(ktstr.Malformed, of(m.label).number, "%s after %s: want %d", text.Count(len(values), "value"), m.label, threads)
			continue
		}
		for i, value := range values {
			name := m.name
			if i < threads {
				if r.empty(i) {
					continue
				}
				name = fmt.Sprintf("thread.%d.%s", i, m.name)
			}
			r.AddText(name, value, m.unit, m.polarity, of(m.label).number)
		}
	}
}

// empty reports whether a thread has no sample, neither in the histogram nor above it.
func (r *reading) empty(thread int) bool {
	for _, label := range []string{"Total", "Histogram Overflows"} {
		if values := r.summary[label].values; thread >= len(values) || strings.Trim(string(values[thread]), "0") != "" {
			return false
		}
	}
	return true
}

// document reads the JSON. It counts if there is no text.
func (r *reading) document(data []byte) {
	start := bytes.IndexByte(data, '{')
	end := bytes.LastIndexByte(data, '}')
	if start < 0 || !bytes.Contains(data[start:], []byte("\"rt_test_version")) {
		return
	}
	if r.Ours {
		r.Note(ktstr.MissingHeadline, 0, "no line of a thread is in the text: the numbers of the JSON count")
	}
	r.Ours = true
	if end < start {
		end = len(data) - 1
	}
	v, err := fastjson.ParseBytes(data[start : end+1])
	if err != nil {
		r.Note(ktstr.Truncated, 0, "the JSON document is not complete or not valid")
		return
	}
	unit := "us"
	if v.GetInt("resolution_in_ns") == 1 || nanoseconds(strings.Fields(string(v.GetStringBytes("cmdline:")))) {
		unit = "ns"
	}
	threads := v.GetObject("thread")
	if n := v.GetInt("num_threads"); threads != nil && n > threads.Len() {
		r.Note(ktstr.MissingHeadline, 0, "%s: want %d, as num_threads says", text.Count(threads.Len(), "thread"), n)
	}
	line := 1 + bytes.Count(data[:max(start, bytes.Index(data, []byte("\"thread\"")))], []byte{'\n'})
	threads.Visit(func(key []byte, t *fastjson.Value) {
		prefix := "thread." + text.Segment(string(key)) + "."
		if t.GetFloat64("cycles") == 0 {
			r.Note(ktstr.NotMeasured, line, "thread %s has no sample", key)
			return
		}
		add := func(name, member, unit string, polarity ktstr.Polarity) {
			value := t.Get(member)
			if value == nil || value.Type() != fastjson.TypeNumber {
				r.Note(ktstr.MissingHeadline, line, "%s%s is missing: want the number %s of the thread", prefix, name, member)
				return
			}
			r.AddText(prefix+name, value.MarshalTo(nil), unit, polarity, line)
		}
		add("samples", "cycles", "count", ktstr.Unknown)
		add("latency.min", "min", unit, ktstr.Lower)
		add("latency.mean", "avg", unit, ktstr.Lower)
		add("latency.max", "max", unit, ktstr.Lower)
	})
}
