package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/unit"
	"github.com/ktstr/ktstr/internal/bundle"
	"github.com/ktstr/ktstr/internal/explain"
	"github.com/ktstr/ktstr/internal/runs"
)

func (a *app) explainCommand() *cobra.Command {
	var out string
	var output format
	c := &cobra.Command{
		Use:   "explain RUN METRIC",
		Short: "Show the origin of a metric, of its unit and of its polarity",
		Long: `Show the origin of one metric of a run: the line of the raw output, the origin of its
unit and of its polarity, and the checks that use it. A unit or a polarity comes
from a hint of the payload or of the extractor, or from the output itself.

RUN is a bundle, or a tag or set with one run (see ktstr runs list), or a path.`,
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
		return fmt.Errorf("%s names %s: want the bundle of one run", arg, count(len(list), "run"))
	}
	b, err := bundle.Load(list[0].Dir)
	if err != nil {
		return err
	}
	p := b.Payload
	p.Extractor = core.VersionOf(b.Record.Extraction).Extractor
	x, err := a.catalog(false).StartOf(ctx, p)
	if err != nil {
		return err
	}
	defer x.Close()
	e, err := explain.Metric(ctx, x, b, name)
	if err != nil {
		return err
	}
	if output == formatJSON {
		err = a.printJSON(e)
	} else {
		err = a.printExplained(e)
	}
	return outputError(err)
}

func (a *app) printExplained(e explain.Explanation) error {
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
		row("checks", "none use it")
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
	if e.File == "" {
		row("read from", "%s: measured by ktstr, not read from the output", where)
	} else {
		row("read from", "%s, %s", where, e.File)
	}
	if e.Raw != "" {
		row("raw", "%s", strings.ReplaceAll(e.Raw, "\t", " "))
	}
	row("extractor", "%v", e.Recorded)
	if e.Now != e.Recorded {
		row("", "today: %v, which gave the hints", e.Now)
	}
	for _, m := range e.Again {
		row("", "today: %s", metricText(&m))
	}
	if e.Others > 0 {
		row("note", "%d more metrics have this name, and the first one counts", e.Others)
	}
	return t.Flush()
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}
