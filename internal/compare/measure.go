package compare

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/aclements/go-moremath/stats"
	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/unit"
)

// measure returns the row of one metric without its verdict. If the verdict can only
// be Missing, the row has it. shared says that the sides have hosts in common.
func measure(name string, a, b []sighting, shared bool, alpha float64) Row {
	row := Row{Per: PerRun, Metric: name, Change: math.NaN(), P: 1, Low: math.Inf(-1), High: math.Inf(1)}
	note := func(format string, args ...any) {
		row.Note = strings.TrimPrefix(row.Note+"; "+fmt.Sprintf(format, args...), "; ")
	}
	sides := [2][]sighting{a, b}
	row.Unit = slices.Concat(a[:min(1, len(a))], b[:min(1, len(b))])[0].unit
	for _, side := range sides {
		for _, s := range side {
			if row.Polarity == ktstr.Unknown {
				row.Polarity = s.polarity // for a row of one side
			}
			if s.unit != row.Unit && !unit.Convertible(s.unit, row.Unit) {
				row.Verdict = Missing
				note("units %q and %q cannot be compared", row.Unit, s.unit)
				return row
			}
		}
	}
	a, b = converted(a, row.Unit), converted(b, row.Unit)
	if notFinite := len(sides[0]) + len(sides[1]) - len(a) - len(b); notFinite > 0 {
		note("%d values that are not finite were left out", notFinite)
	}
	if len(a) == 0 || len(b) == 0 {
		row.A, row.B = summarize(valuesOf(a)), summarize(valuesOf(b))
		row.Verdict = Missing
		switch {
		case len(a)+len(b) == 0:
			note("no side has a value")
		case len(a) == 0:
			note("not in the first")
		default:
			note("not in the second")
		}
		return row
	}
	if shared {
		var hosts, both int
		if a, b, hosts, both = common(a, b); both == 0 {
			row.Verdict = Missing
			note("no host has it on both sides")
			return row
		} else if both < hosts {
			note("on %d of %d hosts, because the others have it on one side only", both, hosts)
		}
	}
	row.divide(a, b)
	row.reading = strictest(row, sides, alpha)
	row.Polarity, row.Change, row.P, row.Low, row.High = row.polarity, row.change, row.p, row.low, row.high
	row.onHosts(alpha)
	if pa, pb := polarities(sides[0]), polarities(sides[1]); pa != pb {
		row.disagreement = fmt.Sprintf("A: %s, B: %s", pa, pb)
		note("judged as %s, because the sides disagree about the polarity (%s)", row.Polarity, row.disagreement)
	}
	return row
}

// converted returns the finite values of one side in the unit u.
func converted(side []sighting, u string) (list []sighting) {
	if !slices.ContainsFunc(side, func(s sighting) bool { return s.unit != u || math.IsNaN(s.value) || math.IsInf(s.value, 0) }) {
		return side
	}
	for _, s := range side {
		v, err := unit.Convert(s.value, s.unit, u)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			continue
		}
		s.value = v
		list = append(list, s)
	}
	return list
}

func valuesOf(side []sighting) []float64 {
	values := make([]float64, len(side))
	for i, s := range side {
		values[i] = s.value
	}
	return values
}

// A reading is the change of a metric as one polarity sees it.
type reading struct {
	polarity  ktstr.Polarity
	change, p float64
	low, high float64 // the one-sided bounds of the change, at alpha each
	direction int     // in which the test sees the change: -1, 0 or 1
	shift     shift
	like      sighting // has the polarity, and the unit of its target
}

// worse reports whether the change is in the bad direction.
func (r reading) worse() bool {
	if r.polarity == ktstr.Higher {
		return r.change < 0
	}
	return r.polarity != ktstr.Unknown && r.change > 0
}

// loss returns the largest loss in the interval, a fraction. A gain is negative. Without a
// polarity, each change is a loss.
func (r reading) loss() float64 {
	switch r.polarity {
	case ktstr.Higher:
		return -r.low
	case ktstr.Unknown:
		return max(-r.low, r.high)
	}
	return r.high
}

// gain returns the largest gain in the interval, as loss.
func (r reading) gain() float64 {
	switch r.polarity {
	case ktstr.Higher:
		return r.high
	case ktstr.Unknown:
		return max(-r.low, r.high)
	}
	return -r.low
}

// lost reports whether each change in the interval is a loss.
func (r reading) lost() bool { return r.gain() < 0 }

// strictest reads the row by each known polarity of its metrics and returns the reading
// that is worst for side B: the most significant one in the bad direction, or else the
// one with the largest possible loss. Usually there is only one.
func strictest(row Row, sides [2][]sighting, alpha float64) reading {
	var readings []reading
	for _, side := range sides {
		for _, s := range side {
			if s.polarity == ktstr.Unknown || slices.ContainsFunc(readings, func(r reading) bool { return r.polarity == s.polarity }) {
				continue
			}
			readings = append(readings, read(row, s, alpha))
		}
	}
	if len(readings) == 0 {
		return read(row, sighting{}, alpha)
	}
	return slices.MinFunc(readings, func(a, b reading) int {
		switch {
		case a.worse() && b.worse():
			return cmp.Compare(a.p, b.p)
		case a.worse():
			return -1
		case b.worse():
			return 1
		}
		return cmp.Compare(b.loss(), a.loss())
	})
}

// read compares the two sides of row by the polarity of a metric. A target is in the
// unit of that metric.
func read(row Row, like sighting, alpha float64) reading {
	r := reading{polarity: like.polarity, like: like}
	r.shift, r.change = shiftOf(row, like, row.positive())
	if row.Per == PerHost && len(row.Hosts) > 0 {
		for _, h := range row.Hosts {
			s, _ := shiftOf(h.on, like, r.shift.logs)
			s.student = h.on.Per != PerRun
			r.shift.pairs = append(r.shift.pairs, s.center())
		}
		r.change = r.shift.fraction(r.shift.center())
	}
	r.shift.student = row.Per != PerRun
	if r.shift.student && r.polarity != ktstr.Unknown {
		// With few sets or hosts a two-sided test hardly finds anything. Each direction has alpha.
		r.shift.tails = 1
	}
	r.p, r.direction = r.shift.test()
	r.low, r.high = r.shift.bounds(alpha)
	return r
}

// shiftOf returns the shift between the sides of row, and the change of the median, by the
// polarity of a metric. The shift is a factor only if factor is true.
func shiftOf(row Row, like sighting, factor bool) (s shift, changed float64) {
	x, y := row.A.Values, row.B.Values
	from, to, whole := row.A.Median, row.B.Median, math.Abs(row.A.Median)
	target, ok := like.polarity.Target()
	if ok {
		if t, err := unit.Convert(target, like.unit, row.Unit); err == nil {
			target = t
		}
		x, y = distances(x, target), distances(y, target)
		from, to = median(x), median(y)
		if target != 0 {
			// Not a fraction of the distance at A. Near the target that is almost
			// nothing, and any noise would be a change by hundreds of percent.
			whole = math.Abs(target)
		} else {
			whole = from
		}
	}
	return newShift(x, y, whole, factor && !ok), rounded(change(from, to, whole))
}

// polarities returns the polarities of one side, such as "lower" or "lower or unknown".
func polarities(side []sighting) string {
	var words []string
	var last ktstr.Polarity
	for i, s := range side {
		if i > 0 && s.polarity == last {
			continue
		}
		last = s.polarity
		if word := s.polarity.String(); !slices.Contains(words, word) {
			words = append(words, word)
		}
	}
	slices.Sort(words)
	return strings.Join(words, " or ")
}

// distances returns the distance of each value to the target.
func distances(values []float64, target float64) []float64 {
	d := make([]float64, len(values))
	for i, v := range values {
		d[i] = math.Abs(v - target)
	}
	return d
}

// change returns the change between two values as a fraction of whole.
func change(from, to, whole float64) float64 {
	switch {
	case from == to:
		return 0
	case whole == 0:
		return math.Inf(1) * math.Copysign(1, to-from)
	}
	return (to - from) / whole
}

// rounded returns a computed number without its last digits, which are rounding errors.
// For example, it returns 10.237 for 10.236999999999998.
func rounded(v float64) float64 {
	const digits = 12
	r, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', digits, 64), 64)
	if err != nil { // v is next to the largest float64
		return v
	}
	return r
}

// summarize computes the median and the spread. It does not round a median that is one
// of the values.
func summarize(values []float64) Sample {
	s := Sample{N: len(values), Values: values}
	if s.N == 0 {
		return s
	}
	sample := stats.Sample{Xs: slices.Sorted(slices.Values(values)), Sorted: true}
	s.Median = middle(sample.Xs)
	s.Spread = rounded((sample.Quantile(0.75) - sample.Quantile(0.25)) / 2)
	return s
}

// median returns the median of values, which are in any order.
func median(values []float64) float64 { return middle(slices.Sorted(slices.Values(values))) }

// middle returns the median of sorted values. If it is between two values, it is rounded.
func middle(sorted []float64) float64 {
	n := len(sorted)
	low, high := sorted[(n-1)/2], sorted[n/2]
	if low == high {
		return low
	}
	return rounded(low/2 + high/2)
}
