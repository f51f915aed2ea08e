package stressng

import (
	"bytes"

	"github.com/ktstr/ktstr"
)

// slug makes a name of the words of a description: lower case, and one '_' for
// each run of other characters than letters and digits.
func slug(dst, description []byte) []byte {
	gap := false
	start := len(dst)
	for _, c := range description {
		switch {
		case c >= 'A' && c <= 'Z':
			c += 'a' - 'A'
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9':
		default:
			gap = true
			continue
		}
		if gap && len(dst) > start {
			dst = append(dst, '_')
		}
		gap = false
		dst = append(dst, c)
	}
	return dst
}

// timeUnit is the unit that a word for one stands for, "" if it is none.
func timeUnit(word []byte) string {
	switch string(word) {
	case "nanosec", "nanosecs", "nanosecond", "nanoseconds", "ns":
		return "ns"
	case "microsec", "microsecs", "microsecond", "microseconds", "us", "usec", "usecs":
		return "us"
	case "millisec", "millisecs", "millisecond", "milliseconds", "ms", "msec", "msecs":
		return "ms"
	case "sec", "secs", "second", "seconds":
		return "s"
	}
	return ""
}

// perOperation reports whether a description or key is of the time that an
// operation takes, such as "nanosecs per file access". A time of 0 is not a
// measurement then. It is one of "ms mmap min. duration".
func perOperation(description []byte, unit string) bool {
	return (unit == "ns" || unit == "us" || unit == "ms" || unit == "s") &&
		(bytes.Contains(description, []byte(" per ")) || bytes.Contains(description, []byte("-per-")))
}

// meaning reads unit and polarity from the words of a description, or of the
// key that YAML makes of it (where "%" is "percent" and "MB/sec" is "mbsec").
// stress-ng's MB is 1024*1024 bytes, and its GB is 1024 of those.
func meaning(description []byte) (unit string, polarity ktstr.Polarity) {
	var buffer [64]byte
	lower := appendLower(buffer[:0], description)
	rate, percent := false, bytes.IndexByte(lower, '%') >= 0
	amount := ""      // unit of an amount of data
	var before []byte // the word before, and whether a slash stands behind it
	over := false
	for i, first := 0, true; i < len(lower); first = false {
		start := i
		for i < len(lower) && isWord(lower[i]) {
			i++
		}
		word := lower[start:i]
		slash := i < len(lower) && lower[i] == '/'
		for i < len(lower) && !isWord(lower[i]) {
			i++
		}
		if first && len(word) > 0 {
			if t := timeUnit(word); t != "" {
				return t, ktstr.Lower
			}
		}
		switch {
		case len(word) == 2 && word[1] == 'b' && binaryUnits[word[0]] != "":
			amount = binaryUnits[word[0]]
		case len(word) == 5 && string(word[1:]) == "bsec" && binaryUnits[word[0]] != "":
			amount, rate = binaryUnits[word[0]], true
		case string(word) == "percent":
			percent = true
		case (over || string(before) == "per" || string(before) == "pec") && isSecond(word):
			rate = true // 0.15 has a "MB pec sec memory write rate"
		case string(word) == "sec" && len(before) > 1 && before[len(before)-1] == 's' && timeUnit(before) == "":
			rate = true // some descriptions lack the "per", such as "million calls sec"
		case string(word) == "picosecs" && first:
			return "", ktstr.Lower
		case len(word) > len("sec") && bytes.HasSuffix(word, []byte("sec")) && timeUnit(word) == "":
			rate = true // a YAML key of "hashes/sec"
		}
		before, over = word, slash
	}
	switch {
	case rate && amount != "":
		return amount + "/s", ktstr.Higher
	case rate:
		return "", ktstr.Higher
	case percent:
		return "%", ktstr.Unknown
	case bytes.HasSuffix(lower, []byte("duration")):
		return "", ktstr.Lower
	}
	return "", ktstr.Unknown
}

var binaryUnits = map[byte]string{'k': "KiB", 'm': "MiB", 'g': "GiB", 't': "TiB"}

// appendLower appends text with its letters in lower case.
func appendLower(dst, text []byte) []byte {
	for _, c := range text {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

func isSecond(word []byte) bool {
	return timeUnit(word) == "s" || string(word) == "s"
}

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
}

// longestStressor is the longest name that a stressor may have.
const longestStressor = 64

// isStressor says whether a word can be the name of a stressor.
func isStressor(word []byte) bool {
	if len(word) == 0 || len(word) > longestStressor || word[0] < 'a' || word[0] > 'z' {
		return false
	}
	for _, c := range word {
		if !isWord(c) && c != '-' && c != '_' {
			return false
		}
	}
	return true
}
