package extract

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/savedtext"
	"github.com/ktstr/ktstr/internal/text"
)

// Captured returns x for the streams that a run captured. It gives each text to x
// without colours and byte order marks. The diagnostic ktstr.Cleaned tells the user
// about it. All other text stays raw.
func Captured(x ktstr.Extractor) ktstr.Extractor { return captured{x} }

// Saved returns x for text that a user saved. For example, the text can be UTF-16, or
// each line can begin with "fio-1  | " of docker compose.
//
// x gets the raw text first. If x reads no measurement, or reads only a part of what
// the cleaned text has, then the cleaned text counts. The diagnostic ktstr.Cleaned
// names everything that was removed. The numbers of the lines are those of the raw
// text. If two readings are possible, the raw text counts and the diagnostic
// ktstr.NotCleaned gives the reason.
func Saved(x ktstr.Extractor) ktstr.Extractor { return saved{x} }

type captured struct{ ktstr.Extractor }

func (c captured) Extract(ctx context.Context, out ktstr.Output) (ktstr.Extraction, error) {
	clean, removed := savedtext.Colours(out.Data)
	out.Data = clean
	e, err := c.Extractor.Extract(ctx, out)
	if len(removed) > 0 {
		e.Diagnostics = append(e.Diagnostics, removal(savedtext.Reading{Removed: removed}))
	}
	return e, err
}

type saved struct{ ktstr.Extractor }

func (s saved) Extract(ctx context.Context, out ktstr.Output) (ktstr.Extraction, error) {
	raw, err := s.Extractor.Extract(ctx, out)
	if err != nil || s.Describe().NoMetrics {
		return raw, err
	}
	// try gives another text of the stream to the extractor. A failure is no reading.
	try := func(data []byte) ktstr.Extraction {
		other := out
		other.Data = data
		e, err := s.Extractor.Extract(ctx, other)
		if err != nil {
			return ktstr.Extraction{}
		}
		return e
	}
	decoded, reason := savedtext.Decode(out.Data)
	if reason != "" {
		return with(raw, notCleaned(reason)), nil
	}
	if len(decoded.Removed) > 0 {
		e := try(decoded.Data)
		if len(e.Metrics) > 0 && !same(e, raw) || len(raw.Metrics) == 0 && rank(e) > rank(raw) {
			raw = with(e, removal(decoded))
		}
	}
	return withoutPrefixes(decoded, raw, try), nil
}

// withoutPrefixes returns raw, which is the extraction of the decoded text, or the
// extraction of a text without prefixes.
func withoutPrefixes(decoded savedtext.Reading, raw ktstr.Extraction, try func([]byte) ktstr.Extraction) ktstr.Extraction {
	r := savedtext.Clean(decoded)
	best, clean, reason := choose(r.Readings, try)
	switch {
	case reason != "":
		return with(raw, notCleaned(reason))
	case best == nil:
		best = &decoded
	case isBetter(clean, raw), readsPrefixes(raw, clean, func() ktstr.Extraction { return try(best.PrefixesOnly(decoded.Data)) }):
		return with(clean, removal(*best))
	case !r.Overwrites && len(clean.Metrics) > 0 && !same(clean, raw):
		return with(raw, notCleaned("it can also be read, with another result, without "+describe(*best)))
	}
	if len(raw.Metrics) == 0 && r.Reason != "" {
		raw = with(raw, notCleaned(r.Reason))
	}
	return joinWrapped(best.Data, raw, try)
}

// joinWrapped returns the extraction of text with its wrapped lines joined, if it has
// more measurements than raw.
func joinWrapped(text []byte, raw ktstr.Extraction, try func([]byte) ktstr.Extraction) ktstr.Extraction {
	if len(raw.Metrics) > 0 && faults(raw) == 0 {
		return raw
	}
	joined, lines := savedtext.Rewrapped(text)
	if lines == 0 {
		return raw
	}
	if e := try(joined); len(e.Metrics) > len(raw.Metrics) && isBetter(e, raw) {
		return with(e, rewrapped(lines, "they were joined with the lines before"))
	}
	if lines > 1 {
		return with(raw, rewrapped(lines, "want the text as the tool printed it"))
	}
	return raw
}

// choose returns the reading that tells most. If two sources have measurements, there
// is none, and reason names the two.
func choose(readings []savedtext.Reading, try func([]byte) ktstr.Extraction) (best *savedtext.Reading, read ktstr.Extraction, reason string) {
	for i := range readings {
		r := &readings[i]
		e := try(r.Data)
		if len(read.Metrics) > 0 && len(e.Metrics) > 0 {
			return nil, ktstr.Extraction{}, fmt.Sprintf("both %s and %s have measurements: want the lines of one of them", name(best.Source), name(r.Source))
		}
		if best == nil || rank(e) > rank(read) {
			best, read = r, e
		}
	}
	return best, read, ""
}

// readsPrefixes returns whether the measurements of the raw text are those of its
// prefixes, and the cleaned text has others.
func readsPrefixes(raw, clean ktstr.Extraction, prefixes func() ktstr.Extraction) bool {
	return len(raw.Metrics) > 0 && len(clean.Metrics) > 0 && includes(prefixes(), raw)
}

// isBetter returns whether a cleaned text counts, and not the raw one. A raw text with
// a measurement counts, with three exceptions:
//   - The cleaned text has a measurement, and fewer parts of it could not be read. For
//     example, fio does not find the end of an indented report.
//   - It has all measurements of the raw text, and more.
//   - It has the same values with other names, because a name of the raw text contains
//     the prefix.
func isBetter(clean, raw ktstr.Extraction) bool {
	switch {
	case len(raw.Metrics) == 0:
		return rank(clean) > rank(raw)
	case len(clean.Metrics) == 0:
		return false
	case faults(clean) < faults(raw):
		return true
	}
	return !same(clean, raw) && (includes(clean, raw) || sameValues(clean, raw))
}

// sameValues returns whether two extractions have the same values in the same lines.
func sameValues(a, b ktstr.Extraction) bool {
	return slices.EqualFunc(a.Metrics, b.Metrics, func(x, y ktstr.Metric) bool { return x.Value == y.Value && x.Line == y.Line })
}

// rank orders extractions by how much they tell about the text.
func rank(e ktstr.Extraction) int {
	if len(e.Metrics) > 0 {
		return 3
	}
	r := 0
	for _, d := range e.Diagnostics {
		switch d.Code {
		case ktstr.NotMyFormat:
		case ktstr.ToolFailed:
			r = 2
		default:
			r = max(r, 1)
		}
	}
	return r
}

// faults counts the parts of the text that could not be read.
func faults(e ktstr.Extraction) int {
	n := 0
	for _, d := range e.Diagnostics {
		switch d.Code {
		case ktstr.Malformed, ktstr.MissingHeadline, ktstr.NotMyFormat, ktstr.Truncated, ktstr.UnsupportedVersion:
			n++
		}
	}
	return n
}

// includes returns whether all has every metric of part with the same value.
func includes(all, part ktstr.Extraction) bool {
	type reading struct {
		name  string
		value float64
	}
	have := make(map[reading]bool, len(all.Metrics))
	for _, m := range all.Metrics {
		have[reading{m.Name, m.Value}] = true
	}
	for _, m := range part.Metrics {
		if !have[reading{m.Name, m.Value}] {
			return false
		}
	}
	return true
}

// same returns whether two extractions have the same measurements.
func same(a, b ktstr.Extraction) bool { return includes(a, b) && includes(b, a) }

func with(e ktstr.Extraction, d ktstr.Diagnostic) ktstr.Extraction {
	e.Diagnostics = append(e.Diagnostics, d)
	return e
}

func removal(r savedtext.Reading) ktstr.Diagnostic {
	return ktstr.Diagnostic{Code: ktstr.Cleaned, Message: "the text was read without " + describe(r)}
}

// describe returns, for example, "3 terminal codes, the prefix of kubectl on 10 lines".
func describe(r savedtext.Reading) string {
	var parts []string
	for _, removed := range r.Removed {
		s := removed.Name
		if removed.Count > 0 {
			s = strings.TrimPrefix(s+" on ", " on ") + text.Count(removed.Count, removed.Noun)
		}
		parts = append(parts, s)
	}
	if r.Source != "" {
		parts = append(parts, "all lines that are not of "+name(r.Source))
	}
	return strings.Join(parts, ", ")
}

func notCleaned(reason string) ktstr.Diagnostic {
	return ktstr.Diagnostic{Code: ktstr.NotCleaned, Message: "nothing was removed from the text: " + reason}
}

func rewrapped(lines int, remedy string) ktstr.Diagnostic {
	return ktstr.Diagnostic{Code: ktstr.Rewrapped, Message: fmt.Sprintf("a mail program seems to have re-wrapped %s: %s", text.Count(lines, "line"), remedy)}
}

// name makes the name of a source safe for a message.
func name(source string) string { return text.Shorten(text.Line(source), 100) }
