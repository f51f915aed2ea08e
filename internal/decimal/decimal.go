// Package decimal reads the plain numbers of a text, which are nearly all of
// its numbers, in place and faster than strconv can.
package decimal

// exact are powers of ten that a float64 holds exactly.
var exact = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14}

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
	return float64(digits) / exact[i-1-point], i, true
}
