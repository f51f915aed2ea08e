// Package ioping reads the output of ioping: the statistics at the end of the text, of
// the raw line of -B, and of the JSON of -J.
package ioping

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"github.com/valyala/fastjson"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/text"
	"github.com/ktstr/ktstr/plugins/internal/report"
)

// New returns the extractor "ioping".
func New() ktstr.Extractor {
	return ktstr.Parser{Parse: parse, Description: ktstr.Description{
		Name:    "ioping",
		Summary: "ioping measures the latency of single requests to a disk.",
		Version: "1",
		Tools:   []ktstr.Tool{{Name: "ioping", Versions: []string{"0.6", "0.8", "1.3"}}},
		Hints: []ktstr.Hint{
			{Name: "iops", Unit: "iops", Polarity: ktstr.Higher, Headline: true},
			{Name: "bw", Unit: "MiB/s", Polarity: ktstr.Higher, Headline: true},
			{Name: "latency.mean", Unit: "us", Polarity: ktstr.Lower, Headline: true},
			{Name: "latency.min", Unit: "us", Polarity: ktstr.Lower},
			{Name: "latency.max", Unit: "us", Polarity: ktstr.Lower},
			{Name: "latency.stddev", Unit: "us"},
			{Name: "requests", Unit: "req"},
			{Name: "size", Unit: "KiB"},
			{Name: "time", Unit: "ms"},
			{Name: "load.requests", Unit: "req"},
			{Name: "load.size", Unit: "KiB"},
			{Name: "load.time", Unit: "ms"},
			{Name: "load.iops", Unit: "iops"},
			{Name: "load.bw", Unit: "KiB/s"},
		},
	}}
}

// reading is the state of a parse.
type reading struct {
	*report.Report
	text     bool   // the text form was read
	measured bool   // the last statistics have a request
	raw      []byte // the last line of numbers alone
	rawLine  int
}

func parse(out ktstr.Output) (ktstr.Extraction, error) {
	r := reading{Report: report.New("ioping", out)}
	if at := bytes.Index(out.Data, []byte("[{")); at == 0 || at > 0 && out.Data[at-1] == '\n' {
		r.document(out.Data, at)
	} else {
		for number, line := range r.Lines() {
			r.line(number, line)
		}
		if r.raw != nil && !r.text {
			r.batch(out)
		}
	}
	if len(r.Metrics) > 0 {
		r.Want("iops", "a line with \"requests completed in\"")
		r.Want("bw", "a line with \"requests completed in\"")
		r.Want("latency.mean", "a line that begins with min/avg/max/mdev")
	}
	return r.End("a line with \"ioping statistics\", the raw numbers of -B, or the JSON of -J")
}

func (r *reading) line(number int, line []byte) {
	if len(line) == 0 {
		return
	}
	switch c := line[0]; {
	case c == 'm':
		if latencies, ok := bytes.CutPrefix(line, []byte("min/avg/max/mdev = ")); ok && r.measured {
			r.latencies(number, string(latencies))
		}
	case c == 'i':
		if bytes.HasPrefix(line, []byte("ioping: ")) {
			r.Note(ktstr.ToolFailed, number, "%s", line)
		}
	case c == '-':
		if bytes.HasSuffix(line, []byte(" ioping statistics ---")) {
			r.Ours, r.text = true, true
		}
	case c == 'g' || c-'0' <= 9:
		if bytes.Contains(line, []byte(": request=")) {
			r.Ours, r.text = true, true
		} else if requests, rest, ok := bytes.Cut(line, []byte(" requests completed in ")); ok {
			r.completed(number, string(requests), string(rest))
		} else if _, load, ok := bytes.Cut(line, []byte("generated ")); ok { // "5 too slow, generated …"
			r.generated(number, string(load))
		} else if len(bytes.Trim(line, "0123456789 ")) == 0 && bytes.Count(line, []byte{' '}) > 6 {
			r.raw, r.rawLine = line, number
		}
	}
}

// completed reads "4 requests completed in 889.6 us, 16 KiB read, 4.50 k iops, 17.6 MiB/s".
func (r *reading) completed(number int, requests, rest string) {
	digits, prefix := quantity(requests)
	count, ok := text.ParseDecimal(digits)
	if !ok || !strings.Contains("kMGT", prefix) {
		return // such as a time stamp before the line
	}
	r.Ours, r.text = true, true
	r.Drop() // earlier statistics: the last are those of the whole run
	if count == 0 {
		r.measured = false
		r.Note(ktstr.NotMeasured, number, "0 requests were completed. The first request is a warm-up and does not count")
		return
	}
	r.measured = true
	r.figures(number, "", requests+" req, "+rest)
}

// generated reads "5 requests in 400.4 ms, 20 KiB, 12 iops, 49.9 KiB/s".
func (r *reading) generated(number int, line string) {
	if requests, rest, ok := strings.Cut(line, " requests in "); ok && r.measured {
		r.figures(number, "load.", requests+" req, "+rest)
	}
}

// figures adds requests, time, size, iops and bw. ioping before 0.9 prints no size.
func (r *reading) figures(number int, prefix, line string) {
	names := []string{"requests", "time", "size", "iops", "bw"}
	polarities := []ktstr.Polarity{ktstr.Unknown, ktstr.Unknown, ktstr.Unknown, ktstr.Higher, ktstr.Higher}
	if prefix != "" {
		polarities = make([]ktstr.Polarity, len(names)) // the load is what the user asked for
	}
	parts := strings.Split(line, ", ")
	if len(parts) == len(names)-1 {
		names, polarities = slices.Delete(names, 2, 3), slices.Delete(polarities, 2, 3)
	}
	if len(parts) != len(names) {
		r.Note(ktstr.UnsupportedVersion, number, "%d figures in this line: want %s", len(parts), strings.Join(names, ", "))
		return
	}
	for i, part := range parts {
		value, unit := quantity(part)
		r.AddText(prefix+names[i], []byte(value), unit, polarities[i], number)
	}
}

// latencies reads "199.3 us / 222.4 us / 243.0 us / 16.5 us", before 0.8 "0.2/2.8/12.7/5.0 ms".
func (r *reading) latencies(number int, line string) {
	parts := strings.Split(line, "/")
	if len(parts) != 4 {
		r.Note(ktstr.Malformed, number, "%q: want min, avg, max and mdev", line)
		return
	}
	_, unit := quantity(parts[3])
	for i, name := range []string{"latency.min", "latency.mean", "latency.max", "latency.stddev"} {
		value, own := quantity(parts[i])
		polarity := ktstr.Lower
		if i == 3 {
			polarity = ktstr.Unknown
		}
		r.AddText(name, []byte(value), cmp.Or(own, unit), polarity, number)
	}
}

// quantity splits "17.4 k iops" into "17.4" and "kiops", and "63.8 MiB read" into "63.8" and "MiB".
func quantity(s string) (value, unit string) {
	value, unit, _ = strings.Cut(strings.TrimSpace(s), " ")
	unit = strings.TrimSuffix(strings.TrimSuffix(unit, " read"), " written")
	return value, strings.ReplaceAll(unit, " ", "")
}

// figure is a number of the raw line, or a member of the JSON.
type figure struct {
	name, member, unit string
	polarity           ktstr.Polarity
}

var figures = []figure{
	{"requests", "stat.count", "req", ktstr.Unknown},
	{"time", "stat.time", "ns", ktstr.Unknown},
	{"iops", "stat.iops", "iops", ktstr.Higher},
	{"bw", "stat.bps", "B/s", ktstr.Higher},
	{"latency.min", "stat.min", "ns", ktstr.Lower},
	{"latency.mean", "stat.avg", "ns", ktstr.Lower},
	{"latency.max", "stat.max", "ns", ktstr.Lower},
	{"latency.stddev", "stat.mdev", "ns", ktstr.Unknown},
	{"load.requests", "load.count", "req", ktstr.Unknown},
	{"load.time", "load.time", "ns", ktstr.Unknown},
	// The raw line has ten numbers, the JSON also these.
	{"size", "stat.size", "B", ktstr.Unknown},
	{"load.size", "load.size", "B", ktstr.Unknown},
	{"load.iops", "load.iops", "iops", ktstr.Unknown},
	{"load.bw", "load.bps", "B/s", ktstr.Unknown},
}

// batch reads the raw line of -B. The same lines of -p are about an interval: without -B, or
// if ioping was killed, the last one is none of the whole run.
func (r *reading) batch(out ktstr.Output) {
	const rawNumbers = 10
	r.Ours = true
	values := bytes.Fields(r.raw)
	switch {
	case out.Argv != nil && !slices.ContainsFunc(out.Argv[1:], isBatch) || out.ExitCode != nil && *out.ExitCode < 0:
		r.Note(ktstr.NotMeasured, r.rawLine, "the numbers are about an interval, and no statistics of the whole run follow")
	case len(values) != rawNumbers:
		r.Note(ktstr.UnsupportedVersion, r.rawLine, "%d numbers in the line: want the %d of ioping 0.9 and later", len(values), rawNumbers)
	case string(values[0]) == "0":
		r.Note(ktstr.NotMeasured, r.rawLine, "0 requests were completed. The first request is a warm-up and does not count")
	default:
		for i, value := range values {
			r.AddText(figures[i].name, value, figures[i].unit, figures[i].polarity, r.rawLine)
		}
	}
}

// isBatch reports whether an argument is -B, also among other options as in -qB.
func isBatch(arg string) bool {
	return arg == "-batch" || arg == "--batch" || strings.HasPrefix(arg, "-") && !strings.HasPrefix(arg, "--") && strings.Contains(arg, "B")
}

// document reads the JSON. Its last element with statistics is about the whole run.
func (r *reading) document(data []byte, at int) {
	r.Ours = true
	line := 1 + bytes.Count(data[:max(at, bytes.LastIndex(data, []byte("\"stat\"")))], []byte{'\n'})
	end := bytes.LastIndexByte(data, ']')
	if end < at {
		r.Note(ktstr.Truncated, 0, "the JSON document is not complete")
		return
	}
	v, err := fastjson.ParseBytes(data[at : end+1])
	if err != nil {
		r.Note(ktstr.Malformed, 0, "the JSON document is not complete or not valid")
		return
	}
	elements := v.GetArray()
	last := elements[len(elements)-1]
	switch count := last.Get("stat", "count"); {
	case count == nil:
		r.Note(ktstr.Truncated, 0, "the last element of the document has no statistics")
	case string(count.MarshalTo(nil)) == "0":
		r.Note(ktstr.NotMeasured, line, "0 requests were completed. The first request is a warm-up and does not count")
	default:
		for _, f := range figures {
			if value := last.Get(strings.Split(f.member, ".")...); value != nil && value.Type() == fastjson.TypeNumber {
				r.AddText(f.name, value.MarshalTo(nil), f.unit, f.polarity, line)
			}
		}
	}
}
