package verify

import (
	"bytes"
	"context"
	"runtime"
	"sync"

	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/internal/text"
)

const large = 16 << 20 // bytes that the engine keeps of a stream by default

func checkLarge(ctx context.Context, r *run, c check) {
	k := r.samples()[0]
	for _, other := range r.samples() { // the smallest capture with metrics, so that the filling counts
		if len(other.Streams[0].Data) > 0 && len(other.Streams[0].Data) < len(k.Streams[0].Data) {
			k = other
		}
	}
	own := k.Streams[0].Data
	filler := []byte("the quick brown fox jumps over 13 lazy dogs: 12.5 MiB/s, 3 us\n")
	fill := func(head, piece []byte) []byte {
		data := make([]byte, 0, large)
		data = append(data, head...)
		for len(piece) > 0 && len(data)+len(piece) <= large {
			data = append(data, piece...)
		}
		return data[:min(len(data), large)]
	}
	for _, v := range []struct {
		words string
		data  []byte
	}{
		{"prose behind it up to 16 MiB", fill(own, filler)},
		{"repeated up to 16 MiB", fill(nil, own)},
		{"one line of 16 MiB behind it", fill(own, bytes.TrimSuffix(filler, []byte("\n")))},
		{"16 MiB of opening brackets behind it", fill(own, []byte("[{"))},
	} {
		began := now()
		r.document(ctx, c, changed(k, 0, v.data, 0, "%s", v.words))
		c.notef("%s: %v", v.words, since(began))
	}
}

func checkParallel(ctx context.Context, r *run, c check) {
	const at = 8
	var wg sync.WaitGroup
	var mu sync.Mutex
	cases := r.samples()
	want := make([][]byte, len(cases))
	for i, k := range cases {
		want[i] = r.plainDocument(ctx, c, k)
	}
	for range at {
		wg.Go(func() {
			for i, k := range cases {
				res := extract.Run(ctx, r.x, k.Streams, nil)
				if got := res.AppendJSON(nil); !bytes.Equal(got, want[i]) {
					mu.Lock()
					c.failf(asCaptured(k), "%s: beside others it gives something else: %s", k.Name, Diff(got, want[i]))
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
}

func checkThousand(ctx context.Context, r *run, c check) {
	var small []Case
	for _, k := range r.samples() {
		size := 0
		for _, out := range k.Streams {
			size += len(out.Data)
		}
		if size <= 64<<10 {
			small = append(small, k)
		}
	}
	if len(small) == 0 {
		c.skipf("no capture of at most 64 KiB")
		return
	}
	const growth = 16 << 20 // bytes, while a leak of 64 KiB captures would be 56 MiB
	memory := heap
	if r.proc != nil {
		memory = r.proc.memory
	}
	times := 1000
	if r.proc != nil && r.proc.script {
		times = 10 // it has no process between its calls that could grow
	}
	// A late garbage collection makes one stretch of calls look like a leak. A real
	// leak grows in every stretch.
	const stretches, stretch = 3, 900
	var before, after int64
	for i := 0; i < times; i++ {
		if i == 100 {
			before = memory()
		}
		k := small[i%len(small)]
		if _, doc := r.document(ctx, c, asCaptured(k)); i%97 == 0 && !bytes.Equal(doc, r.plainDocument(ctx, c, k)) {
			c.failf(asCaptured(k), "%s: the %dth extraction differs: %s", k.Name, i+1, Diff(doc, r.plain[k.Name]))
		}
		if c.Outcome == Fail || ctx.Err() != nil {
			return
		}
		if i+1 < times || before == 0 {
			continue
		}
		after = memory()
		c.notef("%d KiB after %d, %d KiB after %d", before>>10, times-stretch, after>>10, times)
		if after-before > growth && times < 100+stretches*stretch {
			before, times = after, times+stretch
		}
	}
	if before == 0 {
		c.notef("%d only: it has no process between its calls", times)
		return
	}
	if after-before > growth {
		c.failf(nil, "memory grew by %d MiB in the last %d small captures, and as in those before: want at most %d MiB", (after-before)>>20, stretch, growth>>20)
	}
}

// heap returns the bytes of live objects in this process's heap.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func checkCancel(ctx context.Context, r *run, c check) {
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	k := r.samples()[0]
	if _, err := r.x.x.Extract(cancelled, k.Streams[0]); err == nil {
		c.failf(nil, "an extraction whose context was cancelled before returned no error: want ctx.Err()")
	}
}

func checkFinite(ctx context.Context, r *run, c check) {
	c.notef("%s", text.Count(r.x.calls, "extraction"))
	if r.x.infinite > 0 {
		c.failf(nil, "%s held a value that is NaN or infinite; the checks above show the inputs", text.Count(r.x.infinite, "extraction"))
	}
}
