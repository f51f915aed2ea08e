package stressng

import (
	"hash/maphash"
	"strconv"
)

// tally counts names, and keeps the order in which they came. It is a hash table
// with open addressing. A table of stress-ng's may have a hundred thousand names,
// nearly all of which occur once: in a map, whose cells are five times as large,
// they take as long as all their numbers.
type tally struct {
	counts []count
	slots  []uint64 // half of a name's hash, and the number of its count plus one; 0: free
	seed   maphash.Seed
}

type count struct {
	name     string
	times    int32
	measured int32 // of a stressor's rows, those that are not all zeros
}

// of returns the count of name, a new one at need, whose name is kept in names.
// It is good until the next call.
func (t *tally) of(name []byte, names *names) *count {
	if len(t.counts) >= len(t.slots)/4*3 {
		t.reserve(2 * len(t.counts))
	}
	hash := maphash.Bytes(t.seed, name)
	slot := t.slot(hash, name)
	if *slot == 0 {
		t.counts = append(t.counts, count{name: names.keep(name)})
		*slot = hash&^tallied | uint64(len(t.counts))
	}
	return &t.counts[*slot&tallied-1]
}

// find returns the count of name, a zero one if it did not occur.
func (t *tally) find(name string) count {
	if len(t.slots) > 0 {
		if slot := *t.slot(maphash.String(t.seed, name), []byte(name)); slot != 0 {
			return t.counts[slot&tallied-1]
		}
	}
	return count{}
}

// tallied are the bits of a slot that number a count.
const tallied = 1<<32 - 1

// slot is where name is, or where it is to be put.
func (t *tally) slot(hash uint64, name []byte) *uint64 {
	last := uint64(len(t.slots) - 1)
	for i := hash & last; ; i = (i + 1) & last {
		slot := &t.slots[i]
		if *slot == 0 || (*slot^hash)&^tallied == 0 && t.counts[*slot&tallied-1].name == string(name) {
			return slot
		}
	}
}

// reserve makes room for n names.
func (t *tally) reserve(n int) {
	size := 16
	for size/4*3 <= n {
		size *= 2
	}
	if t.slots == nil {
		t.seed = maphash.MakeSeed()
	}
	t.slots = make([]uint64, size)
	t.counts = append(make([]count, 0, size/4*3), t.counts...)
	for i, c := range t.counts {
		hash := maphash.String(t.seed, c.name)
		*t.slot(hash, []byte(c.name)) = hash&^tallied | uint64(i+1)
	}
}

// numbered counts one more of name, and puts "~2", "~3" behind the stressor
// that its first bytes are where it is not the first.
func (t *tally) numbered(name []byte, stressor int, names *names) string {
	c := t.of(name, names)
	if c.times++; c.times == 1 {
		return c.name
	}
	return c.name[:stressor] + "~" + strconv.Itoa(int(c.times)) + c.name[stressor:]
}
