package plugins_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/core/payload"
	"github.com/ktstr/ktstr/plugins"
)

func TestStockPayloadsAreReadyToRun(t *testing.T) {
	payloads, err := plugins.Payloads()
	if err != nil {
		t.Fatal(err)
	}
	var extractors []string
	for _, x := range slices.Concat(plugins.BuiltIn(), plugins.Plugins(), plugins.Parsers()) {
		extractors = append(extractors, x.Describe().Name)
	}
	extractors = append(extractors, plugins.Tables()...)
	for _, p := range payloads {
		if !slices.Contains(extractors, p.Extractor) {
			t.Errorf("%s: extractor %s does not ship", p.Name, p.Extractor)
		}
		if !strings.HasSuffix(p.Summary, ".") || !strings.Contains(p.About, "Look at ") && p.Name != "fio" || p.Measures == "" {
			t.Errorf("%s: want a summary that is a sentence, the part of the system that it measures, and \"Look at \" with the numbers", p.Name)
		}
		exit, headlines := false, 0
		for _, c := range p.Checks {
			exit = exit || c == check.ExitEquals(0)
		}
		for _, h := range p.Hints {
			if h.Headline {
				headlines++
				if h.Margin == 0 && p.Name != "stat" && p.Name != "noise" { // a command of the user; a host, not a program
					t.Errorf("%s: the headline %s has no margin", p.Name, h.Name)
				}
			}
		}
		if !exit {
			t.Errorf("%s: no check on the exit code", p.Name)
		}
		if p.Binary != payload.Self && (len(p.Needs) == 0 || p.Install() == "") {
			t.Errorf("%s: want needs that say how to install %s", p.Name, p.Binary)
		}
		got, ok, err := plugins.Payload(p.Name)
		if err != nil || !ok || got.Name != p.Name || got.Source != plugins.Source {
			t.Errorf("Payload(%s) = %s, %v, %v", p.Name, got.Name, ok, err)
		}
	}
	if _, ok, err := plugins.Payload("nothing"); ok || err != nil {
		t.Errorf("Payload(nothing) = %v, %v", ok, err)
	}
}

func TestExtractorNamesAreUnique(t *testing.T) {
	seen := map[string]bool{}
	all := slices.Concat(plugins.BuiltIn(), plugins.Plugins(), plugins.Parsers())
	for _, name := range plugins.Tables() {
		x, _ := plugins.Table(name)
		all = append(all, x)
	}
	for _, x := range all {
		d := x.Describe()
		if seen[d.Name] || d.Version == "" {
			t.Errorf("extractor %q version %q: want one of each name, with a version", d.Name, d.Version)
		}
		seen[d.Name] = true
		for _, p := range d.Payloads {
			if !ktstr.OwnsPayload(d.Name, p.Name) || !strings.Contains(string(p.YAML), "name: "+p.Name) {
				t.Errorf("%s brings %s: want a payload of its own name", d.Name, p.Name)
			}
		}
	}
}
