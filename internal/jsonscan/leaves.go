package jsonscan

import (
	"encoding/binary"
	"unsafe"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/huge"
)

// Leaves collects the numbers of documents as metrics. Call Reset before the
// first Walk.
//
// The names lie one after the other in a few large pieces of memory, called
// the arena. The path of the value that is being read stands at the arena's
// open end, so a name is complete and in place when its number is read.
type Leaves struct {
	Metrics []ktstr.Metric
	Anomalies

	stream ktstr.Stream
	size   int    // of the text
	names  []byte // the last piece of the arena
	start  int    // where its open end starts
	full   int    // bytes of the pieces before it
	pieces int
	budget int // bytes that the arena may still grow by
	room   int // the largest number of metrics
}

// slack is the number of bytes that the open end always has after the path.
const slack = 64

// Reset makes l empty for a text of size bytes, whose metrics are of stream.
// It uses the memory of the metrics before it again.
func (l *Leaves) Reset(size int, stream ktstr.Stream) {
	used := l.full + l.start + 4*slack
	*l = Leaves{Metrics: l.Metrics[:0], names: l.names, stream: stream, size: size, budget: 16*size + 1<<20, room: size/8 + 1<<20}
	if len(l.names) < max(used, 4096, size/64) {
		l.names = make([]byte, max(used, 4096, size/64)) // the names of the last text fit in one piece
	}
}

// Mark is a state of Leaves that Undo returns to.
type Mark struct {
	metrics, start, full, pieces, budget int
	anomalies                            Anomalies
}

// Mark returns the state before a walk, and sets the anomalies to none.
func (l *Leaves) Mark() Mark {
	m := Mark{len(l.Metrics), l.start, l.full, l.pieces, l.budget, l.Anomalies}
	l.Anomalies = Anomalies{}
	return m
}

// Since returns the number of metrics that were added after m was taken.
func (l *Leaves) Since(m Mark) int { return len(l.Metrics) - m.metrics }

// Undo removes the metrics that were added after m was taken.
func (l *Leaves) Undo(m Mark) {
	l.Metrics = l.Metrics[:m.metrics]
	l.budget, l.Anomalies = m.budget, m.anomalies
	if l.pieces == m.pieces {
		l.start, l.full = m.start, m.full
	} else { // the piece of then is gone, and a fresh one is as good
		l.start, l.full, l.pieces = 0, m.full, m.pieces
	}
}

// Keep adds the anomalies from before m to those of the walk after it.
func (l *Leaves) Keep(m Mark) {
	walked := l.Anomalies
	l.Anomalies = m.anomalies
	l.Anomalies.add(walked)
}

// KeepOnly removes the metrics that were added before m was taken.
func (l *Leaves) KeepOnly(m Mark) {
	l.Metrics = l.Metrics[:copy(l.Metrics, l.Metrics[m.metrics:])]
}

// add appends a metric whose name is the path, which is size bytes long, or
// counts it as dropped. The next path starts with the first prefix bytes of
// this one. read is the number of bytes of the text that were read.
func (l *Leaves) add(size, prefix int, value float64, line int, read int) {
	n := len(l.Metrics)
	if n == cap(l.Metrics) || size > MaxName || len(l.names)-l.start < 2*size+2*slack {
		if n == l.room || size > MaxName || !l.reserve(size, read) {
			l.Dropped.add(l.path(size), line)
			return
		}
		if n == cap(l.Metrics) {
			l.growMetrics(read)
		}
	}
	l.Metrics = l.Metrics[:n+1]
	m := &l.Metrics[n]
	m.Name = unsafe.String(&l.names[l.start], size) // these bytes never change again
	m.Value = value
	m.Unit = ""
	m.Polarity = ktstr.Unknown
	m.Stream = l.stream
	m.Line = line
	// Eight bytes at once: a call of copy takes longer than most prefixes.
	next := l.names[l.start+size:]
	for k := 0; k < prefix; k += 8 {
		binary.LittleEndian.PutUint64(next[k:], load(l.names, l.start+k))
	}
	l.start += size
}

// path returns the first size bytes of the path.
func (l *Leaves) path(size int) []byte { return l.names[l.start : l.start+size] }

// growMetrics makes room for as many metrics as the text will have if it goes
// on as before.
func (l *Leaves) growMetrics(read int) {
	n := len(l.Metrics)
	want := min(l.size/24, 4096) + 16
	if n > 0 {
		want = max(n+n/4, int(float64(n)/float64(read)*float64(l.size)*1.02)+16)
	}
	more := huge.Pages(make([]ktstr.Metric, n, min(want, l.room)))
	copy(more, l.Metrics)
	l.Metrics = more
}

// reserve makes room for the path, which is size bytes long, and another one
// after it. It returns false if the budget does not allow that.
func (l *Leaves) reserve(size int, read int) bool {
	if len(l.names)-l.start >= 2*size+2*slack {
		return true
	}
	// As many bytes as the text will need if it goes on as before.
	rest := int(float64(l.full+l.start) / float64(read) * float64(l.size-read) * 1.02)
	piece := max(2*size+4096, min(rest+slack, l.budget))
	if piece > l.budget {
		return false
	}
	l.budget -= piece
	l.newPiece(size, piece)
	return true
}

// lengthen makes room for a path that goes on after its first size bytes. The
// budget does not matter: a path is not longer than the text.
func (l *Leaves) lengthen(size, more int) {
	if len(l.names)-l.start < size+more+slack {
		l.newPiece(size, max(2*(size+more+slack), min(len(l.names), 1<<20)))
	}
}

// newPiece starts a new piece of the arena with the first size bytes of the path.
func (l *Leaves) newPiece(size, piece int) {
	names := huge.Pages(make([]byte, piece))
	copy(names, l.path(size))
	l.full += l.start
	l.names, l.start = names, 0
	l.pieces++
}

// Anomalies counts the values of documents that a metric cannot represent.
type Anomalies struct {
	Dropped     Tally // numbers with a name that is too long, or beyond the limit of their count
	TooDeep     Tally // containers below MaxDepth
	Inexact     Tally // integers that no float64 equals
	Infinite    Tally // numbers beyond the range of float64
	InvalidText Tally // keys with bytes that are not UTF-8
}

func (a *Anomalies) add(b Anomalies) {
	a.Dropped.join(b.Dropped)
	a.TooDeep.join(b.TooDeep)
	a.Inexact.join(b.Inexact)
	a.Infinite.join(b.Infinite)
	a.InvalidText.join(b.InvalidText)
}

// Tally counts one kind of anomaly, and keeps the path and line of the first.
type Tally struct {
	Count, Line int
	First       string
}

func (t *Tally) add(path []byte, line int) {
	if t.Count == 0 {
		t.First, t.Line = string(path[:min(len(path), 100)]), line
	}
	t.Count++
}

func (t *Tally) join(more Tally) {
	if t.Count == 0 {
		t.First, t.Line = more.First, more.Line
	}
	t.Count += more.Count
}
