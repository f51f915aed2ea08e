// Command decide simulates gates of known truth and prints how often they pass, fail and
// stay open, as tables for docs/decisions.md.
//
//	go run ./bench/decide gates       # error rates, and how often a gate passes without a change
//	go run ./bench/decide intervals   # coverage of the exact interval and of the bootstrap
//	go run ./bench/decide sessions    # nights as the unit
//	go run ./bench/decide looks       # runs until decided
//	go run ./bench/decide hosts       # several hosts, and the odd one
//
// Each cell has its own fixed seed.
package main

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/compare"
)

const margin = 5.0 // percent

var gates = flag.Int("gates", 10000, "simulate `N` gates per cell")

func main() {
	flag.Parse()
	debug.SetGCPercent(1000)
	tables := map[string]func(){"gates": tableOfGates, "intervals": tableOfIntervals, "sessions": tableOfSessions, "looks": tableOfLooks, "hosts": tableOfHosts}
	if flag.NArg() != 1 || tables[flag.Arg(0)] == nil {
		fmt.Fprintln(os.Stderr, "usage: decide [-gates N] gates | intervals | sessions | looks | hosts")
		os.Exit(2)
	}
	tables[flag.Arg(0)]()
}

// A shape of noise returns one value with a center and a relative spread.
type shape struct {
	name string
	draw func(r *rand.Rand, center, spread float64) float64
}

var shapes = []shape{
	{"normal", func(r *rand.Rand, c, s float64) float64 { return c * (1 + s*r.NormFloat64()) }},
	{"log-normal", func(r *rand.Rand, c, s float64) float64 { return c * math.Exp(s*r.NormFloat64()) }},
	{"heavy tails", func(r *rand.Rand, c, s float64) float64 { return c * math.Exp(s*student3(r)/math.Sqrt(3)) }},
	{"two modes", func(r *rand.Rand, c, s float64) float64 {
		return c * (1 + 0.9*s*float64(2*r.IntN(2)-1) + 0.436*s*r.NormFloat64())
	}},
	{"ties", func(r *rand.Rand, c, s float64) float64 { // the tool rounds to a step of one spread
		return s * math.Round(c*(1+s*r.NormFloat64())/s)
	}},
}

// student3 returns a value of Student's t with 3 degrees of freedom, whose variance is 3.
func student3(r *rand.Rand) float64 {
	chi := 0.0
	for range 3 {
		z := r.NormFloat64()
		chi += z * z
	}
	return r.NormFloat64() / math.Sqrt(chi/3)
}

// names are the metrics of a simulated payload.
var names = func() (list []string) {
	for i := range 10 {
		list = append(list, "m"+strconv.Itoa(i))
	}
	return list
}()

// side returns n runs with several headlines. Lower is better, and the first metric has
// another center.
func side(r *rand.Rand, sh shape, n, metrics int, first, spread float64) compare.Side {
	s := compare.Side{Runs: make([]compare.Run, n)}
	for i := range s.Runs {
		run := compare.Run{Metrics: make([]ktstr.Metric, metrics), Headlines: names[:metrics]}
		for k := range run.Metrics {
			center := 1.0
			if k == 0 {
				center = first
			}
			run.Metrics[k] = ktstr.Metric{Name: names[k], Value: sh.draw(r, center, spread), Polarity: ktstr.Lower}
		}
		s.Runs[i] = run
	}
	return s
}

// rates are the parts of gates with an exit status.
type rates struct{ pass, fail float64 }

// simulate makes gates whose first metric has a loss, a fraction.
func simulate(seed uint64, sh shape, n, metrics int, loss, spread float64) rates {
	r := rand.New(rand.NewPCG(seed, uint64(n*100+metrics)))
	wanted := margin
	var count [6]int
	for range *gates {
		a, b := side(r, sh, n, metrics, 1, spread), side(r, sh, n, metrics, 1+loss, spread)
		count[compare.Compare(a, b, compare.Options{Margin: &wanted}).ExitStatus(false)]++
	}
	return rates{float64(count[0]) / float64(*gates), float64(count[1]) / float64(*gates)}
}

// tableOfGates prints the rates of all cells, and the worst error rates.
func tableOfGates() {
	spreads := []float64{0.005, 0.01, 0.02, 0.03, 0.05, 0.1}
	fmt.Printf("%d gates per cell, margin %g %%, alpha 5 %%\n\n", *gates, margin)
	fmt.Println("| noise | metrics | runs | rate of | " + header(spreads) + " |")
	fmt.Println("|---|--:|--:|---|" + strings.Repeat("--:|", len(spreads)))
	var worstFail, worstPass float64
	for i, sh := range shapes {
		for _, metrics := range []int{1, 3, 10} {
			for _, n := range []int{5, 10, 20} {
				var passes, fails, missed, found []string
				for k, spread := range spreads {
					seed := uint64(i*100 + k)
					none, lost := simulate(seed, sh, n, metrics, 0, spread), simulate(seed+50, sh, n, metrics, margin/100, spread)
					worstFail, worstPass = max(worstFail, none.fail), max(worstPass, lost.pass)
					passes, fails = append(passes, two(none.pass)), append(fails, three(none.fail))
					missed, found = append(missed, three(lost.pass)), append(found, two(lost.fail))
				}
				for _, row := range []struct {
					what  string
					cells []string
				}{{"pass, no change", passes}, {"fail, no change", fails}, {"pass, loss of the margin", missed}, {"fail, loss of the margin", found}} {
					fmt.Printf("| %s | %d | %d | %s | %s |\n", sh.name, metrics, n, row.what, strings.Join(row.cells, " | "))
				}
			}
		}
	}
	fmt.Printf("\nlargest rate of false failures %.4f, of passes at a loss of the margin %.4f\n", worstFail, worstPass)
}

func header(spreads []float64) string {
	var cells []string
	for _, s := range spreads {
		cells = append(cells, strconv.FormatFloat(s*100, 'g', -1, 64)+" %")
	}
	return strings.Join(cells, " | ")
}

func two(v float64) string   { return strconv.FormatFloat(v, 'f', 2, 64) }
func three(v float64) string { return strconv.FormatFloat(v, 'f', 3, 64) }

// tableOfIntervals prints how often the upper bound of the exact interval, and that of a
// bootstrap of the same estimate, is below the true change. Nominal are 5 %.
func tableOfIntervals() {
	const resamples = 999
	fmt.Printf("%d intervals per cell, spread 3 %%\n\n| noise | runs | exact | bootstrap |\n|---|--:|--:|--:|\n", *gates)
	for i, sh := range shapes {
		for _, n := range []int{5, 10, 20} {
			r := rand.New(rand.NewPCG(uint64(i), uint64(n)))
			exact, boot := 0, 0
			for range *gates {
				a, b := side(r, sh, n, 1, 1, 0.03), side(r, sh, n, 1, 1.05, 0.03)
				row := compare.Compare(a, b, compare.Options{}).Rows[0]
				if row.High < 0.05-1e-9 {
					exact++
				}
				if bootstrapHigh(r, row.A.Values, row.B.Values, resamples) < math.Log(1.05)-1e-9 {
					boot++
				}
			}
			fmt.Printf("| %s | %d | %s | %s |\n", sh.name, n, three(float64(exact)/float64(*gates)), three(float64(boot)/float64(*gates)))
		}
	}
}

// bootstrapHigh returns the 95 % quantile of the Hodges–Lehmann estimates of resamples
// (percentile bootstrap).
func bootstrapHigh(r *rand.Rand, a, b []float64, resamples int) float64 {
	estimates := make([]float64, resamples)
	var differences []float64
	x, y := make([]float64, len(a)), make([]float64, len(b))
	for i := range estimates {
		for k := range x {
			x[k] = math.Log(a[r.IntN(len(a))])
		}
		for k := range y {
			y[k] = math.Log(b[r.IntN(len(b))])
		}
		differences = differences[:0]
		for _, v := range x {
			for _, w := range y {
				differences = append(differences, w-v)
			}
		}
		slices.Sort(differences)
		n := len(differences)
		estimates[i] = (differences[(n-1)/2] + differences[n/2]) / 2
	}
	slices.Sort(estimates)
	return estimates[int(0.95*float64(resamples+1))-1]
}

// tableOfSessions prints the rates of gates against ten nights that differ by 2 %, with
// runs that differ by 0.5 % within a night.
func tableOfSessions() {
	const nights, runs, between, within = 10, 5, 0.02, 0.005
	fmt.Printf("%d gates per cell, nights differ by 2 %%, runs of a night by 0.5 %%, 5 runs a night, margin %g %%\n\n", *gates, margin)
	fmt.Println("| baseline | new | loss | pass | fail | open |\n|---|---|--:|--:|--:|--:|")
	for _, base := range []int{1, nights} {
		for _, fresh := range []int{1, 3} {
			for _, loss := range []float64{0, margin / 100} {
				r := rand.New(rand.NewPCG(uint64(base), uint64(fresh)))
				night := func(s *compare.Side, set string, center float64) {
					center *= math.Exp(between * r.NormFloat64())
					for range runs {
						v := center * math.Exp(within*r.NormFloat64())
						s.Runs = append(s.Runs, compare.Run{Set: set, Headlines: names[:1],
							Metrics: []ktstr.Metric{{Name: names[0], Value: v, Polarity: ktstr.Lower}}})
					}
				}
				wanted := margin
				var count [6]int
				for range *gates {
					var a, b compare.Side
					for i := range base {
						night(&a, "a"+strconv.Itoa(i), 1)
					}
					for i := range fresh {
						night(&b, "b"+strconv.Itoa(i), 1+loss)
					}
					count[compare.Compare(a, b, compare.Options{Margin: &wanted}).ExitStatus(false)]++
				}
				part := func(status int) string { return three(float64(count[status]) / float64(*gates)) }
				fmt.Printf("| %d | %d | %g %% | %s | %s | %s |\n", base, fresh, loss*100, part(0), part(1), part(5))
			}
		}
	}
}

// tableOfLooks prints the error rates of runs that go on until they are decided, and the
// mean number of runs a side. Nominal is 0.05.
func tableOfLooks() {
	const most = 40
	fmt.Printf("%d gates per cell, at most %d runs a side, margin %g %%, normal noise\n\n", *gates, most, margin)
	fmt.Println("| metrics | spread | fail, no change | pass, no change | runs | pass, loss | fail, loss | runs |\n|--:|--:|--:|--:|--:|--:|--:|--:|")
	looks := compare.Looks(most, 0.05)
	for _, metrics := range []int{1, 3} {
		for _, spread := range []float64{0.01, 0.02, 0.03, 0.05, 0.1} {
			cells := []string{strconv.Itoa(metrics), header([]float64{spread})}
			for _, loss := range []float64{0, margin / 100} {
				r := rand.New(rand.NewPCG(uint64(spread*1000), uint64(metrics)))
				var count [6]int
				made := 0
				for range *gates {
					status, runs := untilDecided(r, looks, metrics, loss, spread)
					count[status]++
					made += runs
				}
				part := func(status int) string { return three(float64(count[status]) / float64(*gates)) }
				first, second := 1, 0
				if loss > 0 {
					first, second = 0, 1
				}
				cells = append(cells, part(first), part(second), strconv.FormatFloat(float64(made)/float64(*gates), 'f', 1, 64))
			}
			fmt.Println("| " + strings.Join(cells, " | ") + " |")
		}
	}
}

// untilDecided returns the exit status of one such gate and its runs a side.
func untilDecided(r *rand.Rand, looks []compare.Look, metrics int, loss, spread float64) (status, runs int) {
	wanted := margin
	var a, b compare.Side
	for i, look := range looks {
		more := look.Runs - len(a.Runs)
		a.Runs = append(a.Runs, side(r, shapes[0], more, metrics, 1, spread).Runs...)
		b.Runs = append(b.Runs, side(r, shapes[0], more, metrics, 1+loss, spread).Runs...)
		report := compare.Compare(a, b, compare.Options{Alpha: look.Alpha, Margin: &wanted})
		if status = report.ExitStatus(true); report.Decided() || i > 0 && report.Hopeless(looks[len(looks)-1].Runs) {
			return status, look.Runs
		}
	}
	return status, looks[len(looks)-1].Runs
}
