// Package stressng turns the output of stress-ng into metrics: its table of
// bogo operations, the further metrics of its stressors, --perf, --times and
// --tz, the counts of passed, failed and skipped stressors, and the file that
// --yaml writes.
//
// Versions differ in which stream they log to (stderr up to 0.15.07, stdout
// since), so the extractor asks for all streams. That stress-ng says
// "successful" and exits with 0 proves nothing: a line of type "fail:" makes
// the extraction an error even so.
package stressng

import (
	"embed"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/text"
)

//go:embed payloads/*.yaml
var payloads embed.FS

// New returns the extractor "stressng".
func New() ktstr.Extractor {
	return ktstr.Parser{Description: description(), Parse: parse}
}

// proven are the versions of stress-ng whose output the tests hold.
var proven = []string{"0.15.06", "0.19.06", "0.22.00"}

func description() ktstr.Description {
	return ktstr.Description{
		Name:       "stressng",
		Summary:    "stress-ng puts load on CPUs, memory and the kernel, and counts its operations.",
		Version:    "1.0.0",
		AllStreams: true,
		Tools:      []ktstr.Tool{{Name: "stress-ng", Versions: proven}},
		Hints: []ktstr.Hint{
			{Name: "*.*"}, // further metrics: unit and polarity are in their words, if anywhere
			{Name: "*.bogo_ops_rate", Unit: "ops/s", Polarity: ktstr.Higher, Headline: true},
			{Name: "*.bogo_ops_rate_cpu", Unit: "ops/s", Polarity: ktstr.Higher},
			{Name: "failed", Unit: "count", Polarity: ktstr.Lower},
			{Name: "untrustworthy", Unit: "count", Polarity: ktstr.Lower},
		},
		Payloads: ktstr.PayloadFiles(payloads),
	}
}

// parse reads one stream. Text and YAML of one stream are merged by name, and
// the text wins.
func parse(out ktstr.Output) (ktstr.Extraction, error) {
	out.Data = text.WithoutColour(out.Data)
	p := parser{out: out, buffer: make([]byte, 0, 256)}
	p.read()
	return p.finish(), nil
}

// parser goes through a stream line by line. Log lines and YAML are told apart
// by how they begin.
type parser struct {
	out  ktstr.Output
	end  int // where the line at hand ends
	text report
	yaml yaml

	buffer []byte                 // for the names that are being put together
	cells  [len(columns) + 1]cell // of the row at hand, one more than there can be

	diagnostics []ktstr.Diagnostic
	left        int // diagnostics not kept
	prose       int // first line that stress-ng does not print, or 0
	cut         bool
}

// maxDiagnostics is the largest number of diagnostics about one stream.
const maxDiagnostics = 64

func (p *parser) diagnose(code ktstr.Code, line int, message string) {
	if len(p.diagnostics) == maxDiagnostics {
		p.left++
		return
	}
	p.diagnostics = append(p.diagnostics, ktstr.Diagnostic{Code: code, Message: message, Line: line})
}
