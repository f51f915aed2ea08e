package compare

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/ktstr/ktstr/internal/text"
)

// Per is the unit of the statistics of a metric. Each run, set or host counts once.
type Per string

// The values of Per.
const (
	PerRun  Per = "run"
	PerSet  Per = "set"
	PerHost Per = "host"
)

// A HostRow is the comparison of a metric on one host.
type HostRow struct {
	Host      string
	A, B      Sample
	Change    float64 // as Row.Change
	Low, High float64 // as those of Row, of the runs or sets on this host; infinite: there is no interval
	// P is the probability of a change that differs so much from those of the other hosts, if
	// the host is like them, times the number of hosts. It is 1 with fewer than three hosts.
	P   float64
	Odd bool // P is at most Alpha, and the difference is larger than the smallest effect

	on Row // the comparison on this host
}

// divide sets the unit of the row, and the values of both sides. The unit is:
//
//   - Each host, if both sides have runs on several same hosts. B is compared with A on each
//     host, so that differences between the hosts do not matter. Hosts that react differently
//     to the change, or that drifted, widen the interval.
//   - Each set, if a side also has several sets that span the same hosts, for example ten nights
//     of a fleet. The values are without the differences between the hosts.
//   - Each host, if the sides have several hosts and none in common.
//   - Each set, if a side has several sets.
//   - Each run, otherwise.
func (r *Row) divide(a, b []sighting) {
	_, _, hosts, both := common(a, b)
	if both > 1 {
		onB := grouped(b, hostOf)
		for _, onA := range grouped(a, hostOf) {
			at := slices.IndexFunc(onB, func(list []sighting) bool { return list[0].run.Host == onA[0].run.Host })
			h := HostRow{Host: onA[0].run.Host, P: 1, on: Row{Unit: r.Unit, Per: PerRun}}
			h.on.divide(onA, onB[at])
			h.A, h.B = h.on.A, h.on.B
			r.Hosts = append(r.Hosts, h)
		}
		slices.SortFunc(r.Hosts, func(x, y HostRow) int { return compareHosts(x.Host, y.Host) })
	}
	var x, y []float64
	switch {
	case both > 1 && max(nights(a), nights(b)) > 1:
		r.Per = PerSet
		x, y = withoutHosts(a, b)
	case both > 1:
		r.Per = PerHost
		for _, h := range r.Hosts {
			x, y = append(x, h.A.Median), append(y, h.B.Median)
		}
	case hosts > 2:
		r.Per = PerHost
		x, y = medians(a, hostOf), medians(b, hostOf)
	case perSet(a, b):
		r.Per = PerSet
		x, y = medians(a, setOf), medians(b, setOf)
	default:
		x, y = valuesOf(a), valuesOf(b)
	}
	r.A, r.B = summarize(x), summarize(y)
}

// positive reports whether all values of the row are above zero, also on each host.
func (r Row) positive() bool {
	for _, side := range []Sample{r.A, r.B} {
		if side.N == 0 || slices.Min(side.Values) <= 0 {
			return false
		}
	}
	return !slices.ContainsFunc(r.Hosts, func(h HostRow) bool { return !h.on.positive() })
}

// onHosts sets the change and the interval of each host, when the polarity of the row
// is known.
func (r *Row) onHosts(alpha float64) {
	for i := range r.Hosts {
		h := &r.Hosts[i]
		h.on.shift, _ = shiftOf(h.on, r.like, r.shift.logs)
		h.on.shift.student = h.on.Per != PerRun
		h.Change = h.on.shift.fraction(h.on.shift.center())
		h.Low, h.High = h.on.shift.bounds(alpha)
	}
}

// oddHosts marks the hosts whose change differs from that of the other hosts.
func (r *Row) oddHosts(alpha float64) {
	var list []estimate
	for _, h := range r.Hosts {
		list = append(list, estimate{h.on.shift.center(), h.on.shift.deviation()})
	}
	for i, o := range oddOnes(list, alpha) {
		r.Hosts[i].P = o.p
		r.OddFrom = max(r.OddFrom, r.MinEffect/100, math.Abs(r.shift.fraction(o.seen)))
		r.Hosts[i].Odd = o.p <= alpha && math.Abs(r.shift.fraction(o.distance))*100 > r.MinEffect
	}
}

// neededRuns returns the number of runs per side on each host with which these hosts detect a
// change of the margin. It is 0 if more runs do not help, or if not each host counts once.
//
// The variance of the hosts' changes has two parts: the noise of the runs, which falls with
// their number, and the rest.
func (r Row) neededRuns(alpha float64) int {
	if r.shift.pairs == nil {
		return 0
	}
	hosts, runs, noise := float64(len(r.Hosts)), 0.0, 0.0
	for _, h := range r.Hosts {
		if h.on.Per != PerRun {
			return 0
		}
		runs += float64(h.A.N+h.B.N) / 2 / hosts
		noise += math.Pow(h.on.shift.deviation(), 2) / hosts
	}
	_, deviation, freedom := r.shift.means()
	if noise == 0 || freedom < 1 {
		return 0
	}
	rest := max(0, deviation*deviation*hosts-noise)
	z := tQuantile(1-r.Level/float64(r.shift.tails), freedom) + normalQuantile(power)
	wanted := math.Pow(r.shift.wanted(r.Margin/100)/z, 2) * hosts
	if need := math.Ceil(noise * runs / (wanted - rest)); wanted > rest && need > runs && need <= 1000 {
		return int(need)
	}
	return 0
}

// onCommonHosts returns the sides without the runs on hosts that only one of them has. If
// there is no common host, it returns the sides as they are. Hosts count on which a run
// succeeded. The notes name the runs that are left out.
func onCommonHosts(a, b Side) (onlyA, onlyB Side, shared bool, notes []string) {
	succeeded := func(s Side) map[string]bool {
		hosts := map[string]bool{}
		for _, r := range s.Runs {
			if !r.Broken {
				hosts[r.Host] = true
			}
		}
		return hosts
	}
	inA, inB := succeeded(a), succeeded(b)
	for host := range inA {
		shared = shared || inB[host]
	}
	if !shared {
		return a, b, false, nil
	}
	leave := func(s, other Side, own, others map[string]bool) Side {
		left := map[string]bool{}
		count := 0
		s.Runs = slices.DeleteFunc(slices.Clone(s.Runs), func(r Run) bool {
			if others[r.Host] {
				return !own[r.Host] // failed, which is reported elsewhere
			}
			count++
			left[r.Host] = true
			return true
		})
		if count > 0 {
			hosts := slices.SortedFunc(maps.Keys(left), compareHosts)
			notes = append(notes, fmt.Sprintf("%s: %s left out, because %s has no successful run on %s", s.Name, text.Count(count, "run"), other.Name, listed(hosts)))
		}
		return s
	}
	onlyA, onlyB = leave(a, b, inA, inB), leave(b, a, inB, inA)
	return onlyA, onlyB, true, notes
}

// common returns the sightings on the hosts that both sides have, the number of all hosts,
// and the number of these.
func common(a, b []sighting) (onA, onB []sighting, hosts, both int) {
	elsewhere := func(s sighting) bool { return s.run.Host != a[0].run.Host }
	if len(a) > 0 && len(b) > 0 && !slices.ContainsFunc(a, elsewhere) && !slices.ContainsFunc(b, elsewhere) {
		return a, b, 1, 1 // as usual
	}
	inA, inB := map[string]bool{}, map[string]bool{}
	for _, s := range a {
		inA[s.run.Host] = true
	}
	for _, s := range b {
		inB[s.run.Host] = true
	}
	hosts = len(inB)
	for host := range inA {
		if inB[host] {
			both++
		} else {
			hosts++
		}
	}
	if both == hosts {
		return a, b, hosts, both
	}
	one := func(s sighting) bool { return !inA[s.run.Host] || !inB[s.run.Host] }
	return slices.DeleteFunc(slices.Clone(a), one), slices.DeleteFunc(slices.Clone(b), one), hosts, both
}

// hostsOf returns the hosts of all runs, n2 before n10.
func hostsOf(s Side) []string {
	seen := map[string]bool{}
	for _, r := range s.Runs {
		seen[r.Host] = true
	}
	return slices.SortedFunc(maps.Keys(seen), compareHosts)
}

// compareHosts sorts n2 before n10.
func compareHosts(a, b string) int {
	nameA, numberA := numbered(a)
	nameB, numberB := numbered(b)
	return cmp.Or(strings.Compare(nameA, nameB), cmp.Compare(numberA, numberB), strings.Compare(a, b))
}

// numbered splits a name such as n10 into n and 10.
func numbered(host string) (name string, number uint64) {
	name = strings.TrimRight(host, "0123456789")
	number, _ = strconv.ParseUint(host[len(name):], 10, 64) // 0 without digits
	return name, number
}

// hostOf and setOf are the keys of grouped. A sighting whose key is empty is a group alone.
func hostOf(s sighting) string { return "on " + s.run.Host }
func setOf(s sighting) string  { return s.run.Set }

// grouped returns groups of sightings with the same key, in the order of their first one.
func grouped(side []sighting, key func(sighting) string) (groups [][]sighting) {
	at := map[string]int{}
	for _, s := range side {
		k := key(s)
		i, ok := at[k]
		if !ok || k == "" {
			i = len(groups)
			at[k], groups = i, append(groups, nil)
		}
		groups[i] = append(groups[i], s)
	}
	return groups
}

// medians returns the median of each group. On a host with several sets, each set counts once.
func medians(side []sighting, key func(sighting) string) (list []float64) {
	for _, group := range grouped(side, key) {
		values := valuesOf(group)
		if sets := grouped(group, setOf); len(sets) > 1 && group[0].run.Set != "" {
			values = medians(group, setOf)
		}
		list = append(list, median(values))
	}
	return list
}

// perSet reports whether each set of runs counts once, because at least one side has
// several sets with the metric.
func perSet(a, b []sighting) bool {
	known := func(s sighting) bool { return s.run.Set != "" }
	several := func(side []sighting) bool {
		return slices.ContainsFunc(side[1:], func(s sighting) bool { return s.run.Set == "" || s.run.Set != side[0].run.Set })
	}
	return len(a) > 0 && len(b) > 0 && (slices.ContainsFunc(a, known) || slices.ContainsFunc(b, known)) && (several(a) || several(b))
}

// nights returns the largest number of sets with runs on several hosts that one host has. Two
// sets on different halves of a fleet are one night.
func nights(side []sighting) (most int) {
	wide := map[string]bool{}
	for _, set := range grouped(side, setOf) {
		wide[set[0].run.Set] = len(grouped(set, hostOf)) > 1
	}
	for _, host := range grouped(side, hostOf) {
		n := 0
		for _, set := range grouped(host, setOf) {
			if wide[set[0].run.Set] {
				n++
			}
		}
		most = max(most, n)
	}
	return most
}

// withoutHosts returns one value for each set of the sides: the mean over its hosts, less the
// effects of the hosts. If all values are above zero, the effects are factors.
//
// The model is value = set + host. Its least squares are found by taking turns: the effects of
// the sets given those of the hosts, then the reverse. If each set ran on each host, the first
// turn is exact.
func withoutHosts(a, b []sighting) (x, y []float64) {
	type cell struct {
		set, host int
		value     float64
	}
	var cells []cell
	hosts := map[string]int{}
	setsA := grouped(a, setOf)
	sets := append(setsA[:len(setsA):len(setsA)], grouped(b, setOf)...)
	logs := true
	for i, set := range sets {
		for _, group := range grouped(set, hostOf) {
			host, ok := hosts[group[0].run.Host]
			if !ok {
				host = len(hosts)
				hosts[group[0].run.Host] = host
			}
			v := median(valuesOf(group))
			logs = logs && v > 0
			cells = append(cells, cell{i, host, v})
		}
	}
	if logs {
		for i := range cells {
			cells[i].value = math.Log(cells[i].value)
		}
	}
	ofSet, ofHost := make([]float64, len(sets)), make([]float64, len(hosts))
	// turn sets the effects to the means of the values less the other effects.
	turn := func(effects, others []float64, index func(cell) (of, other int)) {
		counts := make([]float64, len(effects))
		clear(effects)
		for _, c := range cells {
			of, other := index(c)
			effects[of] += c.value - others[other]
			counts[of]++
		}
		for i := range effects {
			effects[i] /= counts[i]
		}
	}
	const turns = 50
	for range turns {
		turn(ofSet, ofHost, func(c cell) (int, int) { return c.set, c.host })
		turn(ofHost, ofSet, func(c cell) (int, int) { return c.host, c.set })
		mean := sum(ofHost) / float64(len(ofHost))
		for i := range ofHost {
			ofHost[i] -= mean
		}
	}
	turn(ofSet, ofHost, func(c cell) (int, int) { return c.set, c.host })
	if logs {
		for i, v := range ofSet {
			ofSet[i] = rounded(math.Exp(v))
		}
	}
	return ofSet[:len(setsA)], ofSet[len(setsA):]
}
