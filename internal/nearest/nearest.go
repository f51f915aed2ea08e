// Package nearest turns a mistyped name and the names that exist into the one
// that was probably meant.
package nearest

import (
	"strings"
	"unicode/utf8"

	"github.com/agnivade/levenshtein"
)

// longest is the most bytes of a name that is compared: the distance is
// quadratic, and names come from other people's output.
const longest = 256

// Of returns the known name nearest to word by edit distance (the first of
// equally near ones), or "" where none is near enough to be a mistyping: more
// than a quarter of the letters wrong, and one more; two in a word of three, so
// that swapped ones pass. Equal but for case is nearest of all.
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
