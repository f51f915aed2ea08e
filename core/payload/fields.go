package payload

import (
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/extractors/lines"
	"github.com/ktstr/ktstr/internal/strictyaml"
)

// payload reads a whole payload. Validate finds the errors that concern several
// fields.
func (d *decoder) payload(root ast.Node) Payload {
	p := Payload{Checks: []check.Check{check.ExitEquals(0)}}
	keys := map[string]func(string, ast.Node){
		"name":       d.Word(&p.Name, "the file's name without .yaml"),
		"summary":    d.Into(&p.Summary),
		"measures":   d.Word(&p.Measures, "the part of the system that it measures, such as storage"),
		"about":      d.Into(&p.About),
		"kind":       d.Word((*string)(&p.Kind), "binary or scheduler"),
		"binary":     d.Into(&p.Binary),
		"args":       d.IntoList(&p.Args),
		"env":        func(f string, n ast.Node) { p.Env = d.TextMap(f, n) },
		"secrets":    d.IntoList(&p.Secrets),
		"dir":        d.Word(&p.Dir, "caller, scratch or an absolute path"),
		"user":       d.Word(&p.User, "a user's name or number"),
		"files":      d.IntoList(&p.Files),
		"outputs":    func(f string, n ast.Node) { p.Outputs = d.outputs(f, n) },
		"flags":      d.IntoList(&p.Flags),
		"timeout":    func(f string, n ast.Node) { p.Timeout = d.duration(f, n) },
		"stop_after": func(f string, n ast.Node) { p.StopAfter = d.duration(f, n) },
		"leftovers": func(f string, n ast.Node) {
			switch text := d.Text(f, n); text {
			case "kill":
			case LeftoversWait:
				p.Leftovers = text
			default:
				d.Fail(f, n, "%q: want kill or wait", text)
			}
		},
		"counters":  d.IntoList(&p.Counters),
		"cgroup":    d.Word(&p.Cgroup, "a cgroup's name"),
		"extractor": d.Word(&p.Extractor, "json, exit-code or a plugin's name"),
		"options":   func(f string, n ast.Node) { p.Options = d.TextMap(f, n) },
		"checks":    func(f string, n ast.Node) { p.Checks = d.checks(f, n) },
		"hints": func(f string, n ast.Node) {
			d.List(f, n, func(f string, n ast.Node) { p.Hints = append(p.Hints, d.hint(f, n)) })
		},
		"bounds": func(f string, n ast.Node) { p.Bounds = d.bounds(f, n) },
		"needs": func(f string, n ast.Node) {
			d.List(f, n, func(f string, n ast.Node) { p.Needs = append(p.Needs, d.need(f, n)) })
		},
		"variants": func(f string, n ast.Node) {
			d.List(f, n, func(f string, n ast.Node) { p.Variants = append(p.Variants, d.variant(f, n)) })
		},
		"uses_parent_pgrp": func(f string, n ast.Node) { p.SharesGroup = d.Truth(f, n) },
	}
	maps.Copy(keys, d.tableKeys(&p.Table))
	d.Fields("", root, keys)
	if p.Extractor == "" && len(p.Table.Lines) > 0 {
		p.Extractor = lines.Name
	}
	return p
}

func (d *decoder) checks(field string, node ast.Node) []check.Check {
	checks := []check.Check{}
	d.List(field, node, func(field string, item ast.Node) {
		c, err := check.Parse(d.Text(field, item))
		if err != nil {
			d.Fail(field, item, "%v", err)
		}
		checks = append(checks, c)
	})
	return checks
}

func (d *decoder) outputs(field string, node ast.Node) []OutputFile {
	outputs := []OutputFile{}
	d.List(field, node, func(field string, item ast.Node) {
		var o OutputFile
		d.Fields(field, item, map[string]func(string, ast.Node){
			"name": d.Into(&o.Name),
			"path": d.Into(&o.Path),
		})
		outputs = append(outputs, o)
	})
	return outputs
}

func (d *decoder) duration(field string, node ast.Node) time.Duration {
	text := d.Text(field, node)
	v, err := time.ParseDuration(text)
	if err != nil || v <= 0 {
		d.Fail(field, node, "%q: want a duration above 0 such as 30s or 5m", text)
	}
	return v
}

func (d *decoder) hint(field string, node ast.Node) Hint {
	var h Hint
	d.Fields(field, node, map[string]func(string, ast.Node){
		"name":       d.Into(&h.Name),
		"unit":       d.Into(&h.Unit),
		"polarity":   d.polarity(&h.Polarity),
		"headline":   func(f string, n ast.Node) { h.Headline = d.Truth(f, n) },
		"min_effect": func(f string, n ast.Node) { h.MinEffect = d.percent(f, n) },
		"margin":     func(f string, n ast.Node) { h.Margin = d.percent(f, n) },
	})
	return h
}

func (d *decoder) percent(field string, node ast.Node) float64 {
	text := d.Text(field, node)
	number, percent := strings.CutSuffix(text, "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || !percent {
		d.Fail(field, node, "%q: want a percentage such as 3%%", text)
	}
	return v
}

func (d *decoder) bounds(field string, node ast.Node) check.Bounds {
	var b check.Bounds
	d.Fields(field, node, map[string]func(string, ast.Node){
		"min_metrics": func(f string, n ast.Node) {
			v, err := strconv.Atoi(d.Text(f, n))
			if err != nil {
				d.Fail(f, n, "%s: want a whole number", strictyaml.Describe(n))
			}
			b.MinMetrics = v
		},
		"min": func(f string, n ast.Node) { v := d.Number(f, n); b.Min = &v },
		"max": func(f string, n ast.Node) { v := d.Number(f, n); b.Max = &v },
	})
	return b
}

func (d *decoder) need(field string, node ast.Node) Need {
	var need Need
	d.Fields(field, node, map[string]func(string, ast.Node){
		"binary":          d.Into(&need.Binary),
		"install":         d.Into(&need.Install),
		"min_version":     d.Word(&need.MinVersion, "a version such as 3.20"),
		"version_args":    d.IntoList(&need.VersionArgs),
		"version_pattern": d.Word(&need.VersionPattern, "a regular expression with a group around the version"),
		"help_args":       d.IntoList(&need.HelpArgs),
	})
	return need
}

func (d *decoder) variant(field string, node ast.Node) Variant {
	var v Variant
	d.Fields(field, node, map[string]func(string, ast.Node){
		"when": func(f string, n ast.Node) {
			d.Fields(f, n, map[string]func(string, ast.Node){
				"version":  d.Word(&v.When.Version, "a condition such as \">= 0.15.8\""),
				"supports": d.Word(&v.When.Supports, "an option such as --json"),
			})
		},
		"args":    d.IntoList(&v.Args),
		"checks":  func(f string, n ast.Node) { v.Checks = d.checks(f, n) },
		"outputs": func(f string, n ast.Node) { v.Outputs = d.outputs(f, n) },
		"note":    d.Into(&v.Note),
	})
	return v
}
