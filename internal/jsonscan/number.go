package jsonscan

import (
	"math"
	"math/bits"
	"strconv"

	"github.com/ktstr/ktstr/internal/text"
)

// NumberKind says how well a float64 represents a number.
type NumberKind uint8

const (
	Exact     NumberKind = iota // the value is that of strconv.ParseFloat
	Inexact                     // the same, but the text is an integer that no float64 equals
	Infinite                    // beyond the range of float64, or NaN
	NotNumber                   // the text is not a number
)

// digits counts the digits at the start of w, eight bytes of text, and gives
// their value.
func digits(w uint64) (n int, value uint64) {
	const overDigits = ones * (0x80 - 10)
	w ^= zeros
	mark := (w + overDigits | w) & highs
	n = bits.TrailingZeros64(mark) >> 3 // 8 if all eight are digits
	if n == 0 {
		return 0, 0
	}
	w <<= uint(64 - 8*n) // fills with leading zeros
	// Pairs, then fours, then all eight (W. Mula).
	w = w*10 + w>>8
	const mask = 0x000000FF000000FF
	value = ((w&mask)*(100+1000000<<32) + (w>>16&mask)*(1+10000<<32)) >> 32
	return n, value
}

// number reads the number at b[i] and returns the offset after it. Its value
// has the bits that strconv.ParseFloat returns.
func number(b []byte, i int) (v float64, end int, kind NumberKind) {
	first := i
	neg := b[i] == '-'
	if neg {
		i++
	}
	if i+32 > len(b) {
		return slowNumber(b, first)
	}
	n, m := digits(load(b, i))
	if n == 0 {
		return 0, i, NotNumber
	}
	if b[i] == '0' && n > 1 {
		return 0, i + 1, NotNumber
	}
	i += n
	if n == 8 {
		k, more := digits(load(b, i))
		m = text.JoinDigits(m, k, more)
		i += k
		if k == 8 {
			return slowNumber(b, first)
		}
	}
	c := b[i]
	if c == '.' {
		i++
		k, more := digits(load(b, i))
		if k == 0 {
			return 0, i, NotNumber
		}
		m = text.JoinDigits(m, k, more)
		i += k
		c = b[i]
		if k == 8 || m >= 1<<53 || i-first > 19 || c|0x20 == 'e' {
			return slowNumber(b, first)
		}
		// Clinger's fast path: both operands are exact, and the division rounds once.
		v = text.MovePoint(float64(int64(m)), k)
	} else {
		if c|0x20 == 'e' || m > 1<<53 {
			return slowNumber(b, first)
		}
		v = float64(int64(m))
	}
	if neg {
		v = -v
	}
	return v, i, Exact
}

// slowNumber is number for many digits, exponents, and the end of the text.
func slowNumber(b []byte, i int) (v float64, end int, kind NumberKind) {
	first := i
	if b[i] == '-' {
		i++
	}
	run := func() bool {
		begin := i
		for i < len(b) && '0' <= b[i] && b[i] <= '9' {
			i++
		}
		return i > begin
	}
	whole := i
	if !run() {
		return 0, i, NotNumber
	}
	if b[whole] == '0' && i > whole+1 {
		return 0, whole + 1, NotNumber
	}
	integer := i
	if i < len(b) && b[i] == '.' {
		i++
		if !run() {
			return 0, i, NotNumber
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if !run() {
			return 0, i, NotNumber
		}
	}
	v, err := strconv.ParseFloat(string(b[first:i]), 64)
	if err != nil || math.IsInf(v, 0) {
		return 0, i, Infinite // the grammar was checked above, so the only fault left is the range
	}
	if i == integer && i-whole > 15 && !isInteger(v, b[first:i]) {
		return v, i, Inexact
	}
	return v, i, Exact
}

// isInteger reports whether v, the float64 nearest to the integer in text,
// equals it.
func isInteger(v float64, text []byte) bool {
	var buf [320]byte // the largest float64 has 309 digits
	return string(strconv.AppendFloat(buf[:0], v, 'f', 0, 64)) == string(text)
}
