package verify

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/internal/text"
)

func checkEmpty(ctx context.Context, r *run, c check) {
	for _, stream := range []ktstr.Stream{ktstr.Stdout, ktstr.Stderr} {
		for _, piece := range []string{"", "\n", " \t\r\n\n"} {
			in := &input{words: fmt.Sprintf("%s with nothing but %q in it", stream, piece), streams: []ktstr.Output{{Stream: stream, Data: []byte(piece)}}}
			res, _ := r.document(ctx, c, in)
			if len(res.Metrics) > 0 {
				c.failf(in, "%s, the first %q: want none", text.Count(len(res.Metrics), "metric"), res.Metrics[0].Name)
			}
		}
	}
}

// insert puts piece at many places of each sample.
func insert(ctx context.Context, r *run, c check, piece string) {
	places := 0
	for _, k := range r.samples() {
		for s, out := range k.Streams {
			for _, at := range spread(len(out.Data)+1, r.affordable(len(out.Data), 100)) {
				if c.enough() {
					return
				}
				places++
				data := append(append(bytes.Clone(out.Data[:at]), piece...), out.Data[at:]...)
				r.document(ctx, c, changed(k, s, data, at, "with %q inserted at byte %d", piece, at))
			}
		}
	}
	c.notef("%q inserted at %d places", piece, places)
}

func checkNUL(ctx context.Context, r *run, c check) {
	insert(ctx, r, c, "\x00")
	zeros := &input{words: "64 KiB of NUL bytes", streams: []ktstr.Output{{Stream: ktstr.Stdout, Data: make([]byte, 64<<10)}}}
	if res, _ := r.document(ctx, c, zeros); len(res.Metrics) > 0 {
		c.failf(zeros, "%s: want none", text.Count(len(res.Metrics), "metric"))
	}
}

func checkUTF8(ctx context.Context, r *run, c check) {
	insert(ctx, r, c, "\xff\xc3(\xe2\x82")
	noise := make([]byte, 64<<10)
	state := uint32(1)
	for i := range noise {
		state = state*1664525 + 1013904223 // a linear congruential generator: the same bytes each time
		noise[i] = byte(state >> 24)
	}
	r.document(ctx, c, &input{words: "64 KiB of pseudo-random bytes", streams: []ktstr.Output{{Stream: ktstr.Stdout, Data: noise}}})
}

func checkCRLF(ctx context.Context, r *run, c check) {
	if !r.needCorpus(c) {
		return
	}
	for _, k := range r.corpus {
		var plain, crlf extract.Result
		if err := json.Unmarshal(r.plainDocument(ctx, c, k), &struct{ Metrics *[]ktstr.Metric }{&plain.Metrics}); err != nil {
			c.failf(asCaptured(k), "%v", err)
			continue
		}
		in := asCaptured(k)
		in.words += " with every LF made CR LF"
		in.streams = append([]ktstr.Output(nil), in.streams...)
		for s := range in.streams {
			data := bytes.ReplaceAll(in.streams[s].Data, []byte("\r\n"), []byte("\n"))
			in.streams[s].Data = bytes.ReplaceAll(data, []byte("\n"), []byte("\r\n"))
		}
		crlf, _ = r.document(ctx, c, in)
		got, want := values(crlf), values(plain)
		for name, m := range want {
			if g, ok := got[name]; !ok {
				c.failf(in, "%s: %q is lost", k.Name, name)
			} else if g.Value != m.Value || g.Unit != m.Unit {
				c.failf(in, "%s: %q is %v %s: want %v %s", k.Name, name, g.Value, g.Unit, m.Value, m.Unit)
			}
		}
		for name := range got {
			if _, ok := want[name]; !ok {
				c.failf(in, "%s: %q appears, which the capture as it is does not give", k.Name, name)
			}
		}
	}
}
