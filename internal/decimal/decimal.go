// Package decimal reads the plain numbers of a text, which are nearly all of
// its numbers, in place and faster than strconv can.
package decimal

// exact and integers are powers of ten: a float64 holds these and up to 1e22
// exactly. They are as long as an index of four bits can reach.
var (
	exact    = [16]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}
	integers = [16]uint64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}
)

// Shift is v with the point moved places to the left, 0 to 15. It rounds once, so
// for an integer below 1<<53 it is what strconv.ParseFloat gives for the digits.
func Shift(v float64, places int) float64 { return v / exact[places&15] }

// Append is the number that the digits of v make with the given count more behind
// them, 0 to 15, whose value is more.
func Append(v uint64, count int, more uint64) uint64 { return v*integers[count&15] + more }

// Read reads the digits at text[i], with or without a point and more digits
// behind it, and returns where they end. Its value is that of
// strconv.ParseFloat, to the bit. ok is false if there is no such number, or
// one of more than fifteen digits, which is strconv's to read.
//
// Fifteen digits make an integer that a float64 holds, and so is the power of
// ten that it is divided by: the quotient is rounded once (W. D. Clinger, How
// to Read Floating Point Numbers Accurately, 1990).
func Read(text []byte, i int) (v float64, end int, ok bool) {
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
	return Shift(float64(digits), i-1-point), i, true
}
