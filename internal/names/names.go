// Package names finds which of many names and patterns the names of metrics
// are or match, fast enough to ask for every metric: most match nothing, and
// the bytes at both ends of a name tell.
package names

import (
	"encoding/binary"
	"hash/maphash"
	"math/bits"
	"slices"
	"strings"
	"unsafe"
)

// Set holds names, and patterns in which '*' stands for any run of characters
// but a dot. The zero value is empty and ready.
type Set struct {
	names []string // by number; patterns too

	// lists is a hash table of the names: the last number of each list, plus
	// one, and by number the one before it. Patterns are in it too, so that
	// none is added twice, but under the complement of their hash, where no name
	// is looked for.
	lists []int32
	next  []int32
	shift uint
	// The hash is the key of a name, unless too many names have the same one.
	seeded bool
	seed   maphash.Seed

	plain int // numbers below are no patterns
	guess int // of the name that will be asked for next, perhaps

	patterns []pattern
	tails    endings // patterns by the text behind the last '*'
	parents  endings // of those that end with '*', by what stands before the last segment
	top      []int32 // those that end with '*' and have no dot

	// maybe has a one for the key of each name, and rules out most of those that
	// are asked for: all but one in a hundred beside 1,000 names, half beside 100,000.
	maybe [1 << 11]uint64
}

// pattern is one with what rules it out quickly: the text before the first '*'
// and behind the last one.
type pattern struct {
	number         int
	prefix, suffix string
	single         bool // there is only one '*'

	// In endings:
	length int    // of what it is filed under
	hash   uint64 // of that
	next   int32  // the one before it in the same list, plus one
}

// endings are patterns by what a text ends with: the last long bytes of it, or
// the last 8, 4, 2 or 1.
type endings struct {
	lengths []int // those in use
	short   bool  // some are less than 8
	lists   []int32
	shift   uint
	count   int

	// maybe has patternHit for each ending of long or 8 bytes, and for the last
	// two bytes of shorter ones; nil if there are none.
	maybe *[1 << 13]uint8
}

// long is how many bytes at the end of a name are looked at.
const long = 20

// How a name may be found.
const (
	nameHit    = 1
	patternHit = 2
)

// Grow makes room for n names more.
func (s *Set) Grow(n int) {
	s.names, s.next = slices.Grow(s.names, n), slices.Grow(s.next, n)
	s.resize(len(s.names) + n)
}

// Len is how many names and patterns were added.
func (s *Set) Len() int { return len(s.names) }

// AddName adds a name, in which a '*' is only itself, and returns its number:
// the next one from 0, or the one it has if it was added before.
func (s *Set) AddName(name string) int {
	number, _ := s.file(name, false)
	if len(s.patterns) == 0 {
		s.plain = len(s.names)
	}
	return number
}

// AddPattern is the same for a pattern; there must be a '*' in it.
func (s *Set) AddPattern(name string) int {
	number, known := s.file(name, true)
	if known {
		return number
	}
	first, last := strings.IndexByte(name, '*'), strings.LastIndexByte(name, '*')
	s.patterns = append(s.patterns, pattern{number: number, prefix: name[:first], suffix: name[last+1:], single: first == last})
	p := &s.patterns[len(s.patterns)-1]
	dot := strings.LastIndexByte(name, '.')
	switch {
	case p.suffix != "":
		s.tails.add(s.patterns, p.suffix)
	case dot >= 0:
		star := strings.LastIndexByte(name[:dot], '*')
		s.parents.add(s.patterns, name[star+1:dot+1])
	default:
		s.top = append(s.top, int32(len(s.patterns)-1))
	}
	return number
}

// Sift tells which of up to 64 items are to be looked for, the first one in the
// lowest bit: with Exact those whose name may be in the Set, with Patterns those
// that may match one. name is the first item's, so that no item's need be
// copied or called for.
func Sift[T any](s *Set, items []T, name *string) (exact, patterns uint64) {
	if len(items) == 0 {
		return 0, 0
	}
	return s.siftAll(unsafe.Pointer(name), unsafe.Sizeof(items[0]), len(items))
}

// siftAll is Sift of n names that lie size bytes apart.
func (s *Set) siftAll(first unsafe.Pointer, size uintptr, n int) (exact, patterns uint64) {
	var hits [64]uint8
	maybe, tails, short := &s.maybe, s.tails.maybe, s.tails.short
	at := uintptr(0)
	for i := range hits[:n] {
		name := *(*string)(unsafe.Add(first, at))
		at += size
		if len(name) < long {
			hits[i] = s.sift(name)
			continue
		}
		a, t, c := bothEnds(name)
		k := key(a, t)
		hit := uint8(maybe[k>>53]>>(k>>47&63)) & nameHit
		if tails != nil {
			hit |= tails[t*spread>>51] | tails[c*spread>>51]
			if short {
				hit |= tails[c>>48*spread>>51]
			}
		}
		hits[i] = hit
	}
	if s.parents.count+len(s.top) > 0 {
		for i := range n {
			name := *(*string)(unsafe.Add(first, uintptr(i)*size))
			if dot := strings.LastIndexByte(name, '.'); dot < 0 && len(s.top) > 0 || dot >= 0 && s.parents.may(name[:dot+1]) {
				hits[i&63] |= patternHit
			}
		}
	}
	for i := 0; i < 64; i += 8 { // bytes to bits
		const ones, gather = 0x0101010101010101, 0x0102040810204080
		w := binary.LittleEndian.Uint64(hits[i:])
		exact |= w & ones * gather >> 56 << i
		patterns |= w >> 1 & ones * gather >> 56 << i
	}
	return exact, patterns
}

// sift says of one name, which may be a short one, how it may be found, but
// for patterns that end with '*'.
//
//go:noinline
func (s *Set) sift(name string) uint8 {
	a, t, c := ends(name)
	k := key(a, t)
	hit := s.may(k)
	if s.tails.maybe != nil {
		hit |= s.tails.maybe[c*spread>>51] | s.tails.maybe[c>>48*spread>>51]
	}
	return hit
}

// may is nameHit where a name of that key may be in the Set, else 0.
func (s *Set) may(key uint64) uint8 {
	return uint8(s.maybe[key>>53]>>(key>>47&63)) & nameHit
}

// Exact is the number of name itself; -1 if it was not added.
func (s *Set) Exact(name string) int {
	// Lists of names are often in the order of the metrics.
	if s.guess < s.plain && s.names[s.guess] == name {
		s.guess++
		return s.guess - 1
	}
	return s.exact(name)
}

func (s *Set) exact(name string) int {
	k, h := s.hash(name, false)
	if s.may(k) == 0 {
		return -1
	}
	for e := s.lists[h>>(s.shift&63)]; e != 0; e = s.next[e-1] {
		if s.names[e-1] == name {
			s.guess = int(e)
			return int(e - 1)
		}
	}
	return -1
}

// Patterns appends the numbers of the patterns that match name to found.
func (s *Set) Patterns(name string, found []int) []int {
	if s.tails.count > 0 {
		found = s.match(&s.tails, name, name, found)
	}
	if s.parents.count+len(s.top) > 0 {
		if dot := strings.LastIndexByte(name, '.'); dot >= 0 {
			return s.match(&s.parents, name[:dot+1], name, found)
		}
		for _, k := range s.top {
			found = s.try(&s.patterns[k], name, found)
		}
	}
	return found
}

// match tries the patterns that are filed under the end of text.
func (s *Set) match(e *endings, text, name string, found []int) []int {
	_, t, c := ends(text)
	for _, n := range e.lengths {
		if n > len(text) {
			continue
		}
		h := hashEnd(t, c, n)
		for k := e.lists[h>>(e.shift&63)]; k != 0; {
			p := &s.patterns[k-1]
			if p.hash == h && p.length == n {
				found = s.try(p, name, found)
			}
			k = p.next
		}
	}
	return found
}

func (s *Set) try(p *pattern, name string, found []int) []int {
	if len(name) < len(p.prefix)+len(p.suffix) || name[len(name)-len(p.suffix):] != p.suffix || name[:len(p.prefix)] != p.prefix {
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

// file returns the number of a name or a pattern, which it has or is given
// here; known tells which.
func (s *Set) file(name string, pattern bool) (number int, known bool) {
	if 2*(len(s.names)+1) > len(s.lists) {
		s.resize(2*len(s.names) + 8)
	}
	k, h := s.hash(name, pattern)
	list := &s.lists[h>>(s.shift&63)]
	passed := 0
	for e := *list; e != 0; e = s.next[e-1] {
		if s.names[e-1] == name {
			return int(e - 1), true
		}
		passed++
	}
	if passed >= crowd && !s.seeded {
		s.seeded, s.seed = true, maphash.MakeSeed()
		s.resize(len(s.names))
		return s.file(name, pattern)
	}
	if !pattern {
		s.maybe[k>>53] |= 1 << (k >> 47 & 63)
	}
	s.names = append(s.names, name)
	s.next = append(s.next, *list)
	*list = int32(len(s.names))
	return len(s.names) - 1, false
}

// crowd is how many names in one list show that keys are no hashes for them.
const crowd = 16

// hash is the key of a name, and the hash that it is filed under.
func (s *Set) hash(name string, pattern bool) (k, h uint64) {
	a, t, _ := ends(name)
	k = key(a, t)
	h = k
	if s.seeded {
		h = maphash.String(s.seed, name)
	}
	if pattern {
		h = ^h
	}
	return k, h
}

// resize makes lists for n names, and files those that there are.
func (s *Set) resize(n int) {
	size := bits.Len(uint(2*n | 15))
	s.lists, s.shift = make([]int32, 1<<size), uint(64-size)
	patterns := s.patterns
	for i, name := range s.names {
		pattern := len(patterns) > 0 && patterns[0].number == i
		if pattern {
			patterns = patterns[1:]
		}
		_, h := s.hash(name, pattern)
		list := &s.lists[h>>(s.shift&63)]
		s.next[i], *list = *list, int32(i+1)
	}
}

// add files the last one of patterns under the end of text.
func (e *endings) add(patterns []pattern, text string) {
	if e.maybe == nil {
		e.maybe = new([1 << 13]uint8)
	}
	_, t, c := ends(text)
	n := long
	if len(text) < long {
		n = min(8, 1<<(bits.Len(uint(len(text)))-1))
	}
	h := hashEnd(t, c, n)
	switch n {
	case long, 8:
		e.maybe[h>>51] = patternHit
	case 1: // whatever the byte before
		for before := range uint64(256) {
			e.maybe[(c>>56<<8|before)*spread>>51] = patternHit
		}
	default:
		e.maybe[c>>48*spread>>51] = patternHit
	}
	if !slices.Contains(e.lengths, n) {
		e.lengths = append(e.lengths, n)
	}
	e.short = e.short || n < 8
	if e.count++; 2*e.count > len(e.lists) {
		old := e.lists
		size := bits.Len(uint(4*e.count | 63))
		e.lists, e.shift = make([]int32, 1<<size), uint(64-size)
		for _, k := range old {
			for k != 0 {
				p := &patterns[k-1]
				list := &e.lists[p.hash>>(e.shift&63)]
				k, p.next, *list = p.next, *list, k
			}
		}
	}
	p := &patterns[len(patterns)-1]
	list := &e.lists[h>>(e.shift&63)]
	p.length, p.hash, p.next = n, h, *list
	*list = int32(len(patterns))
}

// may reports whether a pattern may be filed under the end of text.
func (e *endings) may(text string) bool {
	if e.maybe == nil {
		return false
	}
	_, t, c := ends(text)
	return e.maybe[c*spread>>51] != 0 || e.maybe[c>>48*spread>>51] != 0 || len(text) >= long && e.maybe[t*spread>>51] != 0
}

// spread is 2⁶⁴ divided by the golden ratio: multiplying by it carries every
// bit of a key into the upper ones.
const spread = 0x9E3779B97F4A7C15

// key is a hash of the first eight and the last twenty bytes of a name, as ends gives them.
func key(head, tail uint64) uint64 { return (bits.RotateLeft64(head, 29) ^ tail) * spread }

// hashEnd is a hash of the last n bytes of a text, given what ends says of it.
func hashEnd(tail, last uint64, n int) uint64 {
	if n != long {
		tail = last >> uint(64-8*n)
	}
	return tail * spread
}

// ends gives the first eight bytes of name, the last twenty, one laid upon the
// other, and the last eight, the last one highest; what is not there is zero.
func ends(name string) (head, tail, last uint64) {
	if len(name) >= long {
		return bothEnds(name)
	}
	return fewBytes(name)
}

// bothEnds is ends for long bytes or more.
func bothEnds(name string) (head, tail, last uint64) {
	last = eight(name, len(name)-8)
	return eight(name, 0), bits.RotateLeft64(eight(name, len(name)-20), 27) ^ eight(name, len(name)-16) ^ last, last
}

// fewBytes is ends for fewer.
func fewBytes(name string) (head, tail, last uint64) {
	if len(name) < 8 {
		var b [8]byte
		copy(b[8-len(name):], name)
		last = binary.LittleEndian.Uint64(b[:])
		return 0, last, last
	}
	head, last = eight(name, 0), eight(name, len(name)-8)
	tail = last
	if len(name) >= 16 {
		tail ^= eight(name, len(name)-16)
	}
	return head, tail, last
}

// eight is the eight bytes of name at i; the caller sees to it that they are there.
func eight(name string, i int) uint64 {
	return binary.LittleEndian.Uint64((*[8]byte)(unsafe.Add(unsafe.Pointer(unsafe.StringData(name)), i))[:])
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
