package text

import (
	"cmp"
	"strconv"
	"strings"
)

// Version returns the dotted numbers at the start of s, without what follows
// them. It is nil if s starts with no number. For example, "v3.36-77-gdeadbee"
// gives 3 and 36.
func Version(s string) []uint64 {
	s = strings.TrimPrefix(strings.TrimSpace(s), "v")
	var numbers []uint64
	for {
		end := 0
		for end < len(s) && isDigit(s[end]) {
			end++
		}
		n, err := strconv.ParseUint(s[:end], 10, 64)
		if err != nil {
			return numbers
		}
		numbers = append(numbers, n)
		if end == len(s) || s[end] != '.' {
			return numbers
		}
		s = s[end+1:]
	}
}

// CompareVersions returns -1 if version a is older than b, 1 if it is newer,
// and 0 if the two are equal. It compares number by number. A missing number is
// 0, so 3.1 equals 3.1.0.
func CompareVersions(a, b string) int {
	va, vb := Version(a), Version(b)
	for i := range max(len(va), len(vb)) {
		var na, nb uint64
		if i < len(va) {
			na = va[i]
		}
		if i < len(vb) {
			nb = vb[i]
		}
		if c := cmp.Compare(na, nb); c != 0 {
			return c
		}
	}
	return 0
}
