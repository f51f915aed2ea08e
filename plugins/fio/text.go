package fio

import (
	"bytes"
	"path"
	"regexp"
	"strings"
	"sync"

	"github.com/ktstr/ktstr"
)

// textReports reads everything that stands around the documents: terse lines,
// normal reports, and the remarks of fio about its run.
func textReports(data []byte, documents []span, banners []int, argv []string) (terse, normal series, around surroundings) {
	t := newTerseReader(argv)
	t.list.banners = banners
	n := normalReader{list: series{banners: banners}}
	base, _ := option(argv, "kb_base")
	n.si = base == "1000"
	next := 0 // of the banners
	each := func(line string, number int, whole bool) {
		for next < len(banners) && banners[next] <= number {
			t.endRun()
			next++
		}
		// Progress is overwritten: the text after the last CR counts.
		line = strings.TrimRight(line, "\r")
		line = afterETA(line[strings.LastIndexByte(line, '\r')+1:])
		if around.columns == 0 && sideBySide(line) {
			around.columns = number
		}
		if t.line(line, number, whole) {
			return
		}
		if n.line(line, number, whole) {
			return
		}
		if !whole {
			t.unfinished(number)
		}
		around.line(line, number)
		if v := around.version; v.text != "" {
			n.version = v
		}
	}
	number := 1
	from := 0
	for _, d := range append(documents, span{len(data), len(data)}) {
		number = eachLine(string(data[from:d.start]), number, d.start == len(data), each)
		number += bytes.Count(data[d.start:d.end], []byte{'\n'})
		from = d.end
	}
	if n.headless > 0 {
		around.headless, around.headlessKind = n.headless, "normal"
	}
	return t.reports(), n.finish(), around
}

// columnHead begins a line of a job. No line of fio has two of them.
var columnHead = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`[ \t](?:IOPS=|iops=|[sc]?lat \(|bw \(|cpu  |IO depths )`)
})

// sideBySide reports whether a line has the text of two outputs, as paste and diff -y
// print them.
func sideBySide(line string) bool {
	if start := terseStart(line); start >= 0 {
		rest := line[start+1:]
		for at := strings.IndexAny(rest, " \t"); at >= 0; at = strings.IndexAny(rest, " \t") {
			rest = strings.TrimLeft(rest[at:], " \t|<>")
			if len(rest) > len("3;fio-") && rest[1:6] == ";fio-" {
				return true
			}
		}
		return false
	}
	if !strings.HasPrefix(line, "  ") || strings.HasPrefix(line, "  Description  : [") {
		return false
	}
	return len(columnHead().FindAllStringIndex(line, 2)) == 2
}

// eachLine calls f for each line of text, and returns the number of the line
// in which it ends. A last line without its end may be cut (whole is false),
// if last says that nothing follows.
func eachLine(text string, number int, last bool, f func(line string, number int, whole bool)) int {
	for len(text) > 0 {
		i := strings.IndexByte(text, '\n')
		if i < 0 {
			f(text, number, !last)
			return number
		}
		f(text[:i], number, true)
		text = text[i+1:]
		number++
	}
	return number
}

// newTerseReader reads the options of fio that terse lines do not show.
func newTerseReader(argv []string) terseReader {
	var t terseReader
	if _, ok := option(argv, "lat_percentiles"); ok {
		t.latPercentiles = yes
	} else if onlyOptions(argv) {
		t.latPercentiles = no
	}
	// A job file cannot ask for reports at intervals, but a script around fio can.
	if _, ok := option(argv, "status-interval"); ok {
		t.repeats = yes
	} else if len(argv) > 0 && path.Base(argv[0]) == "fio" {
		t.repeats = no
	}
	value, ok := option(argv, "unified_rw_reporting")
	t.unified = ok && value != "both" && value != "2" && value != "none"
	return t
}

// option returns the value of an option of fio if the command line switches it
// on.
func option(argv []string, name string) (value string, ok bool) {
	for i, arg := range argv {
		rest, found := strings.CutPrefix(arg, "--"+name)
		if !found || rest != "" && rest[0] != '=' {
			continue
		}
		value = strings.TrimPrefix(rest, "=")
		if rest == "" && i+1 < len(argv) && !strings.HasPrefix(argv[i+1], "-") {
			value = argv[i+1]
		}
		ok = value != "0"
	}
	return value, ok
}

// onlyOptions reports whether a command line is one of fio without a job file.
func onlyOptions(argv []string) bool {
	if len(argv) == 0 || path.Base(argv[0]) != "fio" {
		return false
	}
	for _, arg := range argv[1:] {
		if !strings.HasPrefix(arg, "--") || !strings.Contains(arg, "=") {
			return false
		}
	}
	return true
}

// afterETA returns the text after the progress that fio prints at the start of
// a line without an end, such as "Jobs: 1 (f=1): [R(1)][50.0%][eta 00m:01s]".
func afterETA(line string) string {
	rest, ok := strings.CutPrefix(line, "Jobs: ")
	if !ok {
		return line
	}
	if i := strings.LastIndex(line, "[eta "); i >= 0 {
		if end := strings.IndexByte(line[i:], ']'); end >= 0 {
			return line[i+end+1:]
		}
		return line
	}
	jobs, rest := digits(rest)
	if rest, ok = strings.CutPrefix(rest, " (f="); jobs == "" || !ok {
		return line
	}
	if _, rest = digits(rest); strings.HasPrefix(rest, ")") && !strings.HasPrefix(rest, "):") {
		return rest[1:]
	}
	return line
}

// surroundings holds the remarks of fio around its reports.
type surroundings struct {
	version      version
	versionLine  int
	started      bool // a run of fio starts in the text
	signal       string
	signalLine   int
	complaint    string
	complaintAt  int
	failure      string // "fio: pid=0, err=1/file:filesetup.c:150, func=unlink, error=…"
	failureAt    int
	announced    []string // the jobs that fio announced
	headless     int      // a line inside a report whose first line is missing
	headlessKind string
	columns      int // a line with the text of two outputs
	logLines     int // lines of a --write_*_log file
	other        int // lines that are not of fio, or prose
}

func (s *surroundings) line(line string, number int) {
	trimmed := strings.TrimSpace(line)
	switch {
	case trimmed == "":
	case strings.HasPrefix(trimmed, "fio-") && strings.IndexByte(trimmed, ' ') < 0 && parseVersion(trimmed).major != 0:
		s.version, s.versionLine = parseVersion(trimmed), number
	case strings.HasPrefix(trimmed, "hostname=") && strings.Contains(trimmed, ", fio=fio-"):
		_, v, _ := strings.Cut(trimmed, ", fio=")
		v, _, _ = strings.Cut(v, ",")
		s.version, s.versionLine = parseVersion(v), number
	case strings.HasPrefix(trimmed, "fio: terminating on signal"):
		if s.signal == "" {
			s.signal, s.signalLine = trimmed[len("fio: "):], number
		}
	case strings.HasPrefix(trimmed, "fio: set debug option"):
	case strings.HasPrefix(trimmed, "fio: pid=") && strings.Contains(trimmed, ", err="):
		if s.failure == "" {
			s.failure, s.failureAt = trimmed, number
		}
		if s.complaint == "" {
			s.complaint, s.complaintAt = trimmed, number
		}
	case strings.HasPrefix(trimmed, "fio: "), strings.HasPrefix(trimmed, "verify: "), strings.HasPrefix(trimmed, "No job(s) defined"):
		if s.complaint == "" {
			s.complaint, s.complaintAt = trimmed, number
		}
	case strings.HasPrefix(trimmed, "Starting "):
	case strings.Contains(trimmed, ": (g="):
		if name, _, _ := strings.Cut(trimmed, ": (g="); len(s.announced) < maxJobs {
			s.announced = append(s.announced, name)
		}
	case strings.HasPrefix(trimmed, `"fio version" :`):
		s.headless, s.headlessKind = number, "JSON"
		s.other++
	case isLogLine(trimmed):
		s.logLines++
	default:
		s.other++
	}
}

// isLogLine knows the lines of fio's time series: time, value, direction,
// block size, and newer columns.
func isLogLine(line string) bool {
	if line[0] < '0' || line[0] > '9' {
		return false
	}
	fields := strings.Split(line, ", ")
	if len(fields) < 4 || len(fields) > 8 {
		return false
	}
	for _, f := range fields {
		if f = strings.TrimPrefix(strings.TrimSpace(f), "0x"); f == "" || strings.Trim(f, "0123456789abcdef") != "" {
			return false
		}
	}
	return true
}

// unshown reports a job that failed before its first I/O. Normal text does not show such
// a job.
func (s *surroundings) unshown(e *emitter, list []*invocation, exitCode *int) {
	failed := exitCode != nil && *exitCode > 0
	if s.failure == "" && !failed || s.signal != "" {
		return
	}
	shown := map[string]bool{}
	for _, in := range list {
		for _, j := range in.chosen.jobs {
			if in.chosen.format != formatNormal || j.errno.v != 0 || j.totalErr.v != 0 {
				return // this job explains the failure
			}
			shown[j.name] = true
		}
	}
	var missing []string
	for _, name := range s.announced {
		if !shown[name] {
			missing = append(missing, name)
		}
	}
	_, text, _ := strings.Cut(s.failure, ", err=")
	errno, _ := digits(text)
	switch {
	case s.failure == "":
		e.notes.add(ktstr.ToolFailed, 0, "fio ended with exit code %d, and no job of its report failed: a job that fails before its first I/O is not shown", *exitCode)
	case len(missing) == 1 && errno != "":
		e.prefix = append(append(e.prefix[:0], e.jobs.segment(missing[0])...), '.')
		e.put("error", terseNum(errno, "", s.failureAt), ktstr.Unknown)
		e.notes.add(ktstr.ToolFailed, s.failureAt, "job %q failed before its first I/O: %s", missing[0], printable(s.failure))
	default:
		e.notes.add(ktstr.ToolFailed, s.failureAt, "a job failed before its first I/O: %s", printable(s.failure))
	}
}

// explain says why there is nothing to extract.
func (s *surroundings) explain(e *emitter, out ktstr.Output) {
	failed := out.ExitCode == nil || *out.ExitCode != 0
	switch {
	case s.headless > 0:
		e.headless(s)
	case s.complaint != "" && failed:
		e.notes.add(ktstr.ToolFailed, s.complaintAt, "fio printed no report and says: %s", printable(s.complaint))
	case s.signal != "":
		e.notes.add(ktstr.NoMetrics, s.signalLine, "fio was stopped before it could report")
	case s.started || s.complaint != "":
		e.notes.add(ktstr.NoMetrics, 0, "fio printed no report; it was killed, or its report went elsewhere (--output)")
	case s.logLines > 0 && s.other == 0:
		e.notes.add(ktstr.NoMetrics, 1, "this is a time series that fio logged; its report is elsewhere")
	case s.version.text != "" && s.other == 0:
		e.notes.add(ktstr.NoMetrics, s.versionLine, "fio %s printed its version and no report", s.version.text)
	case len(bytes.TrimSpace(out.Data)) == 0:
		e.notes.add(ktstr.NoMetrics, 0, "nothing was printed")
	default:
		e.notes.add(ktstr.NotMyFormat, 0, "no report of fio in the text: want its JSON, json+, terse or normal output")
	}
}

// printable cuts a text of fio to a length that suits a message.
func printable(text string) string {
	text = strings.ToValidUTF8(text, "�")
	if len(text) > 200 {
		text = strings.ToValidUTF8(text[:200], "") + "…"
	}
	return text
}
