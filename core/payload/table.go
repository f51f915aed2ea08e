package payload

import (
	"errors"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/extractors/lines"
	"github.com/ktstr/ktstr/internal/strictyaml"
)

// tableKeys returns the keys of a table of patterns: signature, lines, notes and units.
func (d *decoder) tableKeys(t *lines.Table) map[string]func(string, ast.Node) {
	return map[string]func(string, ast.Node){
		"signature": func(f string, n ast.Node) { t.Signature = d.pattern(f, n) },
		"lines": func(f string, n ast.Node) {
			d.List(f, n, func(f string, n ast.Node) { t.Lines = append(t.Lines, d.line(f, n)) })
		},
		"notes": func(f string, n ast.Node) {
			d.List(f, n, func(f string, n ast.Node) { t.Notes = append(t.Notes, d.note(f, n)) })
		},
		"units": func(f string, n ast.Node) { t.Units = d.TextMap(f, n) },
	}
}

// pattern reads text of the match language, or {regexp: TEXT}.
func (d *decoder) pattern(field string, node ast.Node) lines.Pattern {
	if text, ok := strictyaml.Scalar(node); ok {
		if strings.TrimSpace(text) == "" {
			d.Fail(field, node, "empty: want a pattern, or the key left out")
		}
		return lines.Match(text)
	}
	var p lines.Pattern
	d.Fields(field, node, d.patternKeys(&p))
	return p
}

// patternKeys returns the keys match and regexp.
func (d *decoder) patternKeys(p *lines.Pattern) map[string]func(string, ast.Node) {
	read := func(regexp bool) func(string, ast.Node) {
		return func(f string, n ast.Node) {
			if *p != (lines.Pattern{}) {
				d.Fail(f, n, "match and regexp: want one of them")
			}
			*p = lines.Pattern{Text: d.Text(f, n), Regexp: regexp}
		}
	}
	return map[string]func(string, ast.Node){"match": read(false), "regexp": read(true)}
}

func (d *decoder) line(field string, node ast.Node) lines.Line {
	var l lines.Line
	if _, ok := strictyaml.Scalar(node); ok {
		l.Pattern = d.pattern(field, node)
		return l
	}
	keys := d.patternKeys(&l.Pattern)
	keys["name"] = d.Word(&l.Name, "the name of the metric")
	keys["unit"] = d.Word(&l.Unit, "a unit such as ms")
	keys["polarity"] = d.polarity(&l.Polarity)
	keys["headline"] = func(f string, n ast.Node) { l.Headline = d.Truth(f, n) }
	keys["section"] = func(f string, n ast.Node) { l.Section = d.pattern(f, n) }
	keys["when"] = func(f string, n ast.Node) { l.When = d.pattern(f, n) }
	keys["required"] = func(f string, n ast.Node) { l.Required = d.Truth(f, n) }
	keys["top"] = func(f string, n ast.Node) { l.Top = d.Truth(f, n) }
	keys["zero_is_none"] = func(f string, n ast.Node) { l.ZeroIsNone = d.Truth(f, n) }
	d.Fields(field, node, keys)
	return l
}

// note reads a pattern alone, which means that the tool failed, or a pattern with a code.
func (d *decoder) note(field string, node ast.Node) lines.Note {
	n := lines.Note{Code: ktstr.ToolFailed}
	if _, ok := strictyaml.Scalar(node); ok {
		n.Pattern = d.pattern(field, node)
		return n
	}
	keys := d.patternKeys(&n.Pattern)
	keys["code"] = d.Word((*string)(&n.Code), "a code such as tool-failed or interrupted")
	d.Fields(field, node, keys)
	return n
}

// polarity reads the polarity of a hint.
func (d *decoder) polarity(into *ktstr.Polarity) func(string, ast.Node) {
	return func(f string, n ast.Node) {
		var text string
		d.Word(&text, "higher, lower, target=NUMBER or unknown")(f, n)
		p, err := ktstr.ParseHintPolarity(text)
		if err != nil {
			d.Fail(f, n, "%s", strings.TrimPrefix(err.Error(), "polarity "))
		}
		*into = p
	}
}

// validateTable returns a *FieldError for the first mistake in a table.
func validateTable(t lines.Table) error {
	_, err := t.Compile(ktstr.Description{})
	var wrong *lines.Error
	if !errors.As(err, &wrong) {
		return err
	}
	field := wrong.Field
	if strings.HasSuffix(field, "]") { // the place of the pattern, if the file has the key
		for i, l := range t.Lines {
			if field == at("lines", i) && l.Pattern != (lines.Pattern{}) {
				field += patternKey(l.Pattern)
			}
		}
	}
	return &FieldError{field, wrong.Problem}
}

func patternKey(p lines.Pattern) string {
	if p.Regexp {
		return ".regexp"
	}
	return ".match"
}

func (p Payload) validateTable() error {
	hasTable := p.Table.Lines != nil || p.Table.Notes != nil || p.Table.Units != nil || p.Table.Signature != (lines.Pattern{})
	switch {
	case hasTable && p.Extractor != lines.Name:
		return wrong("extractor", "%q: lines, signature, notes and units are read by the extractor lines: want extractor: lines, or the key left out", p.Extractor)
	case hasTable && len(p.Table.Lines) == 0:
		return wrong("lines", "empty: want a pattern, such as \"Throughput: {throughput} {unit}\"")
	case p.Extractor == lines.Name && !hasTable:
		return wrong("extractor", "lines: it reads patterns: want the key lines with a pattern, such as \"Throughput: {throughput} {unit}\"")
	case !hasTable:
		return nil
	}
	return validateTable(p.Table)
}

// table writes the keys that tableKeys reads.
func (w *writer) table(t lines.Table) {
	if t.Signature != (lines.Pattern{}) {
		w.line("signature: " + patternText(t.Signature))
	}
	if len(t.Lines) > 0 {
		w.line("lines:")
	}
	for _, l := range t.Lines {
		pairs := []string{patternPair(l.Pattern)}
		add := func(key, value string, given bool) {
			if given {
				pairs = append(pairs, key+": "+value)
			}
		}
		add("name", quote(l.Name), l.Name != "")
		add("unit", quote(l.Unit), l.Unit != "")
		add("polarity", string(l.Polarity), l.Polarity != "")
		add("headline", "true", l.Headline)
		add("section", patternText(l.Section), l.Section != (lines.Pattern{}))
		add("when", patternText(l.When), l.When != (lines.Pattern{}))
		add("required", "true", l.Required)
		add("top", "true", l.Top)
		add("zero_is_none", "true", l.ZeroIsNone)
		w.line("  - {" + strings.Join(pairs, ", ") + "}")
	}
	if len(t.Notes) > 0 {
		w.line("notes:")
	}
	for _, n := range t.Notes {
		w.line("  - {" + patternPair(n.Pattern) + ", code: " + quote(string(n.Code)) + "}")
	}
	w.mapping("units", t.Units)
}

func patternPair(p lines.Pattern) string { return patternKey(p)[1:] + ": " + double(p.Text) }

// patternText writes what the method pattern reads.
func patternText(p lines.Pattern) string {
	if p.Regexp {
		return "{" + patternPair(p) + "}"
	}
	return double(p.Text)
}
