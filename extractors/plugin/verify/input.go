package verify

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ktstr/ktstr"
)

// input is the input of one extraction: the streams of a case, of which one may
// be changed.
type input struct {
	words   string // "cpu/stdout, first 120 bytes"
	streams []ktstr.Output
	changed int      // index of the stream that was changed
	at      int      // the place in it that matters
	said    []string // the plugin's lines on standard error with its last error
}

// asCaptured returns the streams of a case as they are. The first that is not empty
// is shown.
func asCaptured(k Case) *input {
	in := &input{words: k.Name, streams: k.Streams}
	if i := slices.IndexFunc(k.Streams, func(o ktstr.Output) bool { return len(o.Data) > 0 }); i > 0 {
		in.words, in.changed = k.Name+"/"+fileName(k.Streams[i].Stream), i
	}
	return in
}

// changed returns the streams of a case with other data in one of them.
func changed(k Case, stream int, data []byte, at int, format string, args ...any) *input {
	streams := append([]ktstr.Output(nil), k.Streams...)
	streams[stream].Data = data
	return &input{
		words:   k.Name + "/" + fileName(streams[stream].Stream) + ", " + fmt.Sprintf(format, args...),
		streams: streams, changed: stream, at: at,
	}
}

func fileName(s ktstr.Stream) string {
	if name, ok := strings.CutPrefix(string(s), "file:"); ok {
		return "file-" + name
	}
	return string(s)
}

// needCorpus skips c if there are no captures.
func (r *run) needCorpus(c check) bool {
	if len(r.corpus) == 0 {
		c.skipf("no captures: want --corpus DIR with a folder a case, each with the tool's stdout")
		return false
	}
	return true
}

// spread returns at most most numbers of 0 … n-1, evenly spread, with the first
// and the last.
func spread(n, most int) []int {
	if n <= most {
		all := make([]int, n)
		for i := range all {
			all[i] = i
		}
		return all
	}
	some := make([]int, 0, most)
	for i := range most {
		some = append(some, i*(n-1)/max(most-1, 1))
	}
	return some
}

// affordable returns how many changes of one stream of size bytes a check tries, given the number that it tries for a single
// stream. All captures share the number of eight streams: a corpus of 100 captures takes about as long as one of eight.
func (r *run) affordable(size, alone int) int {
	const budget = 64 << 20 // bytes that one check extracts of one stream
	shared := 8 * alone
	if r.proc != nil && r.proc.script {
		alone, shared = alone/50, alone/5 // each extraction starts one or more processes
	}
	streams := 0
	for _, k := range r.samples() {
		streams += len(k.Streams)
	}
	return max(min(alone, shared/streams, budget/max(size, 1)), 4)
}

// samples are the captures that a robustness check changes: those of the corpus,
// or a short text if there is no corpus.
func (r *run) samples() []Case {
	if len(r.corpus) > 0 {
		return r.corpus
	}
	return []Case{{Name: "made-up", Streams: []ktstr.Output{{Stream: ktstr.Stdout, Data: []byte("rate: 12.5 MiB/s\nlatency (us): avg=3.5, max=17\n{\"a\": [1, 2.5e3]}\n")}}}}
}
