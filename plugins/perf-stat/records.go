package perfstat

import (
	"bytes"
	"strings"

	"github.com/valyala/fastjson"

	"github.com/ktstr/ktstr"
)

// records reads what is not the text form: rows of -x, objects of -j, and the text of -I,
// which has no report behind it.
func (r *reading) records(out ktstr.Output) {
	data := out.Data
	if bytes.Contains(data, intervalHeader) {
		r.Ours = true
		r.textLines(data, 1, true)
		return
	}
	separators := ",;\t|"
	if given := strings.Join(option(out.Argv, "-x", "--field-separator"), ""); given != "" {
		if given == `\t` {
			given = "\t"
		}
		separators = given[:1]
		if len(given) > 1 {
			separators = ""
			r.Note(ktstr.UnsupportedVersion, 0, "the field separator %q has several characters: want one", given)
		}
	}
	var parser fastjson.Parser
	for n, line := range r.Lines() {
		if len(line) < 5 {
			continue
		}
		switch c := line[0]; {
		case c == '{':
			if w, ok := object(&parser, line); ok {
				w.line = n
				r.add(w, false)
			}
		case c == ' ' || c-'0' <= 9 || c == '<' || isPlace(line) || bytes.IndexByte(line, '-') > 0:
			for i := range len(separators) {
				if bytes.Count(line, []byte{separators[i]}) < 4 {
					continue
				}
				if w, comma, ok := fields(string(line), separators[i:i+1]); ok {
					w.line = n
					r.add(w, comma)
					separators = separators[i : i+1] // all rows have the same
					break
				}
			}
		}
	}
}

// fields reads a row of -x, such as
// "0.351852347,S0-D0-C0,1,0.93,msec,task-clock,2.79%,925276,100.00,0.009,CPUs utilized".
// An event may contain the separator, so the row is read from both ends. comma tells that
// the locale writes 1,5 for 1.5, which makes two fields of one number.
func fields(line, separator string) (w row, comma, ok bool) {
	f := strings.Split(line, separator)
	if len(f) > 40 {
		return w, false, false
	}
	at := 0
	if stamp := strings.TrimSpace(f[0]); stamp == "summary" {
		at++
	} else if _, decimals, point := strings.Cut(stamp, "."); point && len(decimals) == 9 && isNumber(stamp) { // no value has nine decimals
		w.interval = stamp
		at++
	} else if len(f) > 6 && isNumber(stamp) && len(f[1]) == 9 && isDigits(f[1]) {
		w.interval, comma = stamp+"."+f[1], true
		at += 2
	}
	if isPlace(f[at]) {
		w.where = f[at]
		if at++; w.where[0] != 'C' {
			at++
		}
	} else if isThread(f[at]) {
		w.where = f[at]
		at++
	}
	if at+3 > len(f) || !isNumber(f[at]) && !strings.HasPrefix(f[at], "<not ") {
		return w, false, false
	}
	w.value = f[at]
	if at+3 < len(f) && separator == "," && isNumber(f[at+1]) && !isNumber(f[at+2]) && f[at+2] != "" {
		w.value, comma = w.value+","+f[at+1], true
		at++
	}
	w.unit = f[at+1]
	if isNumber(w.unit) {
		return w, false, false
	}
	// The event ends before its run time in ns and the percentage of that.
	for i := at + 3; i+1 < len(f); i++ {
		if !isDigits(f[i]) || !isNumber(f[i+1]) {
			continue
		}
		end := i
		if d, percent := strings.CutSuffix(f[i-1], "%"); percent && i > at+3 {
			w.stddev, end = d, i-1
			if separator == "," && comma && i-2 > at+2 && isDigits(f[i-2]) {
				w.stddev, end = f[i-2]+","+d, i-2
			}
		}
		w.event = strings.Join(f[at+2:end], separator)
		rest := f[i+1:]
		if separator == "," && len(rest) > 1 && !strings.Contains(rest[0], ".") && len(rest[1]) == 2 && isDigits(rest[1]) {
			comma = true
			w.running, rest = rest[0]+","+rest[1], rest[2:]
			if len(rest) > 2 && isDigits(rest[0]) && isDigits(rest[1]) {
				rest = append([]string{rest[0] + "," + rest[1]}, rest[2:]...)
			}
		} else {
			w.running, rest = rest[0], rest[1:]
			comma = comma || strings.Contains(w.running, ",")
		}
		if len(rest) >= 2 && rest[0] != "" {
			w.derived = []derived{{rest[0], rest[1]}}
		}
		return w, comma, w.event != ""
	}
	return w, false, false
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// object reads an object of -j. Some versions leave a comma at its end, and a locale with
// a decimal comma makes it invalid: then its texts are read, which have the value.
func object(parser *fastjson.Parser, line []byte) (w row, ok bool) {
	line = bytes.TrimRight(line, " \t\r,")
	v, err := parser.ParseBytes(line)
	if err != nil {
		v, err = parser.ParseBytes(append(bytes.TrimRight(bytes.TrimSuffix(line, []byte{'}'}), " ,"), '}'))
	}
	get := func(key string) string {
		member := v.Get(key)
		if member == nil {
			return ""
		}
		if s, err := member.StringBytes(); err == nil {
			return string(s)
		}
		return string(member.MarshalTo(nil))
	}
	comma := err != nil
	if comma {
		get = func(key string) string {
			_, rest, _ := bytes.Cut(line, []byte(`"`+key+`" : "`))
			value, _, _ := bytes.Cut(rest, []byte{'"'})
			return string(value)
		}
	}
	w.value, w.event = get("counter-value"), get("event")
	if w.value == "" || w.event == "" {
		return w, false
	}
	w.unit = get("unit")
	w.interval = get("interval")
	if cpu := get("cpu"); cpu != "" {
		w.where = "CPU" + strings.TrimPrefix(cpu, "CPU")
	}
	for _, key := range []string{"core", "die", "cluster", "cache", "socket", "node", "thread"} {
		if place := get(key); place != "" && w.where == "" {
			w.where = place
		}
	}
	if comma {
		w.value = strings.Replace(w.value, ",", ".", 1)
		return w, true
	}
	w.stddev, w.running = get("variance"), get("pcnt-running")
	if value, unit := get("metric-value"), get("metric-unit"); unit != "" {
		w.derived = []derived{{value, unit}}
	}
	return w, true
}
