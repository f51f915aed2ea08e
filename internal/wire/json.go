package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"sync"

	"github.com/ktstr/ktstr"
)

// Interface is the protocol of a plugin executable. The output of describe names
// it.
type Interface string

// The interfaces. A describe that names none means Script.
const (
	GRPC   Interface = "grpc"   // started without arguments, answers with a handshake line
	Script Interface = "script" // started with "extract" for each stream: capture in, JSON lines out
	Table  Interface = "table"  // no executable: a file with patterns, which the host reads
)

// describeJSON is the format of the output of `describe`, and of a lock's entry.
type describeJSON struct {
	Name       string        `json:"name"`
	Summary    string        `json:"summary,omitempty"`
	Version    string        `json:"version"`
	Interface  Interface     `json:"interface,omitempty"`
	Protocol   int           `json:"protocol,omitempty"`
	Tools      []toolJSON    `json:"tools,omitempty"`
	Hints      []hintJSON    `json:"hints,omitempty"`
	Payloads   []payloadJSON `json:"payloads,omitempty"`
	AllStreams bool          `json:"all_streams,omitempty"`
	NoMetrics  bool          `json:"no_metrics,omitempty"`
	Options    []optionJSON  `json:"options,omitempty"`
}

type toolJSON struct {
	Name     string   `json:"name"`
	Versions []string `json:"versions,omitempty"`
}

type hintJSON struct {
	Name     string `json:"name"`
	Unit     string `json:"unit,omitempty"`
	Polarity string `json:"polarity,omitempty"`
	Headline bool   `json:"headline,omitempty"`
}

type payloadJSON struct {
	Name string `json:"name"`
	YAML string `json:"yaml"`
}

type optionJSON struct {
	Name    string   `json:"name"`
	Values  []string `json:"values,omitempty"`
	Summary string   `json:"summary,omitempty"`
}

// DescriptionJSON returns the output of `describe`: one indented object and a
// newline.
func DescriptionJSON(d ktstr.Description, i Interface) []byte {
	v := describeJSON{Name: d.Name, Summary: d.Summary, Version: d.Version, Interface: i, AllStreams: d.AllStreams, NoMetrics: d.NoMetrics}
	if i == GRPC {
		v.Protocol = Protocol
	}
	for _, t := range d.Tools {
		v.Tools = append(v.Tools, toolJSON(t))
	}
	for _, h := range d.Hints {
		v.Hints = append(v.Hints, hintJSON{h.Name, h.Unit, string(h.Polarity), h.Headline})
	}
	for _, p := range d.Payloads {
		v.Payloads = append(v.Payloads, payloadJSON{p.Name, string(p.YAML)})
	}
	for _, o := range d.Options {
		v.Options = append(v.Options, optionJSON(o))
	}
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		panic(err) // strings, numbers and booleans always marshal
	}
	return append(b, '\n')
}

// ParseDescription reads the output of `describe`. It ignores unknown members,
// because a newer plugin may have more.
func ParseDescription(text []byte) (ktstr.Description, Interface, error) {
	var v describeJSON
	d := json.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&v); err != nil {
		return ktstr.Description{}, "", fmt.Errorf("description: want one JSON object: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return ktstr.Description{}, "", errors.New("description: want one JSON object and nothing behind it")
	}
	switch v.Interface {
	case "":
		v.Interface = Script
	case GRPC, Script, Table:
	default:
		return ktstr.Description{}, "", fmt.Errorf("description: interface %s: want %q or %q", Quote(string(v.Interface)), GRPC, Script)
	}
	x := ktstr.Description{Name: v.Name, Summary: v.Summary, Version: v.Version, AllStreams: v.AllStreams, NoMetrics: v.NoMetrics}
	for _, t := range v.Tools {
		x.Tools = append(x.Tools, ktstr.Tool(t))
	}
	for _, h := range v.Hints {
		p, err := ktstr.ParseHintPolarity(h.Polarity)
		if err != nil {
			return ktstr.Description{}, "", fmt.Errorf("description: hint %s: %w", Quote(h.Name), err)
		}
		x.Hints = append(x.Hints, ktstr.Hint{Name: h.Name, Unit: h.Unit, Polarity: p, Headline: h.Headline})
	}
	for _, p := range v.Payloads {
		x.Payloads = append(x.Payloads, ktstr.PayloadFile{Name: p.Name, YAML: []byte(p.YAML)})
	}
	for _, o := range v.Options {
		x.Options = append(x.Options, ktstr.Option(o))
	}
	return x, v.Interface, CheckDescription(x)
}

// The environment of a script plugin's extract, beside the capture on its
// standard input. A variable that is not set means unknown.
const (
	StreamKey    = "KTSTR_STREAM"    // stdout, stderr or file:NAME
	TruncatedKey = "KTSTR_TRUNCATED" // 1: the capture stopped at its cap
	ExitCodeKey  = "KTSTR_EXIT_CODE" // -1: a signal ended the run
	ArgvKey      = "KTSTR_ARGV"      // a JSON array of strings
	OptionsKey   = "KTSTR_OPTIONS"   // a JSON object of strings
)

// lineJSON is one line of a script plugin's answer. The first member is the kind
// of the line:
//
//	{"metric": "lat.avg", "value": 1.5, "unit": "ms", "polarity": "lower", "line": 7}
//	{"hint": "lat.*", "unit": "ms", "polarity": "lower", "headline": true}
//	{"diagnostic": "truncated", "message": "the report stops in its middle", "line": 9}
//	{"error": "the format is one that I cannot read at all"}
type lineJSON struct {
	Metric     *string `json:"metric"`
	Hint       *string `json:"hint"`
	Diagnostic *string `json:"diagnostic"`
	Error      *string `json:"error"`
	Value      *number `json:"value"`
	Unit       string  `json:"unit"`
	Polarity   string  `json:"polarity"`
	Line       int     `json:"line"`
	Headline   bool    `json:"headline"`
	Message    string  `json:"message"`
}

// number is a value as scripts write it: beyond the range of float64 it is an
// infinity.
type number float64

func (n *number) UnmarshalJSON(b []byte) error {
	if v, err := strconv.ParseFloat(string(b), 64); errors.Is(err, strconv.ErrRange) {
		*n = number(v)
		return nil
	}
	// The words as strings, as one writes them whose JSON has no such numbers.
	switch string(b) {
	case `"NaN"`:
		*n = number(math.NaN())
		return nil
	case `"Infinity"`, `"+Inf"`:
		*n = number(math.Inf(1))
		return nil
	case `"-Infinity"`, `"-Inf"`:
		*n = number(math.Inf(-1))
		return nil
	}
	if err := (*ktstr.Number)(n).UnmarshalJSON(b); err != nil {
		return fmt.Errorf("value %.100s: want a number, or NaN, Infinity, -Infinity", b)
	}
	return nil
}

// notFinite are a value that is a word, and strings, in which there is none. It is
// compiled when first used: few commands meet a script that writes such a value.
var notFinite = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`"value"\s*:\s*(?:NaN|-?Infinity)|"(?:[^"\\]|\\.)*"`)
})

// asStrings is a line with the words that Python's json writes for values that
// JSON numbers cannot say as the strings that stand for them here. Elsewhere such
// a word is a mistake: a metric must not get it for its name or unit.
func asStrings(line []byte) []byte {
	return notFinite().ReplaceAllFunc(line, func(token []byte) []byte {
		for _, w := range [...]struct{ word, text string }{{"NaN", `"NaN"`}, {"-Infinity", `"-Infinity"`}, {"Infinity", `"Infinity"`}} {
			if key, ok := bytes.CutSuffix(token, []byte(w.word)); ok {
				return append(bytes.Clone(key), w.text...)
			}
		}
		return token
	})
}

// AddLine adds one line of a script plugin's answer. It ignores empty lines. A
// *Failed error is the script's own.
func (a *Answer) AddLine(line []byte) error {
	if a.bytes += len(line) + 1; a.bytes > MaxAnswer {
		return fmt.Errorf("the answer exceeds %d MiB: want fewer metrics", MaxAnswer>>20)
	}
	if line = bytes.TrimSpace(line); len(line) == 0 {
		return nil
	}
	var v lineJSON
	err := json.Unmarshal(line, &v)
	if err != nil && json.Unmarshal(asStrings(line), &v) == nil {
		err = nil
	}
	if err != nil {
		return fmt.Errorf("line %s: want a JSON object with one of metric, hint, diagnostic, error: %w", Quote(string(line)), err)
	}
	kinds := 0
	for _, k := range []*string{v.Metric, v.Hint, v.Diagnostic, v.Error} {
		if k != nil {
			kinds++
		}
	}
	if kinds != 1 {
		return fmt.Errorf("line %s: want a JSON object with one of metric, hint, diagnostic, error", Quote(string(line)))
	}
	parsePolarity := ktstr.ParsePolarity
	if v.Hint != nil {
		parsePolarity = ktstr.ParseHintPolarity
	}
	p, err := parsePolarity(v.Polarity)
	if err != nil {
		return fmt.Errorf("line %s: %w", Quote(string(line)), err)
	}
	if v.Line < 0 {
		return fmt.Errorf("line %s: line is %d: want 1 or more, or no line", Quote(string(line)), v.Line)
	}
	switch {
	case v.Metric != nil:
		if v.Value == nil {
			return fmt.Errorf("line %s: the metric has no value", Quote(string(line)))
		}
		if len(a.x.Metrics) == MaxMetrics {
			return fmt.Errorf("more than %d metrics: want fewer", MaxMetrics)
		}
		return a.metric(ktstr.Metric{Name: *v.Metric, Value: float64(*v.Value), Unit: v.Unit, Polarity: p, Line: v.Line})
	case v.Hint != nil:
		h := ktstr.Hint{Name: *v.Hint, Unit: v.Unit, Polarity: p, Headline: v.Headline}
		if err := checkHint(h); err != nil {
			return err
		}
		if len(a.x.Hints) == MaxList {
			return fmt.Errorf("more than %d hints: want fewer", MaxList)
		}
		a.x.Hints = append(a.x.Hints, h)
		return nil
	case v.Diagnostic != nil:
		if len(a.x.Diagnostics) == MaxList {
			return fmt.Errorf("more than %d diagnostics: want fewer", MaxList)
		}
		return a.diagnostic(ktstr.Diagnostic{Code: ktstr.Code(*v.Diagnostic), Message: v.Message, Line: v.Line})
	}
	return &Failed{Message: *v.Error}
}

// Failed is an extractor's own error, as it came over the wire.
type Failed struct {
	Message  string
	Panicked bool
}

func (f *Failed) Error() string { return f.Message }
