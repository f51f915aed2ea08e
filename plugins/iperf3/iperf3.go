// Package iperf3 turns the output of iperf3 into metrics: its JSON document (-J), its
// events (--json-stream) and its text.
package iperf3

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/valyala/fastjson"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/text"
	"github.com/ktstr/ktstr/plugins/internal/report"
)

// New returns the extractor "iperf3".
func New() ktstr.Extractor {
	return ktstr.Parser{Description: ktstr.Description{
		Name:    "iperf3",
		Summary: "iperf3 measures the bandwidth between two hosts.",
		Version: "1.0.0",
		Tools:   []ktstr.Tool{{Name: "iperf3", Versions: []string{"3.1", "3.6", "3.9", "3.12", "3.16", "3.21"}}},
		Hints:   hints(),
	}, Parse: parse}
}

func hints() []ktstr.Hint {
	higher := func(name, unit string, headline bool) ktstr.Hint {
		return ktstr.Hint{Name: name, Unit: unit, Polarity: ktstr.Higher, Headline: headline}
	}
	lower := func(name, unit string, headline bool) ktstr.Hint {
		return ktstr.Hint{Name: name, Unit: unit, Polarity: ktstr.Lower, Headline: headline}
	}
	var all []ktstr.Hint
	for _, prefix := range []string{"", "reverse."} {
		all = append(all,
			higher(prefix+"sent.bw", "bit/s", true),
			higher(prefix+"received.bw", "bit/s", true),
			lower(prefix+"jitter", "ms", true),
			lower(prefix+"lost.percent", "%", true),
			lower(prefix+"lost.packets", "count", false),
			lower(prefix+"retransmits", "count", false),
			ktstr.Hint{Name: prefix + "packets", Unit: "count"},
			ktstr.Hint{Name: prefix + "sent.bytes", Unit: "B"},
			ktstr.Hint{Name: prefix + "received.bytes", Unit: "B"},
			ktstr.Hint{Name: prefix + "sent.time", Unit: "s"},
			ktstr.Hint{Name: prefix + "received.time", Unit: "s"})
	}
	return append(all,
		higher("stream.*.sent.bw", "bit/s", false),
		higher("stream.*.received.bw", "bit/s", false),
		lower("stream.*.retransmits", "count", false),
		lower("stream.*.rtt.*", "us", false),
		ktstr.Hint{Name: "cpu.host.*", Unit: "%"},
		ktstr.Hint{Name: "cpu.remote.*", Unit: "%"})
}

// reading is the state of a parse. It has the results of the last test of a text.
type reading struct {
	*report.Report
	failure string // what iperf3 says about its own failure
	events  bool   // the metrics are of an event of --json-stream
}

func parse(out ktstr.Output) (ktstr.Extraction, error) {
	r := reading{Report: report.New("iperf3", out)}
	if bytes.HasPrefix(out.Data, []byte{'{'}) || bytes.Contains(out.Data, []byte("\n{")) {
		r.documents(out.Data)
	} else {
		r.text(out.Data)
	}
	stopped := r.failure
	if stopped == "" && out.ExitCode != nil && *out.ExitCode != 0 {
		stopped = fmt.Sprintf("iperf3 ended with exit status %d: it was stopped before its end, or it failed", *out.ExitCode)
	}
	switch {
	case len(r.Metrics) > 0 && stopped != "":
		r.Note(ktstr.Interrupted, 0, "%s", stopped)
	case len(r.Metrics) == 0 && r.failure != "":
		r.Note(ktstr.ToolFailed, 0, "%s", r.failure)
	}
	return r.End("the rows of a summary, or the JSON of -J or --json-stream")
}

// number returns the number of a JSON value. It is false for nil, null and text.
func number(v *fastjson.Value) (float64, bool) {
	if v == nil || v.Type() != fastjson.TypeNumber {
		return 0, false
	}
	f, err := strconv.ParseFloat(string(v.MarshalTo(nil)), 64) // Value.Float64 is not always the nearest number
	return f, err == nil
}

// decimal reads a number of the text. iperf3 prints no sign and no exponent.
func decimal(s string) (float64, bool) { return text.ParseDecimal(s) }
