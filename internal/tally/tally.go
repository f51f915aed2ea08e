// Package tally turns the names that a text repeats into counts, and keeps them
// in little memory.
package tally

import (
	"hash/maphash"
	"strconv"
)

// Tally counts names. It is a hash table with open addressing: a table of
// stress-ng's may have a hundred thousand names, nearly all of which occur once,
// and in a map, whose cells are five times as large, they take as long as all
// its numbers. The zero value is empty and ready.
type Tally struct {
	Counts []Count  // in the order in which the names came
	slots  []uint32 // of a name: the number of its count plus one, and bits of its hash above it; 0: free
	seed   maphash.Seed
}

// Count is how often a name occurred.
type Count struct {
	Name     string
	Times    int32
	Measured int32 // how often with a measurement; the caller counts that
}

// Of returns the count of name, of no times where it is new; names keeps the
// name then. The count is good until the next call.
func (t *Tally) Of(name []byte, names *Names) *Count {
	if len(t.Counts) >= len(t.slots)/4*3 {
		t.Reserve(2 * len(t.Counts))
	}
	hash := maphash.Bytes(t.seed, name)
	slot := t.slot(hash, name)
	if *slot == 0 {
		t.Counts = append(t.Counts, Count{Name: names.Keep(name)})
		*slot = t.mark(hash) | uint32(len(t.Counts))
	}
	return t.count(*slot)
}

// Numbered counts one more of name and returns it, from its second time on with
// "~2", "~3" put in behind the first bytes of it, as many as first says.
func (t *Tally) Numbered(name []byte, first int, names *Names) string {
	c := t.Of(name, names)
	if c.Times++; c.Times == 1 {
		return c.Name
	}
	return c.Name[:first] + "~" + strconv.Itoa(int(c.Times)) + c.Name[first:]
}

// Find returns the count of name, the zero value if it did not occur.
func (t *Tally) Find(name string) Count {
	if len(t.slots) > 0 {
		if slot := *t.slot(maphash.String(t.seed, name), []byte(name)); slot != 0 {
			return *t.count(slot)
		}
	}
	return Count{}
}

// Reserve makes room for n names.
func (t *Tally) Reserve(n int) {
	size := 16
	for size/4*3 <= n {
		size *= 2
	}
	if size <= len(t.slots) {
		return
	}
	if t.slots == nil {
		t.seed = maphash.MakeSeed()
	}
	t.slots = make([]uint32, size)
	t.Counts = append(make([]Count, 0, size/4*3), t.Counts...)
	for i, c := range t.Counts {
		hash := maphash.String(t.seed, c.Name)
		*t.slot(hash, []byte(c.Name)) = t.mark(hash) | uint32(i+1)
	}
}

// last is the last slot, and the bits of a slot that number a count.
func (t *Tally) last() uint32 { return uint32(len(t.slots) - 1) }

// mark is what a slot keeps of a hash: bits that do not say which slot it is.
func (t *Tally) mark(hash uint64) uint32 { return uint32(hash>>32) &^ t.last() }

func (t *Tally) count(slot uint32) *Count { return &t.Counts[slot&t.last()-1] }

// slot is where name is, or where it is to be put.
func (t *Tally) slot(hash uint64, name []byte) *uint32 {
	mark, last := t.mark(hash), t.last()
	for i := uint32(hash) & last; ; i = (i + 1) & last {
		slot := &t.slots[i]
		if *slot == 0 || *slot&^last == mark && t.count(*slot).Name == string(name) {
			return slot
		}
	}
}
