// Package payload holds the definition of a payload: the program to run and how
// to judge it. It reads definitions from payload files, which are strict YAML,
// and writes them. docs/payload-files.md describes the keys of a file.
package payload

import (
	"regexp"
	"sync"
	"time"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/extractors/lines"
)

// Kind is the kind of program that a payload runs.
type Kind string

// The kinds of payloads. A scheduler is started by a framework of its own.
// ktstr never starts one.
const (
	Binary    Kind = "binary"
	Scheduler Kind = "scheduler"
)

// The working directories that Payload.Dir can select by a word.
const (
	DirCaller  = "caller"  // the working directory of the caller
	DirScratch = "scratch" // a fresh directory, removed after the run
)

// Self, as a payload's binary, stands for the executable of the running program.
const Self = "{self}"

// A Payload defines the program to run and how to judge it. Name, Summary and
// Binary are required, so the zero value is not valid.
type Payload struct {
	Name     string // [a-z][a-z0-9-]*
	Summary  string // one line: what the payload measures
	Measures string // the part of the system that it measures, such as "storage"; may be empty
	About    string // tells the user which metrics to look at; may be empty
	Kind     Kind   // empty: Binary
	Binary   string // a command on PATH, a path, or Self

	Args        []string          // may contain "{scratch}" and "{outputs.NAME}"; see Expand
	Env         map[string]string // added to the caller's environment; placeholders as in Args
	Secrets     []string          // variables of Env whose values are never written; see IsSecret
	Dir         string            // DirCaller, DirScratch or an absolute path; empty: DirCaller
	User        string            // the name or the number of the user that the program runs as; empty: the caller
	Files       []string          // must exist before the run; relative to the working directory
	Outputs     []OutputFile
	Flags       []string      // the long flags that the user may pass, such as "--rw"; empty: any
	Timeout     time.Duration // from the spawn; 0: none
	Leftovers   string        // LeftoversWait, or empty: descendants that outlive the program are killed
	StopAfter   time.Duration // ends a program that runs for ever, by SIGINT; the checks decide; 0: never
	Counters    []string      // events that the instrument counters counts, such as "cycles" or "all"; nil: the instrument is not used
	Cgroup      string        // relative to the run's parent cgroup; empty: a private one
	SharesGroup bool          // the program stays in the caller's process group and inherits stdin

	Extractor string            // an extractor's name; empty: json
	Options   map[string]string // the extractor's options
	Table     lines.Table       // of the extractor "lines"; no lines: another extractor reads the output

	Checks []check.Check
	Hints  []Hint
	Bounds check.Bounds

	Needs    []Need
	Variants []Variant

	Source string // the path or plugin that the definition came from; only shown
	Raw    []byte // the file that Parse read; nil for a payload made in code
}

// LeftoversWait is the value of Payload.Leftovers with which the run goes on until
// the descendants of the program have closed its streams, or until the timeout.
const LeftoversWait = "wait"

// An OutputFile is a file that the payload writes. The extractor reads it as the
// stream "file:NAME".
type OutputFile struct {
	Name string // [a-z][a-z0-9-]*
	Path string // relative to the run's scratch directory, and below it
}

// A Hint tells the unit and the polarity of the metrics with a name, and how
// much they must change to count as different.
type Hint struct {
	ktstr.Hint
	// MinEffect is the smallest change, in percent, that a comparison calls a
	// difference. 0 means the default.
	MinEffect float64
	// Margin is the loss, in percent, that a gate must exclude before it passes. 0
	// means the default.
	Margin float64
}

// A Need is a program that the payload needs.
type Need struct {
	Binary         string
	Install        string   // the command that installs it, such as "apt-get install fio"; may be empty
	MinVersion     string   // empty: any version
	VersionArgs    []string // arguments that print the version; empty: --version
	VersionPattern string   // a regular expression whose first group is the version; empty: the first number with a dot
	HelpArgs       []string // arguments that print the options; empty: --help
}

// A Variant replaces parts of a payload if the first of its needs fulfils When.
// A nil field replaces nothing.
type Variant struct {
	When    When
	Args    []string
	Checks  []check.Check
	Outputs []OutputFile
	Note    string // shown with the result, for example "less is measured"; may be empty
}

// When is a condition on an installed program. Each field that is set must hold.
type When struct {
	Version  string // such as "< 0.15.8" or ">= 1, < 2"
	Supports string // an option that the help text contains, such as "--json"
}

// MetricHints returns the hints as the extraction takes them, without MinEffect and Margin.
func (p Payload) MetricHints() []ktstr.Hint {
	hints := make([]ktstr.Hint, len(p.Hints))
	for i, h := range p.Hints {
		hints[i] = h.Hint
	}
	return hints
}

// Install returns the command that installs the payload's binary, "" if no need
// has one.
func (p Payload) Install() string {
	for _, n := range p.Needs {
		if n.Binary == p.Binary {
			return n.Install
		}
	}
	return ""
}

var (
	namePattern = lazy(`^[a-z][a-z0-9-]*$`)
	envPattern  = lazy(`^[A-Za-z_][A-Za-z0-9_]*$`)
	placeholder = lazy(`\{[a-z]+(\.[^{}]*)?\}`)
)

// lazy compiles a pattern at its first use, because many commands read no
// payload.
func lazy(pattern string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) })
}

// ValidName reports whether name can be the name of a payload, an output or a
// plugin: [a-z][a-z0-9-]*.
func ValidName(name string) bool { return namePattern().MatchString(name) }
