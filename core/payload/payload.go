// Package payload turns a payload file, strict YAML, into the definition of
// what to run and how to judge it, and back. docs/payload-files.md says what
// the keys mean.
package payload

import (
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/internal/nearest"
)

// Kind says what sort of program a payload is.
type Kind string

// The kinds of payloads. A scheduler is launched by a framework of its own,
// never by this project.
const (
	Binary    Kind = "binary"
	Scheduler Kind = "scheduler"
)

// Where a payload runs; see Payload.Dir.
const (
	DirCaller  = "caller"
	DirScratch = "scratch"
)

// Self, as a Payload's binary, is the running program's own executable.
const Self = "{self}"

// Payload says what to run and how to judge it. The zero value is not valid;
// Name, Summary and Binary are required.
type Payload struct {
	Name    string // [a-z][a-z0-9-]*
	Summary string // one line: what it measures
	About   string // which numbers to look at; may be empty
	Kind    Kind   // empty: Binary
	Binary  string // a command on PATH, a path, or Self

	Args        []string // "{scratch}" and "{outputs.NAME}" stand for paths; see Expand
	Env         map[string]string
	Dir         string   // DirCaller (also when empty) or DirScratch, a fresh directory
	Files       []string // must be there before the run; relative to the working directory
	Outputs     []OutputFile
	Flags       []string      // allowlist of long flags ("--rw"); empty: any
	Timeout     time.Duration // counted from the spawn; 0: none
	Cgroup      string        // relative to the run's parent cgroup; empty: a private one
	SharesGroup bool          // stays in the caller's process group and inherits stdin

	Extractor string            // its name; empty: json
	Options   map[string]string // the extractor's

	Checks []check.Check
	Hints  []Hint
	Bounds check.Bounds

	Needs    []Need
	Variants []Variant

	Source string // where it came from, for people; not part of the file
	Raw    []byte // the file it was parsed from; nil for a payload made in code
}

// OutputFile is a file that the payload writes and that is read as a stream.
type OutputFile struct {
	Name string // [a-z][a-z0-9-]*; the stream is "file:<name>"
	Path string // below the run's scratch directory, and relative to it
}

// Hint is what a payload says about the metrics of a name.
type Hint struct {
	ktstr.Hint
	// MinEffect is the least change, in percent, that is called a difference
	// when runs are compared; 0: the default.
	MinEffect float64
}

// Need is a program that the payload needs.
type Need struct {
	Binary         string
	Install        string   // the command that installs it; may be empty
	MinVersion     string   // empty: any
	VersionArgs    []string // print the version; empty: --version
	VersionPattern string   // its first group is the version; empty: the first number with a dot
	HelpArgs       []string // print the options; empty: --help
}

// Variant is what the payload is where When holds for the first of its needs.
// Nil fields leave the payload's own.
type Variant struct {
	When    When
	Args    []string
	Checks  []check.Check
	Outputs []OutputFile
	Note    string // what a reader of the result should know; may be empty
}

// When is a condition on an installed program; all that is given must hold.
type When struct {
	Version  string // "< 0.15.8" or ">= 1, < 2"
	Supports string // an option that stands as a word in the help text
}

// FieldError is what is wrong with one field of a payload. Field is written as
// in the file: "outputs[1].path".
type FieldError struct {
	Field, Problem string
}

func (e *FieldError) Error() string { return e.Field + ": " + e.Problem }

// MetricHints are the hints without what only comparing needs.
func (p Payload) MetricHints() []ktstr.Hint {
	hints := make([]ktstr.Hint, len(p.Hints))
	for i, h := range p.Hints {
		hints[i] = h.Hint
	}
	return hints
}

// Install is the command that installs the payload's binary, "" where none is
// known.
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

// lazy compiles a pattern when it is first used: many commands read no payload.
func lazy(pattern string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) })
}

// ValidName reports whether name can be a payload's, an output's or a
// plugin's: [a-z][a-z0-9-]*.
func ValidName(name string) bool { return namePattern().MatchString(name) }

// Validate returns the first thing that is wrong with p, a *FieldError.
func (p Payload) Validate() error {
	wrong := func(field, format string, args ...any) error {
		return &FieldError{field, fmt.Sprintf(format, args...)}
	}
	switch {
	case !ValidName(p.Name):
		return wrong("name", "%q: want [a-z][a-z0-9-]*", p.Name)
	case strings.TrimSpace(p.Summary) == "":
		return wrong("summary", "empty: want one line that says what it measures")
	case strings.ContainsAny(p.Summary, "\n\r"):
		return wrong("summary", "several lines: want one; the rest belongs into about")
	case p.Kind != "" && p.Kind != Binary && p.Kind != Scheduler:
		return wrong("kind", "%q: want binary or scheduler", p.Kind)
	case p.Binary == "":
		return wrong("binary", "empty: want a command or a path")
	case strings.ContainsRune(p.Binary, 0):
		return wrong("binary", "%q: a NUL byte cannot be in a path", p.Binary)
	case p.Extractor != "" && !ValidName(p.Extractor):
		return wrong("extractor", "%q: want json, exit-code or a plugin's name", p.Extractor)
	case p.Dir != "" && p.Dir != DirCaller && p.Dir != DirScratch:
		return wrong("dir", "%q: want caller or scratch", p.Dir)
	case p.Timeout < 0:
		return wrong("timeout", "%v: want a duration above 0", p.Timeout)
	}
	if err := validOutputs("outputs", p.Outputs); err != nil {
		return err
	}
	if err := validArgs("args", p.Args, p.Outputs); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(p.Env)) {
		field := "env." + name
		if !envPattern().MatchString(name) {
			return wrong(field, "want a name of letters, digits and _")
		}
		if err := validArg(field, p.Env[name], p.Outputs); err != nil {
			return err
		}
	}
	for i, file := range p.Files {
		if file == "" {
			return wrong(at("files", i), "empty: want a path")
		}
	}
	for i, flag := range p.Flags {
		if !strings.HasPrefix(flag, "--") || len(flag) < 3 || strings.ContainsAny(flag, "= ") {
			return wrong(at("flags", i), "%q: want a long flag such as --rw, without a value", flag)
		}
	}
	if err := validChecks("checks", p.Checks); err != nil {
		return err
	}
	for i, h := range p.Hints {
		if h.Name == "" {
			return wrong(at("hints", i)+".name", "empty: want a metric's name or a pattern")
		}
		if _, err := ktstr.ParsePolarity(string(h.Polarity)); err != nil {
			return wrong(at("hints", i)+".polarity", "%q: want higher, lower, target=NUMBER or unknown", h.Polarity)
		}
		if !(h.MinEffect >= 0) || math.IsInf(h.MinEffect, 0) {
			return wrong(at("hints", i)+".min_effect", "%v%%: want 0%% or more", h.MinEffect)
		}
	}
	if b := p.Bounds; b.MinMetrics < 0 {
		return wrong("bounds.min_metrics", "%d: want 0 or more", b.MinMetrics)
	} else if b.Min != nil && b.Max != nil && !(*b.Min <= *b.Max) {
		return wrong("bounds.max", "%v is below min, %v: want the other way round", *b.Max, *b.Min)
	} else if b.Min != nil && notFinite(*b.Min) {
		return wrong("bounds.min", "%v: want a finite number", *b.Min)
	} else if b.Max != nil && notFinite(*b.Max) {
		return wrong("bounds.max", "%v: want a finite number", *b.Max)
	}
	for i, n := range p.Needs {
		field := at("needs", i)
		if n.Binary == "" {
			return wrong(field+".binary", "empty: want a command or a path")
		}
		if n.MinVersion != "" && parseVersion(n.MinVersion) == nil {
			return wrong(field+".min_version", "%q: want a version such as 3.20", n.MinVersion)
		}
		if n.VersionPattern != "" {
			if re, err := regexp.Compile(n.VersionPattern); err != nil || re.NumSubexp() < 1 {
				return wrong(field+".version_pattern", "%q: want a regular expression with a group around the version", n.VersionPattern)
			}
		}
	}
	for i, v := range p.Variants {
		field := at("variants", i)
		if len(p.Needs) == 0 {
			return wrong(field, "no program to ask: want needs, whose first entry the conditions are about")
		}
		if v.When == (When{}) {
			return wrong(field+".when", "empty: want version or supports")
		}
		if v.When.Version != "" {
			if _, err := parseConstraint(v.When.Version); err != nil {
				return wrong(field+".when.version", "%v", err)
			}
		}
		outputs := p.Outputs
		if v.Outputs != nil {
			outputs = v.Outputs
		}
		args := p.Args
		if v.Args != nil {
			args = v.Args
		}
		if err := validOutputs(field+".outputs", outputs); err != nil {
			return err
		}
		if err := validArgs(field+".args", args, outputs); err != nil {
			return err
		}
		if err := validChecks(field+".checks", v.Checks); err != nil {
			return err
		}
	}
	return nil
}

func at(field string, i int) string { return field + "[" + strconv.Itoa(i) + "]" }

func notFinite(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }

func validChecks(field string, checks []check.Check) error {
	for i, c := range checks {
		if c == (check.Check{}) {
			return &FieldError{at(field, i), "empty: want METRIC OP VALUE"}
		}
	}
	return nil
}

func validOutputs(field string, outputs []OutputFile) error {
	names := map[string]bool{}
	for i, o := range outputs {
		switch {
		case !ValidName(o.Name):
			return &FieldError{at(field, i) + ".name", fmt.Sprintf("%q: want [a-z][a-z0-9-]*", o.Name)}
		case names[o.Name]:
			return &FieldError{at(field, i) + ".name", fmt.Sprintf("%q is there already: want each once", o.Name)}
		case !filepath.IsLocal(o.Path) || filepath.Clean(o.Path) == "." || strings.ContainsRune(o.Path, 0):
			return &FieldError{at(field, i) + ".path", fmt.Sprintf("%q: want a path below the scratch directory", o.Path)}
		}
		names[o.Name] = true
	}
	return nil
}

// CheckArgs refuses args that Expand could not make sense of: a placeholder
// that names no output, or is mistyped.
func (p Payload) CheckArgs() error { return validArgs("args", p.Args, p.Outputs) }

func validArgs(field string, args []string, outputs []OutputFile) error {
	for i, arg := range args {
		if err := validArg(at(field, i), arg, outputs); err != nil {
			return err
		}
	}
	return nil
}

// validArg refuses placeholders that name no output, and words in braces that
// look like a mistyped placeholder; other braces belong to the program.
func validArg(field, arg string, outputs []OutputFile) error {
	if strings.ContainsRune(arg, 0) {
		return &FieldError{field, fmt.Sprintf("%q: a NUL byte cannot be in an argument", arg)}
	}
	known := []string{"scratch"}
	for _, o := range outputs {
		known = append(known, "outputs."+o.Name)
	}
	for _, mark := range placeholder().FindAllString(arg, -1) {
		word := mark[1 : len(mark)-1]
		if slices.Contains(known, word) {
			continue
		}
		if strings.HasPrefix(word, "outputs.") {
			return &FieldError{field, fmt.Sprintf("%s: no output of that name: want one of outputs", mark)}
		}
		if near := nearest.Of(word, known); near != "" {
			return &FieldError{field, fmt.Sprintf("%s: not a placeholder: want {%s}", mark, near)}
		}
	}
	return nil
}

// Expand replaces "{scratch}" and "{outputs.NAME}" in text: by the scratch
// directory, and by what path gives for an output of p.
func (p Payload) Expand(text, scratch string, path func(OutputFile) string) string {
	if !strings.Contains(text, "{") {
		return text
	}
	pairs := []string{"{scratch}", scratch}
	for _, o := range p.Outputs {
		pairs = append(pairs, "{outputs."+o.Name+"}", path(o))
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// NeedsScratch reports whether a run of p needs a scratch directory.
func (p Payload) NeedsScratch() bool {
	if p.Dir == DirScratch || len(p.Outputs) > 0 {
		return true
	}
	uses := func(text string) bool { return strings.Contains(text, "{scratch}") }
	return slices.ContainsFunc(p.Args, uses) || slices.ContainsFunc(slices.Collect(maps.Values(p.Env)), uses)
}

// CheckFlags refuses the first long flag of args ("--flag", "--flag=value")
// that is not in p.Flags, if there are any. What follows a bare "--" is no flag.
func (p Payload) CheckFlags(args []string) error {
	if len(p.Flags) == 0 {
		return nil
	}
	for _, arg := range args {
		if arg == "--" {
			return nil
		}
		flag, _, _ := strings.Cut(arg, "=")
		if !strings.HasPrefix(flag, "--") || slices.Contains(p.Flags, flag) {
			continue
		}
		if near := nearest.Of(flag, p.Flags); near != "" {
			return fmt.Errorf("payload %s: flag %s: not one that it takes: did you mean %s?", p.Name, flag, near)
		}
		return fmt.Errorf("payload %s: flag %s: not one that it takes: want one of %s", p.Name, flag, strings.Join(p.Flags, " "))
	}
	return nil
}
