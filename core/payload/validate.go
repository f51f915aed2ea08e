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

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/internal/text"
)

// A FieldError describes an invalid field of a payload. Field is written as in
// the file, for example "outputs[1].path".
type FieldError struct {
	Field, Problem string
}

func (e *FieldError) Error() string { return e.Field + ": " + e.Problem }

// wrong returns a *FieldError.
func wrong(field, format string, args ...any) error {
	return &FieldError{field, fmt.Sprintf(format, args...)}
}

// Validate returns a *FieldError for the first invalid field of p.
func (p Payload) Validate() error {
	for _, validate := range []func() error{
		p.validateWords,
		func() error { return validateOutputs("outputs", p.Outputs) },
		func() error { return validateArgs("args", p.Args, p.Outputs) },
		p.validateEnv,
		p.validateLists,
		p.validateTable,
		func() error { return validateChecks("checks", p.Checks) },
		p.validateHints,
		p.validateBounds,
		p.validateNeeds,
		p.validateVariants,
	} {
		if err := validate(); err != nil {
			return err
		}
	}
	return nil
}

func (p Payload) validateWords() error {
	switch {
	case !ValidName(p.Name):
		return wrong("name", "%q: want [a-z][a-z0-9-]*", p.Name)
	case strings.TrimSpace(p.Summary) == "":
		return wrong("summary", "empty: want one line that says what it measures")
	case strings.ContainsAny(p.Summary, "\n\r"):
		return wrong("summary", "several lines: want one; the rest belongs into about")
	case p.Measures != "" && !ValidName(p.Measures):
		return wrong("measures", "%q: want one word [a-z][a-z0-9-]*, such as storage", p.Measures)
	case p.Kind != "" && p.Kind != Binary && p.Kind != Scheduler:
		return wrong("kind", "%q: want binary or scheduler", p.Kind)
	case p.Binary == "":
		return wrong("binary", "empty: want a command or a path")
	case strings.ContainsRune(p.Binary, 0):
		return wrong("binary", "%q: a NUL byte cannot be in a path", p.Binary)
	case p.Extractor != "" && !ValidName(p.Extractor):
		return wrong("extractor", "%q: want json, exit-code or a plugin's name", p.Extractor)
	case p.Dir != "" && p.Dir != DirCaller && p.Dir != DirScratch && !filepath.IsAbs(p.Dir):
		return wrong("dir", "%q: want caller, scratch or an absolute path", p.Dir)
	case strings.ContainsRune(p.Dir, 0):
		return wrong("dir", "%q: a NUL byte cannot be in a path", p.Dir)
	case p.Timeout < 0:
		return wrong("timeout", "%v: want a duration above 0", p.Timeout)
	case p.StopAfter < 0:
		return wrong("stop_after", "%v: want a duration above 0", p.StopAfter)
	}
	return nil
}

func (p Payload) validateEnv() error {
	for _, name := range slices.Sorted(maps.Keys(p.Env)) {
		field := "env." + name
		if !envPattern().MatchString(name) {
			return wrong(field, "want a name of letters, digits and _")
		}
		value := p.Env[name]
		if p.IsSecret(name) && strings.ContainsRune(value, 0) { // without the value
			return wrong(field, "a NUL byte cannot be in an environment variable")
		}
		if err := validateArg(field, value, p.Outputs); err != nil {
			return err
		}
	}
	for i, name := range p.Secrets {
		if !envPattern().MatchString(name) {
			return wrong(at("secrets", i), "%q: want the name of an environment variable", name)
		}
	}
	return nil
}

func (p Payload) validateLists() error {
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
	return nil
}

func (p Payload) validateHints() error {
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
		if !(h.Margin >= 0) || math.IsInf(h.Margin, 0) {
			return wrong(at("hints", i)+".margin", "%v%%: want 0%% or more", h.Margin)
		}
	}
	return nil
}

func (p Payload) validateBounds() error {
	switch b := p.Bounds; {
	case b.MinMetrics < 0:
		return wrong("bounds.min_metrics", "%d: want 0 or more", b.MinMetrics)
	case b.Min != nil && b.Max != nil && !(*b.Min <= *b.Max):
		return wrong("bounds.max", "%v is below min, %v: want the other way round", *b.Max, *b.Min)
	case b.Min != nil && notFinite(*b.Min):
		return wrong("bounds.min", "%v: want a finite number", *b.Min)
	case b.Max != nil && notFinite(*b.Max):
		return wrong("bounds.max", "%v: want a finite number", *b.Max)
	}
	return nil
}

func (p Payload) validateNeeds() error {
	for i, n := range p.Needs {
		field := at("needs", i)
		if n.Binary == "" {
			return wrong(field+".binary", "empty: want a command or a path")
		}
		if n.MinVersion != "" && text.Version(n.MinVersion) == nil {
			return wrong(field+".min_version", "%q: want a version such as 3.20", n.MinVersion)
		}
		if n.VersionPattern != "" {
			if re, err := regexp.Compile(n.VersionPattern); err != nil || re.NumSubexp() < 1 {
				return wrong(field+".version_pattern", "%q: want a regular expression with a group around the version", n.VersionPattern)
			}
		}
	}
	return nil
}

// validateVariants judges each variant with the fields of p that it leaves
// unchanged. For example, its args may name an output of p.
func (p Payload) validateVariants() error {
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
		if err := validateOutputs(field+".outputs", outputs); err != nil {
			return err
		}
		if err := validateArgs(field+".args", args, outputs); err != nil {
			return err
		}
		if err := validateChecks(field+".checks", v.Checks); err != nil {
			return err
		}
	}
	return nil
}

// at returns the field of an item, such as "args[0]".
func at(field string, i int) string { return field + "[" + strconv.Itoa(i) + "]" }

func notFinite(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }

func validateChecks(field string, checks []check.Check) error {
	for i, c := range checks {
		if c == (check.Check{}) {
			return wrong(at(field, i), "empty: want METRIC OP VALUE")
		}
	}
	return nil
}

func validateOutputs(field string, outputs []OutputFile) error {
	names := map[string]bool{}
	for i, o := range outputs {
		switch {
		case !ValidName(o.Name):
			return wrong(at(field, i)+".name", "%q: want [a-z][a-z0-9-]*", o.Name)
		case names[o.Name]:
			return wrong(at(field, i)+".name", "%q is there already: want each once", o.Name)
		case !filepath.IsLocal(o.Path) || filepath.Clean(o.Path) == "." || strings.ContainsRune(o.Path, 0):
			return wrong(at(field, i)+".path", "%q: want a path below the scratch directory", o.Path)
		}
		names[o.Name] = true
	}
	return nil
}
