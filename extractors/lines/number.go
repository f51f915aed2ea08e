package lines

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"
)

func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func isBlank(c byte) bool  { return c == ' ' || c == '\t' }
func isWord(c byte) bool   { return isDigit(c) || isLetter(c) || c == '_' }

func skipBlanks(line []byte, at int) int {
	for at < len(line) && isBlank(line[at]) {
		at++
	}
	return at
}

// startsNumber reports whether a number, nan or inf can start with c.
func startsNumber(c byte) bool {
	return isDigit(c) || c == '-' || c == '+' || c == '.' || c|0x20 == 'n' || c|0x20 == 'i'
}

// at returns the byte of a line at an offset, and 0 outside it.
func at(line []byte, i int) byte {
	if i < 0 || i >= len(line) {
		return 0
	}
	return line[i]
}

// numberEnd returns the end of the whole number that starts at an offset: a sign,
// digits with or without thousands commas, decimals, an exponent, or nan or inf. ok is
// false if there is none, or if the number is a part of something longer, such as the
// 567 of 1,234,567, the 10 of 0x10 or the 2.3 of 1.2.3.
//
// Text of a pattern may touch the number: before says so for the left end, after is
// the first byte of the text at the right end. Such text explains a letter, point or
// comma there. For example, "p{x}" reads the 99 of p99.
func numberEnd(line []byte, start int, before bool, after byte) (end int, ok bool) {
	i := start
	signed := at(line, i) == '-' || at(line, i) == '+'
	if signed {
		i++
	}
	if end := notFiniteEnd(line, i); end > 0 {
		return end, (before || !isWord(at(line, start-1))) && !isWord(at(line, end))
	}
	if !isDigit(at(line, i)) && !(at(line, i) == '.' && isDigit(at(line, i+1))) || !leftEnd(line, start, signed, before) {
		return 0, false
	}
	i = digitsEnd(line, i)
	if at(line, i) == '.' && isDigit(at(line, i+1)) {
		for i++; isDigit(at(line, i)); i++ {
		}
	}
	if at(line, i)|0x20 == 'e' {
		exp := i + 1
		if c := at(line, exp); c == '-' || c == '+' {
			exp++
		}
		if isDigit(at(line, exp)) {
			for i = exp; isDigit(at(line, i)); i++ {
			}
		}
	}
	return i, rightEnd(line, i, after)
}

// notFiniteEnd returns the end of nan, inf or infinity, and 0 if there is none.
func notFiniteEnd(line []byte, at int) int {
	for _, word := range []string{"infinity", "inf", "nan"} {
		if end := at + len(word); end <= len(line) && (line[at]|0x20 == word[0]) && bytes.EqualFold(line[at:end], []byte(word)) {
			return end
		}
	}
	return 0
}

// digitsEnd returns the end of digits, of which groups of two or three may be behind
// commas. The last group has three digits: 1,234,567 or 12,34,567.
func digitsEnd(line []byte, start int) int {
	i := start
	for isDigit(at(line, i)) {
		i++
	}
	if i == start || i-start > 3 {
		return i
	}
	end := i
	for at(line, i) == ',' && isDigit(at(line, i+1)) && isDigit(at(line, i+2)) {
		if i += 3; isDigit(at(line, i)) {
			if i++; isDigit(at(line, i)) {
				return end
			}
			end = i
		}
	}
	return end
}

// leftEnd reports whether a number that starts here is whole at its left end.
func leftEnd(line []byte, start int, signed, before bool) bool {
	c, d := at(line, start-1), at(line, start-2)
	switch {
	case isDigit(c):
		return false
	case signed:
		return c != '-' && c != '+' && (before || !isWord(c) && c != '.')
	case c == '.':
		return !isDigit(d) && (before || d == '.') && at(line, start) != '.'
	case c == ',':
		return !isDigit(d) || before && !isGroup(line, start)
	case c == '-' || c == '+': // the sign belongs to the number, unless it is a dash: 0.00-10.00
		return before || isWord(d)
	}
	return before || !isWord(c)
}

// rightEnd reports whether a number that ends here is whole at its right end.
func rightEnd(line []byte, end int, after byte) bool {
	c, d := at(line, end), at(line, end+1)
	switch {
	case c == '.':
		return !isDigit(d)
	case c == ',':
		return !isDigit(d) || after == ',' && !isGroup(line, end+1)
	case !isWord(c) || c == after:
		return true
	}
	for ; isWord(at(line, end)); end++ { // a unit, such as ms, but no hexadecimal number
		if !isLetter(line[end]) {
			return false
		}
	}
	return true
}

// isGroup reports whether exactly three digits start at an offset.
func isGroup(line []byte, i int) bool {
	return isDigit(at(line, i)) && isDigit(at(line, i+1)) && isDigit(at(line, i+2)) && !isDigit(at(line, i+3))
}

// prefixOf returns the place of the k, K, M or G that follows a number, directly or
// after blanks. It stands alone or before the fixed unit of the number, as in 5 Mops/s.
// after is 0 if there is none.
func prefixOf(line []byte, end int, unit string) (start, after int) {
	start = skipBlanks(line, end)
	if !isPrefix(at(line, start)) || isUnit(line, start+1) && (unit == "" || !bytes.HasPrefix(line[start+1:], []byte(unit)) || isUnit(line, start+1+len(unit))) {
		return 0, 0
	}
	return start, start + 1
}

// isUnit reports whether the byte at an offset can be a part of a unit or a word.
func isUnit(line []byte, i int) bool {
	c := at(line, i)
	return isWord(c) || c == '%' || c == '/' || c >= utf8.RuneSelf
}

func isPrefix(c byte) bool { return c == 'k' || c == 'K' || c == 'M' || c == 'G' }

// maxUnit is the most bytes of a printed unit. Longer text is none.
const maxUnit = 32

// unitEnd returns the end of a unit: letters, %, µ and /, of which / is not the last.
// It returns start if there is none.
func unitEnd(line []byte, start int) int {
	end := start
	for i := start; i < len(line); {
		if i-start > maxUnit {
			return start
		}
		switch c := line[i]; {
		case isLetter(c) || c == '%':
			i++
			end = i
		case c == '/' && end > start:
			i++
		case bytes.HasPrefix(line[i:], []byte("µ")) || bytes.HasPrefix(line[i:], []byte("μ")): // U+00B5, U+03BC
			i += 2
			end = i
		default:
			return end
		}
	}
	return end
}

// parseNumber returns the value of a number as numberEnd reads it, times the prefix k,
// K, M or G (powers of 1000) if there is one. It rounds once. ok is false if text is
// another one or has no finite float64.
func parseNumber(text string, prefix byte) (v float64, ok bool) {
	if strings.Contains(text, ",") {
		if end, whole := numberEnd([]byte(text), 0, false, 0); !whole || end != len(text) {
			return 0, false
		}
		text = strings.ReplaceAll(text, ",", "")
	}
	if strings.ContainsAny(text, "xX_pP") {
		return 0, false
	}
	if exponent := map[byte]string{'k': "e3", 'K': "e3", 'M': "e6", 'G': "e9"}[prefix]; exponent != "" {
		if strings.ContainsAny(text, "eE") {
			v, err := strconv.ParseFloat(text, 64)
			factor, _ := strconv.ParseFloat("1"+exponent, 64)
			return v * factor, err == nil
		}
		text += exponent
	}
	v, err := strconv.ParseFloat(text, 64)
	return v, err == nil
}
