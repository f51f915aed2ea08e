package main

import (
	"fmt"
	"math"
	"strings"

	"github.com/spf13/pflag"

	"github.com/ktstr/ktstr/core/unit"
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
