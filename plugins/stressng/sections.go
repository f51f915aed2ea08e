package stressng

import (
	"bytes"
	"fmt"

	"github.com/ktstr/ktstr"
)

// perf is where --perf and --tz print: a line "NAME:" for each stressor, then
// rows that start with blanks.
type perf struct {
	open    bool
	name    []byte
	pid     []byte
	counted bool            // the section has counters, and so a place in sections
	segment string          // "cpu", "cpu~2"
	given   map[string]bool // events of the section
	times   counts          // how often each stressor had counters
	zones   map[string]bool // names of the temperatures that were given
	orphan  int             // first line of counters that stand under no name, or 0
}

// perfLine reads "cpu:" and the rows under it:
// "    985045156 CPU Clock      0.983 B/sec" of --perf, where B is 10^9 and the
// total is exact, and "    acpitz   47.00 C (320.15 K)" of --tz.
func (p *parser) perfLine(l *line) bool {
	f := &p.text.perf
	if l.text[0] != ' ' {
		f.open = false
		name, ok := bytes.CutSuffix(l.text, []byte(":"))
		if !ok || !isStressor(name) {
			return false
		}
		f.open, f.name, f.pid, f.counted, f.given = true, name, l.pid, false, nil
		return false // other lines look like it, and only the next line shows whether it is one
	}
	var w [12][]byte
	n := min(fields(l.text, w[:]), len(w))
	count, ok := 0.0, false
	if n >= 2 {
		count, ok = localCount(w[0])
	}
	if !f.open || !bytes.Equal(f.pid, l.pid) {
		if ok && n >= 4 && bytes.HasSuffix(w[n-1], []byte("/sec")) && l.typ != 'm' && f.orphan == 0 && p.text.ours {
			f.orphan = l.number
		}
		return false
	}
	if !ok {
		return n >= 4 && p.temperature(l, w[:n])
	}
	event := perfEvent(w[1:n])
	if len(event) == 0 || f.orphan > 0 {
		return false
	}
	if !l.whole {
		p.cut = true
		return true
	}
	f.section()
	if f.given[event] {
		// the next section's name is not there
		f.orphan = l.number
		return true
	}
	f.given[event] = true
	p.text.add(f.segment+".perf."+event, count, "count", ktstr.Unknown, l.number)
	return true
}

// section gives the section its place among those of the same stressor.
func (f *perf) section() {
	if f.counted {
		return
	}
	f.counted = true
	f.given = make(map[string]bool)
	f.segment = f.times.numbered(f.name, len(f.name))
}

// perfEvent is the slug of the words before the rate. A row without a rate is
// none of --perf's.
func perfEvent(words [][]byte) string {
	for i := 2; i < len(words); i++ {
		if bytes.HasSuffix(words[i], []byte("/sec")) {
			if _, ok := localNumber(words[i-1]); !ok {
				return ""
			}
			return string(slug(nil, bytes.Join(words[:i-1], []byte(" "))))
		}
	}
	return ""
}

// temperature reads a thermal zone of --tz.
func (p *parser) temperature(l *line, words [][]byte) bool {
	f := &p.text.perf
	for i := 1; i+1 < len(words); i++ {
		if string(words[i+1]) != "C" {
			continue
		}
		v, ok := localNumber(words[i])
		zone := slug(nil, bytes.Join(words[:i], []byte(" ")))
		if !ok || len(zone) == 0 {
			return false
		}
		name := fmt.Sprintf("%s.tz.%s", f.name, zone)
		if f.zones == nil {
			f.zones = make(map[string]bool)
		}
		if !f.zones[name] { // of a repeated stressor the first one's counts
			f.zones[name] = true
			p.text.add(name, v, "C", ktstr.Unknown, l.number)
		}
		return true
	}
	return false
}

// times is where --times prints: behind "for a 1.01s run time:".
type times struct {
	open bool
	pid  []byte
}

// timesLine reads "      0.85s user time   ( 42.22%)" under "for a … run time:".
func (p *parser) timesLine(l *line) bool {
	if t := p.text.times; !t.open || !bytes.Equal(t.pid, l.pid) {
		return false
	}
	var w [4][]byte
	if fields(l.text, w[:]) < 3 {
		return false
	}
	text, ok := bytes.CutSuffix(w[0], []byte("s"))
	if !ok || string(w[2]) != "time" {
		return false
	}
	if !l.whole {
		p.cut = true
		return true
	}
	if name, wanted := timesNames[string(w[1])]; wanted {
		v, ok := localNumber(text)
		if !ok {
			p.diagnose(ktstr.Malformed, l.number, fmt.Sprintf("%q: want seconds", clip(l.text)))
			return true
		}
		p.text.add(name, v, "s", ktstr.Unknown, l.number)
		return true
	}
	return false
}

// timesNames are the times that are metrics, by their word in the log.
var timesNames = map[string]string{"user": "times.user", "system": "times.system", "total": "times.total"}
