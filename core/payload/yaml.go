package payload

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/ktstr/ktstr/internal/nearest"
)

// maxFile is the size limit of a payload file. A bundle's payload.yaml holds
// the arguments of its run, and Linux executes at most 2 MiB of them.
const maxFile = 4 << 20

// A SyntaxError gives the place of an error in a payload file, such as
// "fio.yaml:3:10: timeout: "30": want a duration above 0 such as 30s or 5m".
type SyntaxError struct {
	File         string
	Line, Column int    // from 1; 0 if the error concerns the whole file
	Field        string // such as "hints[0].polarity"; may be empty
	Problem      string // the value that was found, and the value that was expected
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

// Parse reads the text of a payload file. Messages call it file. The payload's
// name is the base name of file without ".yaml", and a name in the text must be
// equal to it. If file is empty, the name must be in the text. Every error is a
// *SyntaxError.
func Parse(file string, text []byte) (Payload, error) {
	if len(text) > maxFile {
		return Payload{}, &SyntaxError{File: file, Problem: fmt.Sprintf("%d bytes: want a payload file of at most %d", len(text), maxFile)}
	}
	// Some editors begin a file with a byte order mark.
	root, err := parseYAML(file, bytes.TrimPrefix(text, []byte("\ufeff")))
	if err != nil {
		return Payload{}, err
	}
	d := decoder{file: file, places: map[string]*token.Token{}}
	p := d.payload(root)
	p.Source, p.Raw = file, slices.Clone(text)
	if file != "" && d.err == nil {
		base := strings.TrimSuffix(filepath.Base(file), ".yaml")
		switch p.Name {
		case "":
			p.Name = base
		case base:
		default:
			// A bundle stores its payload as payload.yaml.
			if base != "payload" {
				d.fail("name", nil, "%q in a file called %s.yaml: want the same name", p.Name, base)
			}
		}
	}
	if d.err == nil {
		var wrong *FieldError
		if err := p.Validate(); errors.As(err, &wrong) {
			d.fail(wrong.Field, nil, "%s", wrong.Problem)
		}
	}
	if d.err != nil {
		return Payload{}, d.err
	}
	return p, nil
}

// parseYAML returns the one document of a text. Every error is a *SyntaxError.
func parseYAML(file string, text []byte) (root ast.Node, err error) {
	fail := func(at *token.Token, format string, args ...any) error {
		e := &SyntaxError{File: file, Problem: fmt.Sprintf(format, args...)}
		if at != nil && at.Position != nil {
			e.Line, e.Column = at.Position.Line, at.Position.Column
		}
		return e
	}
	defer func() {
		// The library gets arbitrary bytes. Its panic must not end the run.
		if r := recover(); r != nil {
			root, err = nil, fail(nil, "not YAML that can be read: %v", r)
		}
	}()
	tokens := lexer.Tokenize(string(text))
	if at := beyondMaxKeys(tokens); at != nil {
		return nil, fail(at, "more than %d keys and nested lists: want a payload file that a person could read", maxKeys)
	}
	parsed, err := parser.Parse(tokens, 0)
	if err != nil {
		var wrong yaml.Error
		if errors.As(err, &wrong) {
			return nil, fail(wrong.GetToken(), "not YAML: %s", wrong.GetMessage())
		}
		return nil, fail(nil, "not YAML: %v", err)
	}
	for _, doc := range parsed.Docs {
		switch {
		case doc.Body == nil:
		case root == nil:
			root = doc.Body
		default:
			return nil, fail(doc.Body.GetToken(), "a second document: want one payload a file")
		}
	}
	if root == nil {
		return nil, fail(nil, "empty: want a payload: name, summary, binary, …")
	}
	return root, nil
}

// maxKeys limits the keys and nested lists of a file, because the YAML library
// needs quadratic time for them. Items of plain lists are not counted.
const maxKeys = 4096

// beyondMaxKeys returns the first token beyond maxKeys, nil if there is none.
func beyondMaxKeys(tokens token.Tokens) *token.Token {
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

// A decoder reads the nodes of a document. It keeps the first error. After
// that, its methods return whatever they have, and the caller drops it.
type decoder struct {
	file   string
	places map[string]*token.Token // of each field in the document
	err    *SyntaxError
}

// fail records an error unless there is one already. Its place is the one of
// node. If node is nil, it is the place of the field, or else of the nearest
// enclosing field in the document. For example, a missing "hints[0].name" is
// reported at "hints[0]".
func (d *decoder) fail(field string, node ast.Node, format string, args ...any) {
	if d.err != nil {
		return
	}
	d.err = &SyntaxError{File: d.file, Field: field, Problem: fmt.Sprintf(format, args...)}
	at := d.places[field]
	if node != nil {
		at = node.GetToken()
	}
	for parent := field; at == nil && parent != ""; {
		parent = parent[:max(0, strings.LastIndexAny(parent, ".["))]
		at = d.places[parent]
	}
	if at != nil && at.Position != nil {
		d.err.Line, d.err.Column = at.Position.Line, at.Position.Column
	}
}

// fields reads a mapping with the function for each key. A key without a
// function is an error.
func (d *decoder) fields(field string, node ast.Node, keys map[string]func(field string, value ast.Node)) {
	for _, entry := range d.entries(field, node, "a mapping of "+strings.Join(sorted(keys), ", ")) {
		read := keys[entry.key]
		if read == nil {
			problem := fmt.Sprintf("key %q: not known here: want one of %s", entry.key, strings.Join(sorted(keys), ", "))
			if near := nearest.Of(entry.key, sorted(keys)); near != "" {
				problem = fmt.Sprintf("key %q: not known here: did you mean %s?", entry.key, near)
			}
			d.fail(field, entry.node, "%s", problem)
			return
		}
		name := entry.key
		if field != "" {
			name = field + "." + name
		}
		d.places[name] = entry.value.GetToken()
		read(name, entry.value)
	}
}

// An entry is a key of a mapping with its value.
type entry struct {
	key         string
	node, value ast.Node
}

// entries returns the entries of a mapping. The message for another node calls
// the mapping want.
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
			return nil
		}
		entries = append(entries, entry{key, v.Key, v.Value})
	}
	return entries
}

// list calls read for each item of a list, with the item's field, such as
// "args[0]".
func (d *decoder) list(field string, node ast.Node, read func(field string, item ast.Node)) {
	seq, ok := node.(*ast.SequenceNode)
	if !ok {
		d.fail(field, node, "%s: want a list", describe(node))
		return
	}
	for i, item := range seq.Values {
		name := at(field, i)
		if item == nil {
			d.fail(name, seq, "no value")
			return
		}
		d.places[name] = item.GetToken()
		read(name, item)
	}
}

// scalar returns the text of a scalar as the file spells it, so that 3.10 stays
// 3.10. ok is false for null and for nodes that are no scalars.
func scalar(node ast.Node) (text string, ok bool) {
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

// describe names the kind of a node for a message.
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
	list := []string{} // not nil, because an empty list replaces another one
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
		return false
	}
	return b.Value
}

func (d *decoder) number(field string, node ast.Node) float64 {
	text, _ := scalar(node)
	v, err := strconv.ParseFloat(text, 64)
	// The library reads an unquoted 1e12 as text.
	if _, isText := node.(*ast.StringNode); err != nil || notFinite(v) || isText && node.GetToken().Type != token.StringType {
		d.fail(field, node, "%s: want a number", describe(node))
	}
	return v
}

// sorted returns the sorted keys of m.
func sorted[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}
