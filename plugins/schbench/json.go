package schbench

import (
	"fmt"
	"strings"

	"github.com/ktstr/ktstr"
	"github.com/valyala/fastjson"
)

// documents gives the numbers of the last valid JSON document. The tables of
// the text, if the stream has both, come before it.
func (s *scanned) documents(e *extraction, out ktstr.Output) {
	if d := s.broken; d.line != 0 {
		switch {
		case out.Truncated && !d.whole:
			e.diagnose(ktstr.Truncated, d.line, "the text stops inside schbench's JSON document")
		case d.whole && len(d.text) > maxDocument:
			e.diagnose(ktstr.TooMany, d.line, fmt.Sprintf("the JSON document has %d bytes, where schbench prints a few thousand: left out", len(d.text)))
		default:
			e.diagnose(ktstr.Malformed, d.line, "schbench's JSON document is not valid: it was cut off, or holds a job name "+
				"or argument with a quote or backslash, which schbench does not escape; the tables on stderr say the same")
		}
	}
	if s.valid == 0 {
		return
	}
	at := s.document.line
	if s.valid > 1 {
		e.diagnose(ktstr.SeveralReports, at, fmt.Sprintf("schbench's JSON is there %d times; the last document counts", s.valid))
	}
	var top *fastjson.Object
	if v, err := fastjson.ParseBytes(s.document.text); err == nil {
		top, _ = v.Object()
	}
	before := len(e.Metrics)
	if top != nil {
		jsonReader{e: e, line: at, skip: emptyTables(s)}.read(top)
	}
	if len(e.Metrics) == before && s.blocks == 0 {
		e.diagnose(ktstr.UnsupportedVersion, at, "the JSON document is of no revision of schbench that this plugin was proven on; want latencies under "+
			`"int", "normal" or "schbench"`)
	}
}

// emptyTables are the families whose table in the text has no samples: the
// JSON does not say so, and gives zeros.
func emptyTables(s *scanned) map[string]bool {
	empty := make(map[string]bool)
	for _, t := range s.last.tables {
		if samples, ok := totalSamples(t.head.text); ok && samples == 0 {
			empty[families[t.kind].prefix] = true
		}
	}
	return empty
}

type jsonReader struct {
	e    *extraction
	line int
	skip map[string]bool
}

// read takes the three shapes: everything nested under "schbench", flat under
// "normal" (for one day of May 2025), or flat under "int".
func (d jsonReader) read(top *fastjson.Object) {
	if old := top.Get("schbench"); old != nil {
		d.nested(old)
		return
	}
	for _, section := range []string{"int", "normal"} {
		before := len(d.e.Metrics)
		if o, err := get(top, section).Object(); err == nil {
			o.Visit(func(key []byte, v *fastjson.Value) { d.flat(string(key), v) })
		}
		if len(d.e.Metrics) > before {
			return
		}
	}
}

// get is a member of an object, null if it has none of that name.
func get(o *fastjson.Object, key string) *fastjson.Value {
	if v := o.Get(key); v != nil {
		return v
	}
	return fastjson.MustParse("null")
}

// jsonFamilies are the families by their names in the document.
var jsonFamilies = []struct {
	key    string
	unit   string
	family family
}{
	{"wakeup_latency", "us", families[wakeup]},
	{"request_latency", "us", families[request]},
	{"rps", "req/s", families[rps]},
}

// flat takes "wakeup_latency_pct99.0", "rps_max", "runtime".
func (d jsonReader) flat(key string, v *fastjson.Value) {
	if key == "runtime" {
		d.add("", "runtime", "s", ktstr.Unknown, v)
		return
	}
	for _, f := range jsonFamilies {
		stat, ok := strings.CutPrefix(key, f.key+"_")
		if !ok {
			continue
		}
		if percent, ok := strings.CutPrefix(stat, "pct"); ok {
			if p, ok := number([]byte(percent)); ok && p <= 100 {
				d.add(f.family.prefix, percentileName(p), f.unit, f.family.polarity, v)
			}
		} else if stat == "min" || stat == "max" {
			d.add(f.family.prefix, stat, f.unit, f.family.polarity, v)
		}
		return
	}
}

// nested takes {"wakeup_latency": {"percentiles": {"99.0": N}, "min", "max"}}.
func (d jsonReader) nested(v *fastjson.Value) {
	top, err := v.Object()
	if err != nil {
		return
	}
	for _, f := range jsonFamilies {
		o, err := get(top, f.key).Object()
		if err != nil {
			continue
		}
		if percentiles, err := get(o, "percentiles").Object(); err == nil {
			percentiles.Visit(func(key []byte, v *fastjson.Value) { d.flat(f.key+"_pct"+string(key), v) })
		}
		for _, stat := range []string{"min", "max"} {
			if v := o.Get(stat); v != nil {
				d.flat(f.key+"_"+stat, v)
			}
		}
	}
	if v := top.Get("runtime"); v != nil {
		d.flat("runtime", v)
	}
}

// add gives a number as its token reads.
func (d jsonReader) add(prefix, stat, unit string, polarity ktstr.Polarity, v *fastjson.Value) {
	if d.skip[prefix] || v.Type() != fastjson.TypeNumber {
		return
	}
	if n, ok := number(v.MarshalTo(nil)); ok {
		d.e.add(prefix+stat, n, unit, polarity, d.line)
		d.e.read = d.e.read || prefix != ""
	}
}
