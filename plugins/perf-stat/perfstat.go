// Package perfstat turns the output of perf stat into metrics: its text, its CSV (-x) and
// its JSON (-j), with intervals (-I) and with one row for each CPU, core or socket.
package perfstat

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/text"
	"github.com/ktstr/ktstr/plugins/internal/report"
)

// New returns the extractor "perf-stat".
func New() ktstr.Extractor {
	return ktstr.Parser{Parse: parse, Description: ktstr.Description{
		Name:    "perf-stat",
		Summary: "perf stat counts events of the kernel and of the processor while a command runs.",
		Version: "1",
		Tools:   []ktstr.Tool{{Name: "perf", Versions: []string{"4.15", "5.18", "6.1", "6.5"}}},
		Hints: []ktstr.Hint{
			{Name: "*", Headline: true},            // the events
			{Name: "interval.*.*", Headline: true}, // and those of -I
			{Name: "interval.*.*.*"},
			{Name: "time.elapsed", Unit: "s", Polarity: ktstr.Lower, Headline: true},
			{Name: "time.elapsed.stddev", Unit: "s"},
			{Name: "time.user", Unit: "s"},
			{Name: "time.sys", Unit: "s"},
			{Name: "*.insn_per_cycle", Polarity: ktstr.Higher},
			{Name: "*.rate"},
			{Name: "*.frequency"},
			{Name: "*.cpus_utilized"},
			{Name: "*.of_all_branches", Unit: "%"},
			{Name: "*.stddev_percent", Unit: "%"},
			{Name: "*.running", Unit: "%"},
		},
	}}
}

// header begins the report of the text form.
var header = []byte("Performance counter stats for ")

// reading is the state of a parse.
type reading struct {
	*report.Report
	interval string            // the last time stamp of -I
	number   int               // of that interval, from 1
	places   map[string]*place // of that interval, by the printed place
	order    []*place          // of all intervals, as in the text
	names    map[string]string // segments of metric names by the printed text
	columns  map[string]column // by the printed unit of a derived number
	text     bool              // the text form was read
	rows     int
}

// place is where and when rows were counted, such as CPU0 in the third interval.
type place struct {
	prefix string   // of the names of its metrics, such as "interval.3.CPU0."
	events []string // in the order of the text
}

// column is the meaning of a derived number, such as insn_per_cycle.
type column struct {
	slug, unit string
	polarity   ktstr.Polarity
}

// row is one event of one place and interval, as printed.
type row struct {
	line     int
	interval string // time stamp of -I
	where    string // such as CPU0 and S0-D0-C0
	value    string // also <not counted>
	unit     string
	event    string
	stddev   string // percent, of -r
	running  string // percent of the time in which the event was counted
	derived  []derived
}

// derived is what perf computed from the counters, such as "0.021 CPUs utilized".
type derived struct{ value, unit string }

func parse(out ktstr.Output) (ktstr.Extraction, error) {
	r := reading{
		Report:  report.New("perf stat", out),
		places:  map[string]*place{},
		names:   map[string]string{},
		columns: map[string]column{},
	}
	if out.Stream == ktstr.Stdout || out.Stream == ktstr.Stderr && writesFile(out.Argv) {
		if exit := out.ExitCode; out.Stream == ktstr.Stderr && exit != nil && (*exit == 255 || *exit == 129) {
			r.failures(out.Data)
		}
		return r.End("its report, which perf prints on stderr or into the file of -o: give saved text as --stderr FILE")
	}
	if at := bytes.LastIndex(out.Data, header); at >= 0 {
		start := bytes.LastIndexByte(out.Data[:at], '\n') + 1
		if n := bytes.Count(out.Data, header); n > 1 {
			r.Note(ktstr.SeveralReports, 0, "the text has %d reports of perf stat: the last one counts", n)
		}
		r.Ours, r.text = true, true
		r.textReport(out.Data[:start], out.Data[start:])
	} else {
		r.records(out)
	}
	r.incomplete(out.Argv)
	if !r.Ours {
		r.failures(out.Data)
	}
	return r.End("a line \"Performance counter stats for\", or the rows of -x, -j or -I")
}

// perfArgs returns the arguments of perf itself, without those of the command.
func perfArgs(argv []string) []string {
	at := slices.Index(argv, "stat")
	if at < 0 {
		return nil
	}
	var own []string
	for i := at + 1; i < len(argv) && argv[i] != "--"; i++ {
		own = append(own, argv[i])
	}
	return own
}

// option returns the values of an option in its forms "-x ,", "-x," and "--long=,".
func option(argv []string, short, long string) (values []string) {
	own := perfArgs(argv)
	for i := 0; i < len(own); i++ {
		arg := own[i]
		if (arg == short || arg == long) && i+1 < len(own) {
			i++
			values = append(values, own[i])
		} else if rest, found := strings.CutPrefix(arg, long+"="); found {
			values = append(values, rest)
		} else if rest, found := strings.CutPrefix(arg, short); found && !strings.HasPrefix(arg, "--") {
			values = append(values, rest)
		} else if !strings.HasPrefix(arg, "-") && (i == 0 || !strings.HasPrefix(own[i-1], "-")) {
			break // the command
		}
	}
	return values
}

func writesFile(argv []string) bool {
	return option(argv, "-o", "--output") != nil
}

// failures reports why perf did not count. A report has no such line of perf: there it is
// the command's.
func (r *reading) failures(data []byte) {
	for n, line := range r.Lines() {
		s := strings.TrimSpace(string(line))
		for _, begin := range []string{"Error: ", "event syntax error: ", "Workload failed: ", "perf: ", "Failed ", "No permission ", "Access to performance "} {
			if strings.HasPrefix(s, begin) {
				r.Note(ktstr.ToolFailed, n, "%s", s)
				return
			}
		}
		if len(data) > 1<<16 {
			return // the output of a command
		}
	}
}

// add adds the metrics of a row. comma tells that the locale writes 1,5 for 1.5.
func (r *reading) add(w row, comma bool) {
	p, event := r.place(w), r.segment(w.event)
	r.Ours = true
	r.rows++
	p.events = append(p.events, event)
	value, ok := number(w.value, comma)
	if !ok {
		if !strings.HasPrefix(w.value, "<not ") {
			r.Note(ktstr.Malformed, w.line, "%s%s is %q: want a decimal number", p.prefix, event, w.value)
		}
		return
	}
	name := p.prefix + event
	r.Add(name, value, unitOf(w.unit, w.event), ktstr.Unknown, w.line)
	if w.where != "" {
		r.Hints = append(r.Hints, ktstr.Hint{Name: name, Headline: true})
	}
	for _, d := range w.derived {
		r.derived(w, name, d, comma)
	}
	if v, ok := number(w.stddev, comma); ok {
		r.Add(name+".stddev_percent", v, "%", ktstr.Unknown, w.line)
	}
	if v, ok := number(w.running, comma); ok && v != 100 {
		r.Add(name+".running", v, "%", ktstr.Unknown, w.line)
	}
}

// place returns the place of a row. The rows of one interval follow each other.
func (r *reading) place(w row) *place {
	if w.interval != r.interval {
		r.interval = w.interval
		r.number++
		clear(r.places)
	}
	if p, known := r.places[w.where]; known {
		return p
	}
	p := &place{}
	if w.interval != "" {
		p.prefix = "interval." + strconv.Itoa(r.number) + "."
	}
	if w.where != "" {
		p.prefix += r.segment(w.where) + "."
	}
	r.places[w.where] = p
	r.order = append(r.order, p)
	return p
}

// segment returns a printed text as a segment of a name. Long outputs repeat few texts.
func (r *reading) segment(printed string) string {
	s, known := r.names[printed]
	if !known {
		s = text.Segment(printed)
		r.names[printed] = s
	}
	return s
}

// derived adds a number of the metric column.
func (r *reading) derived(w row, event string, d derived, comma bool) {
	value, ok := number(d.value, comma)
	if !ok || d.unit == "" || d.unit == "(null)" {
		return
	}
	c, known := r.columns[d.unit]
	if !known {
		c = columnOf(d.unit)
		r.columns[d.unit] = c
	}
	if c.slug == "" {
		return
	}
	name := event + "." + c.slug
	r.Add(name, value, c.unit, c.polarity, w.line)
	if w.where != "" && c.unit == "" && c.polarity == ktstr.Unknown {
		r.Hints = append(r.Hints, ktstr.Hint{Name: name}) // a ratio: perf prints no unit
	}
}

// columnOf returns the meaning of a derived number with a printed unit, such as
// "insn per cycle". It has no slug if the number has no name.
func columnOf(printed string) column {
	rate, isRate := strings.CutSuffix(printed, "/sec")
	switch {
	case isRate && len(rate) <= 2 && !strings.Contains(rate, " "):
		return column{slug: "rate", unit: rate + "/s"}
	case printed == "GHz" || printed == "MHz":
		return column{slug: "frequency", unit: printed}
	case printed == "insn per cycle" || printed == "insns per cycle":
		return column{slug: "insn_per_cycle", polarity: ktstr.Higher}
	}
	slug, unit := printed, ""
	if rest, percent := strings.CutPrefix(slug, "%"); percent {
		slug, unit = strings.TrimSpace(rest), "%"
	} else if strings.HasPrefix(slug, "of all ") || strings.HasSuffix(slug, " cycles idle") {
		unit = "%"
	}
	slug = strings.Map(func(c rune) rune {
		switch c {
		case ' ', '-', '/', '.':
			return '_'
		}
		return c
	}, strings.ToLower(text.Segment(slug)))
	return column{slug: slug, unit: unit, polarity: ktstr.Unknown}
}

// unitOf returns the unit of an event. A clock whose unit is not printed is in ns.
func unitOf(unit, event string) string {
	switch unit {
	case "":
		base, _, _ := strings.Cut(event, ":")
		switch base {
		case "task-clock", "cpu-clock", "duration_time", "user_time", "system_time":
			return "ns"
		}
		return "count"
	case "msec":
		return "ms"
	case "Joules":
		return "J"
	}
	return unit
}

// thousands are separators of thousands: comma, apostrophes, narrow and no-break blanks.
const thousands = ",'\u2019\u202f\u00a0"

// number reads a number of perf with the thousands separators of its locale.
func number(s string, comma bool) (float64, bool) {
	if s == "" || s[0]-'0' > 9 {
		return 0, false
	}
	if v, ok := text.ParseDecimal(s); ok && !comma {
		return v, true
	}
	if comma {
		s = strings.ReplaceAll(s, ".", "")
		s = strings.Replace(s, ",", ".", 1)
	}
	return text.ParseDecimal(strings.Map(func(c rune) rune {
		if strings.ContainsRune(thousands, c) {
			return -1
		}
		return c
	}, s))
}

// incomplete reports events that are in one place and not in another, those of -e, and
// those that perf counts by default.
func (r *reading) incomplete(argv []string) {
	if r.rows == 0 {
		if r.text {
			r.Note(ktstr.MissingHeadline, 0, "the report has no event: a line may be lost")
		}
		return
	}
	first := r.order[0].events
	want := wanted(argv, first)
	both := append(slices.Clone(want), first...)
	for _, place := range r.order {
		have := place.events
		missing := func(event string) bool {
			return !slices.ContainsFunc(have, func(e string) bool { return strings.Contains(e, event) })
		}
		for _, event := range both {
			if (slices.Contains(want, event) || len(have) != len(first)) && missing(event) {
				r.Note(ktstr.MissingHeadline, 0, "%s%s is missing: a line of the report may be lost", place.prefix, event)
			}
		}
		if len(have) > len(first) && len(first) > 0 {
			r.Note(ktstr.MissingHeadline, 0, "%s has %d events and %s has %d: a line of the report may be lost", r.order[0].prefix, len(first), place.prefix, len(have))
		}
		if len(r.Diagnostics) > 100 {
			return
		}
	}
}

// wanted returns the events that a report with some events must have.
func wanted(argv, have []string) (want []string) {
	lists := option(argv, "-e", "--event")
	if lists == nil {
		for _, byDefault := range [][]string{
			{"-clock", "context-switches", "cpu-migrations", "page-faults"},
			{"cycles", "instructions", "branches", "branch-misses"},
		} {
			n := 0
			for _, event := range byDefault {
				if slices.ContainsFunc(have, func(e string) bool { return strings.Contains(e, event) }) {
					n++
				}
			}
			if n > 1 {
				want = append(want, byDefault...)
			}
		}
		return want
	}
	depth := 0
	for event := range strings.FieldsFuncSeq(strings.Join(lists, ","), func(c rune) bool {
		if c == '/' {
			depth ^= 1
		}
		return depth == 0 && strings.ContainsRune(",{} ", c)
	}) {
		if base, _, _ := strings.Cut(event, ":"); base != "" && !strings.Contains(event, "/") {
			want = append(want, text.Segment(base))
		}
	}
	return want
}
