package main

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/internal/calibration"
	"github.com/ktstr/ktstr/internal/compare"
	"github.com/ktstr/ktstr/internal/runs"
	"github.com/ktstr/ktstr/spawn"
)

func (a *app) calibrateCommand() *cobra.Command {
	o := runOptions{calibrate: true, output: formatText, grace: spawn.DefaultGrace}
	o.series.statistics.alpha = compare.DefaultAlpha
	c := &cobra.Command{
		Use:   "calibrate PAYLOAD [flags] [-- ARGS...]",
		Short: "Measure how small a change this host can show",
		Long: `Run a payload several times without a change between the runs. For each metric that
decides, print the spread and its shape, the change that 5, 10 and 20 runs can show,
and a margin for gates.

The margins are kept for this host and this payload. Later comparisons use them, and say
so. --margin of run and compare takes precedence.`,
		Example: `  ktstr calibrate fio-randread
  ktstr calibrate ./mybench --higher throughput --repeat 40`,
		ValidArgsFunction: a.completePayloads,
		RunE: func(c *cobra.Command, args []string) error {
			const least = 6
			if o.series.repeat < least {
				return fmt.Errorf("--repeat %d: want %d or more", o.series.repeat, least)
			}
			if err := o.host.check(c.Flags().Changed); err != nil {
				return err
			}
			return a.run(c.Context(), o)
		},
	}
	c.Args = func(c *cobra.Command, args []string) error {
		if o.payloads, o.args = splitAtDash(c, args); len(o.payloads) != 1 {
			return errors.New("calibrate: want one PAYLOAD: a name of ktstr payload list, or a path such as ./mybench")
		}
		return nil
	}
	f := c.Flags()
	f.IntVar(&o.series.repeat, "repeat", 20, "make `N` runs")
	f.StringVar(&o.extractor, "extractor", "", "read the output with the extractor `NAME`, such as fio (default: the payload's, json for a path)")
	f.StringVar(&o.out, "out", "", "keep the bundles in `DIR`, such as ./runs (default $XDG_STATE_HOME/ktstr/runs)")
	f.BoolVar(&o.quiet, "quiet", false, "print nothing on stderr except errors and warnings that change the meaning of a result")
	exclusiveFlags(f, &o.host)
	matchFlags(f, &o.match)
	hintFlags(f, &o.hints)
	return c
}

// printCalibration prints what the runs showed about the noise, and keeps it.
func (s *seriesView) printCalibration() error {
	list, _ := runs.Uninterrupted(s.Sides[0].Kept)
	if s.status() != core.ExitPass || len(list) < s.Rounds() {
		return nil // the summary says what failed
	}
	c := calibration.Of(list)
	out := s.app.stdout
	if len(c.Metrics) == 0 {
		return &exitError{core.ExitTooFew, errors.New("no metric was calibrated, because no headline has a polarity and enough values. --lower NAME or --higher NAME says which change is better")}
	}
	t := tableTo(out)
	fmt.Fprintf(t, "\nmetric\tspread\t5 runs show\t10 runs show\t20 runs show\tmargin\tshape\n")
	for _, m := range c.Metrics {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", line(m.Name), percentText(m.Spread), cmp.Or(known(m.Detects.Five), "-"), cmp.Or(known(m.Detects.Ten), "-"), cmp.Or(known(m.Detects.Twenty), "-"),
			cmp.Or(known(m.Margin), "none"), cmp.Or(strings.Join(m.Shape, ", "), "one mode"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	name, err := c.Keep()
	if err != nil {
		return &exitError{core.ExitRun, fmt.Errorf("the calibration was not kept: %w", err)}
	}
	if len(c.Margins()) == 0 {
		why := "this host is too noisy for this payload now"
		if !slices.ContainsFunc(c.Metrics, func(m calibration.Metric) bool { return m.Spread > 0 }) {
			why = "all runs gave the same values, which do not show how finely the payload measures"
		}
		_, err = fmt.Fprintf(out, "10 runs a side decide no margin up to 100%%: %s\nkept in %s\n", why, line(name))
		return err
	}
	_, err = fmt.Fprintf(out, "10 runs a side decide these margins. Comparisons on this host use them from now on:\n  ktstr run %s --repeat 10 --baseline NAME\nkept in %s\n", line(s.Payloads[0]), line(name))
	return err
}

// calibrated returns the comparison c of the new runs list with the margins of the
// calibration of their payload on this host, if there is one.
func (a *app) calibrated(c runs.Comparison, list []runs.Run) runs.Comparison {
	here := core.ThisHost().Name
	if len(list) == 0 || slices.ContainsFunc(list, func(r runs.Run) bool {
		return r.Record.Payload != list[0].Record.Payload || runs.Host(r.Record) != here
	}) {
		return c
	}
	found, err := calibration.Find(list[0].Record.Payload)
	switch {
	case err != nil:
		fmt.Fprintf(a.stderr, "warning: %s\n", printable(err.Error()))
	case found != nil:
		c.Calibrated, c.From = found.Margins(), found.String()
	}
	return c
}

// percentText returns a percentage with two digits, such as "3.1%".
func percentText(v float64) string {
	if v >= 1000 || math.IsNaN(v) {
		return ">1000%"
	}
	if v >= 100 {
		return strconv.FormatFloat(v, 'f', 0, 64) + "%"
	}
	return strconv.FormatFloat(v, 'g', 2, 64) + "%"
}

// known returns a percentage of a calibration, and "" for 0, which stands for unknown.
func known(v float64) string {
	if v == 0 {
		return ""
	}
	return percentText(v)
}
