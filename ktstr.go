// Package ktstr is the vocabulary of the project: what an extractor is given
// (one stream's bytes), what it returns (metrics, hints, diagnostics), and how
// it describes itself. Everything else is built on these words; this package
// depends on the standard library only.
package ktstr

import (
	"context"
	"errors"
	"strings"
)

// Stream names where a metric came from: "stdout", "stderr", "file:<name>" for a
// file that the payload writes, or "run". The zero value means unknown.
type Stream string

// RunStream is the stream of the metrics that ktstr measured itself around a run, such
// as run.wall. It has no text, and no extractor can give it to a metric.
const RunStream Stream = "run"

// The two streams every process has.
const (
	Stdout Stream = "stdout"
	Stderr Stream = "stderr"
)

// FileStream is the stream of the payload's output file of that name.
func FileStream(name string) Stream { return Stream("file:" + name) }

// Output is what one stream printed, and what is known about the run that
// printed it. Data is raw: it need not be valid UTF-8, and must not be kept or
// changed after Extract returns.
type Output struct {
	Stream    Stream
	Data      []byte
	Truncated bool              // the capture stopped at its cap; more was printed
	ExitCode  *int              // nil where unknown; -1 when a signal ended the run
	Argv      []string          // nil where unknown
	Options   map[string]string // extractor options by name; see Description.Options
}

// Metric is one number that a benchmark reported, in the unit that it printed.
type Metric struct {
	Name     string   // dotted, unique within an extraction unless the text repeats itself
	Value    float64  // exactly as printed, never scaled
	Unit     string   // as printed ("us", "KiB/s"); empty where none is known
	Polarity Polarity // zero: unknown
	Stream   Stream   // filled in by the engine; extractors may leave it empty
	Line     int      // 1-based line of the stream it was read from; 0: unknown
}

// Hint says what the metrics of a name mean. Name is a metric's name, or a
// pattern in which '*' stands for any run of characters but a dot
// ("jobs.*.read.iops"). Empty fields say nothing.
type Hint struct {
	Name     string   `json:"name"`
	Unit     string   `json:"unit,omitempty"`
	Polarity Polarity `json:"polarity,omitempty"`
	Headline bool     `json:"headline,omitempty"` // among the few numbers to show and compare first
}

// Diagnostic reports what was odd but survivable about one text.
type Diagnostic struct {
	Code    Code
	Message string // one sentence, for the person who ran the benchmark
	Stream  Stream // filled in by the engine
	Line    int    // 1-based line; 0: not about one line
}

// Code classifies a Diagnostic, so that programs need not read its message.
// The set only ever grows; unknown codes are to be shown as they are.
type Code string

// Codes known to the engine and the stock extractors.
const (
	NotMyFormat        Code = "not-my-format"       // nothing in the text is of the extractor's format
	UnsupportedVersion Code = "unsupported-version" // the tool's version is not one the extractor was proven on
	Truncated          Code = "truncated"           // the text stops before its end
	Malformed          Code = "malformed"           // a part could not be read and was left out
	NoMetrics          Code = "no-metrics"          // the format is right and no measurement is in it
	MissingHeadline    Code = "missing-headline"    // a number that such a run always prints is not there
	NotMeasured        Code = "not-measured"        // printed, but not a measurement (a row of zeros, no samples)
	ToolFailed         Code = "tool-failed"         // the tool says that its own run failed; makes the extraction an error
	Interrupted        Code = "interrupted"         // the tool says that it was stopped before its end
	SeveralReports     Code = "several-reports"     // the text holds several reports; the message says which one counts
	TooDeep            Code = "too-deep"            // nesting beyond the limit was cut
	Inexact            Code = "inexact"             // an integer has no exact float64; the nearest one is given
	NotFinite          Code = "not-finite"          // a value is NaN or infinite
	Duplicate          Code = "duplicate"           // a name occurs again
	UnitMismatch       Code = "unit-mismatch"       // a hint's unit cannot be the printed one; the printed one is kept
	InvalidText        Code = "invalid-text"        // bytes that are not UTF-8 were replaced
	TooMany            Code = "too-many"            // a limit was reached and the rest left out
	Cleaned            Code = "cleaned"             // the text was read without the parts that the message names
	NotCleaned         Code = "not-cleaned"         // a prefix or an encoding was not removed; the message gives the reason
	Unavailable        Code = "unavailable"         // a metric of the run itself was not measured, or not in full
	Scaled             Code = "scaled"              // a counter ran for a part of the time, and its count was scaled up
	Rewrapped          Code = "rewrapped"           // a mail program seems to have wrapped lines
	IgnoredOption      Code = "ignored-option"      // the tool did not use an option of its command line
)

// Extraction is what an extractor made of one Output. The zero value means
// that nothing was found.
type Extraction struct {
	Metrics     []Metric
	Hints       []Hint
	Diagnostics []Diagnostic
}

// Tool names a benchmark that an extractor reads, and the versions of it that
// the extractor was proven on, oldest first.
type Tool struct {
	Name     string
	Versions []string
}

// Option is a setting that an extractor takes in Output.Options.
type Option struct {
	Name    string
	Values  []string // allowed values, the default first; nil: any text
	Summary string
}

// PayloadFile is a payload definition that comes with an extractor, as the
// YAML text that the host parses.
type PayloadFile struct {
	Name string // the payload's name
	YAML []byte
}

// OwnsPayload reports whether an extractor may bring a payload of that name:
// its own name, alone or with "-" and more behind it. Dashes within its name do
// not count, so that stressng may bring stress-ng-cpu.
func OwnsPayload(extractor, payload string) bool {
	extractor = strings.ReplaceAll(extractor, "-", "")
	for i := 0; i <= len(payload) && extractor != ""; i++ {
		if (i == len(payload) || payload[i] == '-') && strings.ReplaceAll(payload[:i], "-", "") == extractor {
			return true
		}
	}
	return false
}

// Description says what an extractor is. It is constant for the life of a
// process and cheap to make.
type Description struct {
	Name       string // [a-z][a-z0-9-]*
	Summary    string // one sentence for users: what the tools measure; may be empty
	Version    string // the extractor's own version
	Tools      []Tool
	Hints      []Hint
	Payloads   []PayloadFile
	AllStreams bool // wants every stream, not stdout with the others to fall back on
	NoMetrics  bool // gives no metrics by design, so that none is a success
	Options    []Option
}

// Extractor turns what a benchmark printed into metrics. Extract is called
// once for each stream, possibly from several goroutines. An error means that
// nothing in the Extraction can be trusted; what can be read although
// something is wrong is an Extraction with diagnostics. The caller owns the
// slices of the Extraction and changes them.
type Extractor interface {
	Describe() Description
	Extract(ctx context.Context, out Output) (Extraction, error)
}

// Parser is an Extractor made of a function without I/O, clock or state.
type Parser struct {
	Description Description
	Parse       func(out Output) (Extraction, error)
}

// Describe returns p.Description.
func (p Parser) Describe() Description { return p.Description }

// Extract calls p.Parse, unless ctx is done.
func (p Parser) Extract(ctx context.Context, out Output) (Extraction, error) {
	if err := ctx.Err(); err != nil {
		return Extraction{}, err
	}
	if p.Parse == nil {
		return Extraction{}, errors.New("extractor " + p.Description.Name + ": Parse is nil: want a function")
	}
	return p.Parse(out)
}
