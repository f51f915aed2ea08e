// Package pgbench reads the report of pgbench: the figures of the run, of each script and
// of each statement.
package pgbench

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/text"
	"github.com/ktstr/ktstr/plugins/internal/report"
)

const newest = "17"

// New returns the extractor "pgbench".
func New() ktstr.Extractor {
	return ktstr.Parser{Parse: parse, Description: ktstr.Description{
		Name:    "pgbench",
		Summary: "pgbench runs transactions on PostgreSQL and measures their rate and latency.",
		Version: "1",
		Tools:   []ktstr.Tool{{Name: "pgbench", Versions: []string{"9.4", "12.4", "14.5", "15.18", "15.20", "17.0"}}},
		Hints: []ktstr.Hint{
			{Name: "tps", Unit: "tx/s", Polarity: ktstr.Higher, Headline: true},
			{Name: "latency.mean", Unit: "ms", Polarity: ktstr.Lower, Headline: true},
			{Name: "latency.stddev", Unit: "ms"},
			{Name: "tps.including_connections", Unit: "tx/s", Polarity: ktstr.Higher},
			{Name: "connection.initial", Unit: "ms", Polarity: ktstr.Lower},
			{Name: "connection.mean", Unit: "ms", Polarity: ktstr.Lower},
			{Name: "transactions.processed", Unit: "count"},
			{Name: "transactions.failed", Unit: "count", Polarity: ktstr.Lower},
			{Name: "transactions.failed_percent", Unit: "%", Polarity: ktstr.Lower},
			{Name: "transactions.skipped", Unit: "count", Polarity: ktstr.Lower},
			{Name: "transactions.skipped_percent", Unit: "%", Polarity: ktstr.Lower},
			{Name: "transactions.late", Unit: "count", Polarity: ktstr.Lower},
			{Name: "transactions.late_percent", Unit: "%", Polarity: ktstr.Lower},
			{Name: "transactions.retried", Unit: "count", Polarity: ktstr.Lower},
			{Name: "transactions.retried_percent", Unit: "%", Polarity: ktstr.Lower},
			{Name: "failures.serialization", Unit: "count", Polarity: ktstr.Lower},
			{Name: "failures.serialization_percent", Unit: "%", Polarity: ktstr.Lower},
			{Name: "failures.deadlock", Unit: "count", Polarity: ktstr.Lower},
			{Name: "failures.deadlock_percent", Unit: "%", Polarity: ktstr.Lower},
			{Name: "retries.total", Unit: "count", Polarity: ktstr.Lower},
			{Name: "schedule_lag.mean", Unit: "ms", Polarity: ktstr.Lower},
			{Name: "schedule_lag.max", Unit: "ms", Polarity: ktstr.Lower},
			{Name: "script.*.tps", Unit: "tx/s", Polarity: ktstr.Higher},
			{Name: "script.*.transactions", Unit: "count"},
			{Name: "script.*.failed", Unit: "count", Polarity: ktstr.Lower},
			{Name: "script.*.latency.mean", Unit: "ms", Polarity: ktstr.Lower},
			{Name: "script.*.latency.stddev", Unit: "ms"},
			{Name: "statement.*.latency", Unit: "ms", Polarity: ktstr.Lower},
			{Name: "statement.*.failures", Unit: "count", Polarity: ktstr.Lower},
			{Name: "statement.*.retries", Unit: "count", Polarity: ktstr.Lower},
			{Name: "script.*.statement.*.latency", Unit: "ms", Polarity: ktstr.Lower},
			{Name: "script.*.statement.*.failures", Unit: "count", Polarity: ktstr.Lower},
			{Name: "script.*.statement.*.retries", Unit: "count", Polarity: ktstr.Lower},
		},
	}}
}

// reading is the state of a parse.
type reading struct {
	*report.Report
	script    string // "script.N." below the heading of a script
	columns   int    // of the rows below the heading of statements, 0 elsewhere
	statement int    // number of the last statement
	processed bool   // transactions were processed
	failure   string // the first error
	failed    int    // its line
}

func parse(out ktstr.Output) (ktstr.Extraction, error) {
	r := reading{Report: report.New("pgbench", out), processed: true}
	for number, line := range r.Lines() {
		if len(line) > 0 {
			r.line(number, line)
		}
	}
	reconnects := slices.ContainsFunc(out.Argv, func(arg string) bool { return arg == "-C" || arg == "--connect" })
	if reconnects && r.Has("tps") && r.Has("tps.including_connections") {
		at := slices.IndexFunc(r.Metrics, func(m ktstr.Metric) bool { return m.Name == "tps" })
		r.Note(ktstr.NotMeasured, r.Metrics[at].Line, "with -C, pgbench before 14 leaves out most of the run in \"excluding connections establishing\": only tps.including_connections counts")
		r.Metrics = slices.Delete(r.Metrics, at, at+1)
		r.Hints = append(r.Hints, ktstr.Hint{Name: "tps.including_connections", Headline: true})
	} else if len(r.Metrics) > 0 && !r.Has("tps") && !r.Has("tps.including_connections") || !r.processed {
		r.Drop() // a client that failed, or a report that was cut
	} else if len(r.Metrics) > 0 {
		r.Want("tps", "a line that begins with tps =")
		r.Want("latency.mean", "a line that begins with latency average")
	}
	switch {
	case r.failure != "" && len(r.Metrics) > 0:
		r.Note(ktstr.Interrupted, r.failed, "%s", r.failure)
	case r.failure != "":
		r.Note(ktstr.ToolFailed, r.failed, "%s", r.failure)
	}
	return r.End("a line that begins with tps =")
}

func (r *reading) line(number int, line []byte) {
	if r.columns > 0 && (line[0] == ' ' || line[0] == '\t') && r.row(number, line) {
		return
	}
	switch line[0] {
	case 'p', '/': // the command's name may have a path
		r.ofProgram(number, line)
	case 'S':
		if after, ok := bytes.CutPrefix(line, []byte("SQL script ")); ok {
			n, _, _ := bytes.Cut(after, []byte{':'})
			r.Ours, r.script, r.columns, r.statement = true, "script."+text.Segment(string(n))+".", 0, 0
		}
	case ' ':
		if after, ok := bytes.CutPrefix(line, []byte(" - ")); ok {
			r.ofScript(number, after)
		}
	case 't', 'l', 'n', 'i', 'a', 'r', 's':
		r.ofRun(number, line)
	case 'C', 'c', 'E':
		if bytes.HasPrefix(line, []byte("Connection to database")) || bytes.HasPrefix(line, []byte("connection to database")) || bytes.HasPrefix(line, []byte("ERROR: ")) {
			r.fail(number, line)
		}
	}
}

// ofProgram reads the line of the version, of the progress, and an error.
func (r *reading) ofProgram(number int, line []byte) {
	name, message, ok := bytes.Cut(line, []byte(": "))
	switch {
	case bytes.HasPrefix(line, []byte("pgbench (")):
		r.Ours = true
		version, _, _ := strings.Cut(strings.Trim(string(line[len("pgbench ("):]), ")"), " ")
		if v := text.Version(version); len(v) > 0 && text.CompareVersions(newest+".99999", version) < 0 {
			r.Note(ktstr.UnsupportedVersion, number, "pgbench %s is newer than %s, which this parser was tried on", text.Line(version), newest)
		}
	case string(name) == "progress":
		r.Ours = true
	case ok && (string(name) == "pgbench" || bytes.HasSuffix(name, []byte("/pgbench"))):
		kind, _, _ := bytes.Cut(message, []byte(": "))
		if k := string(kind); k != "hint" && k != "warning" && k != "detail" && k != "info" {
			r.fail(number, message)
		}
	}
}

func (r *reading) fail(number int, message []byte) {
	if r.failure == "" {
		r.failure, r.failed = text.Shorten(string(message), 400), number
	}
}

// counts are the lines "number of …: COUNT (PERCENT%)".
var counts = []struct{ label, name string }{
	{"number of failed transactions: ", "transactions.failed"},
	{"number of transactions skipped: ", "transactions.skipped"},
	{"number of transactions retried: ", "transactions.retried"},
	{"number of serialization failures: ", "failures.serialization"},
	{"number of deadlock failures: ", "failures.deadlock"},
}

// ofRun reads a line about the whole run.
func (r *reading) ofRun(number int, line []byte) {
	cut := func(label string) (rest []byte, ok bool) { return bytes.CutPrefix(line, []byte(label)) }
	if rest, ok := cut("tps = "); ok {
		r.Ours = true
		name := "tps"
		if bytes.HasSuffix(rest, []byte("(including connections establishing)")) {
			name = "tps.including_connections"
		}
		r.AddText(name, word(rest), "tx/s", ktstr.Higher, number)
	} else if rest, ok := cut("number of transactions actually processed: "); ok {
		r.Ours = true
		done, _, _ := bytes.Cut(rest, []byte{'/'})
		if r.processed = string(done) != "0"; r.processed {
			r.AddText("transactions.processed", done, "count", ktstr.Unknown, number)
		} else {
			r.Note(ktstr.NotMeasured, number, "0 transactions were processed")
		}
	} else if rest, ok := cut("number of transactions above the "); ok {
		if _, late, ok := bytes.Cut(rest, []byte("latency limit: ")); ok {
			r.count("transactions.late", late, number)
		}
	} else if rest, ok := cut("total number of retries: "); ok {
		r.AddText("retries.total", rest, "count", ktstr.Lower, number)
	} else if rest, ok := cut("rate limit schedule lag: avg "); ok {
		mean, after, _ := bytes.Cut(rest, []byte(" (max "))
		most, _, _ := bytes.Cut(after, []byte(") ms"))
		r.AddText("schedule_lag.mean", mean, "ms", ktstr.Lower, number)
		r.AddText("schedule_lag.max", most, "ms", ktstr.Lower, number)
	} else if rest, ok := cut("initial connection time = "); ok {
		r.AddText("connection.initial", word(rest), "ms", ktstr.Lower, number)
	} else if rest, ok := cut("average connection time = "); ok {
		r.AddText("connection.mean", word(rest), "ms", ktstr.Lower, number)
	} else if rest, ok := cut("statement latencies in milliseconds"); ok {
		r.statements(rest)
	} else if !r.latency(number, "", line) {
		for _, c := range counts {
			if rest, ok := cut(c.label); ok {
				r.count(c.name, rest, number)
			}
		}
		if bytes.HasPrefix(line, []byte("transaction type: ")) || bytes.HasPrefix(line, []byte("starting vacuum")) {
			r.Ours = true
		}
	}
}

// latency reads "latency average = 1.184 ms", before 9.6 with a colon.
func (r *reading) latency(number int, prefix string, line []byte) bool {
	for _, l := range []struct {
		label, name string
		polarity    ktstr.Polarity
	}{{"latency average", "latency.mean", ktstr.Lower}, {"latency stddev", "latency.stddev", ktstr.Unknown}} {
		rest, ok := bytes.CutPrefix(line, []byte(l.label))
		if ok {
			r.AddText(prefix+l.name, word(bytes.TrimLeft(rest, " =:")), "ms", l.polarity, number)
			return true
		}
	}
	return false
}

// count adds the number and the percentage of "31/372 (8.333%)".
func (r *reading) count(name string, line []byte, number int) {
	count, rest, ok := bytes.Cut(line, []byte(" ("))
	count, _, _ = bytes.Cut(count, []byte{'/'})
	r.AddText(name, count, "count", ktstr.Lower, number)
	if ok {
		percent, _, _ := bytes.Cut(rest, []byte{'%'})
		r.AddText(name+"_percent", bytes.TrimSpace(percent), "%", ktstr.Lower, number)
	}
}

// ofScript reads a line below the heading of a script. A single script has no heading,
// and its lines repeat those of the run.
func (r *reading) ofScript(number int, line []byte) {
	if rest, ok := bytes.CutPrefix(line, []byte("statement latencies in milliseconds")); ok {
		r.statements(rest)
	} else if r.script == "" || r.latency(number, r.script, line) {
		return
	} else if count, rest, ok := bytes.Cut(line, []byte(" transactions (")); ok {
		r.AddText(r.script+"transactions", count, "count", ktstr.Unknown, number)
		if _, tps, ok := bytes.Cut(rest, []byte("tps = ")); ok {
			r.AddText(r.script+"tps", bytes.TrimSuffix(tps, []byte{')'}), "tx/s", ktstr.Higher, number)
		}
	} else if rest, ok := bytes.CutPrefix(line, []byte("number of failed transactions: ")); ok {
		r.AddText(r.script+"failed", word(rest), "count", ktstr.Lower, number)
	}
}

// statements reads the heading of the statements: " and failures:" after its first words
// means two columns of numbers, ", failures and retries:" three.
func (r *reading) statements(rest []byte) {
	r.Ours = true
	r.columns, r.statement = 1, 0
	if bytes.Contains(rest, []byte("failures")) {
		r.columns++
	}
	if bytes.Contains(rest, []byte("retries")) {
		r.columns++
	}
}

// row reads the numbers of a statement. It returns false for a line that has none.
func (r *reading) row(number int, line []byte) bool {
	var values [3][]byte
	for i := range r.columns {
		line = bytes.TrimLeft(line, " \t")
		end := bytes.IndexAny(line, " \t")
		if end < 0 {
			return false
		}
		values[i], line = line[:end], line[end:]
		if _, ok := text.ParseDecimal(values[i]); !ok || i == 0 && !bytes.Contains(values[i], []byte{'.'}) {
			return false
		}
	}
	r.statement++
	prefix := fmt.Sprintf("%sstatement.%d.", r.script, r.statement)
	for i, m := range []struct{ name, unit string }{{"latency", "ms"}, {"failures", "count"}, {"retries", "count"}}[:r.columns] {
		r.AddText(prefix+m.name, values[i], m.unit, ktstr.Lower, number)
	}
	return true
}

// word returns the text up to the first blank.
func word(line []byte) []byte {
	w, _, _ := bytes.Cut(line, []byte{' '})
	return w
}
