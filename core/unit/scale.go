package unit

import (
	"math"
	"strconv"
	"strings"
)

// ladders holds the units that Best chooses from, in ascending order. Best stays on
// the ladder of the given unit, so that binary sizes stay binary.
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

// Best returns the unit in which v, given in unit u, reads best: the largest one in
// which |v| is at least 1. Seconds and minutes go up to 120. For example, 1500 us
// read best in ms. Best returns u if v is zero or not finite, or if it knows no
// other unit of the same dimension.
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

// ladderOf returns nil if u is on no ladder.
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

// Scale returns v for a screen, in its best unit and with four digits, such as
// "1.234 ms". It does not shorten a number without a unit.
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

// plain returns the format for strconv.FormatFloat that writes an exponent only for
// very large and very small numbers.
func plain(v float64) byte {
	if abs := math.Abs(v); abs >= 1e15 || abs != 0 && abs < 1e-6 {
		return 'g'
	}
	return 'f'
}

// Digits returns v with four significant digits. It keeps all digits of whole
// numbers and all digits before the point, and writes no exponent between 10^-6 and
// 10^15. For example, it returns "123457" for 123456.7 and "0.001235" for
// 0.0012346.
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
