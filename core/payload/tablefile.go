package payload

import (
	"errors"
	"maps"
	"path/filepath"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/extractors/leaves"
	"github.com/ktstr/ktstr/extractors/lines"
	"github.com/ktstr/ktstr/internal/strictyaml"
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
	root, err := strictyaml.Parse(file, text, "a table: description, version, lines, …")
	if err != nil {
		return TableFile{}, err
	}
	name, ok := strings.CutSuffix(filepath.Base(file), TableSuffix)
	if !ok || !ValidName(name) {
		return TableFile{}, &SyntaxError{File: file, Problem: "the name of the file: want NAME" + TableSuffix + ", NAME of [a-z][a-z0-9-]*"}
	}
	d := decoder{strictyaml.Decoder{File: file}}
	t := d.tableFile(root, name)
	if d.Err == nil && len(t.Lines.Lines) == 0 && len(t.Leaves) == 0 {
		d.Fail("", root, "it reads no number: want lines with patterns, or leaves with paths")
	}
	if d.Err == nil {
		var field *FieldError
		if err := validateTable(t.Lines); errors.As(err, &field) {
			d.Fail(field.Field, nil, "%s", field.Problem)
		}
		var leaf *leaves.Error
		if _, err := leaves.Compile(t.Leaves); errors.As(err, &leaf) {
			d.Fail(leaf.Field, nil, "%s", leaf.Problem)
		}
	}
	if d.Err != nil {
		return TableFile{}, d.Err
	}
	return t, nil
}

func (d *decoder) tableFile(root ast.Node, name string) TableFile {
	t := TableFile{Description: ktstr.Description{Name: name, Version: "1"}}
	keys := map[string]func(string, ast.Node){
		"name": func(f string, n ast.Node) {
			if given := d.Text(f, n); given != name {
				d.Fail(f, n, "%q in a file called %s%s: want the same name", given, name, TableSuffix)
			}
		},
		"description": d.Into(&t.Description.Summary),
		"version":     d.Word(&t.Description.Version, "the version of this table"),
		"tools": func(f string, n ast.Node) {
			for _, e := range d.Entries(f, n, "a mapping of tools to lists of versions") {
				d.Place(f+"."+e.Key, e.Value)
				t.Description.Tools = append(t.Description.Tools, ktstr.Tool{Name: e.Key, Versions: d.Texts(f+"."+e.Key, e.Value)})
			}
		},
		"hints": func(f string, n ast.Node) {
			d.List(f, n, func(f string, n ast.Node) {
				h := d.hint(f, n)
				if h.Name == "" {
					d.Fail(f+".name", nil, "empty: want a metric's name or a pattern")
				}
				t.Description.Hints = append(t.Description.Hints, h.Hint)
			})
		},
		"leaves": func(f string, n ast.Node) {
			d.List(f, n, func(f string, n ast.Node) { t.Leaves = append(t.Leaves, d.leaf(f, n)) })
		},
		"payloads": func(f string, n ast.Node) {
			for _, e := range d.Entries(f, n, "a mapping of names to payloads") {
				t.Description.Payloads = append(t.Description.Payloads, d.payloadOf(f+"."+e.Key, e, name))
			}
		},
	}
	maps.Copy(keys, d.tableKeys(&t.Lines))
	d.Fields("", root, keys)
	return t
}

func (d *decoder) leaf(field string, node ast.Node) leaves.Leaf {
	var l leaves.Leaf
	d.Fields(field, node, map[string]func(string, ast.Node){
		"path":         d.Word(&l.Path, "the path of a number, such as end.sum_sent.bits_per_second"),
		"name":         d.Word(&l.Name, "the name of the metric"),
		"unit":         d.Word(&l.Unit, "a unit such as ms"),
		"polarity":     d.polarity(&l.Polarity),
		"headline":     func(f string, n ast.Node) { l.Headline = d.Truth(f, n) },
		"zero_is_none": func(f string, n ast.Node) { l.ZeroIsNone = d.Truth(f, n) },
	})
	return l
}

// payloadOf reads a payload of a table plugin. Its extractor is the plugin, unless it
// names another one.
func (d *decoder) payloadOf(field string, e strictyaml.Entry, plugin string) ktstr.PayloadFile {
	inner := decoder{strictyaml.Decoder{File: d.File}}
	inner.Place("", e.Value)
	p := inner.payload(e.Value)
	if p.Name == "" {
		p.Name = e.Key
	}
	if p.Name != e.Key {
		inner.Fail("name", nil, "%q: want %s, the key of the payload", p.Name, e.Key)
	}
	if p.Extractor == "" {
		p.Extractor = plugin
	}
	var wrong *FieldError
	if err := p.Validate(); inner.Err == nil && errors.As(err, &wrong) {
		inner.Fail(wrong.Field, nil, "%s", wrong.Problem)
	}
	if inner.Err == nil && !ktstr.OwnsPayload(plugin, p.Name) {
		inner.Fail("", e.Node, "want the name %s, alone or with - and more behind it", plugin)
	}
	if inner.Err != nil {
		if inner.Err.Line == 0 {
			at := e.Value.GetToken().Position
			inner.Err.Line, inner.Err.Column = at.Line, at.Column
		}
		inner.Err.Field = strings.TrimSuffix(field+"."+inner.Err.Field, ".")
		if d.Err == nil {
			d.Err = inner.Err
		}
		return ktstr.PayloadFile{}
	}
	text, err := p.MarshalYAML()
	if err != nil {
		d.Fail(field, e.Value, "%v", err)
	}
	return ktstr.PayloadFile{Name: p.Name, YAML: text}
}
