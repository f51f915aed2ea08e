package jsonscan

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/valyala/fastjson"

	"github.com/ktstr/ktstr"
)

// conformance has the questions of RFC 8259: y is JSON, n is not.
var conformance = []struct{ y, text string }{
	// Structure.
	{"y", `[]`}, {"y", `{}`}, {"y", ` [ ] `}, {"y", "\t{\r\n}\n"}, {"y", `[[],{},[{}]]`}, {"y", `{"a":{},"b":[]}`},
	{"n", `[`}, {"n", `{`}, {"n", `]`}, {"n", `[}`}, {"n", `{]`}, {"n", `[,]`}, {"n", `[1,]`}, {"n", `[,1]`}, {"n", `[1,,2]`},
	{"n", `[1 2]`}, {"n", `[1:2]`}, {"n", `{"a"}`}, {"n", `{"a":}`}, {"n", `{"a":1,}`}, {"n", `{,"a":1}`}, {"n", `{"a":1 "b":2}`},
	{"n", `{"a":1,,"b":2}`}, {"n", `{a:1}`}, {"n", `{'a':1}`}, {"n", `{1:1}`}, {"n", `{"a"::1}`}, {"n", `{"a":1:2}`}, {"n", `{"a",1}`},
	{"n", `[1]]`}, {"n", `{"a":1}}`}, {"n", `[1] 2`}, {"n", `[1][2]x`}, {"n", "[1\x00]"}, {"n", "[\v1]"}, {"n", "[\f1]"}, {"n", "[\u00a01]"}, {"n", "[\u20601]"},
	{"n", "\uFEFF[1]x"}, {"n", `[1/**/]`}, {"n", "[1 // one\n]"}, {"n", `<[1]>`}, {"n", `[(1)]`}, {"n", `[1;]`}, {"n", `[""`}, {"n", `[1,`}, {"n", `{"a":`},
	{"n", `[3[4]]`}, {"n", `[*]`}, {"n", `[<null>]`}, {"n", `["x",,]`}, {"n", `[1,,]`}, {"n", `[1,
1
,1`}, {"n", `[{}`}, {"n", `[{`}, {"n", `["a`}, {"n", `['`}, {"n", `[,`}, {"n", `[1]x`}, {"n", `[""],`}, {"n", `[][]`}, {"n", `{}}`}, {"n", `["a", truth]`},
	{"n", `{:1}`}, {"n", `{[: 1}`}, {"n", `{"a" b}`}, {"n", `{"a":1 2}`}, {"n", `{null:null}`}, {"n", `{"a":1,,,,}`}, {"n", `{"a":1, "b"}`}, {"n", `{"a":/* */1}`}, {"n", `{"a":1}/**/`}, {"n", `{"a":1}#{}`}, {"n", `{,`}, {"n", `{[`}, {"n", `{"a`}, {"n", `{"a":1`}, {"n", `{"a":"a`}, {"n", `{'a'`}, {"n", `["\{["\{`},
	{"n", "[\xff]"}, {"n", "[a\xff]"}, {"n", "{\"\xb9\":0,}"}, {"n", "{\U0001F1E8}"}, {"n", "[\u00e9]"}, {"n", "[\x00]"}, {"n", "\xef\xbb{}"}, {"n", "\uFEFF{}"}, {"n", "\uFEFF"}, {"n", "[\x001\x00]"}, {"n", "[1]\x00"}, {"n", `aå`}, {"n", `*`}, {"n", " "},
	// Numbers.
	{"y", `[0,-0,0.0,-0.0,0e0,0E+0,1e-0,10,123456789]`}, {"y", `[1.5,1.5e3,1.5E+3,1.5e-3,-1.5e-3]`}, {"y", `[1e308,5e-324,123456789012345678901234567890]`},
	{"y", `[0.1234567890123456789012345678901234567890]`}, {"y", `[1e1,1e01,1e00000000000000000001,1e-99999999]`}, {"y", `[1e99999999999]`},
	{"y", `{"a":12345678,"b":123456789,"c":1234567812345678,"d":12345678123456781,"e":-1234567.1234567,"f":1.12345678}`},
	{"n", `[01]`}, {"n", `[-01]`}, {"n", `[00]`}, {"n", `[012345678]`}, {"n", `[.5]`}, {"n", `[5.]`}, {"n", `[5.e1]`}, {"n", `[-.5]`}, {"n", `[-]`}, {"n", `[--1]`}, {"n", `[+1]`}, {"n", `[1e]`}, {"n", `[1e+]`}, {"n", `[1E-]`},
	{"n", `[1.2.3]`}, {"n", `[1e2e3]`}, {"n", `[1e2.3]`}, {"n", `[0x1]`}, {"n", `[1_000]`}, {"n", `[1,000.5x]`}, {"n", `[1a]`}, {"n", `[1-]`}, {"n", `[1+2]`}, {"n", `[- 1]`}, {"n", `[1 .5]`}, {"n", `[NaN]`}, {"n", `[nan]`}, {"n", `[Infinity]`}, {"n", `[-inf]`}, {"n", "[\uff11]"}, {"n", `[0e]`}, {"n", `[1.e]`}, {"n", `[0.3e]`},
	{"y", `[-1,[123e65, 0e+1],[ 4]]`}, {"y", `[-0.000000000000000000000000000000000000000000000000000000000000000000000000000001]`}, {"y", `[123.456e-789,-1e+9999,1.5e+9999,123123e100000,123e-10000000]`}, {"y", `[-123123123123123123123123123123, 100000000000000000000]`},
	{"n", `[++1]`}, {"n", `[+Inf]`}, {"n", `[-NaN]`}, {"n", `[-1.0.]`}, {"n", `[.-1]`}, {"n", `[2.e-3]`}, {"n", `[9.e+]`}, {"n", `[0E]`}, {"n", `[0E+]`}, {"n", `[0e+-1]`}, {"n", `[0.3e+]`}, {"n", `[1.0e-]`}, {"n", `[1eE2]`}, {"n", `[1ea]`}, {"n", `[1 000.0]`}, {"n", `[-foo]`}, {"n", `[-1x]`}, {"n", `[-123.123foo]`}, {"n", `[1.2a-3]`}, {"n", `[1.5H-308]`}, {"n", "[0\xe5]"}, {"n", "[123\xe5]"}, {"n", "[1e\xe5]"}, {"n", "[1e1\xe5]"}, {"n", "[1.\xe5]"}, {"n", "123\x00"}, {"n", `1]`},
	// Literals.
	{"y", `[true,false,null]`}, {"n", `[True]`}, {"n", `[tru]`}, {"n", `[truee]`}, {"n", `[fals]`}, {"n", `[nul]`}, {"n", `[nulll]`}, {"n", `[true false]`}, {"n", `[n`}, {"n", `[t]`}, {"n", `[undefined]`},
	// Strings.
	{"y", `["","a","\"","\\","\/","\b\f\n\r\t"]`}, {"y", `["\u0000\u001f\u0041\uFFFF\uffff\u00e9"]`}, {"y", `["\ud83d\ude00","\ud83d","\ude00","\ud83dx","\ud83d\u0041","\ud83d\ud83d\ude00"]`},
	{"y", `{"\ud83d\ude00":1,"\ud83d":2,"\ude00":3,"\ud83dx":4,"\ud83d\u0041":5,"\ud83d\ud83d\ude00":6,"\u0000":7,"\\u0041":8}`},
	{"y", "[\"\x7f\u00e9\u20ac\U0001F600\u2028\"]"}, {"y", "{\"\x7f\u00e9\u20ac\U0001F600\u2028\":1}"}, {"y", "[\"\xff\xc0\xaf\xed\xa0\x80\"]"}, {"y", "{\"\xff\":1,\"a\xc0\xafb\":2,\"\xed\xa0\x80\":3,\"\xf4\x90\x80\x80\":4,\"\xe2\x82\":5}"},
	{"y", `["0123456789abcdef0123456789abcdef\"0123456789abcdef"]`}, {"y", `{"0123456789abcdef0123456789abcdef\"0123456789abcdef":1}`},
	{"n", `["]`}, {"n", `["a]`}, {"n", `["\"]`}, {"n", `["\a"]`}, {"n", `["\x41"]`}, {"n", `["\u"]`}, {"n", `["\u00"]`}, {"n", `["\u004g"]`}, {"n", `["\U0041"]`}, {"n", `['a']`}, {"n", `[a]`}, {"n", `["a"b]`}, {"n", "[\"a\nb\"]"}, {"n", "[\"a\tb\"]"}, {"n", "[\"\x00\"]"}, {"n", "[\"\x1f\"]"}, {"n", "[\"01234567\x1f89\"]"}, {"n", "{\"a\tb\":1}"}, {"n", "{\"\\x\":1}"}, {"n", `["\ud83d\u"]`}, {"n", `{"\ud83d\uz":1}`}, {"n", `{"a\`}, {"n", `["\`}, {"n", `["\ud83d\`},
	{"y", `{"\udbff\udfff":1,"\ud834\udd1e":2,"\uD834x\uDd1e":3,"a\u0000b":4,"\ufdd0\uffff":5}`}, {"y", "{\"\xfc\x83\xbf\xbf\xbf\xbf\":1,\"\xe0\xff\":2,\"\xc0\x80\":3,\"\U0010FFFF\uFEFF\":4}"},
	{"n", `["\ud800\"]`}, {"n", `["\ud800\u1"]`}, {"n", `["\ud800\u1x"]`}, {"n", `["\\\"]`}, {"n", `["\uqqqq"]`}, {"n", `[\u0020"a"]`}, {"n", `[\n]`}, {"n", `[\u000A""]`}, {"n", `""x`}, {"n", "[\"\\\x00\"]"}, {"n", "[\"\\\t\"]"}, {"n", "[\"\\\U0001F300\"]"}, {"n", "[\"\\\xe5\"]"}, {"n", "[\"\\u\xe5\"]"}, {"n", "{\"\\ud83d\\\xe5\":1}"},
	// UTF-16.
	{"n", "\xff\xfe[\x001\x00]\x00"}, {"n", "\x00[\x001\x00]"},
	// Repeated names stay.
	{"y", `{"a":1,"a":2,"a":{"a":3},"a":[]}`},
}

// C27: the walk accepts what RFC 8259 accepts, and nothing else.
func TestConformance(t *testing.T) {
	for _, c := range conformance {
		// With blanks after it, too: the code has other paths at the end of the text.
		for _, tail := range []string{"", strings.Repeat(" ", 64)} {
			text := c.text + tail
			trimmed := strings.Trim(text, " \t\r\n")
			if valid := json.Valid([]byte(trimmed)); valid != (c.y == "y") {
				t.Errorf("%q: encoding/json says %v", text, valid)
			}
			checkWalk(t, text)
		}
	}
}

// FuzzWalk compares the walk with encoding/json and with fastjson.
func FuzzWalk(f *testing.F) {
	for _, c := range conformance {
		f.Add(c.text)
	}
	text, err := os.ReadFile("../../extractors/testdata/fio.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text))
	f.Fuzz(func(t *testing.T, text string) { checkWalk(t, text) })
}

// checkWalk walks a text that starts with a bracket and compares validity,
// names and the bits of values with the reference.
func checkWalk(t *testing.T, text string) {
	t.Helper()
	trimmed := strings.Trim(text, " \t\r\n")
	if trimmed == "" || trimmed[0] != '[' && trimmed[0] != '{' {
		return
	}
	var l Leaves
	l.Reset(len(trimmed), "")
	d := l.Walk([]byte(trimmed), 0, 1, 0)
	whole := d.Valid && d.End == len(trimmed)
	want, valid := reference([]byte(trimmed))
	if whole != valid {
		t.Fatalf("%q: got %v up to %d (%s), encoding/json says %v", text, d.Valid, d.End, d.Want, valid)
	}
	if !d.Valid && (d.End > len(trimmed) || d.Want == "" || d.Truncated != (d.End == len(trimmed))) {
		t.Fatalf("%q: got %+v, want a place and a reason", text, d)
	}
	if !whole {
		return
	}
	compare(t, l.Metrics, want)
	if strings.ContainsAny(trimmed, "\\") || trimmed != strings.ToValidUTF8(trimmed, "") {
		return // fastjson keeps invalid UTF-8 and half a surrogate pair as they are
	}
	if v, err := fastjson.Parse(trimmed); err == nil { // it refuses deep nesting
		compare(t, l.Metrics, leavesOf(v, "", 0, nil))
	}
}

// reference walks one JSON document by means of encoding/json.
func reference(text []byte) (metrics []ktstr.Metric, valid bool) {
	if !json.Valid(text) {
		return nil, false
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var value func(path string, depth int)
	value = func(path string, depth int) {
		token, err := d.Token()
		if err != nil {
			return
		}
		switch v := token.(type) {
		case json.Delim:
			for i := 0; d.More(); i++ {
				if v == '[' {
					value(join(path, strconv.Itoa(i), depth), depth+1)
					continue
				}
				key, _ := d.Token()
				value(join(path, key.(string), depth), depth+1)
			}
			_, _ = d.Token()
		case json.Number:
			f, err := strconv.ParseFloat(string(v), 64)
			if err == nil && depth <= MaxDepth && len(path) <= MaxName {
				metrics = append(metrics, ktstr.Metric{Name: path, Value: f})
			}
		}
	}
	value("", 0)
	return metrics, true
}

// leavesOf appends the numbers of a tree of fastjson, read from their text.
func leavesOf(v *fastjson.Value, path string, depth int, metrics []ktstr.Metric) []ktstr.Metric {
	switch v.Type() {
	case fastjson.TypeObject:
		v.GetObject().Visit(func(key []byte, v *fastjson.Value) {
			metrics = leavesOf(v, join(path, string(key), depth), depth+1, metrics)
		})
	case fastjson.TypeArray:
		for i, v := range v.GetArray() {
			metrics = leavesOf(v, join(path, strconv.Itoa(i), depth), depth+1, metrics)
		}
	case fastjson.TypeNumber:
		n, err := strconv.ParseFloat(string(v.MarshalTo(nil)), 64)
		if err == nil && depth <= MaxDepth && len(path) <= MaxName {
			metrics = append(metrics, ktstr.Metric{Name: path, Value: n})
		}
	}
	return metrics
}

func join(path, key string, depth int) string {
	if depth == 0 {
		return key
	}
	return path + "." + key
}

func compare(t *testing.T, got, want []ktstr.Metric) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d metrics, want %d", len(got), len(want))
	}
	for i := range got {
		if got[i].Name != want[i].Name || math.Float64bits(got[i].Value) != math.Float64bits(want[i].Value) {
			t.Fatalf("metric %d: got %q %v, want %q %v", i, got[i].Name, got[i].Value, want[i].Name, want[i].Value)
		}
	}
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
			if kind == Exact || kind == Inexact {
				if want, err := strconv.ParseFloat(string(b[:end]), 64); err != nil || math.Float64bits(want) != math.Float64bits(v) {
					t.Fatalf("%q: got %v, want %v, %v", b[:end], v, want, err)
				}
			}
		}
	})
}
