package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/extractors/lines"
)

// matchOptions are --match and --match-re.
type matchOptions struct {
	match, matchRE []string
}

func matchFlags(f *pflag.FlagSet, o *matchOptions) {
	f.StringArrayVar(&o.match, "match", nil, "read the number of a line with `PATTERN`, such as 'Throughput: {throughput} {unit}', see docs/measure-anything.md (repeatable)")
	f.StringArrayVar(&o.matchRE, "match-re", nil, "read the number of a line with `REGEXP`, such as 'p(?P<name>\\d+): (?P<value>\\S+) (?P<unit>\\w+)' (repeatable)")
}

// given reports whether there is a pattern.
func (o matchOptions) given() bool { return len(o.match)+len(o.matchRE) > 0 }

// table returns the table of the patterns. Each of them must match a line of the output.
func (o matchOptions) table() (lines.Table, error) {
	var t lines.Table
	add := func(flag, text string, p lines.Pattern) error {
		l := lines.Line{Pattern: p, Required: true}
		_, err := lines.Table{Lines: []lines.Line{l}}.Compile(ktstr.Description{})
		var wrong *lines.Error
		if errors.As(err, &wrong) {
			return fmt.Errorf("--%s %s: %s", flag, text, strings.TrimPrefix(wrong.Problem, fmt.Sprintf("pattern %q: ", text)))
		}
		t.Lines = append(t.Lines, l)
		return err
	}
	for _, text := range o.match {
		if err := add("match", text, lines.Match(text)); err != nil {
			return t, err
		}
	}
	for _, text := range o.matchRE {
		if err := add("match-re", text, lines.Regexp(text)); err != nil {
			return t, err
		}
	}
	return t, nil
}

// checkExtractor returns an error if patterns were given together with another extractor
// than lines. name is empty if none was chosen.
func (o matchOptions) checkExtractor(name string) error {
	if !o.given() || name == "" || name == lines.Name {
		return nil
	}
	flag := "match"
	if len(o.match) == 0 {
		flag = "match-re"
	}
	return fmt.Errorf("--%s: its extractor is lines, and not %s: want either patterns or the extractor %[2]s", flag, name)
}

// hintOptions are the flags that tell the unit and the polarity of metrics.
type hintOptions struct {
	lower, higher, headline, unit []string
}

func hintFlags(f *pflag.FlagSet, o *hintOptions) {
	f.StringArrayVar(&o.lower, "lower", nil, "lower is better for the metric `NAME`, such as latency.p99 or 'latency.*' (repeatable)")
	f.StringArrayVar(&o.higher, "higher", nil, "higher is better for the metric `NAME` (repeatable)")
	f.StringArrayVar(&o.headline, "headline", nil, "make the metric `NAME` a headline, which is shown first and decides a comparison (repeatable)")
	f.StringArrayVar(&o.unit, "unit", nil, "the metric NAME has the unit UNIT if the output gives none, as `NAME=UNIT`, such as latency=ms (repeatable)")
}

// hintFlagNames are the flags of hintFlags.
var hintFlagNames = []string{"lower", "higher", "headline", "unit"}

// hints returns one hint for each flag.
func (o hintOptions) hints() (hints []ktstr.Hint, err error) {
	polarity := map[string]string{}
	add := func(flag, name string, h ktstr.Hint) {
		h.Name = name
		switch before := polarity[name]; {
		case strings.TrimSpace(name) == "":
			err = fmt.Errorf("--%s: an empty name: want the name of a metric", flag)
		case h.Polarity != "" && before != "" && before != flag:
			err = fmt.Errorf("--%s %s: there is also --%s %[2]s: want one of them", flag, name, before)
		case h.Polarity != "":
			polarity[name] = flag
		}
		hints = append(hints, h)
	}
	for _, name := range o.lower {
		add("lower", name, ktstr.Hint{Polarity: ktstr.Lower})
	}
	for _, name := range o.higher {
		add("higher", name, ktstr.Hint{Polarity: ktstr.Higher})
	}
	for _, name := range o.headline {
		add("headline", name, ktstr.Hint{Headline: true})
	}
	units := map[string]string{}
	for _, pair := range o.unit {
		name, text, ok := strings.Cut(pair, "=")
		if !ok || strings.TrimSpace(name) == "" || strings.TrimSpace(text) == "" {
			return nil, fmt.Errorf("--unit %s: want NAME=UNIT, such as latency=ms", pair)
		}
		if before, twice := units[name]; twice && before != text {
			return nil, fmt.Errorf("--unit %s: there is also --unit %s=%s: want one of them", pair, name, before)
		}
		units[name] = text
		add("unit", name, ktstr.Hint{Unit: text})
	}
	return hints, err
}
