package fio

import (
	"math"
	"strconv"
	"strings"

	"github.com/ktstr/ktstr"
)

// maxPercentiles is more than fio prints of one distribution.
const maxPercentiles = 64

// add adds a percentile. It is false if there is one of that name, or too many.
func (s *stats) add(p percentile) bool {
	for _, q := range s.percentiles {
		if p.name == q.name {
			return false
		}
	}
	if len(s.percentiles) == maxPercentiles {
		return false
	}
	s.percentiles = append(s.percentiles, p)
	return true
}

type percentile struct {
	name string // "p99_9"
	num
}

// percentileName makes p99_9 of "99.900000". Other text than a positive
// decimal number gives false. fio fills unused places of its list with zeros.
func percentileName(text []byte) (string, bool) {
	dot, zero := -1, true
	for i, c := range text {
		switch {
		case c == '.' && dot < 0 && i > 0:
			dot = i
		case c < '0' || c > '9':
			return "", false
		case c != '0':
			zero = false
		}
	}
	if zero {
		return "", false
	}
	end := len(text)
	if dot >= 0 {
		for end > dot && (text[end-1] == '0' || end-1 == dot) {
			end--
		}
	}
	start := 0
	for start+1 < end && text[start] == '0' && text[start+1] != '.' {
		start++
	}
	name := make([]byte, 0, 8)
	name = append(append(name, 'p'), text[start:end]...)
	if dot >= 0 && dot < end {
		name[1+dot-start] = '_'
	}
	return string(name), true
}

// usualPercentiles are those that fio prints if the user asks for no others.
var usualPercentiles = []percentile{
	{name: "p1"}, {name: "p5"}, {name: "p10"}, {name: "p20"}, {name: "p30"}, {name: "p40"}, {name: "p50"}, {name: "p60"}, {name: "p70"},
	{name: "p80"}, {name: "p90"}, {name: "p95"}, {name: "p99"}, {name: "p99_5"}, {name: "p99_9"}, {name: "p99_95"}, {name: "p99_99"},
}

// nameRounded names the percentiles whose labels fio rounded. The sum of all
// clients has "100th" for 99.5, 99.9, 99.95 and 99.99. The jobs of the report
// have the same percentiles with all digits.
func (r *report) nameRounded() {
	known := [][]percentile{usualPercentiles}
	var rounded []*stats
	for _, j := range r.jobs {
		for op := range j.rows {
			for _, s := range []*stats{&j.rows[op].slat, &j.rows[op].clat, &j.rows[op].lat} {
				if len(s.percentiles) > 0 && len(known) < maxPercentiles {
					known = append(known, s.percentiles)
				}
				if len(s.rounded) > 0 {
					rounded = append(rounded, s)
				}
			}
		}
	}
	for _, s := range rounded {
		if !s.nameBy(known) {
			r.notes.add(ktstr.Malformed, s.rounded[0].line, "the names of these percentiles are rounded to whole numbers, and which ones they are is not known: they were left out")
		}
	}
}

// nameBy gives the percentiles the names of the first list that rounds to theirs.
func (s *stats) nameBy(lists [][]percentile) bool {
	for _, list := range lists {
		if len(list) != len(s.rounded) {
			continue
		}
		fits := true
		for i, p := range list {
			exact, err := strconv.ParseFloat(strings.Replace(p.name[1:], "_", ".", 1), 64)
			fits = fits && err == nil && "p"+strconv.FormatFloat(math.Round(exact), 'f', -1, 64) == s.rounded[i].name
		}
		if fits {
			for i, p := range s.rounded {
				p.name = list[i].name
				s.add(p)
			}
			return true
		}
	}
	return false
}
