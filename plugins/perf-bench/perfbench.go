// Package perfbench turns the output of perf bench into metrics: the benchmarks of the
// collections sched, syscall, mem, futex, epoll, internals and numa.
package perfbench

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/text"
	"github.com/ktstr/ktstr/plugins/internal/report"
)

// New returns the extractor "perf-bench".
func New() ktstr.Extractor {
	return ktstr.Parser{Parse: parse, Description: ktstr.Description{
		Name:    "perf-bench",
		Summary: "perf bench measures the scheduler, system calls, memory copies and futexes.",
		Version: "1",
		Tools:   []ktstr.Tool{{Name: "perf", Versions: []string{"2.6", "3.10", "4.4", "6.1", "6.6"}}},
		Hints: []ktstr.Hint{
			{Name: "*.*.time", Unit: "s", Polarity: ktstr.Lower, Headline: true},
			{Name: "*.*.latency", Unit: "us", Polarity: ktstr.Lower, Headline: true},
			{Name: "*.*.rate", Unit: "ops/s", Polarity: ktstr.Higher, Headline: true},
			{Name: "*.*.rate.stddev_percent", Unit: "%"},
			{Name: "*.*.latency.stddev_percent", Unit: "%"},
			{Name: "*.*.thread.*.rate", Unit: "ops/s", Polarity: ktstr.Higher},
			{Name: "mem.*.bw", Unit: "GiB/s", Polarity: ktstr.Higher, Headline: true},
			{Name: "mem.*.*.bw", Unit: "GiB/s", Polarity: ktstr.Higher, Headline: true},
			{Name: "mem.find_bit.*.*.mean", Unit: "us", Polarity: ktstr.Lower},
			{Name: "mem.find_bit.*.*.stddev", Unit: "us"},
			{Name: "epoll.ctl.add", Unit: "ops", Polarity: ktstr.Higher, Headline: true},
			{Name: "epoll.ctl.mod", Unit: "ops", Polarity: ktstr.Higher, Headline: true},
			{Name: "epoll.ctl.del", Unit: "ops", Polarity: ktstr.Higher, Headline: true},
			{Name: "internals.*.mean", Unit: "us", Polarity: ktstr.Lower, Headline: true},
			{Name: "internals.*.*.mean", Unit: "us", Polarity: ktstr.Lower, Headline: true},
			{Name: "internals.*.stddev", Unit: "us"},
			{Name: "internals.*.*.stddev", Unit: "us"},
			{Name: "internals.*.*.events", Unit: "count"},
			{Name: "internals.*.*.per_event", Unit: "us", Polarity: ktstr.Lower},
			{Name: "internals.*.*.memory", Unit: "KB", Polarity: ktstr.Lower},
			{Name: "internals.*.events", Unit: "count"},
			{Name: "internals.*.per_event", Unit: "us", Polarity: ktstr.Lower},
			{Name: "internals.*.memory", Unit: "KB", Polarity: ktstr.Lower},
			{Name: "numa.mem.thread.bw", Unit: "GB/s", Polarity: ktstr.Higher},
			{Name: "numa.mem.data", Unit: "GB"},
			{Name: "numa.mem.runtime.min", Unit: "s", Polarity: ktstr.Lower},
			{Name: "numa.mem.runtime.max", Unit: "s", Polarity: ktstr.Lower},
			{Name: "numa.mem.bw", Unit: "GB/s", Polarity: ktstr.Higher, Headline: true},
			{Name: "numa.mem.runtime.mean", Unit: "s", Polarity: ktstr.Lower, Headline: true},
		},
	}}
}

// reading is the state of a parse. A bench is "collection.bench".
type reading struct {
	*report.Report
	line     int
	bench    string          // the current one, with ~2 where it is there again
	simple   bool            // -f simple: a number without words
	times    map[string]int  // how often a bench or one of its parts was begun
	function string          // of mem
	bits     string          // of mem find_bit, such as 1_of_16
	label    string          // of internals, such as "synthesis."
	took     bool            // the mean of label was read
	wants    []string        // the headlines of the benches that were begun
	seen     map[string]bool // kinds of lines of the current bench, each of which is there once
}

func parse(out ktstr.Output) (ktstr.Extraction, error) {
	r := reading{Report: report.New("perf bench", out), times: map[string]int{}, seen: map[string]bool{}}
	fromArgv, simple := command(out.Argv)
	r.simple = simple
	if fromArgv != "" && !strings.HasSuffix(fromArgv, ".all") {
		r.bench = fromArgv
	}
	for n, line := range r.Lines() {
		r.line = n
		r.read(line)
	}
	for _, name := range r.wants {
		if len(r.Metrics) > 0 && !r.Has(name) {
			r.Note(ktstr.MissingHeadline, 0, "%s is missing: a line of the report may be lost", name)
		}
	}
	r.bareBandwidth()
	return r.End("a line \"# Running 'COLLECTION/BENCH' benchmark:\"")
}

// command returns the bench of a command line, such as "sched.pipe", and whether it has
// -f simple.
func command(argv []string) (bench string, simple bool) {
	at := slices.Index(argv, "bench")
	if at < 0 {
		return "", false
	}
	var words []string
	for i := at + 1; i < len(argv) && len(words) < 2; i++ {
		switch arg := argv[i]; {
		case arg == "-f" || arg == "--format" || arg == "-r" || arg == "--repeat":
			i++
			simple = simple || i < len(argv) && argv[i] == "simple"
		case strings.HasPrefix(arg, "-"):
			simple = simple || arg == "--format=simple" || arg == "-fsimple"
		default:
			words = append(words, slug(arg))
		}
	}
	if len(words) < 2 {
		return "", simple
	}
	return words[0] + "." + words[1], simple
}

// slug returns words of perf as one segment of a name.
func slug(s string) string {
	return strings.NewReplacer("-", "_", "/", "_").Replace(text.Segment(strings.ToLower(strings.TrimSpace(s))))
}

// again returns a segment with ~2, ~3 where it was there before.
func (r *reading) again(segment string) string {
	r.times[segment]++
	if n := r.times[segment]; n > 1 {
		return fmt.Sprintf("%s~%d", segment, n)
	}
	return segment
}

// begin starts a bench at its heading.
func (r *reading) begin(name string) {
	collection, bench, ok := strings.Cut(name, "/")
	if !ok {
		return
	}
	r.Ours = true
	r.bench = r.again(slug(collection) + "." + slug(bench))
	r.function, r.bits, r.label, r.took = "", "", "", false
	clear(r.seen)
	if strings.HasPrefix(r.bench, "sched.") || strings.HasPrefix(r.bench, "syscall.") {
		r.want(r.bench + ".time")
	}
}

// read reads a line.
func (r *reading) read(line []byte) {
	if len(line) == 0 {
		return
	}
	if line[0] == '#' {
		if rest, ok := bytes.CutPrefix(line, []byte("# Running ")); ok {
			name, _, _ := strings.Cut(strings.Trim(string(rest), "'"), " benchmark")
			r.begin(strings.Trim(name, "'"))
		} else if rest, ok := bytes.CutPrefix(line, []byte("# function '")); ok && r.bench != "" {
			r.Ours = true
			name, _, _ := strings.Cut(string(rest), "'")
			_, r.function, _ = strings.Cut(r.again(r.bench+"."+slug(name)), r.bench+".")
			r.want(r.bench + "." + r.function + ".bw")
			clear(r.seen)
		}
		return
	}
	if r.failed(line) {
		return
	}
	if r.bench == "" {
		if bytes.Contains(line, []byte("Total time:")) || bytes.Contains(line, []byte(" took: ")) || bytes.Contains(line, []byte("/sec")) {
			r.Note(ktstr.Malformed, r.line, "the bench of this line is not known, because its heading is lost: left out")
		}
		return
	}
	switch collection, _, _ := strings.Cut(r.bench, "."); collection {
	case "mem":
		r.mem(string(line))
	case "futex", "epoll":
		r.threads(string(line))
	case "internals":
		r.internals(string(line))
	case "numa":
		r.numa(string(line))
	default:
		r.operations(string(line))
	}
}

// failed reports whether a line says why perf did not run the bench.
func (r *reading) failed(line []byte) bool {
	for _, begin := range []string{"Unknown format descriptor", "Unknown benchmark", "Unknown collection", "  Error: unknown ", "perf: ", "Invalid "} {
		if bytes.HasPrefix(line, []byte(begin)) {
			r.Note(ktstr.ToolFailed, r.line, "%s", line)
			return true
		}
	}
	return false
}

// once reports whether a kind of line is there for the first time in its part. If it is
// there again, the heading between them was lost.
func (r *reading) once(kind string) bool {
	if r.seen[kind] {
		r.Note(ktstr.Malformed, r.line, "%s has two lines of %s: a heading between them may be lost, so this one is left out", r.bench, kind)
		return false
	}
	r.seen[kind] = true
	return true
}

func (r *reading) want(names ...string) {
	if len(r.wants) < 1000 {
		r.wants = append(r.wants, names...)
	}
}

// add adds a metric of the current bench.
func (r *reading) add(name, number, unit string, polarity ktstr.Polarity) {
	v, ok := text.ParseDecimal(strings.ReplaceAll(number, ",", ""))
	if !ok {
		r.Note(ktstr.Malformed, r.line, "%s.%s is %q: want a decimal number", r.bench, name, number)
		return
	}
	r.Ours = true
	r.Add(r.bench+"."+name, v, unit, polarity, r.line)
}

// operations reads sched, syscall and benches that print the same.
func (r *reading) operations(line string) {
	rest, isTime := strings.CutPrefix(strings.TrimSpace(line), "Total time:")
	f := strings.Fields(rest)
	switch {
	case isTime && len(f) == 2 && (f[1] == "[sec]" || f[1] == "usecs"):
		if !r.once("Total time") {
			return
		}
		unit := map[string]string{"[sec]": "s", "usecs": "us"}[f[1]]
		r.add("time", f[0], unit, ktstr.Lower)
		if _, bench, _ := strings.Cut(r.bench, "."); strings.HasPrefix(r.bench, "syscall.") || strings.HasPrefix(bench, "pipe") {
			r.want(r.bench+".latency", r.bench+".rate")
		}
	case len(f) == 2 && f[1] == "usecs/op":
		if r.once("usecs/op") {
			r.add("latency", f[0], "us", ktstr.Lower)
			r.want(r.bench + ".time")
		}
	case len(f) == 2 && f[1] == "ops/sec":
		if r.once("ops/sec") {
			r.add("rate", f[0], "ops/s", ktstr.Higher)
			r.want(r.bench+".time", r.bench+".latency")
		}
	case r.simple && len(f) == 1 && !isTime:
		if _, ok := text.ParseDecimal(f[0]); ok && r.once("a number alone") {
			r.add("time", f[0], "s", ktstr.Lower)
		}
	}
}

// memUnits are the units of mem. They are multiples of 1024.
var memUnits = map[string]string{"b/sec": "B/s", "kb/sec": "KiB/s", "mb/sec": "MiB/s", "gb/sec": "GiB/s", "tb/sec": "TiB/s"}

// mem reads memcpy, memset and find_bit.
func (r *reading) mem(line string) {
	f := strings.Fields(line)
	name := "bw"
	if r.function != "" {
		name = r.function + ".bw"
	}
	switch {
	case r.findBit(line, f):
	case len(f) >= 2 && memUnits[strings.ToLower(f[1])] != "":
		kind := "bandwidth"
		if len(f) > 2 && strings.Contains(line, "(with prefault)") {
			name, kind = strings.TrimSuffix(name, "bw")+"prefault.bw", "bandwidth with prefault"
		}
		if r.once(kind) {
			r.add(name, f[0], memUnits[strings.ToLower(f[1])], ktstr.Higher)
		}
	case r.simple && len(f) == 1:
		if _, ok := text.ParseDecimal(f[0]); ok && r.once("a number alone") {
			r.add(name, f[0], "B/s", ktstr.Higher)
		}
	}
}

// findBit reads a line of mem find_bit, such as "10 operations 1 bits set of 2 bits" and
// "  Average test_bit loop took:    0.200 usec (+- 0.200 usec)".
func (r *reading) findBit(line string, f []string) bool {
	if len(f) == 8 && f[1] == "operations" && f[3] == "bits" && f[4] == "set" {
		r.bits = r.again(r.bench + "." + f[2] + "_of_" + f[6])[len(r.bench)+1:]
		clear(r.seen)
		return true
	}
	label, mean, stddev, unit, ok := average(line)
	if !ok || r.bits == "" {
		return ok
	}
	label = strings.TrimSuffix(label, " loop")
	if r.once(label) {
		r.add(r.bits+"."+slug(label)+".mean", mean, unit, ktstr.Lower)
		r.add(r.bits+"."+slug(label)+".stddev", stddev, unit, ktstr.Unknown)
	}
	return true
}

// average reads a line such as "  Average synthesis took: 178.250 usec (+- 12.172 usec)".
func average(line string) (label, mean, stddev, unit string, ok bool) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(line), "Average ")
	label, numbers, ok2 := strings.Cut(rest, " took:")
	f := strings.Fields(numbers)
	if !ok || !ok2 || len(f) != 5 || f[2] != "(+-" || f[1]+")" != f[4] {
		return "", "", "", "", false
	}
	unit, ok = map[string]string{"usec": "us", "msec": "ms", "ms": "ms", "us": "us", "sec": "s", "nsec": "ns"}[f[1]]
	return label, f[0], f[3], unit, ok
}

// threads reads futex and epoll.
func (r *reading) threads(line string) {
	switch {
	case strings.HasPrefix(line, "[thread "):
		number, rest, ok := strings.Cut(line[len("[thread "):], "]")
		_, rate, ok2 := strings.Cut(rest, " [ ")
		rate, ok3 := strings.CutSuffix(rate, " ops/sec ]")
		if ok && ok2 && ok3 {
			r.add("thread."+slug(number)+".rate", rate, "ops/s", ktstr.Higher)
			if len(r.wants) == 0 {
				r.want(r.bench + ".rate")
			}
		}
	case strings.HasPrefix(line, "[Run "):
		r.Ours = true
		if len(r.wants) == 0 {
			r.want(r.bench + ".latency")
		}
	case strings.HasPrefix(line, "Averaged "):
		f := strings.Fields(line)
		switch {
		case len(f) > 4 && f[2] == "operations/sec":
			r.add("rate", f[1], "ops/s", ktstr.Higher)
			r.add("rate.stddev_percent", strings.TrimSuffix(strings.TrimSuffix(f[4], ","), "%)"), "%", ktstr.Unknown)
		case len(f) > 3 && f[3] == "operations" && slices.Contains([]string{"ADD", "MOD", "DEL"}, f[2]):
			r.add(strings.ToLower(f[2]), f[1], "ops", ktstr.Higher)
			r.want(r.bench+".add", r.bench+".mod", r.bench+".del")
		}
	case strings.HasPrefix(line, "Run summary "):
		r.Ours = true
	default:
		// "Wokeup 4 of 4 threads in 0.0999 ms (+-11.41%)": the average of the runs.
		_, rest, ok := strings.Cut(line, ") in ")
		if !ok {
			_, rest, ok = strings.Cut(line, " threads in ")
		}
		f := strings.FieldsFunc(rest, func(c rune) bool { return c == ' ' || c == '(' || c == ')' || c == '+' })
		if ok && len(f) == 3 && f[1] == "ms" && strings.HasPrefix(f[2], "-") && strings.HasSuffix(f[2], "%") {
			r.add("latency", f[0], "ms", ktstr.Lower)
			r.add("latency.stddev_percent", f[2][1:len(f[2])-1], "%", ktstr.Unknown)
		}
	}
}

// internals reads the averages of perf's own parts.
func (r *reading) internals(line string) {
	if label, mean, stddev, unit, ok := average(line); ok {
		r.label = ""
		for _, l := range []string{"synthesis", "data synthesis", "build-id injection", "build-id-all injection", "core PMU scanning", "PMU scanning"} {
			if label == l {
				r.label = strings.TrimSuffix(slug(l), "_injection") + "."
			}
		}
		if key := r.again(r.bench + " " + label); strings.Contains(key, "~") {
			_, n, _ := strings.Cut(key, "~")
			r.label = cmp.Or(strings.TrimSuffix(r.label, "."), slug(label)) + "~" + n + "."
		}
		r.add(r.label+"mean", mean, unit, ktstr.Lower)
		r.add(r.label+"stddev", stddev, unit, ktstr.Unknown)
		r.took = true
		clear(r.seen)
		return
	}
	rest, ok := strings.CutPrefix(strings.TrimSpace(line), "Average ")
	if !ok {
		return
	}
	f := strings.Fields(rest)
	name, unit, polarity := "", "", ktstr.Lower
	switch {
	case len(f) > 2 && f[0] == "num." && f[1] == "events:":
		name, unit, polarity, f = "events", "count", ktstr.Unknown, f[2:]
	case len(f) > 4 && f[0] == "time" && f[1] == "per" && strings.TrimSuffix(f[2], ":") == "event" && f[4] == "usec":
		name, unit, f = "per_event", "us", f[3:]
	case len(f) > 3 && f[0] == "memory" && f[1] == "usage:" && f[3] == "KB":
		name, unit, f = "memory", "KB", f[2:]
	default:
		return
	}
	if !r.took {
		r.Note(ktstr.MissingHeadline, r.line, "%s.mean is missing: no line \"Average … took\" is before this one, which is left out", r.bench)
	} else if r.once(name) {
		r.add(r.label+name, f[0], unit, polarity)
	}
}

// numa reads the totals of numa mem.
func (r *reading) numa(line string) {
	number, words, ok := strings.Cut(strings.TrimSpace(line), " ")
	if !ok {
		return
	}
	for _, m := range []struct {
		words, name, unit string
		polarity          ktstr.Polarity
	}{
		{"secs slowest (max) thread-runtime", "runtime.max", "s", ktstr.Lower},
		{"secs fastest (min) thread-runtime", "runtime.min", "s", ktstr.Lower},
		{"secs average thread-runtime", "runtime.mean", "s", ktstr.Lower},
		{"GB data processed, total", "data", "GB", ktstr.Unknown},
		{"GB/sec/thread speed", "thread.bw", "GB/s", ktstr.Higher},
		{"GB/sec total speed", "bw", "GB/s", ktstr.Higher},
	} {
		if words == m.words {
			r.add(m.name, number, m.unit, m.polarity)
			r.want("numa.mem.bw", "numa.mem.runtime.mean")
		}
	}
}

// bareBandwidth leaves out the bandwidth of a function whose heading was lost: other
// functions of the bench have theirs.
func (r *reading) bareBandwidth() {
	r.Metrics = slices.DeleteFunc(r.Metrics, func(m ktstr.Metric) bool {
		bench, ok := strings.CutSuffix(m.Name, ".bw")
		if !ok || strings.Count(bench, ".") != 1 || !strings.HasPrefix(bench, "mem.") {
			return false
		}
		named := slices.ContainsFunc(r.wants, func(name string) bool { return strings.HasPrefix(name, bench+".") })
		if named {
			r.Note(ktstr.Malformed, m.Line, "%s is of a function whose heading is lost: left out", m.Name)
		}
		return named
	})
}
