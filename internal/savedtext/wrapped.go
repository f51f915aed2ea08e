package savedtext

import "bytes"

// widths are the lengths at which mail programs wrap lines.
var widths = []int{72, 74, 76, 78, 80}

// Rewrapped finds lines that a mail program wrapped, and joins them. lines is the
// number of lines that look like the continuation of the line before. It is 0 if data
// does not look wrapped. A line of joined that was appended to the line before it is
// blank, so that the numbers of the lines stay.
//
// A line looks like a continuation if its first word did not fit on the line before.
// The first word must be rare at the start of lines. For example, "stress-ng:" begins
// most lines of stress-ng's log, so it is no continuation.
func Rewrapped(data []byte) (joined []byte, lines int) {
	longest := 0
	starts := map[string]int{}
	eachLine(data, func(line, _ []byte) bool {
		longest = max(longest, len(line))
		if word := firstWord(line); len(word) > 0 {
			starts[string(word)]++
		}
		return longest <= widths[len(widths)-1]
	})
	width := 0
	for _, w := range widths {
		if width == 0 && longest <= w {
			width = w
		}
	}
	if width == 0 || longest < widths[0]-12 {
		return nil, 0
	}
	joined = make([]byte, 0, len(data)+len(data)/16)
	before := 0 // length of the line before
	var ends []byte
	eachLine(data, func(line, end []byte) bool {
		word := firstWord(line)
		if len(word) > 0 && starts[string(word)] < 3 && before > width/2 && before+1+len(word) > width {
			lines++
			joined = append(append(joined, ' '), line...)
		} else {
			joined = append(joined, ends...)
			ends = ends[:0]
			joined = append(joined, line...)
		}
		ends = append(ends, end...)
		before = len(line)
		return true
	})
	if lines == 0 {
		return nil, 0
	}
	return append(joined, ends...), lines
}

// firstWord returns the first word of a line. It is empty if the line is blank or
// begins with a blank.
func firstWord(line []byte) []byte {
	if end := bytes.IndexAny(line, " \t"); end >= 0 {
		return line[:end]
	}
	return line
}
