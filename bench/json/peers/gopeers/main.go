// Gopeers walks FILE N times in the way that its third argument names: any
// (encoding/json into any), or fastjson: new (a new parser each time), reused
// (one parser), chunks (one parser, an element of the outer array at a time).
// It makes the same dotted names and values as the other peers, and prints how
// many numbers there are, their sum, and the nanoseconds of each walk.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/valyala/fastjson"
)

type leaf struct {
	name  string
	value float64
}

type sheet struct {
	leaves []leaf
	path   []byte
}

func (s *sheet) emit(v float64) { s.leaves = append(s.leaves, leaf{string(s.path), v}) }

func (s *sheet) enter(key string) (before int) {
	before = len(s.path)
	if before > 0 {
		s.path = append(s.path, '.')
	}
	s.path = append(s.path, key...)
	return before
}

func (s *sheet) any(v any) {
	switch v := v.(type) {
	case map[string]any:
		for k, v := range v {
			n := s.enter(k)
			s.any(v)
			s.path = s.path[:n]
		}
	case []any:
		for i, v := range v {
			n := s.enter(strconv.Itoa(i))
			s.any(v)
			s.path = s.path[:n]
		}
	case float64:
		s.emit(v)
	}
}

func (s *sheet) fast(v *fastjson.Value) {
	switch v.Type() {
	case fastjson.TypeObject:
		v.GetObject().Visit(func(k []byte, v *fastjson.Value) {
			n := s.enter(string(k))
			s.fast(v)
			s.path = s.path[:n]
		})
	case fastjson.TypeArray:
		for i, v := range v.GetArray() {
			n := s.enter(strconv.Itoa(i))
			s.fast(v)
			s.path = s.path[:n]
		}
	case fastjson.TypeNumber:
		s.emit(v.GetFloat64())
	}
}

// chunks parses the elements of "jobs" one by one, and what is around them.
func (s *sheet) chunks(p *fastjson.Parser, text []byte) {
	var rest []byte
	depth, begin, element, inString := 0, 0, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inString:
			if c == '\\' {
				i++
			} else if c == '"' {
				inString = false
			}
		case c == '"':
			inString = true
		case c == '{' || c == '[':
			if depth++; depth == 3 && c == '{' {
				rest = append(rest, text[begin:i]...)
				begin = i
			}
		case c == '}' || c == ']':
			if depth--; depth == 2 && c == '}' && text[begin] == '{' {
				v, err := p.ParseBytes(text[begin : i+1])
				must(err)
				n := s.enter("jobs." + strconv.Itoa(element))
				s.fast(v)
				s.path = s.path[:n]
				element++
				rest = append(rest, "null"...)
				begin = i + 1
			}
		}
	}
	v, err := p.ParseBytes(append(rest, text[begin:]...))
	must(err)
	s.fast(v)
}

func main() {
	text, err := os.ReadFile(os.Args[1])
	must(err)
	n, err := strconv.Atoi(os.Args[2])
	must(err)
	var reused fastjson.Parser
	var s sheet
	for range n {
		begin := time.Now()
		s.leaves, s.path = s.leaves[:0], s.path[:0]
		switch os.Args[3] {
		case "any":
			var v any
			must(json.Unmarshal(text, &v))
			s.any(v)
		case "new", "reused":
			p := &reused
			if os.Args[3] == "new" {
				p = new(fastjson.Parser)
			}
			v, err := p.ParseBytes(text)
			must(err)
			s.fast(v)
		case "chunks":
			s.chunks(&reused, text)
		}
		took := time.Since(begin)
		sum := 0.0
		for i := range s.leaves {
			sum += s.leaves[i].value
		}
		fmt.Println(len(s.leaves), strconv.FormatFloat(sum, 'g', 17, 64), took.Nanoseconds())
	}
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "gopeers:", err)
		os.Exit(1)
	}
}
