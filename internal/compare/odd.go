package compare

import (
	"math"
	"slices"

	"github.com/aclements/go-moremath/stats"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/plainjson"
)

// A HostTable has one metric on each host of a side.
type HostTable struct {
	Metric   string
	Unit     string // of all values
	Polarity ktstr.Polarity
	Decides  bool        // the exit status of a comparison would depend on the metric
	Hosts    []HostValue // n2 before n10; also hosts without a value
	// Spread is the standard deviation between the hosts, a fraction of the median. It
	// includes the noise of the runs.
	Spread float64
	// OddFrom is the distance, a fraction, from which a host is odd at the latest. It is infinite
	// with fewer than three hosts.
	OddFrom float64
}

// A HostValue is one metric on one host.
type HostValue struct {
	Host         string
	Runs, Broken int // all runs on the host, and those of them that failed
	Sample       Sample
	// Distance is how far the host is from the median of all hosts, a fraction. Low and High are
	// its bounds as those of Row. They follow from the noise of the runs on the host, and are
	// infinite if there is one run.
	Distance, Low, High float64
	P                   float64 // as HostRow.P
	Odd                 bool    // P is at most Alpha, and the distance to the others is larger than the smallest effect
}

// Hosts shows how the hosts of a side differ, metric by metric. A host of several sets has
// the medians of the sets as its values.
func Hosts(s Side, o Options) (tables []HostTable) {
	if o.Alpha == 0 {
		o.Alpha = DefaultAlpha
	}
	hosts := hostsOf(s)
	chosen := selection(Side{}, s, o.Select)
	all := collect(s)
	for _, name := range Names(s) {
		row := measure(name, nil, all[name], false, o.Alpha) // the unit, the polarity, the thresholds
		if row.B.N == 0 || o.OnlyShown && !chosen.shows(name) {
			continue
		}
		row.Own = chosen.own[name]
		o.setThresholds(&row)
		t := HostTable{Metric: name, Unit: row.Unit, Polarity: row.Polarity, Decides: chosen.decides(row)}
		for _, host := range hosts {
			t.Hosts = append(t.Hosts, HostValue{Host: host, P: 1, Low: math.Inf(-1), High: math.Inf(1)})
		}
		for _, group := range grouped(converted(all[name], row.Unit), hostOf) {
			at := slices.Index(hosts, group[0].run.Host)
			values := valuesOf(group)
			if group[0].run.Set != "" && len(grouped(group, setOf)) > 1 {
				values = medians(group, setOf)
			}
			t.Hosts[at].Sample = summarize(values)
		}
		for _, r := range s.Runs {
			h := &t.Hosts[slices.Index(hosts, r.Host)]
			if h.Runs++; r.Broken {
				h.Broken++
			}
		}
		t.judge(row.MinEffect, o.Alpha)
		tables = append(tables, t)
	}
	return tables
}

// judge sets the distances of the hosts, and says which host is odd.
func (t *HostTable) judge(minEffect, alpha float64) {
	var measured []*HostValue
	var scales []shift // of the values of each host: x in b, and -x in a, so that b-a is x+x
	var centers []float64
	for i := range t.Hosts {
		if h := &t.Hosts[i]; h.Sample.N > 0 {
			measured = append(measured, h)
			centers = append(centers, h.Sample.Median)
		}
	}
	whole := math.Abs(median(centers))
	logs := !slices.ContainsFunc(measured, func(h *HostValue) bool { return slices.Min(h.Sample.Values) <= 0 })
	var list []estimate
	noise := 0.0
	for i, h := range measured {
		s := newShift(h.Sample.Values, h.Sample.Values, whole, logs)
		s.logs = logs
		for i, v := range s.b {
			s.a[len(s.a)-1-i] = -v
		}
		_, squares := moments(s.b)
		n := float64(len(s.b))
		e := estimate{value: s.center() / 2}
		if n > 1 {
			// The variance of the center is that of the mean times π/3, if the noise is normal.
			e.deviation = math.Sqrt(squares / (n - 1) / n * math.Pi / 3)
		}
		noise += e.deviation * e.deviation / float64(len(measured))
		list, scales, centers[i] = append(list, e), append(scales, s), e.value
	}
	middle := median(centers)
	// The variance of a median is that of the mean times π/2, if the noise is normal.
	ofMiddle := noise / float64(len(measured)) * math.Pi / 2
	for i, odd := range oddOnes(list, alpha) {
		h, s := measured[i], scales[i]
		h.Distance = s.fraction(list[i].value - middle)
		if h.Sample.N > 1 && len(measured) > 1 {
			half := tQuantile(1-alpha, h.Sample.N-1) * math.Sqrt(list[i].deviation*list[i].deviation+ofMiddle)
			h.Low, h.High = s.fraction(list[i].value-middle-half), s.fraction(list[i].value-middle+half)
		}
		h.P = odd.p
		h.Odd = odd.p <= alpha && math.Abs(s.fraction(odd.distance))*100 > minEffect
		t.OddFrom = max(t.OddFrom, minEffect/100, math.Abs(s.fraction(odd.seen)))
	}
	if len(measured) > 1 {
		_, squares := moments(centers)
		t.Spread = math.Abs(scales[0].fraction(math.Sqrt(squares / float64(len(centers)-1))))
	}
}

// MarshalJSON implements json.Marshaler.
func (t HostTable) MarshalJSON() ([]byte, error) {
	several := len(t.Hosts) > 1
	return plainjson.Marshal(struct {
		Metric   string        `json:"metric"`
		Unit     string        `json:"unit"`
		Polarity string        `json:"polarity"`
		Decides  bool          `json:"decides"`
		Spread   *ktstr.Number `json:"spread"`   // a fraction
		OddFrom  *ktstr.Number `json:"odd_from"` // a fraction; null: too few hosts
		Hosts    []HostValue   `json:"hosts"`
	}{t.Metric, t.Unit, t.Polarity.String(), t.Decides, known(t.Spread, several), known(t.OddFrom, several && !math.IsInf(t.OddFrom, 0)), t.Hosts})
}

// MarshalJSON implements json.Marshaler.
func (h HostValue) MarshalJSON() ([]byte, error) {
	bounded := !math.IsInf(h.Low, 0) && !math.IsInf(h.High, 0)
	return plainjson.Marshal(struct {
		Host     string        `json:"host"`
		Runs     int           `json:"runs"`
		Broken   int           `json:"broken"`
		Values   Sample        `json:"values"`
		Distance *ktstr.Number `json:"distance"` // a fraction
		Low      *ktstr.Number `json:"low"`      // null: there is no interval
		High     *ktstr.Number `json:"high"`
		P        *ktstr.Number `json:"p"`
		Odd      bool          `json:"odd"`
	}{h.Host, h.Runs, h.Broken, h.Sample, known(h.Distance, h.Sample.N > 0), known(h.Low, bounded), known(h.High, bounded), known(h.P, h.Sample.N > 0), h.Odd})
}

// An estimate is a value of one host, and the standard error that the noise of its runs
// causes, or 0 if that is unknown.
type estimate struct{ value, deviation float64 }

// An oddity says how far a host is from the other hosts.
type oddity struct {
	distance float64 // from the mean of the others
	p        float64 // of so large a distance, if the host is like the others
	seen     float64 // the distance from which p is at most alpha
}

// oddOnes returns the oddity of each of several hosts. p is multiplied by the number of hosts
// (Bonferroni), so alpha holds for all of them together. p is 1 with fewer than three hosts.
//
// The test is the studentized deleted residual (R. D. Cook and S. Weisberg, Residuals and
// Influence in Regression, 1982, section 2.2, and for estimates with errors of their own W.
// Viechtbauer and M. W.-L. Cheung, Research Synthesis Methods 1, 2010, 112–125): the distance
// to the mean of the other hosts over its standard error, which follows from how much the
// others differ. A host with more noise than the others gets the excess. The reference is
// Student's t with two degrees of freedom fewer than hosts.
func oddOnes(list []estimate, alpha float64) []oddity {
	n := len(list)
	found := make([]oddity, n)
	if n < 3 {
		for i := range found {
			found[i] = oddity{p: 1, seen: math.Inf(1)}
		}
		return found
	}
	others := make([]float64, 0, n-1)
	t := stats.TDist{V: float64(n - 2)}
	quantile := tQuantile(1-alpha/2/float64(n), n-2)
	for i, e := range list {
		others = others[:0]
		noise := 0.0
		for j, o := range list {
			if j != i {
				others = append(others, o.value)
				noise += o.deviation * o.deviation / float64(n-1)
			}
		}
		mean, squares := moments(others)
		deviation := math.Sqrt(squares/float64(n-2)*(1+1/float64(n-1)) + max(0, e.deviation*e.deviation-noise))
		found[i] = oddity{distance: e.value - mean, p: 1, seen: quantile * deviation}
		if e.value != mean {
			found[i].p = min(1, float64(n)*2*t.CDF(-math.Abs(e.value-mean)/deviation)) // 0 if the others are equal
		}
	}
	return found
}
