package verify

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/core/unit"
)

// plainDocument is the document of a case as it was captured, extracted once.
func (r *run) plainDocument(ctx context.Context, c check, k Case) []byte {
	doc, ok := r.plain[k.Name]
	if !ok {
		_, doc = r.document(ctx, c, asCaptured(k))
		r.plain[k.Name] = doc
	}
	return doc
}

func checkDescribe(ctx context.Context, r *run, c check) {
	d := r.desc
	if err := checkDescription(d); err != nil {
		c.failf(nil, "%v", err)
	}
	if again := r.x.Describe(); !reflect.DeepEqual(d, again) {
		c.failf(nil, "the second description is another one: want it constant")
	}
	headlines := 0
	for _, h := range d.Hints {
		if h.Headline {
			headlines++
		}
	}
	c.notef("%s, %s, %s", count(len(d.Hints), "hint"), count(headlines, "headline"), count(len(d.Payloads), "payload"))
}

func checkGolden(ctx context.Context, r *run, c check) {
	if !r.needCorpus(c) {
		return
	}
	compared, wrote := 0, 0
	for _, k := range r.corpus {
		in := asCaptured(k)
		if r.cfg.Update {
			// What a plugin that crashes gives is nothing that anybody wants to rely on, and its
			// error holds paths of this machine.
			before := r.x.broken
			_, got := r.document(ctx, c, in)
			r.plain[k.Name] = got
			if r.x.broken > before {
				c.failf(in, "extract.json of this case is not written: the plugin itself failed")
				continue
			}
			if err := os.WriteFile(filepath.Join(k.Dir, "extract.json"), Indent(got), 0o644); err != nil {
				c.failf(nil, "%v", err)
				continue
			}
			wrote++
			continue
		}
		got := r.plainDocument(ctx, c, k)
		switch {
		case k.Want == nil:
			c.notef("%s has no extract.json", k.Name)
		default:
			compared++
			if diff := Diff(got, k.Want); diff != "" {
				c.failf(in, "%s: %s", k.Name, diff)
			}
		}
	}
	switch {
	case r.cfg.Update:
		c.notef("wrote extract.json of %s", count(wrote, "case"))
	case compared == 0 && c.Outcome == Pass:
		c.skipf("no case has an extract.json: write them with --update, and read them before you keep them")
	default:
		c.notef("%s", count(compared, "case"))
	}
}

func checkDescribed(ctx context.Context, r *run, c check) {
	if !r.needCorpus(c) {
		return
	}
	said := map[string]bool{}
	complain := func(in *input, name, format string, args ...any) {
		if !said[name] {
			said[name] = true
			c.failf(in, format, args...)
		}
	}
	n := 0
	for _, k := range r.corpus {
		for _, out := range k.Streams {
			e, err := r.x.Extract(ctx, out)
			if err != nil {
				continue // golden has reported it
			}
			in := asCaptured(k)
			hints := append(append([]ktstr.Hint(nil), r.desc.Hints...), e.Hints...)
			for _, m := range e.Metrics {
				n++
				hinted := false
				for _, h := range hints {
					if !extract.Match(h.Name, m.Name) {
						continue
					}
					hinted = true
					if h.Unit != "" && m.Unit != "" && h.Unit != m.Unit && !unit.Convertible(m.Unit, h.Unit) {
						complain(in, m.Name, "metric %q is in %q, its hint %q says %q: want units that convert", m.Name, m.Unit, h.Name, h.Unit)
					}
				}
				if !hinted && m.Unit == "" && m.Polarity == ktstr.Unknown {
					complain(in, m.Name, "metric %q has neither unit nor polarity, and no hint matches it: want a hint", m.Name)
				}
			}
		}
	}
	c.notef("%s", count(n, "metric"))
}

func checkRepeat(ctx context.Context, r *run, c check) {
	if !r.needCorpus(c) {
		return
	}
	for _, k := range r.corpus {
		first := r.plainDocument(ctx, c, k)
		in := asCaptured(k)
		if _, second := r.document(ctx, c, in); !bytes.Equal(first, second) {
			c.failf(in, "%s: the second extraction differs: %s", k.Name, Diff(second, first))
		}
	}
}

// codes counts diagnostics by code.
func codes(r extract.Result) map[ktstr.Code]int {
	n := map[ktstr.Code]int{}
	for _, d := range r.Diagnostics {
		n[d.Code]++
	}
	return n
}

// noticed reports whether r flags something that base does not.
func noticed(r extract.Result, base map[ktstr.Code]int) bool {
	if r.Status != extract.OK {
		return true
	}
	for code, n := range codes(r) {
		if n > base[code] {
			return true
		}
	}
	return false
}

// values returns the first metric of each name.
func values(r extract.Result) map[string]ktstr.Metric {
	v := make(map[string]ktstr.Metric, len(r.Metrics))
	for _, m := range r.Metrics {
		if _, ok := v[m.Name]; !ok {
			v[m.Name] = m
		}
	}
	return v
}

func checkLines(ctx context.Context, r *run, c check) {
	if !r.needCorpus(c) {
		return
	}
	removed, headlines := 0, 0
	quiet := map[string]bool{} // metrics, no headlines, that get lost in silence
	for _, k := range r.corpus {
		base := extract.Run(ctx, r.x, k.Streams, nil)
		if base.Status != extract.OK {
			continue
		}
		was, flagged := values(base), codes(base)
		headline := map[string]bool{}
		for _, i := range base.Headlines {
			headline[base.Metrics[i].Name] = true
		}
		headlines += len(headline)
		for s, out := range k.Streams {
			lines := bytes.SplitAfter(out.Data, []byte{'\n'})
			starts := make([]int, len(lines))
			at := 0
			for i, l := range lines {
				starts[i] = at
				at += len(l)
			}
			for _, i := range spread(len(lines), r.affordable(len(out.Data), 2000)) {
				if len(bytes.TrimSpace(lines[i])) == 0 {
					continue
				}
				if c.enough() {
					return
				}
				removed++
				data := append(bytes.Clone(out.Data[:starts[i]]), out.Data[starts[i]+len(lines[i]):]...)
				if len(bytes.TrimSpace(data)) == 0 {
					continue // of a stream without text the extractor can say nothing
				}
				in := changed(k, s, data, starts[i], "without its line %d, %q", i+1, shorten(lines[i]))
				now, _ := r.document(ctx, c, in)
				if noticed(now, flagged) {
					continue
				}
				is := values(now)
				for name, m := range was {
					got, there := is[name]
					if there && got.Value == m.Value {
						continue
					}
					switch {
					case !headline[name]:
						quiet[name] = true
					case there:
						c.failf(in, "the headline %q silently becomes %v, it was %v: want a diagnostic", name, got.Value, m.Value)
					default:
						c.failf(in, "the headline %q gets lost in silence: want a diagnostic, such as %q", name, ktstr.MissingHeadline)
					}
				}
			}
		}
	}
	c.notef("%s removed, one at a time", count(removed, "line"))
	if len(quiet) > 0 {
		c.notef("lost without a diagnostic, but no headlines: %s", list(quiet))
	}
	if headlines == 0 && c.Outcome == Pass {
		c.skipf("no metric of the corpus is a headline: mark the few numbers that matter (Hint.Headline)")
	}
}

func checkCut(ctx context.Context, r *run, c check) {
	if !r.needCorpus(c) {
		return
	}
	cuts := 0
	for _, k := range r.corpus {
		base := extract.Run(ctx, r.x, k.Streams, nil)
		was, flagged := values(base), codes(base)
		for s, out := range k.Streams {
			for _, at := range spread(len(out.Data), r.affordable(len(out.Data), 500)) {
				if at == 0 {
					continue // the engine does not give an extractor an empty stream
				}
				if c.enough() {
					return
				}
				cuts++
				in := changed(k, s, out.Data[:at], at, "first %d bytes", at)
				in.streams[s].Truncated = true
				now, _ := r.document(ctx, c, in)
				if noticed(now, flagged) {
					continue
				}
				for _, m := range now.Metrics {
					if old, there := was[m.Name]; !there || old.Value != m.Value {
						c.failf(in, "%q is %v, from the whole capture %s: want it left out, or a diagnostic", m.Name, m.Value, orAbsent(old, there))
						break
					}
				}
			}
		}
	}
	c.notef("%s", count(cuts, "cut"))
}

func orAbsent(m ktstr.Metric, there bool) string {
	if !there {
		return "it is absent"
	}
	return fmt.Sprint("it is ", m.Value)
}

func checkEmpty(ctx context.Context, r *run, c check) {
	for _, stream := range []ktstr.Stream{ktstr.Stdout, ktstr.Stderr} {
		for _, text := range []string{"", "\n", " \t\r\n\n"} {
			in := &input{words: fmt.Sprintf("%s with nothing but %q in it", stream, text), streams: []ktstr.Output{{Stream: stream, Data: []byte(text)}}}
			res, _ := r.document(ctx, c, in)
			if len(res.Metrics) > 0 {
				c.failf(in, "%s, the first %q: want none", count(len(res.Metrics), "metric"), res.Metrics[0].Name)
			}
		}
	}
}

// samples are the captures of the corpus that a robustness check changes; a
// line of prose where there is no corpus.
func (r *run) samples() []Case {
	if len(r.corpus) > 0 {
		return r.corpus
	}
	return []Case{{Name: "made-up", Streams: []ktstr.Output{{Stream: ktstr.Stdout, Data: []byte("rate: 12.5 MiB/s\nlatency (us): avg=3.5, max=17\n{\"a\": [1, 2.5e3]}\n")}}}}
}

// insert puts text at many places of each sample.
func insert(ctx context.Context, r *run, c check, text string) {
	places := 0
	for _, k := range r.samples() {
		for s, out := range k.Streams {
			for _, at := range spread(len(out.Data)+1, r.affordable(len(out.Data), 100)) {
				if c.enough() {
					return
				}
				places++
				data := append(append(bytes.Clone(out.Data[:at]), text...), out.Data[at:]...)
				r.document(ctx, c, changed(k, s, data, at, "with %q inserted at byte %d", text, at))
			}
		}
	}
	c.notef("%q inserted at %d places", text, places)
}

func checkNUL(ctx context.Context, r *run, c check) {
	insert(ctx, r, c, "\x00")
	zeros := &input{words: "64 KiB of NUL bytes", streams: []ktstr.Output{{Stream: ktstr.Stdout, Data: make([]byte, 64<<10)}}}
	if res, _ := r.document(ctx, c, zeros); len(res.Metrics) > 0 {
		c.failf(zeros, "%s: want none", count(len(res.Metrics), "metric"))
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

const large = 16 << 20 // bytes: what the engine keeps of a stream by default

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
	const growth = 16 << 20 // bytes; a leak of 64 KiB captures would be 56 MiB
	memory := heap
	if r.proc != nil {
		memory = r.proc.memory
	}
	times := 1000
	if r.proc != nil && r.proc.script {
		times = 50 // it has no process between its calls that could grow
	}
	// A collector that is late makes one stretch of calls look like a leak; a leak
	// grows in each.
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

// heap is what this process's heap holds, garbage excluded.
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
	c.notef("%s", count(r.x.calls, "extraction"))
	if r.x.infinite > 0 {
		c.failf(nil, "%s held a value that is NaN or infinite; the checks above show the inputs", count(r.x.infinite, "extraction"))
	}
}

func shorten(line []byte) string {
	text := strings.TrimRight(string(line), "\r\n")
	if len(text) > 60 {
		text = text[:60] + "…"
	}
	return text
}
