package noise

import "math/bits"

// A histogram counts durations in buckets of equal width within each power of
// two (log-linear), so that it has a fixed size, costs a few instructions a
// value, and never allocates. Values below 2^subBits ns have a bucket each.
// above, a bucket is at most 1/2^subBits of its value wide (0.4 %).
const (
	subBits = 8
	topBits = 40 // values from 2^40 ns (18 minutes) on share the last bucket
	buckets = (topBits-subBits)<<subBits + 1<<subBits
)

type histogram struct {
	counts  [buckets]uint32
	samples uint64
	sum     uint64 // ns
	max     uint64 // ns, exact
	min     uint64 // ns, exact, but only if there are samples
}

// bucketOf returns the bucket of v.
func bucketOf(v uint64) int {
	if v < 1<<subBits {
		return int(v)
	}
	shift := bits.Len64(v) - 1 - subBits
	if shift >= topBits-subBits {
		return buckets - 1
	}
	return shift<<subBits + int(v>>shift)
}

// upper returns the greatest value of a bucket.
func upper(bucket int) uint64 {
	if bucket < 2<<subBits {
		return uint64(bucket)
	}
	shift := bucket>>subBits - 1
	return uint64(bucket-shift<<subBits+1)<<shift - 1
}

// record counts v. It runs inside the measuring loop.
func (h *histogram) record(v uint64) {
	h.counts[bucketOf(v)]++
	if h.samples == 0 || v < h.min {
		h.min = v
	}
	if v > h.max {
		h.max = v
	}
	h.samples++
	h.sum += v
}

// add counts all that o counted.
func (h *histogram) add(o *histogram) {
	if o.samples == 0 {
		return
	}
	for i, n := range o.counts {
		h.counts[i] += n
	}
	if h.samples == 0 || o.min < h.min {
		h.min = o.min
	}
	h.max = max(h.max, o.max)
	h.samples += o.samples
	h.sum += o.sum
}

// quantile returns the nearest-rank quantile, per mille: the upper end of the
// bucket that holds the value of rank ⌈perMille·samples/1000⌉, but never more
// than the exact maximum. Without samples it is 0.
func (h *histogram) quantile(perMille uint64) uint64 {
	rank := (h.samples*perMille + 999) / 1000
	var seen uint64
	for i, n := range h.counts {
		seen += uint64(n)
		if n > 0 && seen >= rank {
			return min(max(upper(i), h.min), h.max)
		}
	}
	return h.max
}
