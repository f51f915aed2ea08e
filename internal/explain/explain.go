// Package explain finds the origin of a metric of a kept run: the line of the raw output,
// and the hints that gave the metric its unit and its polarity.
package explain

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/internal/bundle"
	"github.com/ktstr/ktstr/internal/nearest"
	"github.com/ktstr/ktstr/internal/replay"
)

// Explanation is the origin of one metric. It is the JSON of `ktstr explain`.
type Explanation struct {
	Metric   ktstr.Metric   `json:"metric"`
	Others   int            `json:"others"` // further metrics of the same name; the first counts
	Unit     string         `json:"unit_from"`
	Polarity string         `json:"polarity_from"`
	Headline string         `json:"headline_from"` // empty: the metric is no headline
	Checks   []Check        `json:"checks"`
	Raw      string         `json:"raw"` // the line of the raw output, truncated to rawWidth
	File     string         `json:"file"`
	Recorded core.Version   `json:"recorded"`        // the extractor of the run
	Now      core.Version   `json:"now"`             // the extractor that was asked for its hints
	Again    []ktstr.Metric `json:"again,omitempty"` // the metric as it is read today, if that differs
}

// Check is a check of the metric.
type Check struct {
	Check string `json:"check"`
	Held  bool   `json:"held"`
	Why   string `json:"why,omitempty"` // the reason if it did not hold
}

// Metric explains the metric of that name in the run b. x is the run's extractor.
func Metric(ctx context.Context, x ktstr.Extractor, b bundle.Bundle, name string) (Explanation, error) {
	e := Explanation{Others: -1, Checks: []Check{}, Recorded: core.VersionOf(b.Record.Extraction)}
	var names []string
	for _, m := range b.Record.Metrics {
		names = append(names, m.Name)
		if m.Name == name {
			if e.Others++; e.Others == 0 {
				e.Metric = m
			}
		}
	}
	if e.Others < 0 {
		text := fmt.Sprintf("the run has no metric %q", name)
		if near := nearest.Of(name, names); near != "" {
			return e, fmt.Errorf("%s. Did you mean %s?", text, near)
		}
		return e, fmt.Errorf("%s: see ktstr runs show --all, which lists its %d", text, len(names))
	}
	if e.Metric.Stream == ktstr.RunStream {
		e.measured(b)
		return e, nil
	}
	found := extract.Find(ctx, extract.Captured(x), b.Streams)
	printed, _ := first(found.Metrics, name) // before hints change it
	hints := b.Payload.MetricHints()
	resolved := found.Resolve(b.Record.Hints, hints)
	e.Now = core.VersionOf(core.ExtractionOf(resolved))
	if m, ok := first(resolved.Metrics, name); ok && !replay.Same(m, e.Metric) {
		e.Again = append(e.Again, m)
	}
	e.origins(found, b, printed)
	e.checks(b)
	e.File, e.Raw = rawLine(b, e.Metric)
	return e, nil
}

// measured fills in the origin of a metric that ktstr measured around the run.
func (e *Explanation) measured(b bundle.Bundle) {
	const source = "ktstr, which measured it around the run"
	e.Now, e.Unit, e.Polarity = e.Recorded, source, source
	sources := [][]ktstr.Hint{extract.Exact(b.Record.Hints), extract.Exact(b.Payload.MetricHints())} // patterns do not apply
	_, polarity, headline := extract.NewResolver(sources...).Origins(e.Metric.Name)
	text := func(o *extract.Origin) string {
		return "a hint of " + []string{"the command line", "the payload " + b.Payload.Name}[o.Source] + ", by name"
	}
	if polarity != nil {
		e.Polarity = text(polarity)
	}
	switch {
	case !slices.Contains(b.Record.Headlines, e.Metric.Name):
	case headline != nil:
		e.Headline = text(headline)
	default:
		e.Headline = "ktstr, because the extractor gives no metrics by design"
	}
	e.checks(b)
}

func first(metrics []ktstr.Metric, name string) (ktstr.Metric, bool) {
	for _, m := range metrics {
		if m.Name == name {
			return m, true
		}
	}
	return ktstr.Metric{}, false
}

// origins fills in where the unit, the polarity and the headline mark came from.
// printed is the metric as the extractor gave it.
func (e *Explanation) origins(found extract.Found, b bundle.Bundle, printed ktstr.Metric) {
	extractor := "the extractor " + found.Description.Name
	sources := []string{"the command line", "the payload " + b.Payload.Name, extractor + " about this output", extractor}
	text := func(o *extract.Origin) string {
		if o.Hint.Name == e.Metric.Name {
			return fmt.Sprintf("a hint of %s, by name", sources[o.Source])
		}
		return fmt.Sprintf("a hint of %s, by the pattern %s", sources[o.Source], o.Hint.Name)
	}
	unit, polarity, headline := extract.NewResolver(found.Sources(b.Record.Hints, b.Payload.MetricHints())...).Origins(e.Metric.Name)
	const nothing, earlier = "no source", "the extractor of the run (today's extractor does not give it)"
	switch {
	case printed.Unit != "":
		e.Unit = extractor + ", as printed"
	case unit != nil:
		e.Unit = text(unit)
	case e.Metric.Unit != "":
		e.Unit = earlier
	default:
		e.Unit = nothing
	}
	switch {
	case polarity != nil:
		e.Polarity = text(polarity)
	case printed.Polarity != ktstr.Unknown:
		e.Polarity = extractor + ", as printed"
	case e.Metric.Polarity != ktstr.Unknown:
		e.Polarity = earlier
	default:
		e.Polarity = nothing
	}
	if headline != nil {
		e.Headline = text(headline)
	}
}

// checks fills in the checks of the metric.
func (e *Explanation) checks(b bundle.Bundle) {
	evaluated := !check.Verdict{Details: b.Record.Details}.ExitCodeFailed()
	for _, c := range b.Payload.Checks {
		if c.Metric() != e.Metric.Name {
			continue
		}
		by := Check{Check: c.String(), Held: evaluated}
		if !evaluated {
			by.Why = "not evaluated, because the check of the exit code failed"
		}
		for _, d := range b.Record.Details {
			if d.Check == c.String() {
				by.Held, by.Why = false, d.Message
			}
		}
		e.Checks = append(e.Checks, by)
	}
}

// rawWidth is the number of characters that are shown of a raw line.
const rawWidth = 160

// rawLine returns the line that a metric was read from, and the file that holds it.
func rawLine(b bundle.Bundle, m ktstr.Metric) (file, line string) {
	for _, s := range b.Streams {
		if s.Stream != m.Stream {
			continue
		}
		file = filepath.Join(b.Dir, bundle.StreamFile(s.Stream))
		lines := bytes.SplitAfterN(s.Data, []byte("\n"), m.Line+1)
		if m.Line == 0 || m.Line > len(lines) {
			return file, ""
		}
		text := strings.TrimRight(strings.ToValidUTF8(string(lines[m.Line-1]), "\uFFFD"), "\r\n")
		return file, around(text, strconv.FormatFloat(m.Value, 'f', -1, 64))
	}
	return "", ""
}

// around cuts a long line to the part around the number.
func around(line, number string) string {
	runes := []rune(line)
	if len(runes) <= rawWidth {
		return line
	}
	from := 0
	if i := strings.Index(line, number); i > 0 {
		from = max(0, min(utf8.RuneCountInString(line[:i])-rawWidth/2, len(runes)-rawWidth))
	}
	cut := string(runes[from : from+rawWidth])
	if from > 0 {
		cut = "…" + cut
	}
	if from+rawWidth < len(runes) {
		cut += "…"
	}
	return cut
}
