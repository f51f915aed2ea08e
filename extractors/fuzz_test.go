package extractors

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/valyala/fastjson"

	"github.com/ktstr/ktstr"
)

// seeds are texts that the fuzzers start from: documents of each kind, and the
// cases that readers of JSON are known to get wrong.
func seeds(f *testing.F) {
	files, err := filepath.Glob("testdata/*")
	if err != nil || len(files) == 0 {
		f.Fatalf("testdata: %v, %v", files, err)
	}
	for _, name := range files {
		if info, err := os.Stat(name); err != nil || info.IsDir() {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	for _, c := range conformance {
		f.Add([]byte(c.text))
	}
}

// FuzzJSON: on a text that is one document, the extractor agrees with
// encoding/json name by name and bit by bit; on any other text it gives a
// result or says why not, and never a number that is not one.
func FuzzJSON(f *testing.F) {
	seeds(f)
	f.Add([]byte("[INFO] a\n[1343] b\n{\"x\":\n{\"y\":1}\n"))
	f.Add([]byte("{\"a\":1}\n{\"b\":[{\"c\":2}]}\nx"))
	f.Fuzz(func(t *testing.T, text []byte) {
		agree(t, text)
	})
}

func agree(t *testing.T, text []byte) {
	t.Helper()
	kept := bytes.Clone(text)
	first := extract(t, string(text), "first")
	trimmed := bytes.Trim(text, " \t\r\n")
	want, valid := reference(trimmed)
	if valid && (trimmed[0] == '{' || trimmed[0] == '[') {
		compare(t, first.Metrics, want)
		if r := skim(trimmed, 0, nil); !r.ok || r.end != len(trimmed) {
			t.Fatalf("skim stops at %d of %d: %s", r.end, len(trimmed), r.what)
		}
	} else if at := bytes.IndexAny(text, "{["); at >= 0 {
		r := skim(text, at, &layout{})
		var s sheet
		s.budget, s.room = 1<<20, 1<<20
		if end, objects, ok := s.walk(text, at, 1); ok != r.ok || end != r.end || ok && objects != r.objects {
			t.Fatalf("walk: %v up to %d, skim: %v up to %d (%s)", ok, end, r.ok, r.end, r.what)
		}
	}
	if len(first.Metrics) == 0 && len(first.Diagnostics) == 0 {
		t.Fatal("neither a metric nor a diagnostic")
	}
	for _, which := range []string{"first", "last", "all"} {
		for _, m := range extract(t, string(text), which).Metrics {
			if math.IsNaN(m.Value) || math.IsInf(m.Value, 0) || m.Name != strings.ToValidUTF8(m.Name, "\uFFFD") {
				t.Fatalf("%s: %q is %v", which, m.Name, m.Value)
			}
			if lines := 1 + bytes.Count(text, []byte{'\n'}); m.Line < 1 || m.Line > lines {
				t.Fatalf("%s: %q is on line %d of %d", which, m.Name, m.Line, lines)
			}
		}
	}
	if !bytes.Equal(text, kept) {
		t.Fatal("the text was changed")
	}
	// With buffers that were used before.
	var w Walker
	for range 3 {
		e, err := w.Extract(ktstr.Output{Stream: ktstr.Stdout, Data: text})
		if err != nil || render(e) != render(first) {
			t.Fatalf("again: %s, %v; first: %s", render(e), err, render(first))
		}
	}
}

// FuzzFastjson: fastjson's validator and its tree, with values read from the
// raw tokens (its own float parser is not exact), give the same.
func FuzzFastjson(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		trimmed := bytes.Trim(text, " \t\r\n")
		if len(trimmed) == 0 || trimmed[0] != '{' && trimmed[0] != '[' {
			return
		}
		r := skim(trimmed, 0, nil)
		whole := r.ok && r.end == len(trimmed)
		if bytes.IndexByte(trimmed, '\\') >= 0 && bytes.ContainsFunc(trimmed, func(r rune) bool { return r < ' ' }) {
			return // it lets control characters pass in strings with escapes
		}
		if err := fastjson.ValidateBytes(trimmed); (err == nil) != whole {
			t.Fatalf("fastjson: %v; ours: %v (%s)", err, whole, r.what)
		}
		if !whole || strings.ContainsAny(string(trimmed), "\\") || string(trimmed) != strings.ToValidUTF8(string(trimmed), "") {
			return // fastjson keeps what is not UTF-8, and half a surrogate pair, as they are
		}
		v, err := fastjson.ParseBytes(trimmed)
		if err != nil {
			return // nested too deeply for it
		}
		var want []ktstr.Metric
		var visit func(v *fastjson.Value, path string, depth int)
		visit = func(v *fastjson.Value, path string, depth int) {
			join := func(key string) string {
				if depth == 0 {
					return key
				}
				return path + "." + key
			}
			switch v.Type() {
			case fastjson.TypeObject:
				v.GetObject().Visit(func(key []byte, v *fastjson.Value) { visit(v, join(string(key)), depth+1) })
			case fastjson.TypeArray:
				for i, v := range v.GetArray() {
					visit(v, join(strconv.Itoa(i)), depth+1)
				}
			case fastjson.TypeNumber:
				if n, err := strconv.ParseFloat(string(v.MarshalTo(nil)), 64); err == nil && depth <= MaxDepth {
					want = append(want, ktstr.Metric{Name: path, Value: n})
				}
			}
		}
		visit(v, "", 0)
		compare(t, extract(t, string(trimmed), "first").Metrics, want)
	})
}

// FuzzNumber: a number's value has the bits that strconv gives its text.
func FuzzNumber(f *testing.F) {
	for _, s := range []string{"0", "-0", "1.5", "23641.179410", "9007199254740993", "1e22", "1e23", "123456789012345678901234567890", "0.1", "2.2250738585072011e-308", "4.9e-324", "1797693134862315700000e287", "1.7976931348623157e308", "-12345678.87654321", "99999999", "100000000", "12345678.9", "0.00000001", "1234567812345678"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) == 0 || s[0] != '-' && (s[0] < '0' || s[0] > '9') {
			return
		}
		for _, tail := range []string{"", ",", " }                                                ", strings.Repeat("9 ", 40)} {
			b := []byte(s + tail)
			v, end, kind := number(b, 0)
			slow, slowEnd, slowKind := slowNumber(b, 0)
			if kind != slowKind || end != slowEnd || math.Float64bits(v) != math.Float64bits(slow) {
				t.Fatalf("%q: got %v, %d, %d, slowly %v, %d, %d", b, v, end, kind, slow, slowEnd, slowKind)
			}
			if kind == exact || kind == inexact {
				if want, err := strconv.ParseFloat(string(b[:end]), 64); err != nil || math.Float64bits(want) != math.Float64bits(v) {
					t.Fatalf("%q: got %v, want %v, %v", b[:end], v, want, err)
				}
			}
		}
	})
}
