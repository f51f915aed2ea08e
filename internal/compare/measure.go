package compare

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/aclements/go-moremath/stats"
	"golang.org/x/perf/benchmath"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/unit"
)

// measure returns the row of one metric without its verdict. If the verdict can only
// be Missing, the row has it.
func measure(name string, a, b []sighting) Row {
	row := Row{Metric: name, Change: math.NaN(), P: 1}
	note := func(format string, args ...any) {
		row.Note = strings.TrimPrefix(row.Note+"; "+fmt.Sprintf(format, args...), "; ")
	}
	all := slices.Concat(a, b)
	row.Unit = all[0].unit
	polarities := map[ktstr.Polarity]bool{}
	for _, s := range all {
		if s.polarity != ktstr.Unknown {
			polarities[s.polarity], row.Polarity = true, s.polarity
		}
		if !unit.Convertible(s.unit, row.Unit) {
			row.Verdict = Missing
			note("units %q and %q cannot be compared", row.Unit, s.unit)
			return row
		}
	}
	if len(polarities) > 1 {
		row.Polarity = ktstr.Unknown
		note("the runs do not agree which way is better")
	}
	notFinite := 0
	values := func(side []sighting) []float64 {
		var list []float64
		for _, s := range side {
			v, err := unit.Convert(s.value, s.unit, row.Unit)
			if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
				notFinite++
				continue
			}
			list = append(list, v)
		}
		return list
	}
	row.A, row.B = summarize(values(a)), summarize(values(b))
	if notFinite > 0 {
		note("%d values that are not finite were left out", notFinite)
	}
	switch {
	case row.A.N == 0 && row.B.N == 0:
		row.Verdict = Missing
		note("no side has a value")
		return row
	case row.A.N == 0:
		row.Verdict = Missing
		note("not in the first")
		return row
	case row.B.N == 0:
		row.Verdict = Missing
		note("not in the second")
		return row
	}
	x, y := row.A.Values, row.B.Values
	from, to, whole := row.A.Median, row.B.Median, math.Abs(row.A.Median)
	if target, ok := row.Polarity.Target(); ok {
		// The target is in the unit of its metric. If the units of the sides differ, it is
		// in the unit of the first metric with this polarity.
		for _, s := range all {
			if s.polarity == row.Polarity {
				if t, err := unit.Convert(target, s.unit, row.Unit); err == nil {
					target = t
				}
				break
			}
		}
		x, y = distances(x, target), distances(y, target)
		from, to = summarize(x).Median, summarize(y).Median
		if target != 0 {
			// Not of the distance at A: near the target that is next to
			// nothing, and any noise would be a change by hundreds of percent.
			whole = math.Abs(target)
		} else {
			whole = from
		}
	}
	row.Change = rounded(change(from, to, whole))
	row.P = uTest(x, y)
	return row
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
	thresholds := benchmath.DefaultThresholds
	s.Median = benchmath.AssumeNothing.Summary(benchmath.NewSample(slices.Clone(values), &thresholds), 0.95).Center
	if !slices.Contains(values, s.Median) {
		s.Median = rounded(s.Median)
	}
	sample := stats.Sample{Xs: slices.Clone(values)}
	sample.Sort()
	s.Spread = rounded((sample.Quantile(0.75) - sample.Quantile(0.25)) / 2)
	return s
}
