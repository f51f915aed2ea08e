package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/core/unit"
	"github.com/ktstr/ktstr/internal/bundle"
	"github.com/ktstr/ktstr/internal/nearest"
	"github.com/ktstr/ktstr/internal/replay"
	"github.com/ktstr/ktstr/internal/runs"
)

func (a *app) explainCommand() *cobra.Command {
	var out string
	var output format
	c := &cobra.Command{
		Use:   "explain RUN METRIC",
		Short: "Say where a metric, its unit and its polarity came from",
		Long: `Explain one metric of one run: its value, where its unit and its polarity came
from (a hint of the payload or of the extractor, by name or by pattern, or the
extractor itself), which checks looked at it, and the line of the raw output that
it was read from.

RUN is a bundle, or a tag or set of one run (see ktstr runs list), or a path.`,
		Example: `  ktstr explain 20261123T191500Z-fio-randread-1b2c3d4e randread.read.clat.p99`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return errors.New("explain: want a RUN and a METRIC")
			}
			return nil
		},
		ValidArgsFunction: a.completeRuns,
		RunE: func(c *cobra.Command, args []string) error {
			return a.explainMetric(c.Context(), args[0], args[1], out, output)
		},
	}
	outFlag(c.Flags(), &out)
	outputFlag(c.Flags(), &output)
	return c
}

// explained is what `ktstr explain -o json` prints.
type explained struct {
	Metric   ktstr.Metric   `json:"metric"`
	Others   int            `json:"others"` // more metrics of that name; the first counts
	Unit     string         `json:"unit_from"`
	Polarity string         `json:"polarity_from"`
	Headline string         `json:"headline_from"` // empty: it is none
	Checks   []checkedBy    `json:"checks"`
	Raw      string         `json:"raw"` // the line it was read from, cut to what fits a screen
	File     string         `json:"file"`
	Recorded core.Version   `json:"recorded"`
	Now      core.Version   `json:"now"`             // the extractor that was asked for hints
	Again    []ktstr.Metric `json:"again,omitempty"` // what it gives today, where that is another metric
}

type checkedBy struct {
	Check string `json:"check"`
	Held  bool   `json:"held"`
	Why   string `json:"why,omitempty"`
}

func (a *app) explainMetric(ctx context.Context, arg, name, out string, output format) error {
	store, err := openStore(out)
	if err != nil {
		return err
	}
	list, err := runs.Named(store, arg)
	if err != nil {
		return err
	}
	if len(list) != 1 || list[0].Dir == "" {
		return fmt.Errorf("run %s: %s: want the bundle of one", arg, count(len(list), "run"))
	}
	b, err := bundle.Load(list[0].Dir)
	if err != nil {
		return err
	}
	e, err := a.lookInto(ctx, b, name)
	if err != nil {
		return err
	}
	if output == formatJSON {
		err = a.printJSON(e)
	} else {
		err = a.printExplained(e)
	}
	return notPrinted(err)
}

func (a *app) lookInto(ctx context.Context, b bundle.Bundle, name string) (explained, error) {
	e := explained{Others: -1, Checks: []checkedBy{}, Recorded: core.VersionOf(b.Record.Extraction)}
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
		text := fmt.Sprintf("metric %q: not one of the %d of this run", name, len(names))
		if near := nearest.Of(name, names); near != "" {
			text += ": did you mean " + near + "?"
		}
		return e, errors.New(text)
	}
	x, err := a.catalog(false).Start(ctx, e.Recorded.Extractor)
	if err != nil {
		return e, err
	}
	defer x.Close()
	described := x.Describe()
	found := extract.Run(ctx, x, b.Streams, b.Payload.MetricHints())
	e.Now = core.VersionOf(core.ExtractionOf(found))
	for _, m := range found.Metrics {
		if m.Name == name {
			if !replay.Same(m, e.Metric) {
				e.Again = append(e.Again, m)
			}
			break
		}
	}

	// What the extractor itself said, before any hint.
	var printed ktstr.Metric
	var said []ktstr.Hint
	for _, s := range b.Streams {
		if s.Stream != e.Metric.Stream {
			continue
		}
		raw, err := x.Extract(ctx, s)
		if err != nil {
			break
		}
		said = raw.Hints
		for _, m := range raw.Metrics {
			if m.Name == name {
				printed = m
				break
			}
		}
	}
	sources := []hintSource{
		{"the payload " + b.Payload.Name, b.Payload.MetricHints()},
		{"the extractor " + described.Name + " about this output", said},
		{"the extractor " + described.Name, described.Hints},
	}
	parser := "the extractor " + described.Name + ", as printed"
	e.Unit = "nothing says it"
	if printed.Unit != "" {
		e.Unit = parser
	} else if from := hintFrom(sources, name, func(h ktstr.Hint) bool { return h.Unit != "" }); from != "" {
		e.Unit = from
	} else if e.Metric.Unit != "" {
		e.Unit = "the extractor at the time; it says nothing today"
	}
	e.Polarity = "nothing says it"
	if from := hintFrom(sources, name, func(h ktstr.Hint) bool { return h.Polarity != ktstr.Unknown }); from != "" {
		e.Polarity = from
	} else if printed.Polarity != ktstr.Unknown {
		e.Polarity = parser
	} else if e.Metric.Polarity != ktstr.Unknown {
		e.Polarity = "the extractor at the time; it says nothing today"
	}
	e.Headline = hintFrom(sources, name, func(h ktstr.Hint) bool { return h.Headline })

	evaluated := !check.Verdict{Details: b.Record.Details}.ExitCodeFailed()
	for _, c := range b.Payload.Checks {
		if c.Metric() != name {
			continue
		}
		by := checkedBy{Check: c.String(), Held: evaluated}
		if !evaluated {
			by.Why = "not evaluated: the exit code's check failed"
		}
		for _, d := range b.Record.Details {
			if d.Check == c.String() {
				by.Held, by.Why = false, d.Message
			}
		}
		e.Checks = append(e.Checks, by)
	}
	e.File, e.Raw = rawLine(b, e.Metric)
	return e, nil
}

// hintSource is a list of hints and who gave it.
type hintSource struct {
	from  string
	hints []ktstr.Hint
}

// hintFrom names the hint that decides: of the first source that says
// something; there an exact name before a pattern, and of equal ones the last.
func hintFrom(sources []hintSource, name string, says func(ktstr.Hint) bool) string {
	for _, s := range sources {
		exact, pattern := "", ""
		for _, h := range s.hints {
			switch {
			case !says(h):
			case h.Name == name:
				exact = fmt.Sprintf("a hint of %s, by name", s.from)
			case extract.Match(h.Name, name):
				pattern = fmt.Sprintf("a hint of %s, by the pattern %s", s.from, h.Name)
			}
		}
		if exact != "" {
			return exact
		}
		if pattern != "" {
			return pattern
		}
	}
	return ""
}

// rawWidth is how many characters of a raw line are shown.
const rawWidth = 160

// rawLine is the line that a metric was read from, and the file that holds it.
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

// around cuts a long line to what is near the number, if it is there.
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

func (a *app) printExplained(e explained) error {
	t := tableTo(a.stdout)
	row := func(key, format string, args ...any) {
		fmt.Fprintf(t, "%s\t%s\n", key, line(fmt.Sprintf(format, args...)))
	}
	row("metric", "%s", e.Metric.Name)
	value := strings.TrimSpace(strconv.FormatFloat(e.Metric.Value, 'g', -1, 64) + " " + e.Metric.Unit)
	if scaled := unit.Scale(e.Metric.Value, e.Metric.Unit); scaled != value {
		value += " (" + scaled + ")"
	}
	row("value", "%s", value)
	row("unit", "%s: %s", orNone(e.Metric.Unit), e.Unit)
	row("polarity", "%v: %s", e.Metric.Polarity, e.Polarity)
	if e.Headline != "" {
		row("headline", "yes: %s", e.Headline)
	} else {
		row("headline", "no")
	}
	if len(e.Checks) == 0 {
		row("checks", "none looked at it")
	}
	for _, c := range e.Checks {
		text := c.Check + ": held"
		if !c.Held {
			text = c.Check + ": failed: " + c.Why
		}
		row("check", "%s", text)
	}
	where := string(e.Metric.Stream)
	if e.Metric.Line > 0 {
		where += fmt.Sprintf(" line %d", e.Metric.Line)
	}
	row("read from", "%s, %s", where, e.File)
	if e.Raw != "" {
		row("raw", "%s", strings.ReplaceAll(e.Raw, "\t", " "))
	}
	row("extractor", "%v", e.Recorded)
	if e.Now != e.Recorded {
		row("", "today it is %v, and that was asked for hints", e.Now)
	}
	for _, m := range e.Again {
		row("", "today it gives %s", metricText(&m))
	}
	if e.Others > 0 {
		row("note", "%d more of this name; the first counts", e.Others)
	}
	return t.Flush()
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}
