package extractors

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/valyala/fastjson"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/text"
)

// A line is a document that is alone on one line.
type line struct{ start, end, number int }

// A record is one of several JSON lines.
type record struct {
	metrics []ktstr.Metric
	fields  map[string]string // the top-level strings that are not numbers
	label   string
}

// lines reads JSON lines of one shape, such as those of "perf stat -j", one for
// each counter. Their numbers have the same names, so each name gets the value
// of the fields that differ in front of it. For example, the counter-value of
// the line with "event": "task-clock" becomes task-clock.counter-value. Numbers
// in strings are read, too, because perf prints its counts so.
//
// It replaces the metrics and returns the names of these fields, or "" if the
// text is something else.
func (w *Walker) lines() string {
	if w.offLines || len(w.onLines) < 2 {
		return ""
	}
	var parser fastjson.Parser
	records := make([]record, 0, len(w.onLines))
	var order []string         // of the fields
	names := map[string]bool{} // of the numbers in the first line
	for _, l := range w.onLines {
		v, err := parser.ParseBytes(w.text[l.start:l.end])
		if err != nil || v.Type() != fastjson.TypeObject {
			return ""
		}
		r := record{fields: map[string]string{}}
		v.GetObject().Visit(func(key []byte, v *fastjson.Value) { r.member(string(key), v, l.number, &order) })
		if len(records) == 0 {
			for _, m := range r.metrics {
				names[m.Name] = true
			}
		}
		if !r.hasOneOf(names) {
			return ""
		}
		records = append(records, r)
	}
	chosen := labelFields(records, order)
	if len(chosen) == 0 {
		w.diagnose(ktstr.MissingHeadline, 0, "%d JSON lines have the same shape and no field that distinguishes them: the first one counts, the others need --documents all", len(records))
		return ""
	}
	name(records, chosen)
	metrics := w.leaves.Metrics[:0]
	for _, r := range records {
		for _, m := range r.metrics {
			if r.label != "" {
				m.Name = r.label + "." + m.Name
			}
			m.Stream = w.stream
			metrics = append(metrics, m)
		}
	}
	w.leaves.Metrics = metrics
	return strings.Join(chosen, ", ")
}

// member reads a member of the document.
func (r *record) member(key string, v *fastjson.Value, line int, order *[]string) {
	if v.Type() != fastjson.TypeString {
		r.numbers(key, v, line)
		return
	}
	s := string(v.GetStringBytes())
	if n, ok := text.ParseDecimal(s); ok {
		r.metrics = append(r.metrics, ktstr.Metric{Name: key, Value: n, Line: line})
		return
	}
	for _, word := range []string{"time", "date"} { // of the line, which differs and names nothing
		if strings.Contains(strings.ToLower(key), word) {
			return
		}
	}
	if _, ok := r.fields[key]; !ok {
		r.fields[key] = s
		known := false
		for _, o := range *order {
			known = known || o == key
		}
		if !known && len(*order) < 64 {
			*order = append(*order, key)
		}
	}
}

// numbers adds the numbers of a value with their paths.
func (r *record) numbers(path string, v *fastjson.Value, line int) {
	switch v.Type() {
	case fastjson.TypeNumber:
		n, err := strconv.ParseFloat(string(v.MarshalTo(nil)), 64)
		if err == nil && !math.IsInf(n, 0) {
			r.metrics = append(r.metrics, ktstr.Metric{Name: path, Value: n, Line: line})
		}
	case fastjson.TypeObject:
		v.GetObject().Visit(func(key []byte, v *fastjson.Value) { r.numbers(path+"."+string(key), v, line) })
	case fastjson.TypeArray:
		for i, v := range v.GetArray() {
			r.numbers(path+"."+strconv.Itoa(i), v, line)
		}
	}
}

// hasOneOf reports whether a number of the record has one of the names.
func (r record) hasOneOf(names map[string]bool) bool {
	for _, m := range r.metrics {
		if names[m.Name] {
			return true
		}
	}
	return false
}

// labelFields returns the fewest fields whose values distinguish the records: the field
// with the most values, and further fields while they distinguish more records. Of two
// fields with as many values, the one that more records have comes first.
func labelFields(records []record, order []string) (fields []string) {
	labels := make([]string, len(records))
	for distinct := 1; ; {
		best, most, given := "", distinct, 0
		for _, field := range order {
			values, n := map[[2]string]bool{}, 0
			for i, r := range records {
				values[[2]string{labels[i], r.fields[field]}] = true
				if r.fields[field] != "" {
					n++
				}
			}
			if len(values) > most || len(values) == most && best != "" && n > given {
				best, most, given = field, len(values), n
			}
		}
		if best == "" {
			return fields
		}
		distinct = most
		fields = append(fields, best)
		for i, r := range records {
			labels[i] += "\x00" + r.fields[best]
		}
	}
}

// name gives each record its label. Records whose fields are equal get ~2, ~3
// and so on.
func name(records []record, fields []string) {
	seen := map[string]int{}
	for i := range records {
		r := &records[i]
		var parts []string
		for _, field := range fields {
			if v := r.fields[field]; v != "" {
				parts = append(parts, text.Segment(v))
			}
		}
		r.label = strings.Join(parts, ".")
		if seen[r.label]++; seen[r.label] > 1 {
			r.label = fmt.Sprintf("%s~%d", r.label, seen[r.label])
		}
	}
}
