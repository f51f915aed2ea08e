// Package instrumenttest has the checks that every instrument passes.
package instrumenttest

import (
	"context"
	"math"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/instrument"
	"github.com/ktstr/ktstr/core/unit"
	"github.com/ktstr/ktstr/spawn"
)

var nameForm = regexp.MustCompile(`^[a-z]+(\.[a-z][a-z0-9_]*)+$`)

// Run checks what x says about its metrics, and measures two runs of /bin/true at once.
func Run(t *testing.T, x instrument.Instrument) {
	d := x.Describe()
	described := map[string]bool{}
	for _, h := range d.Hints {
		if !nameForm.MatchString(h.Name) || described[h.Name] {
			t.Errorf("metric %q: want a name such as run.wall, once", h.Name)
		}
		if unit.Convertible(h.Unit, "s") && h.Polarity == ktstr.Unknown {
			t.Errorf("metric %s: a time without a polarity", h.Name)
		}
		described[h.Name] = true
	}
	files := openFiles(t)
	ends := [2]func(spawn.Result) ktstr.Extraction{}
	for i := range ends {
		c := spawn.Command{Path: "/bin/true", BeforeStart: func() { ends[i] = x.Begin() }}
		r, err := spawn.Run(context.Background(), c)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		e := ends[i](r)
		for _, m := range e.Metrics {
			if !described[m.Name] || seen[m.Name] || math.IsNaN(m.Value) || math.IsInf(m.Value, 0) || m.Value < 0 {
				t.Errorf("metric %+v: want a described one, once, with a finite value", m)
			}
			seen[m.Name] = true
		}
		for _, diagnostic := range e.Diagnostics {
			if diagnostic.Code == "" || diagnostic.Message == "" {
				t.Errorf("diagnostic %+v: want a code and a message", diagnostic)
			}
		}
	}
	x.Begin()(spawn.Result{}) // of a payload that could not be started
	if now := openFiles(t); now > files {
		t.Errorf("%d descriptors are open, %d were before", now, files)
	}
	page, err := os.ReadFile("../../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range described {
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("docs/metrics.md does not have `%s`", name)
		}
	}
}

func openFiles(t *testing.T) int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}
