// Package nearest finds the known name that a user probably meant with a mistyped one.
package nearest

import (
	"strings"
	"unicode/utf8"

	"github.com/agnivade/levenshtein"
)

// longest is the length in bytes up to which names are compared. The comparison takes
// quadratic time, and the names come from foreign output.
const longest = 256

// Of returns the known name with the smallest edit distance to word. Among equals, the
// first one wins. A name that differs only in upper and lower case wins over all.
//
// Of returns "" if no name is near enough. The largest accepted distance is a quarter of
// the letters plus one. It is at least two in words of three letters and more, because
// two swapped letters have a distance of two. For example, "foi" finds "fio".
func Of(word string, known []string) string {
	if len(word) > longest {
		return ""
	}
	letters := utf8.RuneCountInString(word)
	best, limit := "", max(letters/4+1, min(letters-1, 2))
	for _, name := range known {
		if strings.EqualFold(name, word) {
			return name
		}
		// A name differs from word by at least the difference in length.
		if len(name) > longest || abs(utf8.RuneCountInString(name)-letters) > limit {
			continue
		}
		if d := levenshtein.ComputeDistance(word, name); d <= limit && d < utf8.RuneCountInString(name) {
			best, limit = name, d-1
		}
	}
	return best
}

func abs(n int) int { return max(n, -n) }
