package runs

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/internal/compare"
	"github.com/ktstr/ktstr/internal/nearest"
	"github.com/ktstr/ktstr/internal/text"
)

// Comparison says how two sets of runs are compared.
type Comparison struct {
	MinEffect *float64 // the least change that is a difference, in percent; nil: what the payloads ask for
	Margin    *float64 // the loss that a gate excludes, in percent; nil: what the payloads ask for
	// Calibrated are margins of a calibration, which precede those of the payloads. From
	// names the calibration for a note.
	Calibrated []compare.Threshold
	From       string
	Alpha      float64  // the greatest probability of one or more false alarms; 0: compare.DefaultAlpha
	Metrics    []string // names and patterns of the metrics that decide; empty: the headlines
	Compared   []string // facts that differ on purpose, for example "arguments" of two variants
	All        bool     // also the metrics that do not decide
}

// anyPayload matches the part that a metric's name begins with where a set holds
// several payloads or variants.
const anyPayload = "*/"

// Compare compares the runs b with the runs a. Interrupted runs and repetitions of a run
// are left out.
func (c Comparison) Compare(nameA string, a []Run, nameB string, b []Run) compare.Report {
	a, repeatedA := Distinct(a)
	b, repeatedB := Distinct(b)
	a, interruptedA := Uninterrupted(a)
	b, interruptedB := Uninterrupted(b)
	sideA, sideB, t := Sides(nameA, a, nameB, b)
	sideA.Interrupted, sideB.Interrupted = interruptedA, interruptedB
	options := compare.Options{
		Alpha: c.Alpha, MinEffect: c.MinEffect, MinEffects: t.MinEffects, Margin: c.Margin, Margins: t.Margins,
		OnlyShown: !c.All, Compared: c.Compared,
	}
	if c.MinEffect != nil {
		options.MinEffects = nil // the user's wish comes before the payload's
	}
	if c.Margin != nil {
		options.Margins, c.Calibrated = nil, nil
	}
	for _, m := range c.Calibrated { // after the others, because the last one wins
		options.Margins = append(options.Margins, m, compare.Threshold{Name: anyPayload + m.Name, Percent: m.Percent})
	}
	for _, pattern := range c.Metrics {
		options.Select = append(options.Select, pattern, anyPayload+pattern)
	}
	var notes []string
	options.Absent, notes = c.absent(sideA, sideB)
	r := compare.Compare(sideA, sideB, options)
	for _, side := range []struct {
		name     string
		repeated int
	}{{nameA, repeatedA}, {nameB, repeatedB}} {
		note := fmt.Sprintf("%s: %s left out, because a run counts once", side.name, text.Count(side.repeated, "repetition"))
		if side.repeated > 0 && !slices.Contains(notes, note) { // both sides may have the same name
			notes = append(notes, note)
		}
	}
	if len(c.Calibrated) > 0 {
		notes = append(notes, "margins of the "+c.From)
	}
	r.Notes = append(r.Notes, notes...)
	split := SplitByVariant(a, b)
	for _, note := range slices.Concat(pooled(nameA, a, split), pooled(nameB, b, split)) {
		if !slices.Contains(r.Notes, note) {
			r.Notes = append(r.Notes, note)
		}
	}
	for _, note := range append(overlapped(nameA, a), overlapped(nameB, b)...) {
		if !slices.Contains(r.Notes, note) {
			r.Notes = append(r.Notes, note)
		}
	}
	if note := common(a, b); note != "" {
		r.Notes = append(r.Notes, note)
	}
	return r
}

// overlapped returns a note if other runs on their host overlapped exclusive runs of a side.
func overlapped(name string, list []Run) []string {
	n := 0
	for _, r := range list {
		if len(r.Record.Overlapped) > 0 {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	return []string{fmt.Sprintf("%s: other runs on the host overlapped %d of %s", name, n, text.Count(len(list), "exclusive run"))}
}

// absent returns the patterns of c.Metrics that match no metric, and a note about
// each that gives the nearest metric.
func (c Comparison) absent(sides ...compare.Side) (absent, notes []string) {
	if len(c.Metrics) == 0 {
		return nil, nil
	}
	known := compare.Names(sides...)
	for _, pattern := range c.Metrics {
		if slices.Contains(absent, pattern) || slices.ContainsFunc(known, func(name string) bool {
			return extract.Match(pattern, name) || extract.Match(anyPayload+pattern, name)
		}) {
			continue
		}
		note := fmt.Sprintf("--metric %s: no successful run has it", pattern)
		if near := nearest.Of(pattern, known); near != "" {
			note += fmt.Sprintf(". Did you mean %s?", near)
		} else if len(known) > 0 {
			const some = 5
			note += ". The metrics are " + strings.Join(known[:min(some, len(known))], ", ")
			if len(known) > some {
				note += fmt.Sprintf(" and %d more", len(known)-some)
			}
		}
		absent, notes = append(absent, pattern), append(notes, note)
	}
	return absent, notes
}

// pooled returns notes about runs of one side that differ and are still taken
// together: runs of several variants that are not split, or runs with several
// command lines.
func pooled(name string, list []Run, split map[string]bool) []string {
	var notes, payloads []string
	variants := map[string][]string{}  // by payload
	arguments := map[string][]string{} // by payload, and by variant if they are split
	add := func(m map[string][]string, key, value string) {
		if !slices.Contains(m[key], value) {
			m[key] = append(m[key], value)
		}
	}
	for _, r := range list {
		if r.Record.NotStarted != "" {
			continue
		}
		p, variant := r.Record.Payload, cmp.Or(Variant(r.Record), "none")
		if !slices.Contains(payloads, p) {
			payloads = append(payloads, p)
		}
		add(variants, p, variant)
		group := p
		if split[p] {
			group += " " + variant
		}
		add(arguments, group, Arguments(r.Record))
	}
	for _, p := range payloads {
		v := variants[p]
		if len(v) > 1 && !split[p] {
			notes = append(notes, fmt.Sprintf("%s: runs of %s of %d variants (%s) are pooled; each has a set of its own to compare, see ktstr runs list",
				name, p, len(v), strings.Join(v, ", ")))
			continue
		}
		groups := []string{p}
		if split[p] {
			groups = nil
			for _, variant := range v {
				groups = append(groups, p+" "+variant)
			}
		}
		for _, g := range groups {
			if n := len(arguments[g]); n > 1 {
				notes = append(notes, fmt.Sprintf("%s: runs of %s with %d different command lines are pooled; see ktstr runs show", name, g, n))
			}
		}
	}
	return notes
}

// common returns a note about the runs that are on both sides, or "".
func common(a, b []Run) string {
	identities := func(list []Run) map[string]bool {
		set := map[string]bool{}
		for _, r := range list {
			set[Identity(r.Record)] = true
		}
		return set
	}
	inA, inB := identities(a), identities(b)
	both := 0
	for id := range inA {
		if inB[id] {
			both++
		}
	}
	switch {
	case both == 0:
		return ""
	case both == len(a) && both == len(b):
		return "A and B are the same runs"
	case both == 1:
		return "1 run is in both A and B"
	}
	return fmt.Sprintf("%d runs are in both A and B", both)
}

// Uninterrupted returns the runs that were not interrupted, and the number of the
// others. An interruption says nothing about the payload.
func Uninterrupted(list []Run) (left []Run, interrupted int) {
	left = slices.DeleteFunc(slices.Clone(list), func(r Run) bool { return r.Record.Interrupted })
	return left, len(list) - len(left)
}

// Named returns the runs that an argument of the command line means: a path if it
// has a / in it, else a name, see Store.Find.
func Named(store Store, arg string) ([]Run, error) {
	if strings.Contains(arg, "/") {
		return Load(arg)
	}
	list, err := store.Find(arg)
	var unreadable *UnreadableError
	if err != nil && !errors.As(err, &unreadable) {
		if _, statErr := os.Stat(arg); statErr == nil {
			return nil, fmt.Errorf("%w (for the path write ./%s)", err, arg)
		}
		return nil, err
	}
	return list, err
}

// NamedAny is Named for commands that need not read every run: a bundle that cannot
// be read is a Run with Err, and no error.
func NamedAny(store Store, arg string) ([]Run, error) {
	list, err := Named(store, arg)
	if unreadable := (*UnreadableError)(nil); errors.As(err, &unreadable) {
		return list, nil
	}
	return list, err
}

// Last returns the runs of the n newest sets, in the order of list. A run alone is a set.
// The newest set is the one whose last run started last. An n of 0 means all.
func Last(list []Run, n int) []Run {
	key := func(r Run) string {
		if set := session(r.Record); set != "" {
			return set
		}
		return "run " + Identity(r.Record) // no set has a blank in its name
	}
	newest := map[string]time.Time{}
	for _, r := range list {
		if start := r.Record.Start; newest[key(r)].Before(start) || newest[key(r)].IsZero() {
			newest[key(r)] = start
		}
	}
	sets := slices.SortedFunc(maps.Keys(newest), func(a, b string) int {
		return cmp.Or(newest[b].Compare(newest[a]), strings.Compare(b, a))
	})
	if n == 0 || n >= len(sets) {
		return list
	}
	return slices.DeleteFunc(slices.Clone(list), func(r Run) bool { return !slices.Contains(sets[:n], key(r)) })
}

// Baseline returns the runs of list with which new runs of the payload are compared:
// those of the payload, and of these the runs that belong to no variant, if there
// are any.
func Baseline(list []Run, payload string) []Run {
	list = slices.DeleteFunc(slices.Clone(list), func(r Run) bool { return r.Record.Payload != payload })
	alike := slices.DeleteFunc(slices.Clone(list), func(r Run) bool { return Variant(r.Record) != "" })
	if len(alike) > 0 {
		return alike
	}
	return list
}
