package compare_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/compare"
)

// on adds runs of one metric on a host to a side.
func on(s *compare.Side, host, set string, values ...float64) {
	for _, v := range values {
		m := ktstr.Metric{Name: "x", Unit: "us", Value: v, Polarity: ktstr.Lower}
		s.Runs = append(s.Runs, compare.Run{Host: host, Set: set, Headlines: []string{"x"}, Metrics: []ktstr.Metric{m}})
	}
}

// A change of 4 % is far below the differences between the hosts.
func TestBIsComparedWithAOnEachHost(t *testing.T) {
	a, b := compare.Side{Name: "a"}, compare.Side{Name: "b"}
	for i, center := range []float64{100, 150, 70, 220} {
		host := "n" + strconv.Itoa(10-i)
		on(&a, host, "a", center*0.99, center, center*1.01)
		on(&b, host, "b", center*1.03, center*1.04, center*1.05)
	}
	r := compare.Compare(a, b, compare.Options{})
	row := r.Rows[0]
	if row.Per != compare.PerHost || row.Verdict != compare.Worse || math.Abs(row.Change-0.04) > 0.001 {
		t.Errorf("per %s, %s, change %v; want per host, worse, 0.04", row.Per, row.Verdict, row.Change)
	}
	var hosts []string
	for _, h := range row.Hosts {
		hosts = append(hosts, h.Host)
	}
	if want := []string{"n7", "n8", "n9", "n10"}; !slices.Equal(hosts, want) {
		t.Errorf("hosts %q, want %q", hosts, want)
	}
	if want := []float64{220, 70, 150, 100}; !slices.Equal(row.A.Values, want) {
		t.Errorf("values of A %v, want the medians of the hosts %v", row.A.Values, want)
	}
	text := compare.Table{}.Format(r)
	for _, want := range []string{"A  a, 12 runs on 4 hosts\n", "each host counts once, B against A on the"} {
		if !strings.Contains(text, want) {
			t.Errorf("the table lacks %q:\n%s", want, text)
		}
	}
}

// An odd host, in a fleet whose other hosts agree, is named with its change.
func TestTheOddHostIsNamed(t *testing.T) {
	var a, b compare.Side
	for i, change := range []float64{1.001, 0.999, 1, 1.002, 1.3, 0.998} {
		host := "n" + strconv.Itoa(i)
		on(&a, host, "a", 100, 101, 102)
		on(&b, host, "b", 100*change, 101*change, 102*change)
	}
	check := func(name, text string, wants ...string) {
		t.Helper()
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("%s lacks %q:\n%s", name, want, text)
			}
		}
	}
	check("compare --by host", compare.Table{}.ByHost(compare.Compare(a, b, compare.Options{})),
		"n4    101 us  131.3 us  +30.0%  +27.5..+32.6%   3+3  odd\n", "\nodd: n4\n")
	check("runs show --by host", compare.Table{}.Hosts(compare.Hosts(b, compare.Options{})), "\nn4       3  131.3 us ±1%           +29.9%  +27.5..+32.5%  odd\n", "\nodd: n4\n")
	check("runs show --by host", compare.Table{}.Hosts(compare.Hosts(a, compare.Options{})), "no host is odd; of these 6 hosts, one would be if its median were about")
}

// The name of a host comes from a record, which may be hostile.
func TestNamesOfHostsDoNotDisturbTheTable(t *testing.T) {
	var s compare.Side
	for _, host := range []string{"", "\x1b[31mred\n", strings.Repeat("n", 500)} {
		on(&s, host, "a", 100, 101, 102)
	}
	text := compare.Table{}.Hosts(compare.Hosts(s, compare.Options{}))
	if strings.Contains(text, "\x1b") || !strings.Contains(text, "\nunknown ") {
		t.Errorf("want printable names:\n%q", text)
	}
	for _, line := range strings.Split(text, "\n") {
		if len([]rune(line)) > 130 {
			t.Errorf("a line of %d characters: %q", len([]rune(line)), line)
		}
	}
}

// Each fault of a fleet is in the report: hosts of one side, hosts without a metric, hosts that
// failed.
func TestNothingOfAFleetIsMissingSilently(t *testing.T) {
	check := func(name string, a, b compare.Side, wants ...string) {
		t.Helper()
		a.Name, b.Name = "a", "b"
		text := compare.Table{}.Format(compare.Compare(a, b, compare.Options{}))
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("%s: the table lacks %q:\n%s", name, want, text)
			}
		}
	}
	fleet := func(hosts ...string) (s compare.Side) {
		for _, host := range hosts {
			on(&s, host, "set", 100, 101, 99)
		}
		return s
	}
	check("a host of one side", fleet("n1", "n2", "n3", "n4"), fleet("n1", "n2", "n3", "m1", "m2"),
		"note: a: 3 runs left out, because b has no successful run on n4\n", "note: b: 6 runs left out, because a has no successful run on m1, m2\n", "x  ")
	check("one host in common", fleet("n1", "n2", "n3"), fleet("n2"), "note: a: 6 runs left out, because b has no successful run on n1, n3\n")
	check("no host in common", fleet("n1", "n2", "n3"), fleet("m1", "m2"), "each host counts once; A and B have no host")
	check("two hosts", fleet("n1", "n2"), fleet("n1", "n2"), "1 too few (3 hosts could tell): nothing was judged, 0 of 1 metric")
	failed := fleet("n1", "n2", "n3", "n4")
	for i := range failed.Runs {
		failed.Runs[i].Broken = failed.Runs[i].Host == "n4"
	}
	check("a host that failed", fleet("n1", "n2", "n3", "n4"), failed, "because b has no successful run on n4\n", "note: b: 3 of 12 runs failed, a: 0 of 12; this counts as", "1 worse, 1 same")
	partly := fleet("n1", "n2", "n3", "n4")
	for i := range partly.Runs {
		if partly.Runs[i].Host == "n4" {
			partly.Runs[i].Metrics = []ktstr.Metric{{Name: "y", Value: 1, Polarity: ktstr.Lower}}
		}
	}
	check("a host without the metric", fleet("n1", "n2", "n3", "n4"), partly, "on 3 of 4 hosts, because the others have it on one side only")
	for _, side := range []compare.Side{failed, partly} {
		if text := (compare.Table{}).Hosts(compare.Hosts(side, compare.Options{})); !strings.Contains(text, "\nn4       3") {
			t.Errorf("a host without values is missing:\n%s", text)
		}
	}
}

// With several nights of a fleet the night is the unit. A difference that all hosts of a night
// share widens the interval, and the differences between the hosts do not.
func TestNightsOfAFleetCountOnce(t *testing.T) {
	var a, b compare.Side
	for i, night := range []float64{1, 1.02, 0.98, 1.01} {
		for h, center := range []float64{100, 300, 30} {
			if i != 2 || h != 1 { // a host that was down one night
				on(&a, strconv.Itoa(h), "a"+strconv.Itoa(i), center*night, center*night)
			}
			if i == 0 {
				on(&b, strconv.Itoa(h), "b", center, center)
			}
		}
	}
	row := compare.Compare(a, b, compare.Options{}).Rows[0]
	whole := row.B.Values[0]
	for i, want := range []float64{1, 1.02, 0.98, 1.01} {
		if got := row.A.Values[i] / whole; math.Abs(got-want) > 1e-6 {
			t.Errorf("night %d is %v of the new one, want %v", i, got, want)
		}
	}
	if row.Per != compare.PerSet || row.B.N != 1 {
		t.Errorf("per %s, %d values of B; want per set, 1", row.Per, row.B.N)
	}
}

// Two halves of a fleet that run by one command each are one night of all hosts.
func TestHalvesOfAFleetAreOneNight(t *testing.T) {
	var a, b compare.Side
	for h, center := range []float64{100, 300, 30, 80} {
		half := strconv.Itoa(h / 2)
		on(&a, strconv.Itoa(h), "a"+half, center, center*1.01)
		on(&b, strconv.Itoa(h), "b"+half, center*1.1, center*1.11)
	}
	if row := compare.Compare(a, b, compare.Options{}).Rows[0]; row.Per != compare.PerHost || row.Verdict != compare.Worse {
		t.Errorf("per %s, %s; want per host, worse", row.Per, row.Verdict)
	}
}

// More runs are proposed only if they help: not if the hosts react differently.
func TestAnOpenComparisonOfHostsSaysWhatHelps(t *testing.T) {
	r := rand.New(rand.NewPCG(20, 20))
	open := func(noise, reaction float64) string {
		var a, b compare.Side
		for h := range 6 {
			react := math.Exp(reaction * r.NormFloat64())
			for range 5 {
				on(&a, strconv.Itoa(h), "a", 100*math.Exp(noise*r.NormFloat64()))
				on(&b, strconv.Itoa(h), "b", 100*react*math.Exp(noise*r.NormFloat64()))
			}
		}
		return compare.Compare(a, b, compare.Options{}).Rows[0].Open()
	}
	if got := open(0.2, 0); !strings.Contains(got, "runs a side on each of these hosts, or ") || !strings.HasSuffix(got, " hosts") {
		t.Errorf("noisy runs: %q, want runs or hosts", got)
	}
	if got := open(0.001, 0.2); strings.Contains(got, "on each") || !strings.HasSuffix(got, " hosts") {
		t.Errorf("hosts that react differently: %q, want hosts", got)
	}
}

// Ten hosts differ by 5 %, and their runs by 2 %. A loss of 2 % is found in 90 % of the gates
// or more. Without a loss at most 5 % fail, also if the hosts react differently, and if there
// are few of them. (bench/decide hosts has more cells.)
func TestHostsHoldTheErrorRates(t *testing.T) {
	t.Parallel()
	const gates, limit = 200, 21 // the upper 99.9 % limit of 200 draws with probability 0.05
	margin := 1.0
	check := func(hosts int, noise, reaction float64) (found int) {
		t.Helper()
		r := rand.New(rand.NewPCG(9, uint64(hosts)))
		var failed, passed, odd int
		for range gates {
			for _, loss := range []float64{0, margin / 100, 0.02} {
				var a, b compare.Side
				for h := range hosts {
					center := 100 * math.Exp(0.05*r.NormFloat64())
					changed := center * (1 + loss) * math.Exp(reaction*r.NormFloat64())
					for range 5 {
						on(&a, strconv.Itoa(h), "a", center*math.Exp(noise*r.NormFloat64()))
						on(&b, strconv.Itoa(h), "b", changed*math.Exp(noise*r.NormFloat64()))
					}
				}
				report := compare.Compare(a, b, compare.Options{Margin: &margin})
				status := report.ExitStatus(false)
				switch {
				case loss == 0:
					if status == 1 {
						failed++
					}
					if slices.ContainsFunc(report.Rows[0].Hosts, func(h compare.HostRow) bool { return h.Odd }) {
						odd++
					}
				case loss == 0.02 && status == 1:
					found++
				case loss != 0.02 && status == 0:
					passed++
				}
			}
		}
		if failed > limit || passed > limit || odd > limit {
			t.Errorf("%d hosts, noise %v, reaction %v: of %d gates %d fail without a loss, %d pass at a loss of the margin, %d call a host odd", hosts, noise, reaction, gates, failed, passed, odd)
		}
		return found
	}
	if found := check(10, 0.02, 0); found < gates*9/10 {
		t.Errorf("a loss of 2 %% was found in %d of %d gates, want 90 %%", found, gates)
	}
	check(10, 0.005, 0.02)
	check(3, 0.01, 0)
}
