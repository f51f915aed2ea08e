package payload

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ktstr/ktstr/core/check"
)

// MarshalYAML returns a payload file that Parse reads as p, except for Source, Raw and
// the values of secrets, which are Hidden. In text that is not valid UTF-8, it replaces
// the invalid bytes.
func (p Payload) MarshalYAML() ([]byte, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	var w writer
	w.text("name", p.Name)
	w.text("summary", p.Summary)
	w.text("measures", p.Measures)
	w.text("about", p.About)
	w.text("kind", string(p.Kind))
	w.text("binary", p.Binary)
	w.list("args", p.hideIn(p.Args), p.Args != nil)
	w.mapping("env", p.shownEnv())
	w.list("secrets", p.Secrets, p.Secrets != nil)
	w.text("dir", p.Dir)
	w.text("user", p.User)
	w.list("files", p.Files, p.Files != nil)
	w.outputs("outputs", p.Outputs)
	w.list("flags", p.Flags, p.Flags != nil)
	if p.Timeout != 0 {
		w.text("timeout", p.Timeout.String())
	}
	w.text("leftovers", p.Leftovers)
	if p.StopAfter != 0 {
		w.text("stop_after", p.StopAfter.String())
	}
	w.list("counters", p.Counters, p.Counters != nil)
	w.text("cgroup", p.Cgroup)
	if p.SharesGroup {
		w.line("uses_parent_pgrp: true")
	}
	w.text("extractor", p.Extractor)
	w.mapping("options", p.Options)
	w.table(p.Table)
	w.checks("checks", p.Checks, true) // an empty list differs from the default
	w.hints(p.Hints)
	if b := p.Bounds; b != (check.Bounds{}) {
		var pairs []string
		if b.MinMetrics != 0 {
			pairs = append(pairs, "min_metrics: "+strconv.Itoa(b.MinMetrics))
		}
		if b.Min != nil {
			pairs = append(pairs, "min: "+strconv.FormatFloat(*b.Min, 'f', -1, 64))
		}
		if b.Max != nil {
			pairs = append(pairs, "max: "+strconv.FormatFloat(*b.Max, 'f', -1, 64))
		}
		w.line("bounds: {" + strings.Join(pairs, ", ") + "}")
	}
	if len(p.Needs) > 0 {
		w.line("needs:")
	}
	for _, n := range p.Needs {
		w.item(func() {
			w.text("binary", n.Binary)
			w.text("install", n.Install)
			if n.MinVersion != "" {
				w.line("min_version: " + double(n.MinVersion))
			}
			w.list("version_args", n.VersionArgs, n.VersionArgs != nil)
			w.text("version_pattern", n.VersionPattern)
			w.list("help_args", n.HelpArgs, n.HelpArgs != nil)
		})
	}
	if len(p.Variants) > 0 {
		w.line("variants:")
	}
	for _, v := range p.Variants {
		w.item(func() {
			var when []string
			if v.When.Version != "" {
				when = append(when, "version: "+double(v.When.Version))
			}
			if v.When.Supports != "" {
				when = append(when, "supports: "+quote(v.When.Supports))
			}
			w.line("when: {" + strings.Join(when, ", ") + "}")
			w.list("args", p.hideIn(v.Args), v.Args != nil)
			w.checks("checks", v.Checks, v.Checks != nil)
			w.outputs("outputs", v.Outputs)
			w.text("note", v.Note)
		})
	}
	return []byte(w.String()), nil
}

// A writer writes the part of YAML that a payload needs. A general encoder would
// not use the flow style of handwritten files, such as "{name: a, unit: us}", and
// would leave unquoted some text that a reader takes for a number.
type writer struct {
	strings.Builder
	indent string
	first  bool // the next line begins an item
}

func (w *writer) line(text string) {
	indent := w.indent
	if w.first {
		indent, w.first = w.indent[:len(w.indent)-2]+"- ", false
	}
	w.WriteString(indent + text + "\n")
}

// hints writes each hint on a line of its own.
func (w *writer) hints(hints []Hint) {
	if len(hints) > 0 {
		w.line("hints:")
	}
	for _, h := range hints {
		pairs := []string{"name: " + quote(h.Name)}
		add := func(key, value string) {
			if value != "" {
				pairs = append(pairs, key+": "+value)
			}
		}
		if h.Unit != "" {
			add("unit", quote(h.Unit))
		}
		add("polarity", string(h.Polarity))
		if h.Headline {
			add("headline", "true")
		}
		if h.MinEffect != 0 {
			add("min_effect", strconv.FormatFloat(h.MinEffect, 'f', -1, 64)+"%")
		}
		if h.Margin != 0 {
			add("margin", strconv.FormatFloat(h.Margin, 'f', -1, 64)+"%")
		}
		w.line("  - {" + strings.Join(pairs, ", ") + "}")
	}
}

// item writes an item of a list. body writes its lines.
func (w *writer) item(body func()) {
	w.indent, w.first = "    ", true
	body()
	w.indent, w.first = "", false
}

// text writes a key with its value, and nothing if the value is empty.
func (w *writer) text(key, value string) {
	if value == "" {
		return
	}
	if literal(value) {
		w.line(key + ": |")
		for _, line := range strings.Split(strings.TrimSuffix(value, "\n"), "\n") {
			if line == "" {
				w.WriteString("\n")
				continue
			}
			w.line("  " + line)
		}
		return
	}
	w.line(key + ": " + quote(value))
}

// literal reports whether a text can be written as a block of lines ("|").
func literal(text string) bool {
	if !utf8.ValidString(text) || !strings.HasSuffix(text, "\n") || strings.HasSuffix(text, "\n\n") || strings.HasPrefix(text, " ") || strings.HasPrefix(text, "\n") {
		return false
	}
	for _, r := range text {
		if r != '\n' && (r < ' ' || r > '~') {
			return false
		}
	}
	for line := range strings.Lines(text) {
		if strings.TrimRight(line, " \n") != strings.TrimSuffix(line, "\n") || strings.HasPrefix(line, " ") {
			return false
		}
	}
	return true
}

func (w *writer) list(key string, values []string, there bool) {
	if !there {
		return
	}
	quoted := make([]string, len(values))
	width := 0
	for i, v := range values {
		quoted[i] = quote(v)
		width += len(quoted[i]) + 2
	}
	if width+len(key) <= 100 {
		w.line(key + ": [" + strings.Join(quoted, ", ") + "]")
		return
	}
	w.line(key + ":")
	for _, q := range quoted {
		w.line("  - " + q)
	}
}

func (w *writer) checks(key string, checks []check.Check, there bool) {
	if !there {
		return
	}
	if len(checks) == 0 {
		w.line(key + ": []")
		return
	}
	w.line(key + ":")
	for _, c := range checks {
		w.line("  - " + quote(c.String()))
	}
}

func (w *writer) outputs(key string, outputs []OutputFile) {
	if outputs == nil {
		return
	}
	items := make([]string, len(outputs))
	for i, o := range outputs {
		items[i] = "{name: " + quote(o.Name) + ", path: " + quote(o.Path) + "}"
	}
	w.line(key + ": [" + strings.Join(items, ", ") + "]")
}

func (w *writer) mapping(key string, m map[string]string) {
	if m == nil {
		return
	}
	if len(m) == 0 {
		w.line(key + ": {}")
		return
	}
	w.line(key + ":")
	for _, name := range slices.Sorted(maps.Keys(m)) {
		w.line("  " + quote(name) + ": " + quote(m[name]))
	}
}

// quote puts text in quotes, unless every YAML reader takes the plain text for the
// same string, also between brackets. For example, "no" and "1.5" get quotes.
func quote(text string) string {
	if text == "" || len(text) > 200 {
		return double(text)
	}
	for i := 0; i < len(text); i++ {
		c := text[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		digit := '0' <= c && c <= '9'
		switch {
		case letter || c == '/':
		case i > 0 && (digit || strings.IndexByte("-_./=+%<>()", c) >= 0):
		case c == '-' && i == 0 && len(text) > 1 && text[1] != ' ' && strings.Trim(text, "-") != "" && (text[1] < '0' || text[1] > '9') && text[1] != '.':
			// an option
		case i > 0 && c == ' ' && i < len(text)-1 && text[i+1] != '-':
		default:
			return double(text)
		}
	}
	switch strings.ToLower(text) {
	case "true", "false", "yes", "no", "on", "off", "y", "n", "null", "nan", "inf":
		return double(text)
	}
	return text
}

// double returns text in double quotes. JSON strings are valid YAML.
func double(text string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(text); err != nil {
		panic(err) // strings always encode
	}
	return strings.TrimSuffix(b.String(), "\n")
}
