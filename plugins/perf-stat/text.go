package perfstat

import (
	"bytes"
	"strings"

	"github.com/ktstr/ktstr"
)

// intervalHeader is the end of the heading of -I.
var intervalHeader = []byte("counts unit events")

// times are the numbers behind the events.
var times = []struct{ words, name string }{
	{"seconds time elapsed", "time.elapsed"},
	{"seconds user", "time.user"},
	{"seconds sys", "time.sys"},
}

// textReport reads the report of the text form, after the lines of -I before it.
func (r *reading) textReport(before, report []byte) {
	line := 1 + bytes.Count(before, []byte{'\n'})
	if bytes.Contains(before, intervalHeader) {
		r.textLines(before, 1, true)
	}
	r.textLines(report, line, false)
	r.Want("time.elapsed", "a line \"seconds time elapsed\"")
}

// textLines reads lines of the text form. With intervals each begins with a time stamp.
func (r *reading) textLines(data []byte, first int, intervals bool) {
	comma := decimalComma(data, intervals)
	for n := first; len(data) > 0; n++ {
		line, rest, ended := bytes.Cut(data, []byte{'\n'})
		data = rest
		if len(line) == 0 || line[0] != ' ' && !isPlace(line) {
			continue
		}
		s := strings.TrimRight(string(line), " \t\r")
		if !intervals && r.time(s, n, comma) {
			continue
		}
		if w, ok := textRow(s, intervals); ok {
			if !ended {
				r.Note(ktstr.Truncated, n, "the last line has no end and may be cut: left out")
				return
			}
			w.line = n
			r.add(w, comma)
		}
	}
}

// decimalComma reports whether a text is of a locale that writes 1,5 for 1.5. The elapsed
// time and the time stamps have nine decimals, or six with -r.
func decimalComma(data []byte, intervals bool) bool {
	sample := data
	if !intervals {
		at := bytes.LastIndex(data, []byte(" seconds time elapsed"))
		if at < 0 {
			return false
		}
		sample = data[bytes.LastIndexByte(data[:at], '\n')+1:]
	} else if at := bytes.Index(data, intervalHeader); at >= 0 {
		sample = data[at+len(intervalHeader):]
	}
	number, _, _ := bytes.Cut(bytes.TrimLeft(sample, " \r\n"), []byte{' '})
	_, decimals, found := bytes.Cut(number, []byte{','})
	return found && len(decimals) >= 6
}

// time reads a line such as "0.05180 +- 0.00010 seconds time elapsed  ( +-  0.20% )".
func (r *reading) time(line string, n int, comma bool) bool {
	for _, t := range times {
		numbers, after, ok := strings.Cut(line, t.words)
		if !ok || strings.Trim(after, " ()+-%.,0123456789") != "" {
			continue
		}
		f := strings.Fields(numbers)
		if len(f) != 1 && (len(f) != 3 || f[1] != "+-") {
			continue
		}
		v, ok := number(f[0], comma)
		if !ok {
			continue
		}
		polarity := ktstr.Unknown
		if t.name == "time.elapsed" {
			polarity = ktstr.Lower
		}
		r.Add(t.name, v, "s", polarity, n)
		if len(f) == 3 {
			if v, ok := number(f[2], comma); ok {
				r.Add(t.name+".stddev", v, "s", ktstr.Unknown, n)
			}
		}
		return true
	}
	return false
}

// isPlace reports whether a text begins with the name of a CPU, core, die, socket or
// node, such as CPU0 and S0-D0-C0.
func isPlace[T string | []byte](s T) bool {
	if len(s) > 3 && string(s[:3]) == "CPU" {
		return s[3]-'0' <= 9
	}
	return len(s) > 1 && (s[0] == 'S' || s[0] == 'N' || s[0] == 'D') && s[1]-'0' <= 9
}

// textRow reads a line such as
// "S0-D0-C0   1   201.44 msec cpu-clock    #    1.000 CPUs utilized   ( +-  1.19% )  (62.35%)".
func textRow(line string, interval bool) (w row, ok bool) {
	line, w.running = percentAtEnd(line)
	if at := strings.LastIndex(line, "( +-"); at >= 0 {
		w.stddev = strings.Trim(line[at+len("( +-"):], " %)")
		line = line[:at]
	}
	left, right, _ := strings.Cut(line, "#")
	f := strings.FieldsFunc(left, func(c rune) bool { return c == ' ' || c == '\t' }) // not at a blank of thousands
	if interval {
		if len(f) < 3 || !isNumber(f[0]) {
			return w, false
		}
		w.interval, f = f[0], f[1:]
	}
	if len(f) > 1 && isPlace(f[0]) {
		w.where, f = f[0], f[1:]
		if w.where[0] != 'C' { // the number of CPUs
			f = f[1:]
		}
	} else if len(f) > 2 && !isNumber(f[0]) && f[0] != "<not" && isNumber(f[1]) && isThread(f[0]) {
		w.where, f = f[0], f[1:] // --per-thread
	}
	switch {
	case len(f) > 2 && f[0] == "<not":
		w.value, f = f[0]+" "+f[1], f[2:]
	case len(f) > 1 && isNumber(f[0]):
		w.value, f = f[0], f[1:]
	default:
		return w, false
	}
	switch {
	case len(f) == 2 && strings.HasPrefix(f[1], "("): // up to 4.x: task-clock (msec)
		w.event, w.unit = f[0], strings.Trim(f[1], "()")
	case len(f) == 2:
		w.unit, w.event = f[0], f[1]
	case len(f) == 1:
		w.event = f[0]
	default:
		return w, false
	}
	for part := range strings.SplitSeq(right, "#") {
		part = strings.TrimSpace(part)
		end := strings.IndexFunc(part, func(c rune) bool { return (c < '0' || c > '9') && c != '.' && c != ',' })
		if end > 0 {
			w.derived = append(w.derived, derived{part[:end], strings.TrimSpace(part[end:])})
		}
	}
	return w, true
}

// percentAtEnd cuts "(62.35%)" or "[62.35%]" or "(scaled from 62.35%)" off a line.
func percentAtEnd(line string) (rest, percent string) {
	inside, ok := strings.CutSuffix(line, "%)")
	if !ok {
		if inside, ok = strings.CutSuffix(line, "%]"); !ok {
			return line, ""
		}
	}
	at := strings.LastIndexAny(inside, "([")
	if at < 0 {
		return line, ""
	}
	percent = strings.TrimPrefix(strings.TrimSpace(inside[at+1:]), "scaled from ")
	if !isNumber(percent) {
		return line, ""
	}
	return strings.TrimRight(inside[:at], " "), percent
}

// isThread reports whether a word is a command and its number, such as sleep-1234.
func isThread(s string) bool {
	at := strings.LastIndexByte(s, '-')
	return at > 0 && isNumber(s[at+1:])
}

// isNumber reports whether a text has digits and separators alone.
func isNumber(s string) bool {
	if s == "" || s[0]-'0' > 9 {
		return false
	}
	for _, c := range s {
		if (c < '0' || c > '9') && c != '.' && !strings.ContainsRune(thousands, c) {
			return false
		}
	}
	return true
}
