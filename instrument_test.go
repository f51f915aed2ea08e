package ktstr_test

import (
	"strings"
	"testing"
)

// addInstrument follows the numbered list "Add an instrument" of CONTRIBUTING.md in a copy of the repository. A change of exactly
// the listed files adds an instrument that passes its own tests. It returns false if the list and this test differ.
func addInstrument(t *testing.T, dir string, in func(argv ...string) string) bool {
	t.Helper()
	steps := map[string]func(path string){
		"core/instrument/NAME/NAME.go":      writes(t, instrumentSource),
		"core/instrument/NAME/NAME_test.go": writes(t, instrumentTest),
		"core/instruments.go": edits(t,
			`usage\.Instrument\{\}`, "$0, moon.Instrument{}",
			`(?m)^\t"github\.com/ktstr/ktstr/core/instrument"$`, "$0\n\t\"github.com/ktstr/ktstr/core/instrument/moon\""),
		"docs/floor-plan.md": edits(t,
			"(?m)^(\\| \\d+ \\| `core` \\|.*`core/instrument/counters`), ", "$1, `core/instrument/moon`, ",
			"(?m)^\\| \\d+ \\| `core/instrument/usage` \\|", "| 3 | `core/instrument/moon` | the phase of the moon | `ktstr`, `spawn` |\n$0"),
		"docs/metrics.md": edits(t, "(?m)^\\| `run.faults_major` .*$", "$0\n| `moon.phase` | | · | how full the moon was |"),
	}
	if !followSteps(t, dir, "## Add an instrument", steps, strings.NewReplacer("NAME", "moon")) {
		return false
	}
	in("gofmt", "-w", "core/instruments.go")
	in("go", "test", "-vet=off", "./core/instrument/moon")
	return true
}

// checkInstrument checks that each run of the built ktstr has the metric of the instrument.
func checkInstrument(t *testing.T, in func(argv ...string) string) {
	t.Helper()
	if out := in("bin/ktstr", "run", "/bin/true", "--extractor", "exit-code", "--check", "moon.phase >= 50%", "--all", "--out", "runs"); !strings.Contains(out, "moon.phase") {
		t.Errorf("want moon.phase in\n%s", out)
	}
}

const instrumentSource = `// Package moon is an instrument that measures the phase of the moon.
package moon

import (
	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/spawn"
)

// Instrument is the instrument.
type Instrument struct{}

// Describe returns the name and the metric.
func (Instrument) Describe() ktstr.Description {
	return ktstr.Description{Name: "moon", Version: "1", Hints: []ktstr.Hint{{Name: "moon.phase", Unit: "%", Polarity: ktstr.Higher}}}
}

// Begin returns the function that ends the measurement.
func (Instrument) Begin() (end func(spawn.Result) ktstr.Extraction) {
	return func(spawn.Result) ktstr.Extraction {
		return ktstr.Extraction{Metrics: []ktstr.Metric{{Name: "moon.phase", Value: 100}}}
	}
}
`

const instrumentTest = `package moon_test

import (
	"testing"

	"github.com/ktstr/ktstr/core/instrument/instrumenttest"
	"github.com/ktstr/ktstr/core/instrument/moon"
)

func TestInstrument(t *testing.T) { instrumenttest.Run(t, moon.Instrument{}) }
`
