// Package strictyaml reads the YAML files that users write: payloads, table plugins and lists of hosts. An unknown key, a
// key given twice and a value of the wrong kind are errors with file, line and column.
package strictyaml

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math"
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

// A SyntaxError gives the place of an error in a file, such as
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

// Parse returns the one document of a text. Messages call it file. want says what an empty text should have been, such as
// "a payload: name, summary, binary, …". Every error is a *SyntaxError.
func Parse(file string, text []byte, want string) (root ast.Node, err error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff")) // some editors begin a file with a byte order mark
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
		return nil, fail(at, "more than %d keys and nested lists: want a file that a person could read", maxKeys)
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
			return nil, fail(doc.Body.GetToken(), "a second document: want one a file")
		}
	}
	if root == nil {
		return nil, fail(nil, "empty: want %s", want)
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

// A Decoder reads the nodes of a document. It keeps the first error. After that, its methods return whatever they have, and
// the caller drops it.
type Decoder struct {
	File string       // in errors
	Err  *SyntaxError // the first error

	places map[string]*token.Token // of each field in the document
}

// Place makes node the place of a field in errors. The methods that read mappings and lists do so for the fields that they read.
func (d *Decoder) Place(field string, node ast.Node) {
	if d.places == nil {
		d.places = map[string]*token.Token{}
	}
	d.places[field] = node.GetToken()
}

// Fail records an error unless there is one already. Its place is the one of
// node. If node is nil, it is the place of the field, or else of the nearest
// enclosing field in the document. For example, a missing "hints[0].name" is
// reported at "hints[0]".
func (d *Decoder) Fail(field string, node ast.Node, format string, args ...any) {
	if d.Err != nil {
		return
	}
	d.Err = &SyntaxError{File: d.File, Field: field, Problem: fmt.Sprintf(format, args...)}
	at := d.places[field]
	if node != nil {
		at = node.GetToken()
	}
	for parent := field; at == nil && parent != ""; {
		parent = parent[:max(0, strings.LastIndexAny(parent, ".["))]
		at = d.places[parent]
	}
	if at != nil && at.Position != nil {
		d.Err.Line, d.Err.Column = at.Position.Line, at.Position.Column
	}
}

// Fields reads a mapping with the function for each key. A key without a
// function is an error.
func (d *Decoder) Fields(field string, node ast.Node, keys map[string]func(field string, value ast.Node)) {
	for _, entry := range d.Entries(field, node, "a mapping of "+strings.Join(sorted(keys), ", ")) {
		read := keys[entry.Key]
		if read == nil {
			problem := fmt.Sprintf("key %q: not known here: want one of %s", entry.Key, strings.Join(sorted(keys), ", "))
			if near := nearest.Of(entry.Key, sorted(keys)); near != "" {
				problem = fmt.Sprintf("key %q: not known here: did you mean %s?", entry.Key, near)
			}
			d.Fail(field, entry.Node, "%s", problem)
			return
		}
		name := entry.Key
		if field != "" {
			name = field + "." + name
		}
		d.Place(name, entry.Value)
		read(name, entry.Value)
	}
}

// An Entry is a key of a mapping with its value.
type Entry struct {
	Key         string
	Node, Value ast.Node
}

// Entries returns the entries of a mapping. The message for another node calls
// the mapping want.
func (d *Decoder) Entries(field string, node ast.Node, want string) []Entry {
	var values []*ast.MappingValueNode
	switch n := node.(type) {
	case *ast.MappingNode:
		values = n.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{n}
	default:
		d.Fail(field, node, "%s: want %s", Describe(node), want)
	}
	entries := make([]Entry, 0, len(values))
	for _, v := range values {
		key, ok := Scalar(v.Key)
		if !ok {
			d.Fail(field, v.Key, "%s as a key: want a word", Describe(v.Key))
		}
		if slices.ContainsFunc(entries, func(e Entry) bool { return e.Key == key }) {
			d.Fail(field, v.Key, "key %q: there already: want each once", key)
		}
		if v.Value == nil {
			d.Fail(field, v.Key, "key %q: no value", key)
			return nil
		}
		entries = append(entries, Entry{key, v.Key, v.Value})
	}
	return entries
}

// List calls read for each item of a list, with the item's field, such as
// "args[0]".
func (d *Decoder) List(field string, node ast.Node, read func(field string, item ast.Node)) {
	seq, ok := node.(*ast.SequenceNode)
	if !ok {
		d.Fail(field, node, "%s: want a list", Describe(node))
		return
	}
	for i, item := range seq.Values {
		name := fmt.Sprintf("%s[%d]", field, i)
		if item == nil {
			d.Fail(name, seq, "no value")
			return
		}
		d.Place(name, item)
		read(name, item)
	}
}

// Scalar returns the text of a scalar as the file spells it, so that 3.10 stays
// 3.10. ok is false for null and for nodes that are no scalars.
func Scalar(node ast.Node) (text string, ok bool) {
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

// Describe names the kind of a node for a message.
func Describe(node ast.Node) string {
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
	if text, ok := Scalar(node); ok {
		return strconv.Quote(text)
	}
	return "something else"
}

// Text returns a text.
func (d *Decoder) Text(field string, node ast.Node) string {
	text, ok := Scalar(node)
	if !ok {
		d.Fail(field, node, "%s: want text", Describe(node))
	}
	return text
}

// Texts returns a list of texts.
func (d *Decoder) Texts(field string, node ast.Node) []string {
	list := []string{} // not nil, because an empty list replaces another one
	d.List(field, node, func(field string, item ast.Node) { list = append(list, d.Text(field, item)) })
	return list
}

// TextMap returns a mapping of names to texts.
func (d *Decoder) TextMap(field string, node ast.Node) map[string]string {
	m := map[string]string{}
	for _, e := range d.Entries(field, node, "a mapping of names to text") {
		name := field + "." + e.Key
		d.Place(name, e.Value)
		m[e.Key] = d.Text(name, e.Value)
	}
	return m
}

// Truth returns true or false.
func (d *Decoder) Truth(field string, node ast.Node) bool {
	b, ok := node.(*ast.BoolNode)
	if !ok {
		d.Fail(field, node, "%s: want true or false", Describe(node))
		return false
	}
	return b.Value
}

// Number returns a finite number.
func (d *Decoder) Number(field string, node ast.Node) float64 {
	text, _ := Scalar(node)
	v, err := strconv.ParseFloat(text, 64)
	// The library reads an unquoted 1e12 as text.
	if _, isText := node.(*ast.StringNode); err != nil || math.IsNaN(v) || math.IsInf(v, 0) || isText && node.GetToken().Type != token.StringType {
		d.Fail(field, node, "%s: want a number", Describe(node))
	}
	return v
}

// Into stores a text.
func (d *Decoder) Into(text *string) func(string, ast.Node) {
	return func(field string, value ast.Node) { *text = d.Text(field, value) }
}

// Word is Into for a key that must not be empty. An empty value usually comes
// from a template variable that was not set, and must not select the default.
func (d *Decoder) Word(text *string, want string) func(string, ast.Node) {
	return func(field string, value ast.Node) {
		if *text = d.Text(field, value); *text == "" {
			d.Fail(field, value, "empty: want %s, or the key left out", want)
		}
	}
}

// IntoList stores a list of texts.
func (d *Decoder) IntoList(list *[]string) func(string, ast.Node) {
	return func(field string, value ast.Node) { *list = d.Texts(field, value) }
}

// sorted returns the sorted keys of m.
func sorted[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}
