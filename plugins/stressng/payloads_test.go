package stressng

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/ktstr/ktstr/core/payload"
)

// TestPayloads holds the stock payloads to the strict reader, and to what a
// stress-ng with --yaml and one without can do.
func TestPayloads(t *testing.T) {
	var names []string
	for _, f := range New().Describe().Payloads {
		p, err := payload.Parse(f.Name+".yaml", f.YAML)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, p.Name)
		if p.Binary != "stress-ng" || p.Extractor != "stressng" || len(p.Checks) < 2 || p.Install() == "" {
			t.Errorf("%s: binary %s, extractor %s, checks %v, install %q", p.Name, p.Binary, p.Extractor, p.Checks, p.Install())
		}
		found := payload.Found{Version: "0.15.06", Help: "-Y,   --yaml file           output results to YAML formatted file\n"}
		with, note, err := payload.Resolve(p, found)
		if err != nil || note != "" || len(with.Outputs) != 1 || !slices.Contains(with.Args, "--yaml") {
			t.Errorf("%s with --yaml: args %v, note %q, %v", p.Name, with.Args, note, err)
		}
		found.Help = ""
		without, _, err := payload.Resolve(p, found)
		if err != nil || len(without.Outputs) != 0 || slices.Contains(without.Args, "--yaml") {
			t.Errorf("%s without --yaml: args %v, %v", p.Name, without.Args, err)
		}
	}
	want := "stress-ng-cpu stress-ng-fork stress-ng-matrix stress-ng-memrate stress-ng-pipe stress-ng-switch stress-ng-vm"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("payloads %s, want %s", got, want)
	}
}

// TestPayloadOptions holds the payloads' options against those that the
// installed stress-ng knows.
func TestPayloadOptions(t *testing.T) {
	path, err := exec.LookPath("stress-ng")
	if err != nil {
		t.Fatal("stress-ng is not installed: make deps")
	}
	help, err := exec.Command(path, "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range New().Describe().Payloads {
		p, err := payload.Parse(f.Name+".yaml", f.YAML)
		if err != nil {
			t.Fatal(err)
		}
		for _, arg := range p.Args {
			if strings.HasPrefix(arg, "--") && !strings.Contains(string(help), arg+" ") {
				t.Errorf("%s: %s is no option of %s", p.Name, arg, path)
			}
		}
	}
}
