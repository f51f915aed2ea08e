// Package nearest finds the known name that a user probably meant with a mistyped one.
package nearest

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/agnivade/levenshtein"
)

// longest is the length in bytes up to which names are compared. The comparison takes
// quadratic time, and the names come from foreign output.
const longest = 256

// Of returns the known name with the smallest edit distance to word. Two swapped letters
// count as one edit. Among equals, the first one wins. A name that differs only in upper
// and lower case wins over all.
//
// The largest accepted distance is a quarter of the letters, and at least one. For example,
// "foi" finds "fio", but "host" does not find "out". If no name is that near, Of returns the
// first name that begins with word, or that ends with a dot and word, for a word of three
// letters or more. For example, "iops" finds "read.iops". Otherwise it returns "".
func Of(word string, known []string) string {
	if len(word) > longest {
		return ""
	}
	letters := utf8.RuneCountInString(word)
	best, limit := "", max(letters/4, 1)
	for _, name := range known {
		if strings.EqualFold(name, word) {
			return name
		}
		// A name differs from word by at least the difference in length.
		if len(name) > longest || abs(utf8.RuneCountInString(name)-letters) > limit {
			continue
		}
		if d := distance(word, name); d <= limit && d < utf8.RuneCountInString(name) {
			best, limit = name, d-1
		}
	}
	if best != "" || letters < 3 {
		return best
	}
	for _, name := range known {
		if strings.HasPrefix(name, word) || strings.HasSuffix(name, "."+word) {
			return name
		}
	}
	return ""
}

func distance(a, b string) int {
	if x, y := []rune(a), []rune(b); len(x) == len(y) {
		i := 0
		for i < len(x) && x[i] == y[i] {
			i++
		}
		if i+1 < len(x) && x[i] == y[i+1] && x[i+1] == y[i] && slices.Equal(x[i+2:], y[i+2:]) {
			return 1 // swapped letters
		}
	}
	return levenshtein.ComputeDistance(a, b)
}

func abs(n int) int { return max(n, -n) }
