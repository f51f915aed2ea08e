// Package names finds which of many names and patterns the name of a metric is
// or matches, fast enough to ask for every metric: most match nothing, and the
// last eight bytes of a name tell.
package names

import (
	"encoding/binary"
	"hash/maphash"
	"math/bits"
	"strings"
	"unsafe"
)

// Set holds names, and patterns in which '*' stands for any run of characters
// but a dot. The zero value is empty and ready.
type Set struct {
	names []string // by number; patterns too
	dead  int      // how many of names are patterns

	// slots is a hash table, with open addressing, of the names that are no
	// patterns: their number plus one. maybe has a bit for each by its key, and
	// rules out most of those that are asked for.
	slots []int32
	seed  maphash.Seed
	maybe []uint64
	shift uint

	patterns []pattern
	endings  []endings  // of patterns with text behind the last '*'
	ends     [64]uint64 // a bit for each of them, by the last bytes of the text
	shortest int        // how many bytes those are: as many as the shortest text has, up to 8
	long     endings    // of those with sixteen bytes or more of text there, by sixteen
	longs    [64]uint64
	parents  []endings        // of those that end with '*', by what stands before their last segment
	rest     []int32          // of those that have neither
	numbers  map[string]int32 // of patterns
}

// pattern is one with what rules it out quickly: the text before the first '*'
// and behind the last one.
type pattern struct {
	number         int
	prefix, suffix string
	single         bool  // there is only one '*'
	next           int32 // in the same bucket, plus one
}

// endings are patterns whose text behind the last '*' (or, for parents, before
// the last segment) has at least n bytes, n up to 8, in buckets by the last n.
type endings struct {
	n     int
	tails []uint64 // of the buckets, by hash; 0 where there is none
	first []int32  // the first pattern of the bucket, plus one
	count int
}

// New is a Set with room for n names.
func New(n int) *Set {
	s := &Set{names: make([]string, 0, n)}
	s.resize(n)
	return s
}

// Len is how many names and patterns were added.
func (s *Set) Len() int { return len(s.names) }

// Add adds a name, or a pattern if there is a '*' in it, and returns its
// number: the next one from 0, or the one it has if it was added before.
func (s *Set) Add(name string) int {
	if strings.IndexByte(name, '*') >= 0 {
		return s.addPattern(name)
	}
	return s.AddName(name)
}

// AddName is Add for a name in which a '*' is only itself.
func (s *Set) AddName(name string) int {
	if 2*(len(s.names)-s.dead+1) > len(s.slots) {
		s.resize(2*len(s.names) + 8)
	}
	i := s.slot(name)
	if k := s.slots[i]; k != 0 {
		return int(k - 1)
	}
	s.names = append(s.names, name)
	s.put(i, len(s.names)-1)
	return len(s.names) - 1
}

// Find appends the numbers of what name is or matches to found: that of the
// name itself first, then those of patterns.
func (s *Set) Find(name string, found []int) []int {
	tail := lastEight(name)
	if len(s.maybe) > 0 {
		if k := key(name, tail) >> (s.shift & 63); s.maybe[k>>6]>>(k&63)&1 != 0 {
			if k := s.slots[s.slot(name)]; k != 0 {
				found = append(found, int(k-1))
			}
		}
	}
	if len(s.patterns) > 0 {
		found = s.find(name, tail, found)
	}
	return found
}

// Exact is the number of name itself; -1 if it was not added.
func (s *Set) Exact(name string) int {
	if len(s.slots) > 0 {
		if k := s.slots[s.slot(name)]; k != 0 {
			return int(k - 1)
		}
	}
	return -1
}

func (s *Set) find(name string, tail uint64, found []int) []int {
	if s.shortest == 0 {
		// no endings
	} else if k := tail >> uint(64-8*s.shortest) * spread >> 52; s.ends[k>>6]>>(k&63)&1 != 0 {
		for i := range s.endings {
			if k := s.endings[i].bucket(tail); k != 0 {
				found = s.match(k, name, found)
			}
		}
	}
	if s.long.count > 0 && len(name) >= 16 {
		tail := sixteen(name, tail)
		if k := tail * spread >> 52; s.longs[k>>6]>>(k&63)&1 != 0 {
			if k := s.long.bucket(tail); k != 0 {
				found = s.match(k, name, found)
			}
		}
	}
	if len(s.parents) > 0 {
		if dot := lastDot(name, tail); dot >= 0 {
			tail := lastEight(name[:dot+1])
			for i := range s.parents {
				if k := s.parents[i].bucket(tail); k != 0 {
					found = s.match(k, name, found)
				}
			}
		}
	}
	for _, k := range s.rest {
		found = s.try(&s.patterns[k], name, found)
	}
	return found
}

// match tries the patterns of a bucket.
func (s *Set) match(k int32, name string, found []int) []int {
	for k != 0 {
		p := &s.patterns[k-1]
		found = s.try(p, name, found)
		k = p.next
	}
	return found
}

func (s *Set) try(p *pattern, name string, found []int) []int {
	if len(name) < len(p.prefix)+len(p.suffix) || name[:len(p.prefix)] != p.prefix || name[len(name)-len(p.suffix):] != p.suffix {
		return found
	}
	if p.single {
		for i := len(p.prefix); i < len(name)-len(p.suffix); i++ {
			if name[i] == '.' {
				return found
			}
		}
	} else if !Match(s.names[p.number], name) {
		return found
	}
	return append(found, p.number)
}

func (s *Set) addPattern(name string) int {
	if k, known := s.numbers[name]; known {
		return int(k)
	}
	if s.numbers == nil {
		s.numbers = map[string]int32{}
	}
	s.numbers[name] = int32(len(s.names))
	first, last := strings.IndexByte(name, '*'), strings.LastIndexByte(name, '*')
	p := pattern{number: len(s.names), prefix: name[:first], suffix: name[last+1:], single: first == last}
	s.names = append(s.names, name)
	s.dead++
	where, text := &s.endings, p.suffix
	if text == "" {
		dot := strings.LastIndexByte(name, '.')
		star := strings.LastIndexByte(name[:dot+1], '*')
		where, text = &s.parents, name[star+1:dot+1]
	}
	s.patterns = append(s.patterns, p)
	number := int32(len(s.patterns)) // plus one
	if text == "" {
		s.rest = append(s.rest, number-1)
		return p.number
	}
	n := min(len(text), 8)
	if where == &s.endings && len(text) >= 16 {
		tail := sixteen(text, lastEight(text))
		s.long.n = 8
		s.patterns[number-1].next = s.long.add(tail, number)
		k := tail * spread >> 52
		s.longs[k>>6] |= 1 << (k & 63)
		return p.number
	}
	if where == &s.endings {
		s.mark(lastEight(text), n)
	}
	for i := range *where {
		if (*where)[i].n == n {
			s.patterns[number-1].next = (*where)[i].add(lastEight(text), number)
			return p.number
		}
	}
	*where = append(*where, endings{n: n})
	(*where)[len(*where)-1].add(lastEight(text), number)
	return p.number
}

// mark sets the bit of an ending of n bytes.
func (s *Set) mark(tail uint64, n int) {
	if s.shortest == 0 || n < s.shortest {
		s.shortest = n
		s.ends = [64]uint64{} // with fewer bytes, all the bits are others
		for i := range s.endings {
			e := &s.endings[i]
			for k, first := range e.first {
				if first != 0 {
					s.mark(e.tails[k]<<uint(64-8*e.n), e.n)
				}
			}
		}
	}
	k := tail >> uint(64-8*s.shortest) * spread >> 52
	s.ends[k>>6] |= 1 << (k & 63)
}

// bucket returns the first pattern, plus one, whose text ends like tail.
func (e *endings) bucket(tail uint64) int32 {
	tail >>= uint(64 - 8*e.n)
	mask := len(e.tails) - 1
	for i := int(tail*spread>>40) & mask; e.first[i] != 0; i = (i + 1) & mask {
		if e.tails[i] == tail {
			return e.first[i]
		}
	}
	return 0
}

// add puts pattern k at the head of its bucket, and returns what was there.
func (e *endings) add(tail uint64, k int32) (next int32) {
	if 4*(e.count+1) > len(e.tails) {
		old := *e
		e.tails, e.first = make([]uint64, max(16, 4*len(old.tails))), make([]int32, max(16, 4*len(old.tails)))
		for i, first := range old.first {
			if first != 0 {
				e.put(old.tails[i], first)
			}
		}
	}
	return e.put(tail>>uint(64-8*e.n), k)
}

func (e *endings) put(tail uint64, k int32) (before int32) {
	mask := len(e.tails) - 1
	i := int(tail*spread>>40) & mask
	for e.first[i] != 0 && e.tails[i] != tail {
		i = (i + 1) & mask
	}
	before = e.first[i]
	if before == 0 {
		e.count++
	}
	e.tails[i], e.first[i] = tail, k
	return before
}

// slot is where name is in the table, or where it would be.
func (s *Set) slot(name string) int {
	mask := len(s.slots) - 1
	i := int(maphash.String(s.seed, name)) & mask
	for s.slots[i] != 0 && s.names[s.slots[i]-1] != name {
		i = (i + 1) & mask
	}
	return i
}

func (s *Set) put(slot, number int) {
	s.slots[slot] = int32(number + 1)
	k := key(s.names[number], lastEight(s.names[number])) >> s.shift
	s.maybe[k>>6] |= 1 << (k & 63)
}

func (s *Set) resize(n int) {
	size := 1 << bits.Len(uint(2*n|15))
	if len(s.slots) == 0 {
		s.seed = maphash.MakeSeed()
	}
	old := s.slots
	s.slots = make([]int32, size)
	s.maybe = make([]uint64, size/2) // 32 bits for each slot
	s.shift = uint(64 - bits.Len(uint(32*size-1)))
	for _, k := range old {
		if k != 0 {
			s.put(s.slot(s.names[k-1]), int(k-1))
		}
	}
}

// spread is 2⁶⁴ divided by the golden ratio: multiplying by it carries every
// bit of a key into the upper ones.
const spread = 0x9E3779B97F4A7C15

// key is a hash of the first eight and the last sixteen bytes of name, of which
// tail is the last eight: names that differ elsewhere only are few.
func key(name string, tail uint64) uint64 {
	h := tail ^ uint64(len(name))*0xD6E8FEB86659FD93
	if len(name) > 8 {
		h = h*0xA0761D6478BD642F ^ eight(name, 0)
		if len(name) > 16 {
			h = h*0xE7037ED1A0B428DB ^ eight(name, len(name)-16)
		}
	}
	return h * spread
}

// eight is the eight bytes of name at i; the caller sees to it that they are there.
func eight(name string, i int) uint64 {
	return binary.LittleEndian.Uint64((*[8]byte)(unsafe.Add(unsafe.Pointer(unsafe.StringData(name)), i))[:])
}

// lastEight is the last eight bytes of name, the last one highest; a shorter
// name is filled up with zeros below.
func lastEight(name string) uint64 {
	if len(name) >= 8 {
		return eight(name, len(name)-8)
	}
	return lastFew(name)
}

func lastFew(name string) uint64 {
	var b [8]byte
	copy(b[8-len(name):], name)
	return binary.LittleEndian.Uint64(b[:])
}

// sixteen is a hash of the last sixteen bytes of name, of which tail is the last eight.
func sixteen(name string, tail uint64) uint64 {
	return tail*0xA0761D6478BD642F ^ eight(name, len(name)-16)
}

// lastDot is strings.LastIndexByte(name, '.'), given the last eight bytes.
func lastDot(name string, tail uint64) int {
	if len(name) >= 8 {
		const low = 0x7F7F7F7F7F7F7F7F
		x := tail ^ 0x2E2E2E2E2E2E2E2E
		if mark := ^((x&low + low) | x | low); mark != 0 { // exactly where a byte of x is zero
			return len(name) - 1 - bits.LeadingZeros64(mark)>>3
		}
	}
	return strings.LastIndexByte(name, '.')
}

// Match reports whether name is the pattern or matches it.
func Match(pattern, name string) bool {
	// The usual greedy match with one point to return to: a later '*' never
	// needs an earlier one to be reconsidered, unless a dot lies between, and
	// then the earlier one cannot reach.
	p, n := 0, 0
	star, mark := -1, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, n
			p++
		case p < len(pattern) && pattern[p] == name[n]:
			p++
			n++
		case star >= 0 && name[mark] != '.':
			mark++
			p, n = star+1, mark
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}
