package spawn

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestFeatures(t *testing.T) {
	controllers := -1 // of a cgroup of a run; -1: none can be made
	if leaf, err := mounted().Create("", fmt.Sprintf("ktstr-%d-features", os.Getpid())); err == nil {
		defer leaf.Remove()
		if stat, err := leaf.Stat(); err == nil {
			controllers = len(stat.Controllers)
		}
	}
	for _, f := range Features() {
		if none := strings.Contains(f.Detail, "no controllers in force"); f.Name == "cgroup counters" && controllers >= 0 && none != (controllers == 0) {
			t.Errorf("%s: %q, with %d controllers", f.Name, f.Detail, controllers)
		}
		t.Logf("%-28s %v: %s", f.Name, f.Present, f.Detail)
		if f.Present != (f.Consequence == "") {
			t.Errorf("%s: present %v with consequence %q", f.Name, f.Present, f.Consequence)
		}
		if f.Required && !f.Present {
			t.Errorf("%s: %s", f.Name, f.Consequence)
		}
		if want := f.Name == "pidfd" || f.Name == "wait by pidfd"; f.Required != want {
			t.Errorf("%s: required %v, want %v", f.Name, f.Required, want)
		}
	}
}

func TestKernelVersion(t *testing.T) {
	for release, want := range map[string]bool{
		"6.15.0": true, "6.18.44-fc-v782": true, "7.0.1": true, "10.1": true,
		"6.14.9": false, "6.1.0-21-amd64": false, "5.19.0": false, "": false,
	} {
		if got := atLeast(release, 6, 15); got != want {
			t.Errorf("%q is at least 6.15: %v, want %v", release, got, want)
		}
	}
}
