package unit_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ktstr/ktstr/core/unit"
)

func TestConvert(t *testing.T) {
	check := func(v float64, from, to string, want float64) {
		t.Helper()
		got, err := unit.Convert(v, from, to)
		if err != nil || got != want {
			t.Errorf("Convert(%v, %q, %q) = %v, %v; want %v", v, from, to, got, err, want)
		}
	}
	check(2, "ms", "us", 2000)
	check(2000, "us", "ms", 2)
	check(0.1, "s", "ns", 1e8)
	check(1.1, "ms", "us", 1100)
	check(3, "usec", "ns", 3000)
	check(1, "µs", "us", 1)
	check(90, "min", "h", 1.5)
	check(1, "KB", "KiB", 1)
	check(1, "KB", "B", 1024)
	check(1, "kB", "B", 1000)
	check(1, "MB", "kB", 1000)
	check(1, "MiB", "MB", 1.048576)
	check(1, "GiB/s", "KiB/s", 1<<20)
	check(8, "Mbit/s", "MB/s", 1)
	check(8, "Mbps", "MB/s", 1)
	check(1, "MiB", "bit", 8<<20)
	check(60, "KiB/min", "KiB/s", 1)
	check(5, "kiops", "iops", 5000)
	check(12, "iops", "io/s", 12)
	check(3, "Mops/s", "ops/s", 3e6)
	check(1, "us/op", "ns/op", 1000)
	check(60, "transactions/min", "transactions/s", 1)
	check(7, "", "", 7)
	check(7, "furlong", "furlong", 7)
	check(math.Inf(1), "ms", "us", math.Inf(1))
	check(2.5, "ktx/s", "tx/s", 2500)
	check(1, "Mevents/s", "kevents/s", 1000)
	check(1, "Gmsg/s", "Kmsg/s", 1e6)
	check(1, "kcount", "count", 1000)
	check(1, "Kiops", "iops", 1000)
	check(1, "KIOPS", "kio/s", 1)
	check(1, "Kops/s", "kops/s", 1)
	check(3, "GFLOPS", "MFLOPS", 3000)
	check(0.008, "K/s", "/s", 8)
	check(2300, "K/s", "M/s", 2.3)
	check(1, "G/s", "k/s", 1e6)
	check(60, "K/min", "/s", 1000)
	check(7, "kbits/s", "Kbit/s", 7)
	check(9.4, "Gbits/sec", "Mbits/sec", 9400)
	check(12, "Joules", "mJ", 12000)
	check(125, "KiB", "kB", 128)
	check(1, "PiB", "B", 1<<50)
	// One rounding only: the nearest float64 to 0.3*1024/1000.
	check(0.3, "KiB", "kB", 0.3072)
	if v, err := unit.Convert(math.NaN(), "ms", "us"); err != nil || !math.IsNaN(v) {
		t.Errorf("NaN: %v, %v", v, err)
	}
	if v, _ := unit.Convert(math.Copysign(0, -1), "ms", "us"); !math.Signbit(v) {
		t.Error("-0 lost its sign")
	}
}

func TestNotConvertible(t *testing.T) {
	for _, pair := range [][2]string{
		{"ms", "B"}, {"", "ms"}, {"ms", ""}, {"%", "count"}, {"iops", "req/s"}, {"B", "B/s"},
		{"furlong", "parsec"}, {"Mbit", "ms"}, {"/", "s"}, {"s/", "s"}, {"iops", "ops/s"},
		{"KBytes", "B"}, {"KBytes", "Bytes"}, {"KBytes", "MBytes"}, {"KiBytes", "MiBytes"}, {"kmin", "min"}, {"MBps", "Bps"},
		{"K/s", "ktx/s"}, {"/s", ""}, {"/s", "s"}, {"K", "M"}, {"events/s", "ktx/s"}, {"kk/s", "k/s"},
	} {
		if unit.Convertible(pair[0], pair[1]) {
			t.Errorf("%q converts to %q", pair[0], pair[1])
		}
		_, err := unit.Convert(1, pair[0], pair[1])
		if want := `unit "` + pair[0] + `": cannot be converted to "` + pair[1] + `"`; err == nil || err.Error() != want {
			t.Errorf("got error %v, want %s", err, want)
		}
	}
}

// TestUnitsOfEveryTool converts each unit of the captures of the stock tools to its
// multiples and back, and prints it.
func TestUnitsOfEveryTool(t *testing.T) {
	units := map[string]bool{}
	files, err := filepath.Glob("../../plugins/*/testdata/*/*/expect.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no expect.json of a stock tool: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`"unit": *"([^"]+)"`).FindAllSubmatch(text, -1) {
			units[string(m[1])] = true
		}
	}
	families := [][]string{
		{"ns", "us", "ms", "s", "min", "h"}, {"B", "KiB", "MiB", "GiB", "TiB"}, {"kB", "MB", "GB", "TB"},
		{"bit", "kbit", "Mbit", "Gbit"}, {"Hz", "kHz", "MHz", "GHz"}, {"%"}, {"mJ", "J"},
	}
	for u := range units {
		top, per := u, ""
		if i := strings.IndexByte(u, '/'); i >= 0 {
			top, per = u[:i], u[i:]
		}
		i := slices.IndexFunc(families, func(f []string) bool { return slices.Contains(f, top) })
		var multiples []string
		if i >= 0 {
			multiples = families[i]
		} else {
			noun := strings.TrimLeft(top, "kKMG")
			multiples = []string{noun, "k" + noun, "K" + noun, "M" + noun, "G" + noun}
		}
		for _, other := range multiples {
			there, err := unit.Convert(1234.5, u, other+per)
			back, errBack := unit.Convert(there, other+per, u)
			if err != nil || errBack != nil || math.Abs(back-1234.5) > 1e-9 {
				t.Errorf("1234.5 %s = %v %s = %v %s, %v, %v", u, there, other+per, back, u, err, errBack)
			}
			if _, err := unit.Convert(1, u, "furlong"); err == nil {
				t.Errorf("%s converts to furlong", u)
			}
		}
		if n := len(multiples); i < 0 { // k and K are 1000
			if v, err := unit.Convert(1, multiples[n-1]+per, multiples[2]+per); err != nil || v != 1e6 {
				t.Errorf("1 G%s%s = %v K%s%s, %v; want 1000000", multiples[0], per, v, multiples[0], per, err)
			}
		}
		var printed float64
		var best string
		if _, err := fmt.Sscanf(unit.Scale(1234.5, u), "%g %s", &printed, &best); err != nil {
			t.Errorf("Scale(1234.5, %q) = %q: %v", u, unit.Scale(1234.5, u), err)
		} else if v, err := unit.Convert(printed, best, u); err != nil || math.Abs(v-1234.5) > 0.6 {
			t.Errorf("Scale(1234.5, %q) = %q, which is %v %s, %v", u, unit.Scale(1234.5, u), v, u, err)
		}
	}
}

// Converting there and back must not drift by more than one rounding each way.
func FuzzConvert(f *testing.F) {
	f.Add(1.5, "ms", "us")
	f.Add(1e300, "GiB/s", "bit/h")
	f.Add(3.0, "a/b/c", "a/b/c/d/e")
	f.Fuzz(func(t *testing.T, v float64, a, b string) {
		there, err := unit.Convert(v, a, b)
		if (err == nil) != unit.Convertible(a, b) {
			t.Fatalf("Convertible(%q, %q) and Convert disagree", a, b)
		}
		if unit.Convertible(a, b) != unit.Convertible(b, a) {
			t.Fatalf("Convertible(%q, %q) is not symmetric", a, b)
		}
		unit.Scale(v, a)
		if err != nil || math.IsInf(there, 0) || math.Abs(there) < 1e-290 || math.Abs(v) < 1e-290 {
			return
		}
		back, err := unit.Convert(there, b, a)
		if err != nil || math.Abs(back-v) > 1e-15*math.Abs(v) {
			t.Fatalf("%v %q = %v %q = %v %q, %v", v, a, there, b, back, a, err)
		}
	})
}
