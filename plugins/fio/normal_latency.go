package fio

import (
	"strings"

	"github.com/ktstr/ktstr"
)

// distribution reads the lines under a direction.
func (n *normalReader) distribution(text string, number int) bool {
	if rows, ok := strings.CutPrefix(text, "| "); ok {
		n.percentiles(rows, number)
		return true
	}
	head, rest, ok := strings.Cut(text, ":")
	if !ok {
		return false
	}
	rest = strings.TrimLeft(rest, " ")
	if name, unit, ok := strings.Cut(head, " percentiles ("); ok {
		// A single priority has its share in parentheses behind its name.
		n.percentileHead(name, latencyUnit(strings.TrimSuffix(unit, ")")), number)
		return true
	}
	name, inner, ok := strings.Cut(head, "(")
	unit, closed := strings.CutSuffix(strings.TrimRight(inner, " "), ")")
	if ok && closed {
		unit = strings.TrimSpace(unit)
		name = strings.TrimRight(name, " ")
		switch {
		case name == "bw" && strings.HasPrefix(rest, "min="):
			n.stats(turnBW, rest, tableRateUnit(unit), number)
			return true
		case !strings.HasPrefix(rest, "min="):
			return false // a histogram
		}
		if turn, ok := map[string]int{"slat": turnSlat, "clat": turnClat, "lat": turnLat, "sync": turnLat}[name]; ok {
			n.enterSync(name == "sync", number)
			n.stats(turn, rest, latencyUnit(unit), number)
			return true
		}
		return strings.Contains(name, " prio") // of one priority
	}
	if strings.TrimRight(head, " ") == "iops" && strings.HasPrefix(rest, "min=") {
		n.stats(turnIOPS, rest, "iops", number)
		return true
	}
	if head == "block lifetime percentiles " {
		n.target = nil
		return true
	}
	return false
}

// tableRateUnit reads the unit of a "bw (  KiB/s)" or "bw (KB  /s)" line. It
// returns "" for another text.
func tableRateUnit(unit string) string {
	amount, ok := strings.CutSuffix(strings.ReplaceAll(unit, " ", ""), "/s")
	if !ok || !isAmountUnit(amount) {
		return ""
	}
	return oldUnit(amount) + "/s"
}

// enterSync opens the direction of fsync and its like, which has no first line
// of its own, where a line is of it, and leaves it where one is not.
func (n *normalReader) enterSync(is bool, number int) {
	if n.job == nil || n.whole {
		n.row = nil
		return
	}
	r := &n.job.rows[syncs]
	switch {
	case is && r.line == 0:
		r.line = number
		n.row, n.turn, n.target = r, turnDirection, nil
	case is != (n.row == r):
		n.row = nil
	}
}

// inTurn says whether a line may come now.
func (n *normalReader) inTurn(turn, number int) bool {
	if n.row != nil && n.turn < turn {
		n.turn = turn
		return true
	}
	n.lost(number)
	return false
}

// stats reads "min=2, max=417, avg=10.83, stdev=12.31", also with more in between.
func (n *normalReader) stats(turn int, text, unit string, number int) {
	n.target = nil
	if !n.inTurn(turn, number) {
		return
	}
	var s stats
	odd := unit == ""
	for _, f := range strings.Split(text, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(f), "=")
		var into *num
		switch key {
		case "min":
			into = &s.min
		case "max":
			into = &s.max
		case "avg":
			into = &s.mean
		case "stdev":
			into = &s.stddev
		case "samples":
			into = &s.samples
		default:
			continue
		}
		v, ok := scaled(strings.TrimSpace(value))
		if !ok {
			odd = true
			continue
		}
		*into = num{v, unit, number}
	}
	if odd {
		n.current.notes.add(ktstr.Malformed, number, "a number or unit in this line cannot be read and was left out")
		if unit == "" {
			return
		}
	}
	if !s.samples.ok() {
		s.samples = num{1, "count", number} // such a line is printed only if there were any
	}
	switch turn {
	case turnSlat:
		n.row.slat = s
	case turnClat:
		n.row.clat = s
	case turnLat:
		n.row.lat = s
	case turnBW:
		n.row.bwStats = s
	case turnIOPS:
		n.row.iopsStats = s
	}
}

// percentileHead reads the head of percentile rows. Rows of other families,
// such as those of one priority, are not kept.
func (n *normalReader) percentileHead(name, unit string, number int) {
	n.target, n.unit = nil, unit
	turn, ok := map[string]int{
		"slat": turnSlatPercentiles, "clat": turnClatPercentiles, "lat": turnLatPercentiles, "sync": turnLatPercentiles,
	}[name]
	if !ok || unit == "" {
		return
	}
	n.enterSync(name == "sync", number)
	if !n.inTurn(turn, number) {
		return
	}
	switch turn {
	case turnSlatPercentiles:
		n.target = &n.row.slat
	case turnClatPercentiles:
		n.target = &n.row.clat
	case turnLatPercentiles:
		n.target = &n.row.lat
	}
	// The family's own line may be missing.
	if !n.target.samples.ok() {
		n.target.samples = num{1, "count", number}
	}
}

// percentiles reads "1.00th=[  804],  5.00th=[ 1004], …".
func (n *normalReader) percentiles(text string, number int) {
	if n.target == nil {
		return
	}
	for _, f := range strings.Split(text, "]") {
		percent, value, ok := strings.Cut(f, "th=[")
		if !ok {
			continue
		}
		percent = strings.TrimLeft(percent, ", ")
		name, ok1 := percentileName([]byte(percent))
		v, ok2 := scaled(strings.TrimSpace(value))
		if !ok1 || !ok2 {
			n.current.notes.add(ktstr.Malformed, number, "a percentile in this line cannot be read and was left out")
			continue
		}
		p := percentile{name, num{v, n.unit, number}}
		if !strings.Contains(percent, ".") && len(n.target.rounded) < maxPercentiles {
			n.target.rounded = append(n.target.rounded, p)
			continue
		}
		if !n.target.add(p) { // rows of another distribution, whose head is missing
			n.current.notes.add(ktstr.Malformed, number, "percentiles whose head line is missing were left out")
			n.target = nil
			return
		}
	}
}
