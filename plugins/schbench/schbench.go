// Package schbench turns the output of schbench into metrics: the latency
// tables, the request rates and the transfer line of every revision since the
// first one of 2016, and the document that --json writes.
//
// schbench has no version number, so the revision is recognised by the shape
// of its output. Revisions differ in the stream of each part (some
// print tables on stderr and rates on stdout), which is why the extractor asks
// for all streams and why a stream without output of schbench gives no
// diagnostic.
package schbench

import (
	"embed"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/text"
)

//go:embed payloads/*.yaml
var payloads embed.FS

// New returns the extractor "schbench".
func New() ktstr.Extractor {
	return ktstr.Parser{Description: description(), Parse: parse}
}

func description() ktstr.Description {
	return ktstr.Description{
		Name:       "schbench",
		Summary:    "schbench measures how long threads wait for a CPU.",
		Version:    "1.0.0",
		AllStreams: true,
		// git revisions, for want of versions
		Tools: []ktstr.Tool{{Name: "schbench", Versions: []string{
			"36d859a", "59d8aed", "3d16b23", "3faa8b0", "8d43844", "eb6352a", "0eda806", "c76ad8e",
			"394be00", "48aed1d", "b43ca6f", "0b26515", "236675c", "24e32b8",
		}}},
		Hints: []ktstr.Hint{
			{Name: "rps.average", Unit: "req/s", Polarity: ktstr.Higher, Headline: true},
			{Name: "wakeup.p99", Unit: "us", Polarity: ktstr.Lower, Headline: true},
			{Name: "request.p99", Unit: "us", Polarity: ktstr.Lower, Headline: true},
			{Name: "transfer.ops", Unit: "ops/s", Polarity: ktstr.Higher, Headline: true},
			{Name: "wakeup.p50", Unit: "us", Polarity: ktstr.Lower},
			{Name: "request.p50", Unit: "us", Polarity: ktstr.Lower},
			{Name: "wakeup.samples", Unit: "count"},
			{Name: "request.samples", Unit: "count"},
			{Name: "rps.samples", Unit: "count"},
			{Name: "runtime", Unit: "s"},
		},
		Payloads: ktstr.PayloadFiles(payloads),
	}
}

// parse reads one stream. Text and JSON of one stream are merged by name. The
// text wins, because it gives the number of samples of each table.
func parse(out ktstr.Output) (ktstr.Extraction, error) {
	out.Data = text.WithoutColour(out.Data)
	s := scan(out.Data)
	var e extraction
	if s.columns.given() {
		e.diagnose(ktstr.Malformed, s.columns.number, "two outputs stand side by side, and which number is of which cannot be told: want each output by itself")
		return e.Extraction, nil
	}
	s.report(&e, out)
	s.documents(&e, out)
	switch {
	case e.unread.given() && !e.read && len(e.Metrics) > 0:
		e.Metrics = nil
		e.diagnose(ktstr.NoMetrics, e.unread.number, "no row of the table can be read, so what else was printed is not a measurement")
	case !s.ours && len(e.Metrics) == 0 && len(e.Diagnostics) == 0 && s.prose != 0:
		e.diagnose(ktstr.NotMyFormat, s.prose, "nothing in this text is of schbench's format; want its tables, rate lines or --json document")
	}
	return e.Extraction, nil
}

// extraction collects metrics. Of two with one name the first one counts.
type extraction struct {
	ktstr.Extraction
	given map[string]bool // names

	unread line // first header of a table of which no row was read
	read   bool // a row of a table, or a percentile of a document, was read
}

func (e *extraction) add(name string, value float64, unit string, polarity ktstr.Polarity, line int) {
	if e.given[name] {
		return
	}
	if e.given == nil {
		e.given = make(map[string]bool)
	}
	e.given[name] = true
	e.Metrics = append(e.Metrics, ktstr.Metric{Name: name, Value: value, Unit: unit, Polarity: polarity, Line: line})
}

func (e *extraction) diagnose(code ktstr.Code, line int, message string) {
	e.Diagnostics = append(e.Diagnostics, ktstr.Diagnostic{Code: code, Message: message, Line: line})
}
