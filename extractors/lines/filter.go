package lines

import (
	"encoding/binary"
	"strings"
)

// filter finds the lines of a text in which a literal of some pattern stands. It
// looks at every second pair of bytes only: of each literal it knows two neighbouring
// pairs, and any place of the literal has one of them at an even distance.
type filter struct {
	pairs   [1 << 16 / 64]uint64 // bit set for each known pair of bytes
	chains  [256][]entry         // the entries by the second byte of their pair
	without []int                // patterns without a literal of three bytes
}

// entry is a pair of bytes of a literal. The pair has its first byte in the low bits.
type entry struct {
	pair    uint16
	offset  int // of the pair in the literal
	literal string
	pattern int
}

func newFilter(patterns []pattern) *filter {
	f := &filter{}
	for i, p := range patterns {
		if shortest(p.literals) < 3 {
			f.without = append(f.without, i)
			continue
		}
		for _, literal := range p.literals {
			at := rarest(literal)
			for _, at := range []int{at, at + 1} {
				first, second := literal[at], literal[at+1]
				e := entry{uint16(second)<<8 | uint16(first), at, literal, i}
				f.pairs[e.pair/64] |= 1 << (e.pair % 64)
				f.chains[second] = append(f.chains[second], e)
			}
		}
	}
	return f
}

// known returns 1 if a pair is known, else 0.
func (f *filter) known(pair uint16) uint64 { return f.pairs[pair/64] >> (pair % 64) & 1 }

// rarest returns the offset of the three bytes of a literal that are rarest in the
// output of benchmarks.
func rarest(literal string) (best int) {
	const common = " 0123456789.:,etaonsircdlmpuhfgbk-" // the most common first
	rank := func(c byte) int {
		if i := strings.IndexByte(common, c); i >= 0 {
			return i
		}
		return len(common)
	}
	most := -1
	for i := 0; i+2 < len(literal); i++ {
		if r := rank(literal[i]) + 2*rank(literal[i+1]) + rank(literal[i+2]); r > most {
			best, most = i, r
		}
	}
	return best
}

// next returns the offset of a literal in text at or after from, -1 if there is none.
// It is in the first line that has a literal.
func (f *filter) next(text []byte, from int) int {
	i := from
	for i+1 < len(text) {
		// Four pairs at once, as long as none is known.
		for ; i+8 <= len(text); i += 8 {
			w := binary.LittleEndian.Uint64(text[i:])
			if f.known(uint16(w))|f.known(uint16(w>>16))|f.known(uint16(w>>32))|f.known(uint16(w>>48)) != 0 {
				break
			}
		}
		for end := min(i+8, len(text)-1); i < end; i += 2 {
			pair := binary.LittleEndian.Uint16(text[i:])
			if f.known(pair) == 0 {
				continue
			}
			for _, e := range f.chains[text[i+1]] {
				if e.pair == pair && i-e.offset >= from && e.at(text, i) {
					return i
				}
			}
		}
	}
	return -1
}

// mark sets hit for each pattern of which a literal is in the line. It reports whether
// there is one.
func (f *filter) mark(line []byte, hit []bool) (any bool) {
	for i := 0; i+1 < len(line); i += 2 {
		pair := binary.LittleEndian.Uint16(line[i:])
		if f.known(pair) == 0 {
			continue
		}
		for _, e := range f.chains[line[i+1]] {
			if e.pair == pair && !hit[e.pattern] && e.at(line, i) {
				hit[e.pattern], any = true, true
			}
		}
	}
	return any
}

// at reports whether the literal stands in text with its pair at an offset.
func (e *entry) at(text []byte, i int) bool {
	start := i - e.offset
	return start >= 0 && start+len(e.literal) <= len(text) && string(text[start:start+len(e.literal)]) == e.literal
}
