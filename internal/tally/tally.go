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
	slots  []uint64 // half of a name's hash, and the number of its count plus one; 0: free
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
		*slot = hash&^number | uint64(len(t.Counts))
	}
	return &t.Counts[*slot&number-1]
}

// Numbered counts one more of name and returns it, from its second time on with
// "~2", "~3" behind its first bytes, of which there are that many.
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
			return t.Counts[slot&number-1]
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
	t.slots = make([]uint64, size)
	t.Counts = append(make([]Count, 0, size/4*3), t.Counts...)
	for i, c := range t.Counts {
		hash := maphash.String(t.seed, c.Name)
		*t.slot(hash, []byte(c.Name)) = hash&^number | uint64(i+1)
	}
}

// number are the bits of a slot that say which count it is.
const number = 1<<32 - 1

// slot is where name is, or where it is to be put.
func (t *Tally) slot(hash uint64, name []byte) *uint64 {
	last := uint64(len(t.slots) - 1)
	for i := hash & last; ; i = (i + 1) & last {
		slot := &t.slots[i]
		if *slot == 0 || (*slot^hash)&^number == 0 && t.Counts[*slot&number-1].Name == string(name) {
			return slot
		}
	}
}
