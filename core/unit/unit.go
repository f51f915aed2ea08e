// Package unit knows the units that benchmarks print: which of them measure
// the same thing, exact conversion between those, and which one reads best on
// a screen. Units are written as tools write them ("us", "KiB/s", "ops/s");
// case counts ("Mbit" is not "MB").
//
// Sizes: kB, MB, GB and TB are powers of 1000, KiB to PiB powers of 1024 (IEC
// 80000-13). KB with a capital K is no SI prefix: it is 1024 B here, as in
// stress-ng's and getrusage(2)'s resident sizes. A byte is eight bits.
//
// A quotient of two units is a unit ("MiB/s", "ns/op"). A word that is not in
// the table ("transactions") is a unit of its own that converts only to
// itself; "transactions/s" and "transactions/min" convert. The empty unit
// converts only to itself.
package unit

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"sync"
)

// longest is the most bytes in which a quotient is looked for: units come out
// of other people's files, and a million slashes are no unit.
const longest = 64

// measure is what a unit measures, and how many base units it is: num/den.
type measure struct {
	dim      string
	num, den int64
}

// spellings maps other ways to write a unit to the table's.
var spellings = sync.OnceValue(func() map[string]string {
	return map[string]string{
		"nsec": "ns", "nsecs": "ns", "nanosec": "ns", "nanosecs": "ns", "nanosecond": "ns", "nanoseconds": "ns",
		"µs": "us", "μs": "us", "usec": "us", "usecs": "us", "microsec": "us", "microsecs": "us", "microsecond": "us", "microseconds": "us",
		"msec": "ms", "msecs": "ms", "millisec": "ms", "millisecs": "ms", "millisecond": "ms", "milliseconds": "ms",
		"sec": "s", "secs": "s", "second": "s", "seconds": "s",
		"mins": "min", "minute": "min", "minutes": "min", "hr": "h", "hour": "h", "hours": "h",
		"byte": "B", "bytes": "B", "b": "bit", "bits": "bit", "kb": "kbit", "Mb": "Mbit", "Gb": "Gbit", "Tb": "Tbit",
		"bps": "bit/s", "Bps": "B/s", "kbps": "kbit/s", "Mbps": "Mbit/s", "Gbps": "Gbit/s",
		"op": "ops", "request": "req", "requests": "req", "ios": "io", "IOPS": "iops", "percent": "%",
	}
})

// units is the table. Both are made when first asked for: most commands never do. Base
// units: nanosecond, bit, one of what is counted.
var units = sync.OnceValue(func() map[string]measure {
	decimal := map[string]int64{"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
	binary := map[string]int64{"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40, "Pi": 1 << 50}
	t := map[string]measure{"%": {"percent", 1, 1}, "count": {"count", 1, 1}, "KB": {"size", 8 * 1024, 1}}
	for name, ns := range map[string]int64{"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9, "min": 60e9, "h": 3600e9} {
		t[name] = measure{"time", ns, 1}
	}
	for prefix, n := range decimal {
		t[prefix+"bit"] = measure{"size", n, 1}
		t[prefix+"B"] = measure{"size", 8 * n, 1}
		t[prefix+"Hz"] = measure{"frequency", n, 1}
		for _, noun := range []string{"ops", "req", "io"} {
			t[prefix+noun] = measure{noun, n, 1}
		}
		t[prefix+"iops"] = measure{"io/time", n, 1e9}
	}
	for prefix, n := range binary {
		t[prefix+"bit"] = measure{"size", n, 1}
		t[prefix+"B"] = measure{"size", 8 * n, 1}
	}
	for prefix, n := range map[string]int64{"u": 1, "m": 1e3, "": 1e6, "k": 1e9} {
		t[prefix+"W"] = measure{"power", n, 1}
		t[prefix+"J"] = measure{"energy", n, 1}
	}
	return t
})

// canonical resolves other spellings, in both halves of a quotient.
func canonical(u string) string {
	if c, ok := spellings()[u]; ok {
		return c
	}
	if i := strings.LastIndexByte(u, '/'); i > 0 {
		over, under := canonical(u[:i]), canonical(u[i+1:])
		return over + "/" + under
	}
	return u
}

// parse says what u measures. A word that is not in the table is its own
// dimension; known tells whether every part of u was in the table.
func parse(u string) (m measure, known bool) {
	if len(u) > longest {
		return measure{"=" + u, 1, 1}, false
	}
	if m, ok := units()[u]; ok {
		return m, true
	}
	if c, ok := spellings()[u]; ok {
		u = c
		if m, ok := units()[u]; ok {
			return m, true
		}
	}
	if i := strings.LastIndexByte(u, '/'); i > 0 && i < len(u)-1 {
		over, ok1 := parse(u[:i])
		under, ok2 := parse(u[i+1:])
		// KiB/h has num 8*2^10 and den 3.6e12; the products stay below 2^63
		// for every pair of table entries but quotients of quotients.
		num, ok3 := multiply(over.num, under.den)
		den, ok4 := multiply(over.den, under.num)
		if ok3 && ok4 {
			return measure{over.dim + "/" + under.dim, num, den}, ok1 && ok2
		}
	}
	return measure{"=" + u, 1, 1}, false
}

func multiply(a, b int64) (int64, bool) {
	c := a * b
	return c, a == 0 || (c/a == b && c > 0)
}

// Known reports whether u is made of units in the table. The empty unit is not.
func Known(u string) bool {
	_, known := parse(u)
	return known
}

// Convertible reports whether a and b measure the same thing. Every unit,
// known or not, and the empty one, is convertible to itself.
func Convertible(a, b string) bool {
	if a == b {
		return true
	}
	if a == "" || b == "" {
		return false
	}
	ma, _ := parse(a)
	mb, _ := parse(b)
	return ma.dim == mb.dim
}

// Convert gives v, in unit from, in unit to: the float64 nearest to the true
// product, so that 2 ms is 2000 us and nothing accumulates. NaN and the
// infinities stay as they are. The error, for units that do not convert, names
// both.
func Convert(v float64, from, to string) (float64, error) {
	if from == to {
		return v, nil
	}
	mf, _ := parse(from)
	mt, _ := parse(to)
	if from == "" || to == "" || mf.dim != mt.dim {
		return 0, fmt.Errorf("unit %q: cannot be converted to %q", from, to)
	}
	if v == 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		return v, nil
	}
	// One factor that a float64 holds exactly means one rounding, which is the
	// nearest value already. Nearly all conversions end here.
	const exact = 1 << 53
	g, h := gcd(mf.num, mt.num), gcd(mf.den, mt.den)
	num, ok1 := multiply(mf.num/g, mt.den/h)
	den, ok2 := multiply(mf.den/h, mt.num/g)
	if ok1 && ok2 {
		g := gcd(num, den)
		num, den = num/g, den/g
		switch {
		case den == 1 && num <= exact:
			return v * float64(num), nil
		case num == 1 && den <= exact:
			return v / float64(den), nil
		}
	}
	product := new(big.Rat).Mul(big.NewRat(mf.num, mf.den), big.NewRat(mt.den, mt.num))
	nearest, _ := product.Mul(product, new(big.Rat).SetFloat64(v)).Float64()
	return nearest, nil
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// ladders are the units among which Best chooses, ascending. A unit is on the
// ladder that holds it; decimal sizes stay decimal, binary ones binary.
var ladders = [][]string{
	{"ns", "us", "ms", "s", "min", "h"},
	{"B", "KiB", "MiB", "GiB", "TiB", "PiB"},
	{"kB", "MB", "GB", "TB"},
	{"bit", "kbit", "Mbit", "Gbit", "Tbit"},
	{"Kibit", "Mibit", "Gibit", "Tibit"},
	{"Hz", "kHz", "MHz", "GHz"},
	{"iops", "kiops", "Miops"},
	{"ops", "kops", "Mops", "Gops"},
	{"req", "kreq", "Mreq"},
	{"uW", "mW", "W", "kW"},
	{"uJ", "mJ", "J", "kJ"},
}

// Best is the unit in which v, given in unit u, reads best: the largest of its
// kind in which |v| is at least 1 (seconds up to 120, minutes up to 120). It is
// u itself, as written, where u has no kind or v is zero or not finite.
func Best(v float64, u string) string {
	if v == 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		return u
	}
	if len(u) > longest {
		return u
	}
	top, per := u, ""
	if i := strings.LastIndexByte(u, '/'); i > 0 {
		top, per = canonical(u[:i]), u[i:]
	} else {
		top = canonical(top)
	}
	if top == "KB" {
		top = "KiB"
	}
	ladder := ladderOf(top)
	if ladder == nil {
		return u
	}
	best := ladder[0] + per
	for _, rung := range ladder[1:] {
		c, err := Convert(v, u, rung+per)
		if err != nil || math.Abs(c) < 1 || ((rung == "min" || rung == "h") && (per != "" || math.Abs(c) < 2)) {
			break
		}
		best = rung + per
	}
	return best
}

func ladderOf(u string) []string {
	for _, ladder := range ladders {
		for _, rung := range ladder {
			if rung == u {
				return ladder
			}
		}
	}
	return nil
}

// Scale prints v for people, in its best unit and to four digits: "1.234 ms".
// A number without a unit stays as it is. It is for screens only; nothing reads
// it back.
func Scale(v float64, u string) string {
	if u == "" {
		return strconv.FormatFloat(v, plain(v), -1, 64)
	}
	best := Best(v, u)
	if c, err := Convert(v, u, best); err == nil {
		v = c
	}
	return Digits(v) + " " + best
}

// plain is the format of strconv.FormatFloat for a number as people write it:
// with an exponent only where it is very large or very small.
func plain(v float64) byte {
	if abs := math.Abs(v); abs >= 1e15 || abs != 0 && abs < 1e-6 {
		return 'g'
	}
	return 'f'
}

// Digits prints v to four significant digits, whole numbers below 10^15 and
// the digits before the point in full, and never with an exponent between
// 10^-6 and 10^15.
func Digits(v float64) string {
	abs := math.Abs(v)
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return strconv.FormatFloat(v, 'g', -1, 64)
	case plain(v) == 'g':
		return strconv.FormatFloat(v, 'g', 4, 64)
	case v == math.Trunc(v):
		return strconv.FormatFloat(v, 'f', 0, 64)
	case abs >= 1000:
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	decimals := 3
	for p := abs; p >= 10; p /= 10 {
		decimals--
	}
	for p := abs; p < 1 && decimals < 9; p *= 10 {
		decimals++
	}
	text := strconv.FormatFloat(v, 'f', decimals, 64)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}
