package main

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"al.essio.dev/pkg/shellescape"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ktstr/ktstr/core/instrument/counters"
	"github.com/ktstr/ktstr/core/unit"
	"github.com/ktstr/ktstr/internal/nearest"
)

// format is the value of --output.
type format string

const (
	formatText format = "text"
	formatJSON format = "json"
)

func outputFlag(f *pflag.FlagSet, v *format) {
	*v = formatText
	f.VarP(v, "output", "o", "print the result as text or json, for example -o json")
}

func (f *format) String() string { return string(*f) }
func (f *format) Type() string   { return "FORMAT" }
func (f *format) Set(text string) error {
	switch format(text) {
	case formatText, formatJSON:
		*f = format(text)
		return nil
	}
	return errors.New("want text or json")
}

// size is a number of bytes above 0, such as 64MiB or 1000. Its zero value is no size.
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
		return errors.New("want a size above 0, such as 64MiB")
	}
	if suffix = strings.TrimSpace(text[len(number):]); suffix == "" {
		suffix = "B"
	}
	bytes, err := unit.Convert(v, suffix, "B")
	if err != nil || bytes < 1 || bytes > math.MaxInt64/2 {
		return errors.New("want a size above 0, such as 64MiB")
	}
	*s = size(bytes)
	return nil
}

// counterList is the value of --counters, such as cycles,instructions.
type counterList []string

func (l *counterList) String() string { return strings.Join(*l, ",") }
func (l *counterList) Type() string   { return "LIST" }
func (l *counterList) Set(text string) error {
	*l = strings.Split(text, ",")
	return counters.Check(*l)
}

// extractorOptions are --option and --documents.
type extractorOptions struct {
	options   []string
	documents documents
}

func optionFlags(f *pflag.FlagSet, o *extractorOptions) {
	f.StringArrayVar(&o.options, "option", nil, "set the extractor's option `NAME=VALUE`, see ktstr plugin describe (repeatable)")
	f.Var(&o.documents, "documents", "if the output has several JSON documents, read `first|last|all` of them (default first)")
}

// parse returns the options of the extractor by name. --documents last is short for
// --option documents=last.
func (o extractorOptions) parse() (map[string]string, error) {
	options := map[string]string{}
	if o.documents != "" {
		options["documents"] = string(o.documents)
	}
	for _, pair := range o.options {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("--option %s: want NAME=VALUE", pair)
		}
		if before, given := options[name]; given {
			return nil, fmt.Errorf("--option %s: the option was given twice, also as %s: want it once", pair, before)
		}
		options[name] = value
	}
	return options, nil
}

// documents is the value of --documents.
type documents string

func (d *documents) String() string { return string(*d) }
func (d *documents) Type() string   { return "WHICH" }
func (d *documents) Set(text string) error {
	switch text {
	case "first", "last", "all":
		*d = documents(text)
		return nil
	}
	return errors.New("want first, last or all")
}

// refuseTwice makes every flag of c and its subcommands fail that is given twice, unless
// it is repeatable. Without it, the last of two values would silently win.
func refuseTwice(c *cobra.Command) {
	for _, set := range []*pflag.FlagSet{c.Flags(), c.PersistentFlags()} {
		set.VisitAll(func(f *pflag.Flag) {
			if !repeatable(f) {
				f.Value = &onceValue{Value: f.Value}
			}
			if f.DefValue == "0s" { // else the help shows it
				f.DefValue = ""
			}
		})
	}
	for _, sub := range c.Commands() {
		refuseTwice(sub)
	}
}

// repeatable reports whether a flag collects its values.
func repeatable(f *pflag.Flag) bool {
	switch f.Value.(type) {
	case pflag.SliceValue, *exports:
		return true
	}
	return false
}

var errTwice = errors.New("the flag was given twice: want it once")

// onceValue is the value of a flag that can be given once.
type onceValue struct {
	pflag.Value
	given bool
}

func (v *onceValue) Set(text string) error {
	if v.given {
		return errTwice
	}
	v.given = true
	return v.Value.Set(text)
}

// arguments accepts one argument, which wanted describes. If wanted is empty, it accepts
// none.
func arguments(wanted string) cobra.PositionalArgs {
	most := 1
	if wanted == "" {
		most, wanted = 0, "no argument"
	}
	return func(c *cobra.Command, args []string) error {
		name := strings.TrimPrefix(c.CommandPath(), c.Root().Name()+" ")
		switch {
		case len(args) > most:
			return fmt.Errorf("%s: unexpected argument %q: want %s", name, args[most], wanted)
		case len(args) < most:
			return fmt.Errorf("%s: want %s", name, wanted)
		}
		return nil
	}
}

// flagError rewrites an error about a flag of c. args is the whole command line.
func flagError(c *cobra.Command, args []string, err error) error {
	var unknown *pflag.NotExistError
	var value *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown):
		return unknownFlag(c, args, unknown)
	case !errors.As(err, &value):
		return err
	}
	flag := value.GetFlag()
	cause := value.Unwrap()
	if errors.Is(cause, errTwice) {
		if flag.Value.Type() == "URL" { // it may contain a password
			return fmt.Errorf("--%s: %w", flag.Name, errTwice)
		}
		return fmt.Errorf("--%s %s: %w", flag.Name, value.GetValue(), errTwice)
	}
	switch flag.Value.Type() { // the errors of package strconv do not say which value is wanted
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

// unknownFlag returns the error for a flag that c does not have. It gives the nearest
// flag of c. If there is none, `ktstr run` shows the command line that passes the flag
// to the payload.
func unknownFlag(c *cobra.Command, args []string, unknown *pflag.NotExistError) error {
	flag := "--" + unknown.GetSpecifiedName()
	if group := unknown.GetSpecifiedShortnames(); group != "" {
		flag = "-" + unknown.GetSpecifiedName()
	} else if near := nearest.Of(unknown.GetSpecifiedName(), flagNames(c)); near != "" {
		return fmt.Errorf("%s has no flag %s. Did you mean --%s?", c.CommandPath(), flag, near)
	}
	if c.Name() != "run" {
		return fmt.Errorf("%s has no flag %s: see %s --help", c.CommandPath(), flag, c.CommandPath())
	}
	words, payload := separated(c.Flags(), args)
	if words == nil {
		return fmt.Errorf("%s has no flag %s. Flags for the payload come after --", c.CommandPath(), flag)
	}
	return fmt.Errorf("%s has no flag %s. If it is meant for %s: ktstr %s", c.CommandPath(), flag, payload, shellescape.QuoteCommand(words))
}

func flagNames(c *cobra.Command) (names []string) {
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	return names
}

// separated returns the command line args with every flag that is not in flags, and its
// values, moved to the end, after --. For example, "run fio --iodepth 4 --quiet"
// becomes "run fio --quiet -- --iodepth 4". It is nil if args name no payload.
func separated(flags *pflag.FlagSet, args []string) (command []string, payload string) {
	var ours, theirs []string
	words := 0 // arguments of ours: the command and the payload
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			theirs = append(theirs, args[i+1:]...)
			break
		}
		if !strings.HasPrefix(arg, "-") || arg == "-" {
			if words < 2 {
				words++
				ours, payload = append(ours, arg), arg
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
		return nil, ""
	}
	return append(append(ours, "--"), theirs...), payload
}
