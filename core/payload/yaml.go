package payload

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/internal/nearest"
)

// maxFile is the largest payload file that is read: enough for the longest
// arguments that can be executed (2 MiB), as a bundle keeps them.
const maxFile = 4 << 20

// SyntaxError says where a payload file is wrong, what is wrong there, and
// what was wanted.
type SyntaxError struct {
	File         string
	Line, Column int // from 1; 0: about the whole file
	Field        string
	Problem      string
}

func (e *SyntaxError) Error() string {
	where := e.File
	if e.Line > 0 {
		where += ":" + strconv.Itoa(e.Line) + ":" + strconv.Itoa(e.Column)
	}
	if e.Field != "" {
		where += ": " + e.Field
	}
	return where + ": " + e.Problem
}

// Parse reads a payload file. file is its path, for messages; its base name
// without ".yaml" is the payload's name, unless the path is empty. Every error
// is a *SyntaxError.
func Parse(file string, text []byte) (p Payload, err error) {
	d := decoder{file: file, places: map[string]*token.Token{}}
	defer func() {
		// The YAML library is given arbitrary bytes; a panic of it must not
		// take the run down.
		if r := recover(); r != nil {
			if wrong, ok := r.(*SyntaxError); ok {
				p, err = Payload{}, wrong
				return
			}
			p, err = Payload{}, &SyntaxError{File: file, Problem: fmt.Sprintf("not YAML that can be read: %v", r)}
		}
	}()
	if len(text) > maxFile {
		return Payload{}, &SyntaxError{File: file, Problem: fmt.Sprintf("%d bytes: want a payload file of at most %d", len(text), maxFile)}
	}
	// Some editors begin a file with a byte order mark; it says nothing here.
	root := d.document(bytes.TrimPrefix(text, []byte("\ufeff")))
	p = d.payload(root)
	p.Source, p.Raw = file, slices.Clone(text)
	if file != "" {
		base := strings.TrimSuffix(filepath.Base(file), ".yaml")
		switch p.Name {
		case "":
			p.Name = base
		case base:
		default:
			// A bundle keeps its payload under a fixed name.
			if base != "payload" {
				d.fail("name", nil, "%q in a file called %s.yaml: want the same name", p.Name, base)
			}
		}
	}
	if err := p.Validate(); err != nil {
		var wrong *FieldError
		if errors.As(err, &wrong) {
			d.fail(wrong.Field, nil, "%s", wrong.Problem)
		}
		return Payload{}, err
	}
	return p, nil
}

// decoder walks the document; it fails by panicking with a *SyntaxError, which
// Parse recovers.
type decoder struct {
	file   string
	places map[string]*token.Token // of each field that is there
}

// fail is at the place of node, or of the field, or of what it is part of.
func (d *decoder) fail(field string, node ast.Node, format string, args ...any) {
	e := &SyntaxError{File: d.file, Field: field, Problem: fmt.Sprintf(format, args...)}
	at := d.places[field]
	if node != nil {
		at = node.GetToken()
	}
	for parent := field; at == nil && parent != ""; {
		parent = parent[:max(0, strings.LastIndexAny(parent, ".["))]
		at = d.places[parent]
	}
	if at != nil && at.Position != nil {
		e.Line, e.Column = at.Position.Line, at.Position.Column
	}
	panic(e)
}

// maxKeys bounds what the YAML library takes quadratic time for: keys, and
// everything that nests. Plain lists are not counted.
const maxKeys = 4096

func (d *decoder) document(text []byte) ast.Node {
	tokens := lexer.Tokenize(string(text))
	if at := beyond(tokens); at != nil {
		panic(&SyntaxError{File: d.file, Line: at.Position.Line, Column: at.Position.Column,
			Problem: fmt.Sprintf("more than %d keys and nested lists: want a payload file that a person could read", maxKeys)})
	}
	file, err := parser.Parse(tokens, 0)
	if err != nil {
		e := &SyntaxError{File: d.file, Problem: err.Error()}
		var wrong yaml.Error
		if errors.As(err, &wrong) {
			e.Problem = wrong.GetMessage()
			if t := wrong.GetToken(); t != nil && t.Position != nil {
				e.Line, e.Column = t.Position.Line, t.Position.Column
			}
		}
		e.Problem = "not YAML: " + e.Problem
		panic(e)
	}
	var bodies []ast.Node
	for _, doc := range file.Docs {
		if doc.Body != nil {
			bodies = append(bodies, doc.Body)
		}
	}
	switch len(bodies) {
	case 0:
		d.fail("", nil, "empty: want a payload: name, summary, binary, …")
	case 1:
	default:
		d.fail("", bodies[1], "a second document: want one payload a file")
	}
	return bodies[0]
}

// beyond is the token that is one too many for maxKeys; nil: there is none.
func beyond(tokens token.Tokens) *token.Token {
	count := 0
	for i, t := range tokens {
		switch t.Type {
		case token.SequenceEntryType: // "- - -" nests, "- a" does not
			if i == 0 || tokens[i-1].Type != token.SequenceEntryType {
				continue
			}
		case token.MappingValueType, token.MappingKeyType, token.MappingStartType, token.SequenceStartType,
			token.AnchorType, token.AliasType, token.TagType:
		default:
			continue
		}
		if count++; count > maxKeys {
			return t
		}
	}
	return nil
}

// fields calls the function of each key of a mapping; other keys fail.
func (d *decoder) fields(field string, node ast.Node, keys map[string]func(field string, value ast.Node)) {
	for _, entry := range d.entries(field, node, "a mapping of "+strings.Join(sorted(keys), ", ")) {
		read := keys[entry.key]
		if read == nil {
			problem := fmt.Sprintf("key %q: not known here: want one of %s", entry.key, strings.Join(sorted(keys), ", "))
			if near := nearest.Of(entry.key, sorted(keys)); near != "" {
				problem = fmt.Sprintf("key %q: not known here: did you mean %s?", entry.key, near)
			}
			d.fail(field, entry.node, "%s", problem)
		}
		name := entry.key
		if field != "" {
			name = field + "." + name
		}
		d.places[name] = entry.value.GetToken()
		read(name, entry.value)
	}
}

type entry struct {
	key         string
	node, value ast.Node
}

func (d *decoder) entries(field string, node ast.Node, want string) []entry {
	var values []*ast.MappingValueNode
	switch n := node.(type) {
	case *ast.MappingNode:
		values = n.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{n}
	default:
		d.fail(field, node, "%s: want %s", describe(node), want)
	}
	entries := make([]entry, 0, len(values))
	for _, v := range values {
		key, ok := scalar(v.Key)
		if !ok {
			d.fail(field, v.Key, "%s as a key: want a word", describe(v.Key))
		}
		if slices.ContainsFunc(entries, func(e entry) bool { return e.key == key }) {
			d.fail(field, v.Key, "key %q: there already: want each once", key)
		}
		if v.Value == nil {
			d.fail(field, v.Key, "key %q: no value", key)
		}
		entries = append(entries, entry{key, v.Key, v.Value})
	}
	return entries
}

// list calls read for each item of a sequence, with the item's field.
func (d *decoder) list(field string, node ast.Node, read func(field string, item ast.Node)) {
	seq, ok := node.(*ast.SequenceNode)
	if !ok {
		d.fail(field, node, "%s: want a list", describe(node))
	}
	for i, item := range seq.Values {
		name := at(field, i)
		if item == nil {
			d.fail(name, seq, "no value")
		}
		d.places[name] = item.GetToken()
		read(name, item)
	}
}

// scalar is the text of a scalar as it was written, so that 3.10 stays 3.10.
// A null is none.
func scalar(node ast.Node) (string, bool) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return node.GetToken().Value, true
	}
	return "", false
}

func describe(node ast.Node) string {
	switch node.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.NullNode:
		return "nothing"
	case *ast.AliasNode, *ast.AnchorNode, *ast.MergeKeyNode:
		return "an anchor or alias"
	case *ast.TagNode:
		return "a tag"
	}
	if text, ok := scalar(node); ok {
		return strconv.Quote(text)
	}
	return "something else"
}

func (d *decoder) text(field string, node ast.Node) string {
	text, ok := scalar(node)
	if !ok {
		d.fail(field, node, "%s: want text", describe(node))
	}
	return text
}

func (d *decoder) texts(field string, node ast.Node) []string {
	list := []string{} // not nil: an empty list is something else than none
	d.list(field, node, func(field string, item ast.Node) { list = append(list, d.text(field, item)) })
	return list
}

func (d *decoder) textMap(field string, node ast.Node) map[string]string {
	m := map[string]string{}
	for _, e := range d.entries(field, node, "a mapping of names to text") {
		name := field + "." + e.key
		d.places[name] = e.value.GetToken()
		m[e.key] = d.text(name, e.value)
	}
	return m
}

func (d *decoder) truth(field string, node ast.Node) bool {
	b, ok := node.(*ast.BoolNode)
	if !ok {
		d.fail(field, node, "%s: want true or false", describe(node))
	}
	return b.Value
}

func (d *decoder) number(field string, node ast.Node) float64 {
	text, _ := scalar(node)
	v, err := strconv.ParseFloat(text, 64)
	// The library reads a plain 1e12 as text, which it is not.
	if _, isText := node.(*ast.StringNode); err != nil || notFinite(v) || isText && node.GetToken().Type != token.StringType {
		d.fail(field, node, "%s: want a number", describe(node))
	}
	return v
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

func (d *decoder) into(text *string) func(string, ast.Node) {
	return func(field string, value ast.Node) { *text = d.text(field, value) }
}

// word is into for a key whose empty text would count as no key at all: a
// variable of a template that was not set is no wish for the default.
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

func (d *decoder) payload(root ast.Node) Payload {
	p := Payload{Checks: []check.Check{check.ExitEquals(0)}}
	d.fields("", root, map[string]func(string, ast.Node){
		"name":      d.word(&p.Name, "the file's name without .yaml"),
		"summary":   d.into(&p.Summary),
		"about":     d.into(&p.About),
		"kind":      d.word((*string)(&p.Kind), "binary or scheduler"),
		"binary":    d.into(&p.Binary),
		"args":      d.intoList(&p.Args),
		"env":       func(f string, n ast.Node) { p.Env = d.textMap(f, n) },
		"dir":       d.word(&p.Dir, "caller or scratch"),
		"files":     d.intoList(&p.Files),
		"outputs":   func(f string, n ast.Node) { p.Outputs = d.outputs(f, n) },
		"flags":     d.intoList(&p.Flags),
		"timeout":   func(f string, n ast.Node) { p.Timeout = d.duration(f, n) },
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
	})
	return p
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
		"name": d.into(&h.Name),
		"unit": d.into(&h.Unit),
		"polarity": func(f string, n ast.Node) {
			var text string
			d.word(&text, "higher, lower, target=NUMBER or unknown")(f, n)
			p, err := ktstr.ParsePolarity(text)
			if err != nil {
				d.fail(f, n, "%s", strings.TrimPrefix(err.Error(), "polarity "))
			}
			h.Polarity = p
		},
		"headline": func(f string, n ast.Node) { h.Headline = d.truth(f, n) },
		"min_effect": func(f string, n ast.Node) {
			text := d.text(f, n)
			number, percent := strings.CutSuffix(text, "%")
			v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
			if err != nil || !percent {
				d.fail(f, n, "%q: want a percentage such as 3%%", text)
			}
			h.MinEffect = v
		},
	})
	return h
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

func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
