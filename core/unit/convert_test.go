package unit_test

import (
	"math"
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
