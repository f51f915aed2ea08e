package verify

import (
	"bytes"
	"context"
	"math/rand/v2"
	"time"
)

// checkFuzz damages the captures at random until its time is over. The report
// holds the seed and the input of a failure.
func checkFuzz(ctx context.Context, r *run, c check) {
	span := r.cfg.Fuzz
	if span == 0 {
		span = 10 * time.Second
	}
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 0))
	samples := r.samples()
	tries := 0
	for until := time.Now().Add(span); time.Now().Before(until) && ctx.Err() == nil && c.Outcome == Pass; tries++ {
		k := samples[rng.IntN(len(samples))]
		s := rng.IntN(len(k.Streams))
		data, at := damage(rng, k.Streams[s].Data)
		in := changed(k, s, data, at, "damaged at random (seed %d, try %d)", seed, tries)
		in.streams[s].Truncated = rng.IntN(2) == 0
		r.document(ctx, c, in)
	}
	c.notef("%d tries, seed %d", tries, seed)
}

// damage returns data with a few things done to it, and the place of the last.
func damage(rng *rand.Rand, data []byte) (_ []byte, at int) {
	data = bytes.Clone(data)
	pieces := []string{"\x00", "\xff", "\n", "\r", "\r\n", "-", "nan", "inf", "1e999", "99999999999999999999", "0x1p-2", ",", ".", "\t", "\"", "{", "[[[", "}", "\u202e", "%s"}
	for range 1 + rng.IntN(4) {
		at = rng.IntN(len(data) + 1)
		end := at + rng.IntN(min(len(data)-at, 200)+1)
		switch rng.IntN(6) {
		case 0: // a byte
			if at < len(data) {
				data[at] ^= byte(1 << rng.IntN(8))
			}
		case 1: // a piece lost
			data = append(data[:at], data[end:]...)
		case 2: // a piece twice
			data = append(data[:end:end], data[at:]...)
		case 3: // a piece of something else
			piece := pieces[rng.IntN(len(pieces))]
			data = append(data[:at:at], append([]byte(piece), data[at:]...)...)
		case 4: // a number changed
			if i := bytes.IndexAny(data[at:], "0123456789"); i >= 0 {
				piece := pieces[rng.IntN(len(pieces))]
				data = append(data[:at+i:at+i], append([]byte(piece), data[at+i+1:]...)...)
			}
		case 5: // cut
			data = data[:at]
		}
	}
	return data, min(at, len(data))
}
