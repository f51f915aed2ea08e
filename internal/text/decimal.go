package text

import (
	"math"
	"strconv"
)

// Bytes is text in either of Go's forms.
type Bytes interface{ ~string | ~[]byte }

// A float64 holds powers of ten exactly up to 1e22. The tables have 16 entries
// so that an index of four bits needs no bounds check.
var (
	powers        = [16]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}
	integerPowers = [16]uint64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}
)

// MovePoint returns v with its decimal point moved 0 to 15 places to the left.
// It rounds once. For an integer below 1<<53 the result is therefore the one
// that strconv.ParseFloat gives for the same digits. For example,
// MovePoint(12345, 2) is 123.45.
func MovePoint(v float64, places int) float64 { return v / powers[places&15] }

// JoinDigits returns the number whose digits are those of v followed by count
// more digits, 0 to 15, whose value is more. For example, JoinDigits(12, 3, 45)
// is 12045.
func JoinDigits(v uint64, count int, more uint64) uint64 { return v*integerPowers[count&15] + more }

// ReadDecimal reads the digits at text[i], which may have a decimal point and
// more digits after it, and returns the index where they end. The value is the
// one of strconv.ParseFloat, to the bit. ok is false if no such number is
// there, or if it has more than fifteen digits. For example, it reads 5.5 of
// "5.5 ms", and it reads neither "-5", ".5" nor "5.".
//
// It needs no allocation and about a quarter of the time of strconv. Fifteen
// digits make an integer that a float64 holds exactly. The power of ten that
// divides it is exact too, so the quotient is rounded once (W. D. Clinger, How
// to Read Floating Point Numbers Accurately, 1990).
func ReadDecimal[T Bytes](text T, i int) (v float64, end int, ok bool) {
	const most = 15
	var digits int64
	first := i
	for i < len(text) && text[i]-'0' <= 9 {
		digits = digits*10 + int64(text[i]-'0')
		i++
	}
	point := i
	if i == len(text) || text[i] != '.' {
		return float64(digits), i, i > first && i-first <= most
	}
	i++
	for i < len(text) && text[i]-'0' <= 9 {
		digits = digits*10 + int64(text[i]-'0')
		i++
	}
	if point == first || i == point+1 || i-first-1 > most {
		return 0, i, false
	}
	return MovePoint(float64(digits), i-1-point), i, true
}

// ParseDecimal reads a text that is one finite decimal number and nothing else.
// The number may have a sign, a point with digits on both sides, and an
// exponent. For example, it reads "1694.09", "-5" and "1.79445e+03", and it
// refuses "5.", "0x10", "1_000", "nan" and "1e999".
func ParseDecimal[T Bytes](text T) (v float64, ok bool) {
	if v, end, ok := ReadDecimal(text, 0); ok && end == len(text) {
		return v, true
	}
	if len(text) == 0 || DecimalLen(text) != len(text) {
		return 0, false
	}
	for i := range len(text) {
		if text[i] == '.' && !(i > 0 && isDigit(text[i-1]) && i+1 < len(text) && isDigit(text[i+1])) {
			return 0, false
		}
	}
	v, err := strconv.ParseFloat(string(text), 64)
	return v, err == nil && !math.IsInf(v, 0)
}

// DecimalLen returns the length of the decimal number at the start of text, 0
// if there is none. The number may have a sign and a point anywhere. An e
// belongs to it only if an exponent follows. For example, the length is 3 for
// "2.5ms", 4 for "-1e3", 2 for ".5" and 1 for "2exa".
func DecimalLen[T Bytes](text T) int {
	digits := func(i int) int {
		for i < len(text) && isDigit(text[i]) {
			i++
		}
		return i
	}
	sign := func(i int) int {
		if i < len(text) && (text[i] == '+' || text[i] == '-') {
			i++
		}
		return i
	}
	start := sign(0)
	end := digits(start)
	count := end - start
	if end < len(text) && text[end] == '.' {
		after := digits(end + 1)
		count += after - end - 1
		end = after
	}
	if count == 0 {
		return 0
	}
	if end < len(text) && text[end]|0x20 == 'e' {
		exponent := sign(end + 1)
		if after := digits(exponent); after > exponent {
			end = after
		}
	}
	return end
}

func isDigit(c byte) bool { return c-'0' <= 9 }
