package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strings"

	"al.essio.dev/pkg/shellescape"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ktstr/ktstr/core/unit"
	"github.com/ktstr/ktstr/internal/nearest"
)

// format is what -o takes.
type format string

const (
	formatText format = "text"
	formatJSON format = "json"
)

func outputFlag(f *pflag.FlagSet, v *format) {
	*v = formatText
	f.VarP(v, "output", "o", "print text or json")
}

func (f *format) String() string { return string(*f) }
func (f *format) Type() string   { return "FORMAT" }
func (f *format) Set(text string) error {
	switch format(text) {
	case formatText, formatJSON:
		*f = format(text)
		return nil
	}
	return fmt.Errorf("want text or json")
}

// size is a number of bytes, read with or without a unit.
type size int64

func (s *size) String() string {
	if *s == 0 {
		return ""
	}
	return fmt.Sprintf("%dB", int64(*s))
}
func (s *size) Type() string { return "SIZE" }
func (s *size) Set(text string) error {
	var v float64
	var suffix string
	number := strings.TrimRightFunc(text, func(r rune) bool { return r < '0' || r > '9' })
	if _, err := fmt.Sscanf(number, "%g", &v); err != nil || v <= 0 || math.IsInf(v, 0) || math.IsNaN(v) {
		return fmt.Errorf("want a size above 0, such as 64MiB")
	}
	if suffix = strings.TrimSpace(text[len(number):]); suffix == "" {
		suffix = "B"
	}
	bytes, err := unit.Convert(v, suffix, "B")
	if err != nil || bytes < 1 || bytes > math.MaxInt64/2 {
		return fmt.Errorf("want a size above 0, such as 64MiB")
	}
	*s = size(bytes)
	return nil
}

// documents is --documents, a short form of --option documents=.
type documents struct{ options *[]string }

func documentsFlag(f *pflag.FlagSet, options *[]string) {
	f.Var(documents{options}, "documents", "of several JSON documents, read the `first|last|all` (default first)")
}

func (documents) String() string { return "" }
func (documents) Type() string   { return "WHICH" }
func (d documents) Set(text string) error {
	switch text {
	case "first", "last", "all":
		*d.options = append(*d.options, "documents="+text)
		return nil
	}
	return fmt.Errorf("want first, last or all")
}

// arguments refuses more or fewer arguments than the one that is wanted; empty:
// none is.
func arguments(wanted string) cobra.PositionalArgs {
	most := 1
	if wanted == "" {
		most, wanted = 0, "no argument"
	}
	return func(c *cobra.Command, args []string) error {
		name := strings.TrimPrefix(c.CommandPath(), c.Root().Name()+" ")
		switch {
		case len(args) > most:
			return fmt.Errorf("%s: unexpected %q: want %s", name, args[most], wanted)
		case len(args) < most:
			return fmt.Errorf("%s: want %s", name, wanted)
		}
		return nil
	}
}

// isPath reports whether err is what the system said of that file itself.
func isPath(err error, name string) bool {
	var path *fs.PathError
	return errors.As(err, &path) && path.Path == name
}

// flagError is err, of c's flags, in words that help. args are all of the command
// line.
func flagError(c *cobra.Command, args []string, err error) error {
	var value *pflag.InvalidValueError
	if !errors.As(err, &value) {
		return unknownFlag(c, args, err)
	}
	flag := value.GetFlag()
	cause := value.Unwrap()
	switch flag.Value.Type() { // of these, the standard library's words are about strings
	case "duration":
		cause = errors.New("want a duration, such as 90s or 5m")
	case "int":
		cause = errors.New("want a whole number")
	case "float64":
		cause = errors.New("want a number")
	case "bool":
		cause = errors.New("want true or false")
	}
	return fmt.Errorf("--%s %s: %w", flag.Name, value.GetValue(), cause)
}

// unknownFlag adds to the error of c's flags what was probably meant: another
// flag, or one of the benchmark's. args are all of the command line.
func unknownFlag(c *cobra.Command, args []string, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return err
	}
	var names []string
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	if near := nearest.Of(unknown.GetSpecifiedName(), names); near != "" && unknown.GetSpecifiedShortnames() == "" {
		return fmt.Errorf("%w: did you mean --%s?", err, near)
	}
	if c.Name() != "run" {
		return fmt.Errorf("%w; see %s --help", err, c.CommandPath())
	}
	text := "arguments for the benchmark come after --"
	if command := separated(c.Flags(), args); command != nil {
		text += ": ktstr " + shellescape.QuoteCommand(command)
	}
	return fmt.Errorf("%w; %s", err, text)
}

// separated moves what is no flag of ours, and the words that follow it, behind
// a --. Nil: that gives no command, for no payload is named.
func separated(flags *pflag.FlagSet, args []string) []string {
	var ours, theirs []string
	words := 0 // the command's name, and the payload's
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			theirs = append(theirs, args[i+1:]...)
			break
		}
		if !strings.HasPrefix(arg, "-") || arg == "-" {
			if words < 2 {
				words++
				ours = append(ours, arg)
			} else {
				theirs = append(theirs, arg)
			}
			continue
		}
		name, _, valued := strings.Cut(strings.TrimPrefix(arg, "-"), "=")
		var flag *pflag.Flag
		if long, ok := strings.CutPrefix(name, "-"); ok {
			flag = flags.Lookup(long)
		} else if name != "" {
			flag = flags.ShorthandLookup(name[:1])
			valued = valued || len(name) > 1
		}
		if flag == nil {
			theirs = append(theirs, arg)
			continue
		}
		ours = append(ours, arg)
		if !valued && flag.NoOptDefVal == "" && i+1 < len(args) {
			i++
			ours = append(ours, args[i])
		}
	}
	if words < 2 || len(theirs) == 0 {
		return nil
	}
	return append(append(ours, "--"), theirs...)
}
