// Package savedtext removes from saved output what other programs added to it: a byte
// order mark, UTF-16, colours, carriage-return overwrites, and a prefix on each line,
// such as "fio-1  | " of docker compose.
//
// A cleaned text has the lines of its original, so a line number means the same in
// both. All functions take linear time and never change their input.
package savedtext

import (
	"bytes"
	"fmt"
	"slices"
)

// A Reading is one cleaned form of a text.
type Reading struct {
	Data    []byte
	Removed []Removal
	// Source is the program or container whose lines Data holds, for example "fio-1".
	// It is empty if the text names only one source. The lines of the other sources are
	// blank.
	Source string
}

// A Removal is one kind of removal: "the prefix of kubectl" on 10 times "line", or ""
// and 3 times "terminal code".
type Removal struct {
	Name  string
	Count int // 0: the removal has no count
	Noun  string
}

// Result is the outcome of cleaning a text.
type Result struct {
	// Readings is empty if there is nothing to remove. It has several elements if the
	// lines come from several sources, for example from the containers fio-1 and db-1.
	Readings []Reading
	// Overwrites is set if only carriage-return overwrites were removed. Many parsers
	// understand them.
	Overwrites bool
	// Reason tells why a removal that looked likely was not made. For example, the prefix
	// of docker compose stands on some of the lines only.
	Reason string
}

// maxNested is the number of prefixes that may stand before one line, for example the
// timestamp of a GitHub job log before the prefix of docker compose.
const maxNested = 4

// maxSources is the number of sources whose lines are separated.
const maxSources = 16

// Decode removes the encoding of UTF-16, byte order marks and terminal codes from
// data. Without them it returns data itself. reason tells of an encoding that it does
// not know.
func Decode(data []byte) (r Reading, reason string) {
	r, reason = decode(data)
	clean, removed := strip(r.Data, allCodes)
	r.Data, r.Removed = clean, append(r.Removed, removed...)
	return r, reason
}

// Clean removes prefixes and carriage-return overwrites from a text that Decode
// returned.
func Clean(decoded Reading) Result {
	r := Result{Overwrites: true}
	r.peel(decoded, 0)
	if len(r.Readings) == 1 && len(r.Readings[0].Removed) == len(decoded.Removed) {
		r.Readings = nil
	}
	return r
}

// peel removes the prefixes of a reading, and then its carriage-return overwrites. It
// appends the result to r.Readings.
func (r *Result) peel(reading Reading, depth int) {
	if depth < maxNested {
		parts, name, reason := removePrefix(reading.Data)
		if reason != "" && r.Reason == "" {
			r.Reason = reason
		}
		if len(parts) > maxSources-len(r.Readings) {
			r.Reason = fmt.Sprintf("the lines come from more than %d sources (prefix of %s)", maxSources, name)
			parts = nil
		}
		for _, part := range parts {
			part.Removed = slices.Concat(reading.Removed, part.Removed)
			if part.Source == "" {
				part.Source = reading.Source
			}
			r.Overwrites = false
			r.peel(part, depth+1)
		}
		if len(parts) > 0 {
			return
		}
	}
	if final, lines := overwrite(reading.Data); lines > 0 {
		reading.Data = final
		reading.Removed = append(slices.Clip(reading.Removed), Removal{"the text that a carriage return overwrites", lines, "line"})
		// A serial console can put a carriage return before the prefix.
		if depth < maxNested {
			r.peel(reading, depth+1)
			return
		}
	}
	r.Readings = append(r.Readings, reading)
}

// eachLine calls f with each line of data, without the end of the line ("\n" or
// "\r\n"), and with that end. The last line may have none.
func eachLine(data []byte, f func(line, end []byte) bool) {
	for len(data) > 0 {
		n := bytes.IndexByte(data, '\n') + 1
		if n == 0 {
			n = len(data)
		}
		line := bytes.TrimRight(data[:n], "\r\n")
		if !f(line, data[len(line):n]) {
			return
		}
		data = data[n:]
	}
}

func isBlank(line []byte) bool { return len(bytes.TrimSpace(line)) == 0 }

// PrefixesOnly returns the beginnings that raw's lines lost in the reading, one on each
// line. A number in it is no measurement. For example, "[   12.345678] " of the kernel
// is an array of JSON.
func (r Reading) PrefixesOnly(raw []byte) []byte {
	only := make([]byte, 0, len(raw))
	clean := r.Data
	eachLine(raw, func(line, end []byte) bool {
		kept, rest, _ := bytes.Cut(clean, []byte("\n"))
		clean = rest
		kept = bytes.TrimRight(kept, "\r")
		if bytes.HasSuffix(line, kept) {
			only = append(only, line[:len(line)-len(kept)]...)
		}
		only = append(only, end...)
		return true
	})
	return only
}
