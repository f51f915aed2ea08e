// Package unit converts between the units that benchmarks print, and selects the
// unit that reads best on a screen. Units are spelled as tools spell them, such as
// "us", "KiB/s" and "ops/s". Upper and lower case differ: "Mbit" is not "MB".
//
// Sizes: kB, MB, GB and TB are powers of 1000. KiB to PiB are powers of 1024 (IEC
// 80000-13). KB with a capital K is 1024 B, as in the resident sizes of stress-ng
// and getrusage(2). A byte has eight bits.
//
// A quotient of two units is a unit, such as "MiB/s" and "ns/op". A word that is
// not in the table, such as "transactions", is a counted noun. Its quotients convert:
// "transactions/s" to "transactions/min". So do its multiples by k or K (1000), M and
// G: "ktx/s" to "tx/s". A rate without a noun is a unit too, such as "/s" and "K/s".
// The empty unit converts only to itself. KBytes and MBytes have no size, because tools
// mean 1000 or 1024 by them.
package unit

import (
	"fmt"
	"math"
	"math/big"
	"strings"
	"sync"
)

// longest is the length in bytes up to which a unit is parsed. Units come from
// foreign files, and parsing a million slashes would take too long.
const longest = 64

// A measure is a dimension and a size: the unit is num/den base units. The base
// units are nanosecond, bit, microwatt, microjoule, and one counted item.
type measure struct {
	dim      string
	num, den int64
}

// spellings maps other spellings of a unit to the one in the table.
var spellings = sync.OnceValue(func() map[string]string {
	return map[string]string{
		"nsec": "ns", "nsecs": "ns", "nanosec": "ns", "nanosecs": "ns", "nanosecond": "ns", "nanoseconds": "ns",
		"µs": "us", "μs": "us", "usec": "us", "usecs": "us", "microsec": "us", "microsecs": "us", "microsecond": "us", "microseconds": "us",
		"msec": "ms", "msecs": "ms", "millisec": "ms", "millisecs": "ms", "millisecond": "ms", "milliseconds": "ms",
		"sec": "s", "secs": "s", "second": "s", "seconds": "s",
		"mins": "min", "minute": "min", "minutes": "min", "hr": "h", "hour": "h", "hours": "h",
		"byte": "B", "bytes": "B", "b": "bit", "bits": "bit", "kb": "kbit", "Mb": "Mbit", "Gb": "Gbit", "Tb": "Tbit",
		"Kbit": "kbit", "kbits": "kbit", "Kbits": "kbit", "Mbits": "Mbit", "Gbits": "Gbit", "Tbits": "Tbit",
		"Joule": "J", "Joules": "J", "joule": "J", "joules": "J",
		"bps": "bit/s", "Bps": "B/s", "kbps": "kbit/s", "Mbps": "Mbit/s", "Gbps": "Gbit/s",
		"op": "ops", "request": "req", "requests": "req", "ios": "io", "IOPS": "iops", "percent": "%",
	}
})

// units is the table. It is built at its first use, like spellings, because most
// commands do not need it.
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

// prefixes holds the prefixes of counted nouns.
var prefixes = map[string]int64{"": 1, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9}

// canonical replaces other spellings by those in the table, also in both halves of
// a quotient.
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

// parse returns the measure of u. A word that is not in the table is a dimension of
// its own, without its prefix.
func parse(u string) measure {
	if len(u) > longest {
		return measure{"=" + u, 1, 1}
	}
	if m, ok := units()[u]; ok {
		return m
	}
	if c, ok := spellings()[u]; ok {
		u = c
		if m, ok := units()[u]; ok {
			return m
		}
	}
	if i := strings.LastIndexByte(u, '/'); i >= 0 && i < len(u)-1 {
		over, under := measure{"", prefixes[u[:i]], 1}, parse(u[i+1:]) // "/s", "K/s"
		if over.num == 0 {
			over = parse(u[:i])
		}
		// The products can exceed 2^63 only for quotients of quotients. For
		// example, KiB/h has num 8*2^10 and den 3.6e12.
		num, ok1 := multiply(over.num, under.den)
		den, ok2 := multiply(over.den, under.num)
		if ok1 && ok2 {
			return measure{over.dim + "/" + under.dim, num, den}
		}
	}
	return counted(u)
}

// counted returns the measure of a counted noun, such as "tx" or "ktx". Words of bytes
// and other measured units have no prefix here: KBytes is not 1000 bytes.
func counted(u string) measure {
	if len(u) < 3 || prefixes[u[:1]] == 0 || strings.Contains(u, "/") {
		return measure{"=" + u, 1, 1}
	}
	factor, noun := prefixes[u[:1]], u[1:]
	for _, word := range []string{noun, strings.ToLower(noun), strings.ToLower(strings.TrimPrefix(noun, "i"))} {
		word = canonical(word)
		m, known := units()[word]
		switch {
		case known && (m.dim == "ops" || m.dim == "req" || m.dim == "io" || m.dim == "io/time" || m.dim == "count"):
			return measure{m.dim, m.num * factor, m.den}
		case known, strings.Contains(word, "/"):
			return measure{"=" + u, 1, 1}
		}
	}
	return measure{"=" + noun, factor, 1}
}

// multiply returns false if the product overflows.
func multiply(a, b int64) (int64, bool) {
	c := a * b
	return c, a == 0 || (c/a == b && c > 0)
}

// Convertible reports whether a and b have the same dimension, as "us" and "ms"
// have. Each unit is convertible to itself, including unknown ones and the empty
// one.
func Convertible(a, b string) bool {
	if a == b {
		return true
	}
	if a == "" || b == "" {
		return false
	}
	return parse(a).dim == parse(b).dim
}

// Convert converts v from one unit to another. The result is the float64 nearest to
// the exact product, so that 2 ms is exactly 2000 us. NaN and the infinities do not
// change. Convert returns an error if the units do not convert.
func Convert(v float64, from, to string) (float64, error) {
	if from == to {
		return v, nil
	}
	mf, mt := parse(from), parse(to)
	if from == "" || to == "" || mf.dim != mt.dim {
		return 0, fmt.Errorf("unit %q: cannot be converted to %q", from, to)
	}
	if v == 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		return v, nil
	}
	// If a float64 holds the factor exactly, one multiplication rounds once and
	// gives the nearest value. Nearly all conversions end here.
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
