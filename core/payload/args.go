package payload

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ktstr/ktstr/internal/nearest"
)

// CheckArgs returns an error if an argument has a placeholder that Expand does not
// know: one that names no output, such as "{outputs.x}", or a mistyped one, such
// as "{scatch}".
func (p Payload) CheckArgs() error { return validateArgs("args", p.Args, p.Outputs) }

func validateArgs(field string, args []string, outputs []OutputFile) error {
	for i, arg := range args {
		if err := validateArg(at(field, i), arg, outputs); err != nil {
			return err
		}
	}
	return nil
}

// validateArg refuses unknown placeholders. It accepts other words in braces,
// because they belong to the program.
func validateArg(field, arg string, outputs []OutputFile) error {
	if strings.ContainsRune(arg, 0) {
		return wrong(field, "%q: a NUL byte cannot be in an argument", arg)
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
			return wrong(field, "%s: no output of that name: want one of outputs", mark)
		}
		if near := nearest.Of(word, known); near != "" {
			return wrong(field, "%s: not a placeholder: want {%s}", mark, near)
		}
	}
	return nil
}

// Expand replaces "{scratch}" in text by the scratch directory, and
// "{outputs.NAME}" by the path of that output of p. For example, "--dir={scratch}"
// becomes "--dir=/tmp/ktstr-x".
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

// NeedsScratch reports whether a run of p needs a scratch directory: it runs
// there, writes an output there, or names it in an argument or in env.
func (p Payload) NeedsScratch() bool {
	if p.Dir == DirScratch || len(p.Outputs) > 0 {
		return true
	}
	uses := func(text string) bool { return strings.Contains(text, "{scratch}") }
	return slices.ContainsFunc(p.Args, uses) || slices.ContainsFunc(slices.Collect(maps.Values(p.Env)), uses)
}

// CheckFlags returns an error for the first long flag of args that is not in
// p.Flags, for example for "--runtme=3". It accepts all flags if p.Flags is empty,
// and everything after a bare "--".
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
