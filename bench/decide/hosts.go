package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/aclements/go-moremath/stats"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/compare"
)

// A fleet has hosts that differ, whose runs are compared.
type fleet struct {
	hosts, runs int     // runs a side on each host
	between     float64 // the standard deviation of the hosts
	reaction    float64 // the standard deviation of what the hosts add to a change
	noise       float64 // the standard deviation of the runs on one host
	shape       shape
}

// sides returns the runs of both sides on the same hosts. B has a loss, a fraction.
func (f fleet) sides(r *rand.Rand, loss float64) (a, b compare.Side) {
	for h := range f.hosts {
		center := 100 * math.Exp(f.between*r.NormFloat64())
		change := (1 + loss) * math.Exp(f.reaction*r.NormFloat64())
		for range f.runs {
			for _, s := range []struct {
				side   *compare.Side
				set    string
				center float64
			}{{&a, "a", center}, {&b, "b", center * change}} {
				s.side.Runs = append(s.side.Runs, compare.Run{Set: s.set, Host: strconv.Itoa(h), Headlines: names[:1],
					Metrics: []ktstr.Metric{{Name: names[0], Value: s.center * f.shape.draw(r, 1, f.noise), Polarity: ktstr.Lower}}})
			}
		}
	}
	return a, b
}

// methods are the ways to compare the sides of a fleet. Each reports whether it calls B
// worse. All of them ignore a change of less than 1 %.
var methods = []struct {
	name  string
	worse func(a, b compare.Side) bool
}{
	{"all runs", func(a, b compare.Side) bool {
		for _, s := range []*compare.Side{&a, &b} {
			s.Runs = slices.Clone(s.Runs)
			for i := range s.Runs {
				s.Runs[i].Host = ""
			}
		}
		return gate(a, b) == 1
	}},
	{"ranks within hosts", worseByRanks},
	{"medians of hosts", worseByMedians},
	{"hosts", func(a, b compare.Side) bool { return gate(a, b) == 1 }},
}

func gate(a, b compare.Side) int {
	least := 1.0
	return compare.Compare(a, b, compare.Options{Margin: &least}).ExitStatus(false)
}

// byHost returns the logarithms of both sides on each host, which are in order.
func byHost(a, b compare.Side) (x, y [][]float64) {
	split := func(s compare.Side) (list [][]float64) {
		last := ""
		for i, run := range s.Runs {
			if i == 0 || run.Host != last {
				list = append(list, nil)
			}
			last = run.Host
			list[len(list)-1] = append(list[len(list)-1], math.Log(run.Metrics[0].Value))
		}
		return list
	}
	return split(a), split(b)
}

// worseByRanks is the test of P. van Elteren (Bulletin of the International Statistical
// Institute 37, 1960, 351–361): the Mann–Whitney statistics of the hosts together, by their
// normal approximation. The hosts have the same number of runs.
func worseByRanks(a, b compare.Side) bool {
	x, y := byHost(a, b)
	above, variance, change := 0.0, 0.0, 0.0
	for h := range x {
		n, m := float64(len(x[h])), float64(len(y[h]))
		for _, v := range x[h] {
			for _, w := range y[h] {
				switch {
				case w > v:
					above++
				case w == v:
					above += 0.5
				}
			}
		}
		above -= n * m / 2
		variance += n * m * (n + m + 1) / 12
		change += (middle(y[h]) - middle(x[h])) / float64(len(x))
	}
	return above/math.Sqrt(variance) > 1.96 && change > math.Log(1.01)
}

// worseByMedians is Student's t of the pairs of medians, one-sided.
func worseByMedians(a, b compare.Side) bool {
	x, y := byHost(a, b)
	s := stats.Sample{}
	for h := range x {
		s.Xs = append(s.Xs, middle(y[h])-middle(x[h]))
	}
	n := float64(len(x))
	t := s.Mean() / s.StdDev() * math.Sqrt(n)
	return stats.TDist{V: n - 1}.CDF(-t) <= 0.05 && s.Mean() > math.Log(1.01)
}

func middle(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// tableOfHosts prints how often each method calls B worse, without a loss and with a loss of
// 2 %, and how often the chosen one passes at a loss of the margin. Then it prints how often a
// host is called odd.
func tableOfHosts() {
	fmt.Printf("%d gates per cell, hosts differ by 5 %%, margin 1 %%\n\n| hosts | runs | noise | hosts react |", *gates)
	for _, m := range methods {
		fmt.Printf(" %s |", m.name)
	}
	fmt.Println(" pass, loss 1 % |\n|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
	normal, modes := shapes[0], shapes[3]
	for i, f := range []fleet{
		{10, 5, 0.05, 0, 0.01, normal},
		{10, 5, 0.05, 0, 0.02, normal},
		{10, 5, 0.05, 0, 0.03, normal},
		{10, 10, 0.05, 0, 0.03, normal},
		{10, 5, 0.05, 0, 0.02, shapes[1]},
		{10, 5, 0.05, 0, 0.02, shapes[2]},
		{10, 5, 0.05, 0, 0.02, modes},
		{10, 5, 0.05, 0, 0.02, shapes[4]},
		{10, 5, 0.05, 0.01, 0.01, normal},
		{10, 5, 0.05, 0.02, 0.01, normal},
		{20, 5, 0.05, 0.02, 0.01, normal},
		{10, 1, 0.05, 0, 0.02, normal},
		{10, 1, 0.05, 0, 0.02, modes},
		{5, 5, 0.05, 0, 0.02, normal},
		{5, 1, 0.05, 0, 0.02, modes},
		{3, 5, 0.05, 0, 0.01, normal},
		{3, 5, 0.05, 0, 0.02, normal},
		{3, 1, 0.05, 0, 0.02, modes},
		{3, 1, 0.05, 0, 0.02, shapes[4]},
		{2, 5, 0.05, 0, 0.02, normal},
		{2, 5, 0.05, 0, 0.02, modes},
		{2, 1, 0.05, 0, 0.02, modes},
		{2, 1, 0.05, 0, 0.02, shapes[4]},
		{2, 5, 0.05, 0, 0.02, shapes[4]},
	} {
		var count [2][4]int
		passed := 0
		r := rand.New(rand.NewPCG(uint64(i), 19))
		for range *gates {
			for k, loss := range []float64{0, 0.02} {
				a, b := f.sides(r, loss)
				for j, m := range methods {
					if m.worse(a, b) {
						count[k][j]++
					}
				}
			}
			if gate(f.sides(r, 0.01)) == 0 {
				passed++
			}
		}
		fmt.Printf("| %d | %d | %s %s | %s |", f.hosts, f.runs, header([]float64{f.noise}), f.shape.name, header([]float64{f.reaction}))
		for j := range methods {
			fmt.Printf(" %s / %s |", part(count[0][j]), part(count[1][j]))
		}
		fmt.Printf(" %s |\n", part(passed))
	}
	tableOfOdd()
	tableOfFleetNights()
}

func part(count int) string { return three(float64(count) / float64(*gates)) }

// tableOfOdd prints how often a host is called odd if none is, and if one of them is slower.
func tableOfOdd() {
	fmt.Printf("\n| hosts | runs | noise | hosts differ | none is odd |")
	slower := []float64{0.05, 0.1, 0.2, 0.5}
	for _, by := range slower {
		fmt.Printf(" one by %s |", header([]float64{by}))
	}
	fmt.Println("\n|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
	for i, f := range []fleet{
		{3, 5, 0.01, 0, 0.01, shapes[0]},
		{4, 5, 0.01, 0, 0.01, shapes[0]},
		{5, 5, 0.01, 0, 0.01, shapes[0]},
		{10, 5, 0.01, 0, 0.01, shapes[0]},
		{20, 5, 0.01, 0, 0.01, shapes[0]},
		{20, 5, 0.05, 0, 0.01, shapes[0]},
		{10, 5, 0, 0, 0.03, shapes[0]},
		{10, 5, 0, 0, 0.03, shapes[2]},
		{10, 5, 0, 0, 0.03, shapes[3]},
		{10, 1, 0.01, 0, 0.01, shapes[0]},
	} {
		cells := make([]string, 0, len(slower)+1)
		for k, by := range append([]float64{0}, slower...) {
			r := rand.New(rand.NewPCG(uint64(i), uint64(100+k)))
			found := 0
			for range *gates {
				_, side := f.sides(r, 0)
				for i := range side.Runs {
					if m := side.Runs[i].Metrics; side.Runs[i].Host == "0" {
						m[0].Value *= 1 + by
					}
				}
				for _, h := range compare.Hosts(side, compare.Options{})[0].Hosts {
					if h.Odd && (by == 0 || h.Host == "0") {
						found++
						break
					}
				}
			}
			cells = append(cells, part(found))
		}
		fmt.Printf("| %d | %d | %s %s | %s | %s |\n", f.hosts, f.runs, header([]float64{f.noise}), f.shape.name, header([]float64{f.between}), strings.Join(cells, " | "))
	}
}

// tableOfFleetNights prints the rates of gates of ten hosts that run each night. A night shifts
// all hosts alike, and each host by its own amount.
func tableOfFleetNights() {
	const hosts, runs = 10, 3
	fmt.Printf("\n10 hosts, 3 runs of each a night, hosts differ by 5 %%, runs by 1 %%, margin %g %%\n\n| baseline | new | nights | hosts within a night | loss | pass | fail | open |\n|--:|--:|--:|--:|--:|--:|--:|--:|\n", margin)
	for i, c := range []struct {
		base, fresh int
		all, each   float64
	}{{1, 1, 0, 0.02}, {1, 1, 0.02, 0.01}, {10, 1, 0, 0.02}, {10, 1, 0.02, 0.01}, {10, 3, 0.02, 0.01}} {
		for _, loss := range []float64{0, margin / 100} {
			r := rand.New(rand.NewPCG(uint64(i), 23))
			var count [6]int
			for range *gates {
				var centers [hosts]float64
				for h := range centers {
					centers[h] = math.Exp(0.05 * r.NormFloat64())
				}
				night := func(s *compare.Side, set string, level float64) {
					level *= math.Exp(c.all * r.NormFloat64())
					for h, center := range centers {
						center *= level * math.Exp(c.each*r.NormFloat64())
						for range runs {
							v := center * math.Exp(0.01*r.NormFloat64())
							s.Runs = append(s.Runs, compare.Run{Set: set, Host: strconv.Itoa(h), Headlines: names[:1],
								Metrics: []ktstr.Metric{{Name: names[0], Value: v, Polarity: ktstr.Lower}}})
						}
					}
				}
				var a, b compare.Side
				for n := range c.base {
					night(&a, "a"+strconv.Itoa(n), 1)
				}
				for n := range c.fresh {
					night(&b, "b"+strconv.Itoa(n), 1+loss)
				}
				wanted := margin
				count[compare.Compare(a, b, compare.Options{Margin: &wanted}).ExitStatus(false)]++
			}
			fmt.Printf("| %d | %d | %s | %g %% | %s | %s | %s |\n", c.base, c.fresh, header([]float64{c.all, c.each}), loss*100, part(count[0]), part(count[1]), part(count[5]))
		}
	}
}
