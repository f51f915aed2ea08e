package payload

import (
	"bytes"
	"errors"
	"maps"
	"path/filepath"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/extractors/leaves"
	"github.com/ktstr/ktstr/extractors/lines"
)

// TableSuffix ends the name of the file of a table plugin, NAME.ktstr.yaml.
const TableSuffix = ".ktstr.yaml"

// A TableFile is the file of a table plugin: an extractor that is only data.
type TableFile struct {
	Description ktstr.Description // without the hints of Lines and Leaves
	Lines       lines.Table
	Leaves      []leaves.Leaf // read if the text has no number of Lines
}

// ParseTable reads the text of a table plugin's file, as Parse reads a payload file.
// The name of the plugin is the base name of file without TableSuffix.
func ParseTable(file string, text []byte) (TableFile, error) {
	if len(text) > maxFile {
		return TableFile{}, &SyntaxError{File: file, Problem: "it is too large: want a table that a person could read"}
	}
	root, err := parseYAML(file, bytes.TrimPrefix(text, []byte("\ufeff")))
	if err != nil {
		return TableFile{}, err
	}
	name, ok := strings.CutSuffix(filepath.Base(file), TableSuffix)
	if !ok || !ValidName(name) {
		return TableFile{}, &SyntaxError{File: file, Problem: "the name of the file: want NAME" + TableSuffix + ", NAME of [a-z][a-z0-9-]*"}
	}
	d := decoder{file: file, places: map[string]*token.Token{}}
	t := d.tableFile(root, name)
	if d.err == nil && len(t.Lines.Lines) == 0 && len(t.Leaves) == 0 {
		d.fail("", root, "it reads no number: want lines with patterns, or leaves with paths")
	}
	if d.err == nil {
		var field *FieldError
		if err := validateTable(t.Lines); errors.As(err, &field) {
			d.fail(field.Field, nil, "%s", field.Problem)
		}
		var leaf *leaves.Error
		if _, err := leaves.Compile(t.Leaves); errors.As(err, &leaf) {
			d.fail(leaf.Field, nil, "%s", leaf.Problem)
		}
	}
	if d.err != nil {
		return TableFile{}, d.err
	}
	return t, nil
}

func (d *decoder) tableFile(root ast.Node, name string) TableFile {
	t := TableFile{Description: ktstr.Description{Name: name, Version: "1"}}
	var summary string
	keys := map[string]func(string, ast.Node){
		"name": func(f string, n ast.Node) {
			if given := d.text(f, n); given != name {
				d.fail(f, n, "%q in a file called %s%s: want the same name", given, name, TableSuffix)
			}
		},
		"description": d.into(&summary), // for readers of the file
		"version":     d.word(&t.Description.Version, "the version of this table"),
		"tools": func(f string, n ast.Node) {
			for _, e := range d.entries(f, n, "a mapping of tools to lists of versions") {
				d.places[f+"."+e.key] = e.value.GetToken()
				t.Description.Tools = append(t.Description.Tools, ktstr.Tool{Name: e.key, Versions: d.texts(f+"."+e.key, e.value)})
			}
		},
		"hints": func(f string, n ast.Node) {
			d.list(f, n, func(f string, n ast.Node) {
				h := d.hint(f, n)
				if h.Name == "" {
					d.fail(f+".name", nil, "empty: want a metric's name or a pattern")
				}
				t.Description.Hints = append(t.Description.Hints, h.Hint)
			})
		},
		"leaves": func(f string, n ast.Node) {
			d.list(f, n, func(f string, n ast.Node) { t.Leaves = append(t.Leaves, d.leaf(f, n)) })
		},
		"payloads": func(f string, n ast.Node) {
			for _, e := range d.entries(f, n, "a mapping of names to payloads") {
				t.Description.Payloads = append(t.Description.Payloads, d.payloadOf(f+"."+e.key, e, name))
			}
		},
	}
	maps.Copy(keys, d.tableKeys(&t.Lines))
	d.fields("", root, keys)
	return t
}

func (d *decoder) leaf(field string, node ast.Node) leaves.Leaf {
	var l leaves.Leaf
	d.fields(field, node, map[string]func(string, ast.Node){
		"path":         d.word(&l.Path, "the path of a number, such as end.sum_sent.bits_per_second"),
		"name":         d.word(&l.Name, "the name of the metric"),
		"unit":         d.word(&l.Unit, "a unit such as ms"),
		"polarity":     d.polarity(&l.Polarity),
		"headline":     func(f string, n ast.Node) { l.Headline = d.truth(f, n) },
		"zero_is_none": func(f string, n ast.Node) { l.ZeroIsNone = d.truth(f, n) },
	})
	return l
}

// payloadOf reads a payload of a table plugin. Its extractor is the plugin, unless it
// names another one.
func (d *decoder) payloadOf(field string, e entry, plugin string) ktstr.PayloadFile {
	inner := decoder{file: d.file, places: map[string]*token.Token{"": e.value.GetToken()}}
	p := inner.payload(e.value)
	if p.Name == "" {
		p.Name = e.key
	}
	if p.Name != e.key {
		inner.fail("name", nil, "%q: want %s, the key of the payload", p.Name, e.key)
	}
	if p.Extractor == "" {
		p.Extractor = plugin
	}
	var wrong *FieldError
	if err := p.Validate(); inner.err == nil && errors.As(err, &wrong) {
		inner.fail(wrong.Field, nil, "%s", wrong.Problem)
	}
	if inner.err == nil && !ktstr.OwnsPayload(plugin, p.Name) {
		inner.fail("", e.node, "want the name %s, alone or with - and more behind it", plugin)
	}
	if inner.err != nil {
		if inner.err.Line == 0 {
			at := e.value.GetToken().Position
			inner.err.Line, inner.err.Column = at.Line, at.Column
		}
		inner.err.Field = strings.TrimSuffix(field+"."+inner.err.Field, ".")
		if d.err == nil {
			d.err = inner.err
		}
		return ktstr.PayloadFile{}
	}
	text, err := p.MarshalYAML()
	if err != nil {
		d.fail(field, e.value, "%v", err)
	}
	return ktstr.PayloadFile{Name: p.Name, YAML: text}
}
