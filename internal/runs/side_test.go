package runs_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/internal/compare"
	"github.com/ktstr/ktstr/internal/runs"
)

func TestSideHasTheFactsOfTheRuns(t *testing.T) {
	root := t.TempDir()
	keep(t, root, func(r *core.Result) {
		r.Scratch = &core.Scratch{Dir: "/tmp/s1", Filesystem: "ext4"}
		r.Argv = append(r.Argv, "--dir=/tmp/s1")
	})
	keep(t, root, func(r *core.Result) {
		r.Start = start.Add(1)
		r.Verdict, r.Details = core.Fail, []check.Detail{{Kind: check.Above}} // slow, and measured
	})
	keep(t, root, func(r *core.Result) {
		r.Start = start.Add(2)
		r.Verdict, r.Details = core.Fail, []check.Detail{{Kind: check.ExitCode}}
	})
	keep(t, root, func(r *core.Result) { r.Start, r.Verdict, r.TimedOut = start.Add(3), core.Fail, true })
	keep(t, root, func(r *core.Result) {
		r.Start, r.Verdict, r.Extraction.Status = start.Add(4), core.Fail, extract.Error
	})
	list, err := runs.Load(root)
	if err != nil {
		t.Fatal(err)
	}
	side := runs.Side("a", list)
	var broken []bool
	for _, r := range side.Runs {
		broken = append(broken, r.Broken)
	}
	if got, want := fmt.Sprint(broken), "[false false true true true]"; got != want {
		t.Errorf("broken: %s, want %s", got, want)
	}
	facts := map[string]string{}
	for _, f := range side.Runs[0].About {
		facts[f.Name] = f.Value
	}
	if facts["arguments"] != "-x --dir={scratch}" || facts["filesystem"] != "ext4" || facts["kernel"] != "6.1" || facts["extractor version"] != "json 1" {
		t.Errorf("facts: %v", facts)
	}
	if _, _, got := runs.Sides("a", list, "b", list); fmt.Sprint(got) != "{[{x 7}] [{x 9}]}" {
		t.Errorf("thresholds: %v", got)
	}
}

func TestSidesCompareEachPayloadWithItself(t *testing.T) {
	root := t.TempDir()
	for i := range 8 {
		keep(t, root, func(r *core.Result) {
			r.Start = start.Add(time.Duration(i))
			if i%2 == 1 {
				r.Record.Payload, r.Definition.Name, r.Argv = "other", "other", []string{"other"}
				r.Metrics[0].Value = 100
			}
		})
	}
	list, err := runs.Load(root)
	if err != nil {
		t.Fatal(err)
	}
	a, b, thresholds := runs.Sides("a", list, "b", list)
	r := compare.Compare(a, b, compare.Options{MinEffects: thresholds.MinEffects})
	var got strings.Builder
	for _, row := range r.Rows {
		fmt.Fprintf(&got, "%s %v %v n=%d min %v; ", row.Metric, row.Decides, row.A.Median, row.A.N, row.MinEffect)
	}
	if want := "bench/x true 1 n=4 min 7; other/x true 100 n=4 min 7; "; got.String() != want || len(r.Differences) != 0 {
		t.Errorf("got %s and %v, want %s", got.String(), r.Differences, want)
	}
}

// A payload that runs in turns with another one is not a variant.
func TestSidesCompareEachVariantWithItself(t *testing.T) {
	list := func(labels ...string) (list []runs.Run) { // PAYLOAD or PAYLOAD:VARIANT
		for _, l := range labels {
			p, v, _ := strings.Cut(l, ":")
			r := core.Record{Verdict: core.Pass, Payload: p, Argv: []string{p, v}, Labels: map[string]string{runs.LabelVariant: v}, Headlines: []string{"x"}}
			r.Metrics = []ktstr.Metric{{Name: "x"}}
			list = append(list, runs.Run{Record: r})
		}
		return list
	}
	check := func(a, b []runs.Run, want ...string) {
		t.Helper()
		sideA, sideB, _ := runs.Sides("a", a, "b", b)
		r := compare.Compare(sideA, sideB, compare.Options{})
		var got []string
		for _, row := range r.Rows {
			got = append(got, fmt.Sprintf("%s %d %d", row.Metric, row.A.N, row.B.N))
		}
		for _, d := range r.Differences {
			got = append(got, d.Name)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	check(list("p:old", "p:new"), list("p:old", "p:new", "p:new"), "new/x 1 2", "old/x 1 1")
	check(list("p:old", "p:new"), list("p:new"), "new/x 1 1", "old/x 1 0")
	check(list("p:old"), list("p:new"), "arguments", "x 1 1")
	check(list("p:old", "p:new"), list("p", "p"), "arguments", "x 2 2")
	check(list("p:old", "p"), list("p", "p"), "old/x 1 0", "x 1 2")
	check(list("p:p", "q:q"), list("p:p", "q:q"), "p/x 1 1", "q/x 1 1")
	check(list("p:old", "p:new", "q"), list("p:old", "p:new", "q"), "p/new/x 1 1", "p/old/x 1 1", "q/x 1 1")
}

// Two builds of a plugin can have the same version and read different numbers.
func TestBuildOfThePluginIsAFact(t *testing.T) {
	run := func(payload string, p *core.Plugin) runs.Run {
		return runs.Run{Record: core.Record{
			Payload: payload, Verdict: core.Pass, Plugin: p,
			Extraction: core.Extraction{Status: extract.OK, Extractor: "mine", Version: "1"},
		}}
	}
	one := &core.Plugin{From: "installed", Path: "/x", SHA256: strings.Repeat("80d9", 16)}
	two := &core.Plugin{From: "--plugin", Path: "/y", SHA256: strings.Repeat("dc3c", 16)}
	for _, c := range []struct {
		a, b *core.Plugin
		want string
	}{
		{one, two, "[{extractor build [80d980d980d9] [dc3cdc3cdc3c]}]"},
		{one, one, "[]"},
		{&core.Plugin{From: "bundled"}, two, "[{extractor build [bundled] [dc3cdc3cdc3c]}]"},
		{nil, two, "[]"}, // of a record without: not known, or seen from the extractor
		{one, &core.Plugin{From: "installed", Path: "/x", SHA256: "80d9"}, "[{extractor build [80d980d980d9] [80d9]}]"}, // by another program
	} {
		a, b, _ := runs.Sides("a", []runs.Run{run("p", c.a)}, "b", []runs.Run{run("p", c.b)})
		if got := fmt.Sprint(compare.Compare(a, b, compare.Options{}).Differences); got != c.want {
			t.Errorf("%v and %v: %s, want %s", c.a, c.b, got, c.want)
		}
	}
	a, b, _ := runs.Sides("a", []runs.Run{run("p", one), run("q", one)}, "b", []runs.Run{run("p", one), run("q", two)})
	if got, want := fmt.Sprint(compare.Compare(a, b, compare.Options{}).Differences), "[{q extractor build [80d980d980d9] [dc3cdc3cdc3c]}]"; got != want {
		t.Errorf("of two payloads: %s, want %s", got, want)
	}
}

func TestRunThatDidNotPassIsBrokenWithoutAReason(t *testing.T) {
	for name, verdict := range map[string]string{"fail": core.Fail, "no verdict": ""} {
		r := core.Record{Verdict: verdict, Extraction: core.Extraction{Status: extract.OK}}
		if !runs.Broken(r) {
			t.Errorf("%s: the run counts as a good run", name)
		}
	}
}
