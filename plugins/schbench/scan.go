package schbench

import (
	"bytes"

	"github.com/valyala/fastjson"
)

// A line is one line of the text, without its end, and where it stands.
type line struct {
	text   []byte
	number int // 1-based; 0: there is no such line
}

func (l line) given() bool { return l.number != 0 }

// A table is one of schbench's distributions: its header, its rows, and the
// line with the extremes that ends it.
type table struct {
	kind     kind
	head     line
	from, to int // where in the text its rows and extremes are
	rows     int
	complete bool // the line of the extremes was there
}

type kind byte

const (
	unknownTable kind = iota
	wakeup
	request
	rps
)

// A block is what schbench prints at once: after each interval, or at the end.
type block struct {
	tables  []table
	single  bool // the revision has one table only ("Latency percentiles")
	damaged line // first row that stands under no header
	current line // "current rps": an interval
	average line // "average rps": the end
	goal    line // "final rps goal was", "final rps was"
	delay   line // "sched delay"
	pipe    line // "avg worker transfer", "avg loops per second"
}

func (b *block) has(k kind) bool {
	for i := range b.tables {
		if b.tables[i].kind == k {
			return true
		}
	}
	return false
}

// past says whether a table of kind k comes too late for the block: their
// order is always wakeup, request, rps.
func (b *block) past(k kind) bool {
	for i := range b.tables {
		if b.tables[i].kind >= k {
			return true
		}
	}
	return false
}

func (b *block) ended() bool {
	return b.current.given() || b.average.given() || b.delay.given() || b.pipe.given()
}

// A document is a JSON object that starts like one of schbench's.
type document struct {
	text  []byte
	line  int
	whole bool // its closing brace was found
}

// scanned is the text taken apart, the numbers not yet read: only those of the
// last block are wanted, and a long run may have thousands.
type scanned struct {
	ours     bool // something of schbench's was there
	prose    int  // first line that is nothing of schbench's; 0: none
	blocks   int
	last     block
	previous block
	inTable  bool // the text ended inside a table of the last block
	cut      bool // the last line has no end and cannot be shown to be whole

	rates      line     // last plain "rps: N"
	rateCount  int      // how many of them
	current    line     // last "current rps", wherever
	ratesFinal line     // last "rps: N p95 (usec) …"
	average    line     // last "average rps", wherever
	goal       line     // "final rps was N" ahead of the last block
	rounds     line     // last "cputime N threads N p99 N"
	loose      line     // "avg worker transfer" on a stream without tables
	failure    line     // first line in which schbench says that it failed
	strange    line     // first header of a table that is not known
	columns    line     // first line that has two headers side by side
	valid      int      // JSON documents that are valid
	document   document // the last of them
	broken     document // the first that is not valid
}

// maxOpenDocuments bounds how often the text is searched to its end for a
// closing brace that is not there.
const maxOpenDocuments = 4

// maxDocument is the longest document that is read, in bytes; schbench's have a
// few thousand. A tree of values takes a hundred times the memory of its text.
const maxDocument = 1 << 20

func scan(data []byte) *scanned {
	s := &scanned{}
	var open *table
	unclosed := 0
	pos := 0
	end := -1 // of the line at hand, in which several documents may stand
	for n := 1; pos < len(data); n++ {
		start := pos
		if end < pos {
			if end = bytes.IndexByte(data[pos:], '\n'); end < 0 {
				end = len(data)
			} else {
				end += pos
			}
		}
		terminated := end < len(data)
		pos = min(end+1, len(data))
		text := data[start:end]
		if len(text) > 0 && text[len(text)-1] == '\r' {
			text = text[:len(text)-1]
		}
		if len(text) == 0 {
			continue
		}
		if text[0] == '\t' || text[0] == ' ' {
			text = bytes.TrimLeft(text, "\t ")
			if len(text) == 0 {
				continue
			}
		}
		if !terminated && !whole(text) {
			s.cut = true
			if s.prose == 0 {
				s.prose = n
			}
			break
		}
		l := line{text, n}

		switch c := text[0]; {
		case c == '*' || c >= '0' && c <= '9':
			if !isRow(text) {
				s.other(l)
				continue
			}
			if open == nil {
				s.orphan(l)
				continue
			}
			if open.rows == 0 {
				open.from = start
			}
			open.rows++
			open.to = end
			continue
		case c == 'm' || c == 'O':
			if !isExtremes(text) {
				s.other(l)
				continue
			}
			if open != nil {
				if open.rows == 0 {
					open.from = start
				}
				open.to = end
				open.complete = true
				open = nil
			}
			continue
		case c == '{':
			if !startsDocument(data[start:]) {
				s.other(l)
				continue
			}
			s.ours = true
			from := start + bytes.IndexByte(data[start:], '{')
			size := 0
			if unclosed < maxOpenDocuments {
				size = balanced(data[from:])
			}
			if size == 0 {
				unclosed++
				s.broke(document{text, n, false})
				continue
			}
			if doc := data[from : from+size]; size <= maxDocument && fastjson.ValidateBytes(doc) == nil {
				s.valid++
				s.document = document{doc, n, true}
			} else {
				s.broke(document{doc, n, true})
			}
			// Text may go on right behind the brace: there is no newline.
			n += bytes.Count(data[start:from+size], []byte("\n")) - 1
			pos = from + size
			if pos < len(data) && (data[pos] == '\n' || data[pos] == '\r') {
				n++
				if i := bytes.IndexByte(data[pos:], '\n'); i >= 0 {
					pos += i + 1
				}
			}
			continue
		}
		if k, single, ok := header(text); ok {
			s.ours = true
			if bytes.Count(text, []byte(" percentiles (")) > 1 && !s.columns.given() {
				s.columns = l
			}
			if k == unknownTable {
				if !s.strange.given() {
					s.strange = l
				}
				open = nil
				continue
			}
			if s.blocks == 0 || s.last.ended() || s.last.past(k) {
				s.begin()
			}
			s.last.single = single
			s.last.tables = append(s.last.tables, table{kind: k, head: l})
			open = &s.last.tables[len(s.last.tables)-1]
			continue
		}
		if s.rateLine(l) {
			s.ours = true
			open = nil
			continue
		}
		s.other(l)
	}
	s.inTable = open != nil
	return s
}

// begin starts a new block.
func (s *scanned) begin() {
	spare := s.previous.tables[:0]
	if s.blocks > 0 {
		s.previous = s.last
	}
	s.blocks++
	s.last = block{tables: spare}
}

func (s *scanned) broke(d document) {
	if s.broken.line == 0 {
		s.broken = d
	}
}

// orphan takes note of a row that stands under no header. Its header was lost:
// either that of the next table of the same block, or that of the first table
// of a new block, which must then not be mistaken for the block before it.
func (s *scanned) orphan(l line) {
	s.ours = true
	b := &s.last
	if b.damaged.given() && len(b.tables) == 0 {
		return
	}
	lower := bytes.HasPrefix(bytes.TrimLeft(l.text, "* "), []byte("20."))
	same := s.blocks > 0 && !b.ended() && !b.single && len(b.tables) > 0 &&
		(!b.has(request) || !b.has(rps) && lower)
	if !same && !(b.damaged.given() && !b.ended() && b.damaged.number == l.number-1) {
		s.begin()
		b = &s.last
	}
	b.damaged = l
}

// rateLine sorts the lines that are neither headers nor rows.
func (s *scanned) rateLine(l line) bool {
	switch l.text[0] {
	case 'a':
		if _, ok := after(l.text, "average rps: "); ok {
			s.average = l
			if s.blocks > 0 {
				s.last.average = l
			}
			return true
		}
		_, transfer := after(l.text, "avg worker transfer: ")
		_, loops := after(l.text, "avg loops per second: ")
		if transfer || loops {
			s.loose = l
			if s.blocks > 0 {
				s.last.pipe = l
			}
			return true
		}
		_, ok := after(l.text, "autobench rps ")
		return ok
	case 'c':
		if _, ok := after(l.text, "current rps: "); ok {
			s.current = l
			if s.blocks > 0 {
				s.last.current = l
			}
			return true
		}
		if _, ok := after(l.text, "cputime "); ok && bytes.Contains(l.text, []byte(" threads ")) {
			s.rounds = l
			return true
		}
	case 'f':
		_, was := after(l.text, "final rps was ")
		_, goal := after(l.text, "final rps goal was ")
		if was || goal {
			s.goal = l
			if s.blocks > 0 {
				s.last.goal = l
			}
			return true
		}
	case 'r':
		if rest, ok := after(l.text, "rps: "); ok {
			if bytes.Contains(rest, []byte(" p95 ")) {
				s.ratesFinal = l
			} else {
				s.rates = l
				s.rateCount++
			}
			return true
		}
	case 's':
		if _, ok := after(l.text, "sched delay: "); ok {
			if s.blocks > 0 {
				s.last.delay = l
			}
			return true
		}
	}
	return false
}

// other takes note of what schbench says beside its results, and of lines that
// are nothing of schbench's.
func (s *scanned) other(l line) {
	for _, p := range remarks {
		if _, ok := after(l.text, p); ok {
			s.ours = true
			return
		}
	}
	if !s.failure.given() && isFailure(l.text) {
		s.failure = l
		return
	}
	if s.prose == 0 {
		s.prose = l.number
	}
}

// remarks start the lines that schbench prints beside its results.
var remarks = []string{
	"setting worker threads to ", "split mode: ", "matrix sizes: ", "pipe size too big", "auto pinning ",
	"Pinning to message thread ", "warmup done", "message threads ", "worker threads ",
}

// failures start the lines in which schbench says that something failed.
var failures = []string{
	"schbench usage:", "schbench: ", "failed to ", "Failed to ", "unable to ", "error ", "Error ", "mutex init failed", "FUTEX_WAKE",
	"sched_getcpu failed", "Unknown pin mode", "escape_string failed", "idx ", "lat_fs: ", "strdup: ", "malloc: ",
}

func isFailure(text []byte) bool {
	for _, p := range failures {
		if _, ok := after(text, p); ok {
			return true
		}
	}
	return false
}

// titles are the tables by what stands before "percentiles", in any case.
var titles = []struct {
	name   []byte
	kind   kind
	single bool // the revision has no other table
}{
	{[]byte("wakeup latencies"), wakeup, false}, {[]byte("request latencies"), request, false}, {[]byte("rps"), rps, false},
	{[]byte("wakeup latency"), wakeup, false}, {[]byte("request latency"), request, false},
	{[]byte("latencies"), wakeup, true}, {[]byte("latency"), wakeup, true},
}

// header reads "Wakeup Latencies percentiles (usec) …" in its spellings.
func header(text []byte) (k kind, single, ok bool) {
	name, rest, found := bytes.Cut(text, []byte(" percentiles ("))
	if !found || len(name) > 40 || bytes.IndexByte(rest, ')') < 0 {
		return 0, false, false
	}
	for _, t := range titles {
		if bytes.EqualFold(name, t.name) {
			return t.kind, t.single, true
		}
	}
	return unknownTable, false, true
}

func isRow(text []byte) bool {
	if text[0] == '*' {
		text = bytes.TrimLeft(text[1:], " ")
	}
	_, rest, ok := cutNumber(text)
	if !ok {
		return false
	}
	_, ok = after(rest, "th: ")
	return ok
}

func isExtremes(text []byte) bool {
	if _, ok := after(text, "min="); ok {
		return true
	}
	_, ok := after(text, "Over=")
	return ok
}

// whole says whether a line without a line end can be shown to be whole: every
// line of schbench's ends with a newline, so that a number at the end of the
// text may lack digits.
func whole(text []byte) bool {
	if text[0] == '{' {
		return true
	}
	text = bytes.TrimRight(text, " ")
	if bytes.HasSuffix(text, []byte(")")) || bytes.HasSuffix(text, []byte("B/s")) || bytes.HasSuffix(text, []byte("%")) {
		return true
	}
	dot := bytes.LastIndexByte(text, '.')
	return bytes.Contains(text, []byte("rps: ")) && dot >= 0 && len(text)-dot == len(".00")
}

// startsDocument says whether text starts with a brace and one of the keys of
// schbench's documents.
func startsDocument(text []byte) bool {
	const longest = 64
	if len(text) > longest {
		text = text[:longest]
	}
	text = bytes.TrimLeft(bytes.TrimLeft(text, " \t\r\n")[1:], " \t\r\n")
	for _, key := range []string{`"normal"`, `"int"`, `"schbench"`} {
		if _, ok := after(text, key); ok {
			return true
		}
	}
	return false
}

// balanced is the length of the JSON object that text starts with, or 0 if its
// end is not there.
func balanced(text []byte) int {
	depth := 0
	inString := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inString:
			switch c {
			case '\\':
				i++
			case '"':
				inString = false
			}
		case c == '"':
			inString = true
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
			if depth == 0 {
				return i + 1
			}
		}
	}
	return 0
}
