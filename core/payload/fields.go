package payload

import (
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/extractors/lines"
)

// payload reads a whole payload. Validate finds the errors that concern several
// fields.
func (d *decoder) payload(root ast.Node) Payload {
	p := Payload{Checks: []check.Check{check.ExitEquals(0)}}
	keys := map[string]func(string, ast.Node){
		"name":       d.word(&p.Name, "the file's name without .yaml"),
		"summary":    d.into(&p.Summary),
		"measures":   d.word(&p.Measures, "the part of the system that it measures, such as storage"),
		"about":      d.into(&p.About),
		"kind":       d.word((*string)(&p.Kind), "binary or scheduler"),
		"binary":     d.into(&p.Binary),
		"args":       d.intoList(&p.Args),
		"env":        func(f string, n ast.Node) { p.Env = d.textMap(f, n) },
		"secrets":    d.intoList(&p.Secrets),
		"dir":        d.word(&p.Dir, "caller, scratch or an absolute path"),
		"user":       d.word(&p.User, "a user's name or number"),
		"files":      d.intoList(&p.Files),
		"outputs":    func(f string, n ast.Node) { p.Outputs = d.outputs(f, n) },
		"flags":      d.intoList(&p.Flags),
		"timeout":    func(f string, n ast.Node) { p.Timeout = d.duration(f, n) },
		"stop_after": func(f string, n ast.Node) { p.StopAfter = d.duration(f, n) },
		"leftovers": func(f string, n ast.Node) {
			switch text := d.text(f, n); text {
			case "kill":
			case LeftoversWait:
				p.Leftovers = text
			default:
				d.fail(f, n, "%q: want kill or wait", text)
			}
		},
		"counters":  d.intoList(&p.Counters),
		"cgroup":    d.word(&p.Cgroup, "a cgroup's name"),
		"extractor": d.word(&p.Extractor, "json, exit-code or a plugin's name"),
		"options":   func(f string, n ast.Node) { p.Options = d.textMap(f, n) },
		"checks":    func(f string, n ast.Node) { p.Checks = d.checks(f, n) },
		"hints": func(f string, n ast.Node) {
			d.list(f, n, func(f string, n ast.Node) { p.Hints = append(p.Hints, d.hint(f, n)) })
		},
		"bounds": func(f string, n ast.Node) { p.Bounds = d.bounds(f, n) },
		"needs": func(f string, n ast.Node) {
			d.list(f, n, func(f string, n ast.Node) { p.Needs = append(p.Needs, d.need(f, n)) })
		},
		"variants": func(f string, n ast.Node) {
			d.list(f, n, func(f string, n ast.Node) { p.Variants = append(p.Variants, d.variant(f, n)) })
		},
		"uses_parent_pgrp": func(f string, n ast.Node) { p.SharesGroup = d.truth(f, n) },
	}
	maps.Copy(keys, d.tableKeys(&p.Table))
	d.fields("", root, keys)
	if p.Extractor == "" && len(p.Table.Lines) > 0 {
		p.Extractor = lines.Name
	}
	return p
}

func (d *decoder) checks(field string, node ast.Node) []check.Check {
	checks := []check.Check{}
	d.list(field, node, func(field string, item ast.Node) {
		c, err := check.Parse(d.text(field, item))
		if err != nil {
			d.fail(field, item, "%v", err)
		}
		checks = append(checks, c)
	})
	return checks
}

func (d *decoder) outputs(field string, node ast.Node) []OutputFile {
	outputs := []OutputFile{}
	d.list(field, node, func(field string, item ast.Node) {
		var o OutputFile
		d.fields(field, item, map[string]func(string, ast.Node){
			"name": d.into(&o.Name),
			"path": d.into(&o.Path),
		})
		outputs = append(outputs, o)
	})
	return outputs
}

// into stores a text.
func (d *decoder) into(text *string) func(string, ast.Node) {
	return func(field string, value ast.Node) { *text = d.text(field, value) }
}

// word is into for a key that must not be empty. An empty value usually comes
// from a template variable that was not set, and must not select the default.
func (d *decoder) word(text *string, want string) func(string, ast.Node) {
	return func(field string, value ast.Node) {
		if *text = d.text(field, value); *text == "" {
			d.fail(field, value, "empty: want %s, or the key left out", want)
		}
	}
}

func (d *decoder) intoList(list *[]string) func(string, ast.Node) {
	return func(field string, value ast.Node) { *list = d.texts(field, value) }
}

func (d *decoder) duration(field string, node ast.Node) time.Duration {
	text := d.text(field, node)
	v, err := time.ParseDuration(text)
	if err != nil || v <= 0 {
		d.fail(field, node, "%q: want a duration above 0 such as 30s or 5m", text)
	}
	return v
}

func (d *decoder) hint(field string, node ast.Node) Hint {
	var h Hint
	d.fields(field, node, map[string]func(string, ast.Node){
		"name":       d.into(&h.Name),
		"unit":       d.into(&h.Unit),
		"polarity":   d.polarity(&h.Polarity),
		"headline":   func(f string, n ast.Node) { h.Headline = d.truth(f, n) },
		"min_effect": func(f string, n ast.Node) { h.MinEffect = d.percent(f, n) },
		"margin":     func(f string, n ast.Node) { h.Margin = d.percent(f, n) },
	})
	return h
}

func (d *decoder) percent(field string, node ast.Node) float64 {
	text := d.text(field, node)
	number, percent := strings.CutSuffix(text, "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || !percent {
		d.fail(field, node, "%q: want a percentage such as 3%%", text)
	}
	return v
}

func (d *decoder) bounds(field string, node ast.Node) check.Bounds {
	var b check.Bounds
	d.fields(field, node, map[string]func(string, ast.Node){
		"min_metrics": func(f string, n ast.Node) {
			v, err := strconv.Atoi(d.text(f, n))
			if err != nil {
				d.fail(f, n, "%s: want a whole number", describe(n))
			}
			b.MinMetrics = v
		},
		"min": func(f string, n ast.Node) { v := d.number(f, n); b.Min = &v },
		"max": func(f string, n ast.Node) { v := d.number(f, n); b.Max = &v },
	})
	return b
}

func (d *decoder) need(field string, node ast.Node) Need {
	var need Need
	d.fields(field, node, map[string]func(string, ast.Node){
		"binary":          d.into(&need.Binary),
		"install":         d.into(&need.Install),
		"min_version":     d.word(&need.MinVersion, "a version such as 3.20"),
		"version_args":    d.intoList(&need.VersionArgs),
		"version_pattern": d.word(&need.VersionPattern, "a regular expression with a group around the version"),
		"help_args":       d.intoList(&need.HelpArgs),
	})
	return need
}

func (d *decoder) variant(field string, node ast.Node) Variant {
	var v Variant
	d.fields(field, node, map[string]func(string, ast.Node){
		"when": func(f string, n ast.Node) {
			d.fields(f, n, map[string]func(string, ast.Node){
				"version":  d.word(&v.When.Version, "a condition such as \">= 0.15.8\""),
				"supports": d.word(&v.When.Supports, "an option such as --json"),
			})
		},
		"args":    d.intoList(&v.Args),
		"checks":  func(f string, n ast.Node) { v.Checks = d.checks(f, n) },
		"outputs": func(f string, n ast.Node) { v.Outputs = d.outputs(f, n) },
		"note":    d.into(&v.Note),
	})
	return v
}
